"""Scores of a table of alt texts by one or more models, and the words that raise and lower the scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from interp.attribution.mediated import MediatedIntegratedGradients
from interp.clip.image_features import embed_cached
from interp.clip.model import Clip, embed_texts, scores
from interp.clip.tensors import Embeddings, Float, Tensor
from interp.scoring.marker import Words, read_words, write_words
from interp.scoring.pictures import Picture, open_pictures
from interp.scoring.rows import AltTexts

_POINTS = 20  # points of the path integral
_AT_ONCE = 8  # number of texts that are attributed between two writes of the file


@dataclass(frozen=True, eq=False)
class ScoredTexts:
    """Scores of a table.

    Attributes:
        table: table in which a row with an unreadable image also has a problem.
        models: names of the models, in the order of the options.
        scores: cosine of image and text, shape (models, rows); NaN for a row that cannot be scored.
        pictures: image of each row; None if its file does not exist.
        tokens: number of tokens of each text for the model with the smallest context, shape (rows,). The number
            includes BOS and EOT, and is 0 for a row that cannot be scored.
        context: largest number of tokens that the model with the smallest context reads.
        letters: number of letters of each text that the model with the smallest context reads, shape (rows,).
        words: words of each attributed row, with their contributions to the score of the last model.
        notes: sentences for the user about the models.
    """

    table: AltTexts
    models: tuple[str, ...]
    scores: np.ndarray
    pictures: tuple[Picture | None, ...]
    tokens: np.ndarray
    context: int
    letters: np.ndarray
    words: dict[int, Words]
    notes: tuple[str, ...]

    @property
    def worst_first(self) -> list[int]:
        """Places of the scored rows, from the lowest score of the last model to the highest."""
        last = self.scores[-1]
        return sorted(self.table.usable, key=lambda place: (last[place], place))

    @property
    def cut(self) -> np.ndarray:
        """Array that is True for texts that are longer than the smallest context, shape (rows,)."""
        return self.tokens > self.context


def score_table(
    clips: Sequence[Clip], table: AltTexts, on_image: Callable[[], object] = lambda: None
) -> tuple[ScoredTexts, Embeddings]:
    """Score each usable row with each model, without attributions.

    Args:
        clips: models; the last model determines the ranks.
        table: table of alt texts.
        on_image: callback after each image.

    Returns:
        Scores, and the unit-norm image embeddings of the last model, shape (rows, embed).
    """
    pictures: list[Picture | None] = [None] * len(table.rows)
    with_file = [place for place, row in enumerate(table.rows) if row.path is not None]
    embedded = [torch.zeros(len(table.rows), clip.embed_dim) for clip in clips]
    notes = [note for clip in clips for note in clip.notes]
    paths = [path for place in with_file if (path := table.rows[place].path) is not None]
    done = 0
    for opened, images in open_pictures(paths, on_image):
        places = with_file[done : done + len(opened)]
        done += len(opened)
        for place, picture in zip(places, opened, strict=True):
            pictures[place] = picture
        readable = [place for place, picture in zip(places, opened, strict=True) if not picture.problem]
        keys = [picture.key for picture in opened if not picture.problem]
        for clip, embeddings in zip(clips, embedded, strict=True):
            if readable:
                batch, _ = embed_cached(clip, keys, images.__getitem__)
                embeddings[readable] = batch.cpu().to(embeddings)
    rows = tuple(
        replace(row, problem=picture.problem) if picture is not None and picture.problem else row
        for row, picture in zip(table.rows, pictures, strict=True)
    )
    table = replace(table, rows=rows)
    usable, shortest = table.usable, min(clips, key=lambda clip: clip.context)
    cosines = np.full((len(clips), len(rows)), np.nan)
    tokens, letters = np.zeros(len(rows), dtype=int), np.zeros(len(rows), dtype=int)
    texts = [rows[place].text for place in usable]
    for number, (clip, embeddings) in enumerate(zip(clips, embedded, strict=True)):
        if usable:
            text_embeddings = embed_texts(clip, texts).cpu().to(embeddings)
            cosines[number, usable] = scores(embeddings[usable], text_embeddings).double().numpy()
    if usable:
        tokens[usable], letters[usable] = _lengths(shortest, texts)
    names, context = tuple(clip.name for clip in clips), shortest.context
    scored = ScoredTexts(
        table, names, cosines, tuple(pictures), tokens, context, letters, {}, tuple(dict.fromkeys(notes))
    )
    return scored, embedded[-1]


def _lengths(clip: Clip, texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the number of tokens of each text, and the number of its letters that the model reads."""
    encoded = clip.tokenizer(list(texts), return_offsets_mapping=True, split_special_tokens=True, verbose=False)
    letters = [
        len(text) if len(spans) <= clip.context else spans[clip.context - 2][1]  # EOT follows
        for text, spans in zip(texts, encoded["offset_mapping"], strict=True)
    ]
    return [len(ids) for ids in encoded["input_ids"]], letters


def shade_words(
    scored: ScoredTexts,
    clip: Clip,
    images: Embeddings,
    most: int,
    folder: Path,
    on_text: Callable[[], object] = lambda: None,
) -> ScoredTexts:
    """Attribute the lowest scores to the words of the texts, by integrated gradients.

    Attributions of an interrupted call are read from the folder (`interp.scoring.marker`).

    Args:
        scored: scores of the table.
        clip: last model.
        images: image embeddings of the last model, shape (rows, embed).
        most: largest number of texts.
        folder: folder of the results.
        on_text: callback after each text.
    """
    table, attributed = read_words(folder)
    chosen = scored.worst_first[:most]
    keys = {place: _key(clip, images[place], scored.table.rows[place].text) for place in chosen}
    missing = [place for place in chosen if keys[place] not in attributed]
    for _ in range(len(chosen) - len(missing)):
        on_text()
    attributor = MediatedIntegratedGradients(clip)
    for start in range(0, len(missing), _AT_ONCE):
        places = missing[start : start + _AT_ONCE]
        texts, pictures = [scored.table.rows[place].text for place in places], images[places].to(clip.device)
        batch = attributor.attribute(texts, pictures.to(clip.model.dtype), n_steps=_POINTS)
        for place, words, values in zip(places, batch.words, batch.by_word("full"), strict=True):
            attributed[keys[place]] = list(zip(words, map(float, values), strict=True))
            on_text()
        write_words(folder, table, attributed)
    return replace(scored, words={place: attributed[key] for place, key in keys.items()})


def _key(clip: Clip, image: Float[Tensor, " embed"], text: str) -> str:
    """Return the key of an attribution: a hash of the model, the number of points, the text and the image."""
    state = hashlib.sha256(f"{clip.fingerprint} {_POINTS} {text}".encode())
    state.update(image.numpy().tobytes())
    return state.hexdigest()[:32]
