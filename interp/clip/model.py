"""CLIP models, and functions that tokenize, embed and score with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from interp.clip.errors import ModelError
from interp.clip.families import family_of
from interp.clip.families.family import Family, Tower
from interp.clip.inputs import Images, Texts, as_images, as_texts
from interp.clip.modes import no_gradients
from interp.clip.tensors import Embeddings, Float, Int, Pixels, Tensor
from interp.data.words import NO_TEXT
from interp.drawing.markup import plural

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, repr=False)
class Clip:
    """CLIP with its tokenizer and image processor, ready for use.

    Attributes:
        name: name as the user wrote it.
        model: a model of a known family, such as `transformers.CLIPModel`, in evaluation mode, frozen.
        tokenizer, processor: transformers' classes; the processor converts PIL images to pixel values.
        eot: id of the end-of-text token.
        fingerprint: checksum of the weights, the tokenizer and the image processing.
        image_fingerprint: checksum of the part that embeds images; equal to the base's if only the text tower was
            trained.
        notes: sentences for the user, such as a note on assumed preprocessing.
    """

    name: str
    model: Any
    tokenizer: Any
    processor: Any
    eot: int
    fingerprint: str
    image_fingerprint: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        towers = ", ".join(f"{tower} {self.depth(tower)} x {self.width(tower)}" for tower in ("text", "vision"))
        return f"Clip({self.name!r}, {towers}, {self.device}, {str(self.model.dtype).removeprefix('torch.')})"

    @property
    def family(self) -> Family:
        """Family of the model; raises `ModelError` for a model of an unknown family."""
        return family_of(self.model)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.model.device

    @property
    def logit_scale(self) -> float:
        """Factor exp(logit_scale) from a score to a logit."""
        return float(self.model.logit_scale.detach().exp())

    def depth(self, tower: Tower) -> int:
        """Return the number of blocks of a tower, which is also the number of its last layer."""
        return self.family.depth(self.model, tower)

    def width(self, tower: Tower) -> int:
        """Return the width d of a tower's residual stream."""
        return self.family.width(self.model, tower)

    @property
    def context(self) -> int:
        """Longest text in tokens, BOS and EOT included."""
        return self.family.context(self.model)

    @property
    def embed_dim(self) -> int:
        """Width of the space that images and texts share."""
        return self.family.embed_dim(self.model)


@dataclass(frozen=True, repr=False)
class Tokens:
    """Tokenized texts.

    Attributes:
        ids: token ids, padded with EOT behind each text's own EOT.
        eot: index of each text's first end-of-text token.
        words: words of each text, lower case, in order.
        word_of: index in `words` of the word of each token, -1 for BOS, EOT and padding.
        truncated: number of texts that were cut to the model's context.
    """

    ids: Int[Tensor, "n t"]
    eot: Int[Tensor, " n"]
    words: tuple[tuple[str, ...], ...]
    word_of: Int[Tensor, "n t"]
    truncated: int

    def __len__(self) -> int:
        return len(self.eot)

    def __repr__(self) -> str:
        return f"Tokens({plural(len(self), 'text')} of at most {self.ids.shape[1]} tokens)"

    @property
    def wordless(self) -> int:
        """Number of texts without a word."""
        return sum(not words for words in self.words)

    def take(self, rows: Int[Tensor, " m"]) -> Tokens:
        """Return the texts of these rows, padded to the longest text."""
        longest = int(self.eot[rows].max()) + 1 if len(rows) else 0
        words = tuple(self.words[i] for i in rows.tolist())
        return Tokens(self.ids[rows, :longest], self.eot[rows], words, self.word_of[rows, :longest], self.truncated)


