"""Scores of a table of alt texts by several models, and the words that raise and lower them."""

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
from interp.scoring.marker import Words, known_words, write_words
from interp.scoring.pictures import Picture, open_pictures
from interp.scoring.rows import AltTexts

_POINTS = 20  # points of the path integral
_AT_ONCE = 8  # number of texts that are attributed between two writes


@dataclass(frozen=True, eq=False)
class ScoredTexts:
    """Scores of a table.

    Attributes:
        table: table, in which rows whose image cannot be read also have a problem.
        models: names of the models, in the order of the user.
        scores: cosine of image and text, shape (models, rows); NaN for rows that cannot be scored.
        pictures: image of each row, if its file exists.
        tokens: number of tokens of each text, BOS and EOT included, shape (rows,); 0 for rows that cannot be scored.
            The tokens are those of the model with the smallest context.
        context: largest number of tokens that this model reads; the rest of a text is cut.
        letters: number of letters of each text that this model reads, shape (rows,).
        words: words of the attributed rows, each with its contribution to the score of the last model.
        notes: sentences that the user should read.
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
        """Numbers of the scored rows, from the lowest score of the last model to the highest."""
        last = self.scores[-1]
        return sorted(self.table.usable, key=lambda place: (last[place], place))

    @property
    def cut(self) -> np.ndarray:
        """True for texts that are longer than the context of a model, shape (rows,)."""
        return self.tokens > self.context


def score_table(
    clips: Sequence[Clip], table: AltTexts, on_image: Callable[[], object] = lambda: None
) -> tuple[ScoredTexts, Embeddings]:
    """Score each row that can be scored with each model, without attributions.

    Args:
        clips: models; the last is the one of most interest.
        table: table of alt texts.
        on_image: callback after each image.

    Returns:
        Scores, and the unit-norm image embeddings of the last model, shape (rows, embed).
    """
    pictures: list[Picture | None] = [None] * len(table.rows)
    there = [place for place, row in enumerate(table.rows) if row.path is not None]
    embedded = [torch.zeros(len(table.rows), clip.embed_dim) for clip in clips]
    notes = [note for clip in clips for note in clip.notes]
    paths = [path for place in there if (path := table.rows[place].path) is not None]
    done = 0
    for some, images in open_pictures(paths, on_image):
        places = there[done : done + len(some)]
        done += len(some)
        for place, picture in zip(places, some, strict=True):
            pictures[place] = picture
        readable = [place for place, picture in zip(places, some, strict=True) if not picture.problem]
        keys = [picture.key for picture in some if not picture.problem]
        for clip, into in zip(clips, embedded, strict=True):
            if readable:
                found, _ = embed_cached(clip, keys, images.__getitem__)
                into[readable] = found.cpu().to(into)
    rows = tuple(
        replace(row, problem=picture.problem) if picture is not None and picture.problem else row
        for row, picture in zip(table.rows, pictures, strict=True)
    )
    table = replace(table, rows=rows)
    usable, shortest = table.usable, min(clips, key=lambda clip: clip.context)
    found_scores = np.full((len(clips), len(rows)), np.nan)
    tokens, letters = np.zeros(len(rows), dtype=int), np.zeros(len(rows), dtype=int)
    texts = [rows[place].text for place in usable]
    for number, (clip, images_of) in enumerate(zip(clips, embedded, strict=True)):
        if usable:
            of_texts = embed_texts(clip, texts).cpu().to(images_of)
            found_scores[number, usable] = scores(images_of[usable], of_texts).double().numpy()
    if usable:
        tokens[usable], letters[usable] = _read(shortest, texts)
    names, context = tuple(clip.name for clip in clips), shortest.context
    scored = ScoredTexts(
        table, names, found_scores, tuple(pictures), tokens, context, letters, {}, tuple(dict.fromkeys(notes))
    )
    return scored, embedded[-1]


def _read(clip: Clip, texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the number of tokens of each text, and the number of letters that the model reads."""
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
    """Attribute the scores of the lowest-scored texts to their words, by integrated gradients.

    Attributions of an earlier, interrupted call are read from the folder (`interp.scoring.marker`).

    Args:
        scored: scores of the table.
        clip: last model.
        images: image embeddings of the last model, shape (rows, embed).
        most: largest number of texts.
        folder: folder of the results.
        on_text: callback after each text.
    """
    table, known = known_words(folder)
    chosen = scored.worst_first[:most]
    keys = {place: _key(clip, images[place], scored.table.rows[place].text) for place in chosen}
    missing = [place for place in chosen if keys[place] not in known]
    for _ in range(len(chosen) - len(missing)):
        on_text()
    attributor = MediatedIntegratedGradients(clip)
    for start in range(0, len(missing), _AT_ONCE):
        some = missing[start : start + _AT_ONCE]
        texts, pictures = [scored.table.rows[place].text for place in some], images[some].to(clip.device)
        found = attributor.attribute(texts, pictures.to(clip.model.dtype), n_steps=_POINTS)
        for place, words, values in zip(some, found.words, found.by_word("full"), strict=True):
            known[keys[place]] = list(zip(words, map(float, values), strict=True))
            on_text()
        write_words(folder, table, known)
    return replace(scored, words={place: known[key] for place, key in keys.items()})


def _key(clip: Clip, image: Float[Tensor, " embed"], text: str) -> str:
    state = hashlib.sha256(f"{clip.fingerprint} {_POINTS} {text}".encode())
    state.update(image.numpy().tobytes())
    return state.hexdigest()[:32]