def tokenize(clip: Clip, texts: Texts) -> Tokens:
    """Tokenize texts, cut them to the model's context but keep EOT, and find the EOT of each text.

    Special tokens have no effect within a text: a ``<|endoftext|>`` is tokenized letter by letter and does not end the
    text. A text without a word, even an empty text, is kept; its embedding is that of BOS and EOT alone.

    Args:
        texts: a text, or texts.

    Raises:
        TypeError: a text is not a string.
        ModelError: a text contains a NUL or half of a surrogate pair, which no tokenizer reads, or has no end-of-text
            token.
    """
    several = as_texts(texts)
    if not several:
        empty = torch.zeros(0, 0, dtype=torch.long)
        return Tokens(empty, torch.zeros(0, dtype=torch.long), (), empty, 0)
    for i, text in enumerate(several):
        if wrong := NO_TEXT.search(text):
            what = "a NUL" if wrong[0] == "\0" else f"half of a surrogate pair, U+{ord(wrong[0]):04X}"
            raise ModelError(
                f"text {i} contains {what} at letter {wrong.start() + 1}, which is not a character; remove it"
            )
    encoded = clip.tokenizer(several, return_offsets_mapping=True, split_special_tokens=True, verbose=False)
    ids: list[list[int]] = []
    word_of: list[list[int]] = []
    words: list[tuple[str, ...]] = []
    truncated = 0
    rows = zip(several, encoded["input_ids"], encoded["offset_mapping"], strict=True)
    for i, (text, row, offsets) in enumerate(rows):
        tail = [clip.eot] if len(row) > clip.context else []
        truncated += bool(tail)
        row = row[: clip.context - 1] + tail if tail else row
        if clip.eot not in row:
            raise ModelError(f"text {i} has no end-of-text token after tokenization: {text[:60]!r}")
        end = row.index(clip.eot)
        spans: dict[int, tuple[int, int]] = {}
        owner = []
        for position, word in enumerate(encoded.word_ids(i)[:end]):
            if word is None:
                owner.append(-1)
                continue
            start, stop = offsets[position]
            first, last = spans.get(word, (start, stop))
            spans[word] = (min(first, start), max(last, stop))
            owner.append(list(spans).index(word))
        ids.append(row[: end + 1])
        word_of.append([*owner, -1])
        words.append(tuple(text[start:stop].lower() for start, stop in spans.values()))
    return Tokens(
        _pad(ids, clip.eot), torch.tensor([len(row) - 1 for row in ids]), tuple(words), _pad(word_of, -1), truncated
    )


def are_cut(clip: Clip, texts: Sequence[str]) -> np.ndarray:
    """Return a mask of the texts that are longer than the model's context, shape (n,)."""
    ids = clip.tokenizer(list(texts), split_special_tokens=True, verbose=False)["input_ids"]
    return np.array([len(row) > clip.context for row in ids])


def _pad(rows: list[list[int]], value: int) -> Tensor:
    out = torch.full((len(rows), max(map(len, rows))), value)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row)
    return out


def length_batches(eot: Int[Tensor, " n"], size: int) -> list[Tensor]:
    """Return rows in batches of at most `size` texts of similar length, so that little padding is computed."""
    return list(torch.argsort(eot, stable=True).split(size)) if len(eot) else []


def pixel_values(clip: Clip, images: Sequence[Image]) -> Pixels:
    """Return the vision tower's input for RGB images, on the model's device."""
    batch = clip.processor(list(images), return_tensors="pt")
    return batch["pixel_values"].to(clip.device, clip.model.dtype)


def unit_texts(model: nn.Module, ids: Int[Tensor, "n t"]) -> Embeddings:
    """Return unit-norm embeddings of token ids by the model's own forward pass, with their graph, shape (n, embed)."""
    return functional.normalize(family_of(model).text_features(model, ids), dim=-1)


def unit_images(model: nn.Module, pixels: Pixels) -> Embeddings:
    """Return unit-norm embeddings of pixels by the model's own forward pass, with their graph, shape (n, embed)."""
    return functional.normalize(family_of(model).image_features(model, pixels), dim=-1)


@no_gradients()
def embed_texts(clip: Clip, texts: Texts, *, batch_size: int = 128, unit: bool = True) -> Embeddings:
    """Embed texts with the model's own forward pass, shape (n, embed); a single string counts as one text.

    Args:
        unit: divide each embedding by its norm.

    Raises:
        TypeError: a text is not a string.
    """
    tokens = tokenize(clip, texts)
    out = torch.empty(len(tokens), clip.embed_dim, device=clip.device, dtype=clip.model.dtype)
    for rows in length_batches(tokens.eot, batch_size):
        ids = tokens.take(rows).ids.to(clip.device)
        out[rows] = unit_texts(clip.model, ids) if unit else family_of(clip.model).text_features(clip.model, ids)
    return out


@no_gradients()
def embed_images(clip: Clip, images: Images, *, batch_size: int = 32) -> Embeddings:
    """Return unit-norm embeddings of images, shape (n, embed), on the CPU; images are opened in batches.

    Args:
        images: paths, PIL images or arrays, as `interp.clip.inputs.as_images` takes them.

    Raises:
        DataError: a file cannot be read as an image.
        TypeError: an image is of another type, or an array of another shape.
    """
    parts: list[Tensor] = []
    batch: list[Image] = []

    def flush() -> None:
        if batch:
            parts.append(unit_images(clip.model, pixel_values(clip, batch)).cpu())
            batch.clear()

    for image in as_images(images):
        batch.append(image)
        if len(batch) == batch_size:
            flush()
    flush()
    return torch.cat(parts) if parts else torch.empty(0, clip.embed_dim)


def scores(images: Embeddings, texts: Embeddings) -> Float[Tensor, " n"]:
    """Return the cosine of each image with the text of the same row, both unit-norm."""
    return (images * texts).sum(-1)


def score(clip: Clip, images: Images, texts: Texts) -> Float[Tensor, " n"]:
    """Score each text with the image of the same row; one image serves all texts, and one text serves all images.

    Args:
        images: paths, PIL images or arrays, as `interp.clip.inputs.as_images` takes them.
        texts: a text, or texts.

    Returns:
        Cosines, shape (n,), on the model's device.

    Raises:
        DataError: a file cannot be read as an image.
        TypeError: an argument holds something other than images or texts.
        ValueError: the numbers of images and texts differ, and neither number is 1.
    """
    embedded_images, embedded_texts = embed_images(clip, images).to(clip.device), embed_texts(clip, texts)
    counts = len(embedded_images), len(embedded_texts)
    if 1 not in counts and counts[0] != counts[1]:
        raise ValueError(f"expected one text for each image, got {counts[0]} images and {counts[1]} texts")
    count = max(counts) if all(counts) else 0
    return scores(embedded_images.expand(count, -1), embedded_texts.expand(count, -1))


def contextual_scores(images: Embeddings, texts: Embeddings, contexts: Embeddings) -> Float[Tensor, " n"]:
    """Score texts with their images in the contexts of their articles (Kreiss et al. 2022, ContextCLIP).

    The score is c · t/|t| + t · (i/|i| − c/|c|). The first term is the closeness of a text t to its context c. The
    second term is what the image i adds to the context. ContextRef (Kreiss et al. 2024) computes the same number.

    Args:
        images: image embeddings, shape (n, embed).
        texts: text embeddings that were not divided by their norms (`embed_texts` with ``unit=False``), shape (n,
            embed).
        contexts: embeddings of the contexts, not divided by their norms either, shape (n, embed).
    """
    image, text, context = (functional.normalize(each, dim=-1) for each in (images, texts, contexts))
    return (contexts * text).sum(-1) + (texts * (image - context)).sum(-1)


def clipscore(cosines: np.ndarray | Tensor) -> Any:
    """Return CLIPScore, 2.5 x max(score, 0) (Hessel et al. 2021, eq. 1)."""
    return 2.5 * cosines.clip(min=0)
