"""Image features, computed once for each vision tower and data set, and kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from interp.clip.model import Clip, Tokens, embed_images, tokenize
from interp.clip.tensors import Embeddings, bytes_of
from interp.data.contrast import Contrast
from interp.data.images import changes_of, in_words
from interp.data.pairs import SPLITS, DataError, Pair, PairSet, digest
from interp.drawing.markup import plural
from interp.runs.files import StoreError, check_file, write_atomic

if TYPE_CHECKING:
    from PIL.Image import Image

_DECODING = "2"  # version of the decoding of image files before the embedding
_NOTES = "notes"  # key in the metadata of kept embeddings


def cache_folder() -> Path:
    """Return the folder of image features: `$CLIP_DESCRIPTIONS_CACHE`, or a folder in the user's cache."""
    given = os.environ.get("CLIP_DESCRIPTIONS_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "clip-descriptions"


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddedPairs:
    """Pairs with the unit-norm embeddings of their images in the same order.

    Attributes:
        data: pairs whose image could be read.
        embeddings: embeddings of the images, shape (n, embed).
        notes: sentences on the images for the user, such as the number of images that were left out.
        tokens: tokens of `texts`, if `tokenized` made them; they are not pickled.
    """

    data: PairSet
    embeddings: Embeddings
    notes: tuple[str, ...] = ()
    tokens: Tokens | None = None

    def __repr__(self) -> str:
        return f"EmbeddedPairs({self.data!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, without the tokens, which that process has in its clean run."""
        return vars(self) | {"tokens": None}

    def __len__(self) -> int:
        return len(self.data)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Pairs whose image could be read."""
        return self.data.pairs

    @property
    def texts(self) -> list[str]:
        """Positive texts of all pairs, then the negative ones."""
        return self.data.texts

    @property
    def contrast(self) -> Contrast:
        """Names of the two kinds of text."""
        return self.data.contrast

    @property
    def groups(self) -> tuple[str, ...]:
        """Group of each pair; bootstraps resample groups."""
        return tuple(pair.group for pair in self.pairs)

    def rows(self, split: str) -> list[int]:
        """Return the row numbers of the pairs of a split."""
        return [i for i, pair in enumerate(self.pairs) if pair.split == split]

    def split(self, name: str) -> EmbeddedPairs:
        """Return the pairs of a split; there may be none."""
        return self.take(self.rows(name))

    def to(self, device: torch.device | str) -> EmbeddedPairs:
        """Return the pairs with the embeddings on a device."""
        return replace(self, embeddings=self.embeddings.to(device))

    def take(self, rows: Sequence[int]) -> EmbeddedPairs:
        """Return the pairs of these rows, in this order."""
        index = torch.tensor(rows, dtype=torch.long)
        data = replace(self.data, pairs=tuple(self.pairs[i] for i in rows))
        tokens = None if self.tokens is None else self.tokens.take(torch.cat([index, index + len(self)]))
        return replace(self, data=data, embeddings=self.embeddings[index], tokens=tokens)

    def tokenized(self, clip: Clip) -> EmbeddedPairs:
        """Return the pairs with their tokens, for this model and for other models with its tokenizer."""
        return replace(self, tokens=self.tokens_for(clip))

    def tokens_for(self, clip: Clip) -> Tokens:
        """Return the tokens of `texts`, either from `tokenized` or computed now."""
        return self.tokens if self.tokens is not None else tokenize(clip, self.texts)


def image_features(
    clip: Clip, pairs: PairSet, *, skip_bad: bool = False, on_image: Callable[[], object] = lambda: None
) -> EmbeddedPairs:
    """Embed the images of all pairs, or read the embeddings that an earlier call for this model and these images saved.

    Args:
        skip_bad: leave out pairs whose image cannot be read, instead of raising.
        on_image: function that is called after each image, for a progress bar.

    Raises:
        DataError: images cannot be read; the message counts them and names the first three.
    """
    if not pairs.has_images:
        raise DataError(
            f"{pairs.name} has no images here, but scores need images; put them at the paths that the data file names"
        )
    path = _path(clip, [pairs.fingerprint, *(pair.id for pair in pairs.pairs)])
    cached, cache_notes = _read(path, len(pairs))
    if cached is not None:
        return EmbeddedPairs(pairs, cached.to(clip.device), cache_notes)
    kept: list[Pair] = []
    bad: list[str] = []
    changes: list[str] = []

    def images() -> Iterator[Image]:
        for pair in pairs.pairs:
            try:
                picture = pairs.open_image(pair)
            except DataError as error:
                bad.append(str(error))
            else:
                kept.append(pair)
                changes.extend(changes_of(picture))
                yield picture
            on_image()

    embeddings = embed_images(clip, images())
    if bad and not skip_bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise DataError(
            f"{len(bad)} of {len(pairs)} images cannot be used: {'; '.join(bad[:3])}{more}; "
            "repair them, or leave them out (skip_bad_images)"
        )
    if not kept:
        raise DataError(f"none of the {len(pairs)} images of {pairs.name} can be read; the first error: {bad[0]}")
    changed = in_words(changes, total=len(kept))
    # a file that may still be repaired must not be cached as missing
    notes = (f"{plural(len(bad), 'image')} left out: {'; '.join(bad)}",) if bad else _write(path, embeddings, changed)
    kept_pairs = replace(pairs, pairs=tuple(kept)) if bad else pairs
    return EmbeddedPairs(kept_pairs, embeddings.to(clip.device), (*cache_notes, *changed, *notes))


def features_of_splits(
    clip: Clip, pairs: PairSet, *, skip_bad: bool = False, quiet: bool | None = None
) -> EmbeddedPairs:
    """Return `image_features` with a progress bar, and check that each split has at least two pairs.

    Args:
        quiet: True to show no bar; by default the bar is hidden only where there is no terminal.

    Raises:
        DataError: images cannot be read, or a split has fewer than two pairs.
    """
    from interp.cli.progress import Bar

    with Bar(total=len(pairs), desc="images", unit="image", disable=quiet) as bar:
        features = image_features(clip, pairs, skip_bad=skip_bad, on_image=bar.update)
    for name in SPLITS:
        count = len(features.rows(name))
        if count < 2:
            raise DataError(f"the split {name} has {count} pairs, but needs 2; use more pairs, or repair the images")
    return features


def embed_cached(
    clip: Clip,
    keys: Sequence[str],
    open_image: Callable[[int], Image],
    *,
    on_image: Callable[[], object] = lambda: None,
) -> tuple[Embeddings, tuple[str, ...]]:
    """Embed numbered images, or read the embeddings that an earlier call for this vision tower and these images saved.

    Args:
        keys: key of each image, which changes with the content of the image.
        open_image: function that opens an image by its number; may raise `DataError`.

    Returns:
        Unit-norm embeddings, shape (n, embed), and sentences for the user.
    """
    path = _path(clip, keys)
    cached, cache_notes = _read(path, len(keys))
    if cached is not None:
        return cached.to(clip.device), cache_notes
    changes: list[str] = []

    def images() -> Iterator[Image]:
        for number in range(len(keys)):
            picture = open_image(number)
            changes.extend(changes_of(picture))
            yield picture
            on_image()

    embeddings = embed_images(clip, images())
    changed = in_words(changes, total=len(keys))
    return embeddings.to(clip.device), (*cache_notes, *changed, *_write(path, embeddings, changed))


def _path(clip: Clip, keys: Sequence[str]) -> Path:
    key = digest([_DECODING, clip.image_fingerprint, str(clip.model.dtype), clip.device.type, *keys])
    return cache_folder() / f"images-{key}.safetensors"


def _read(path: Path, count: int) -> tuple[Embeddings | None, tuple[str, ...]]:
    """Return the `count` embeddings and the notes that `_write` saved.

    If the file does not exist, return None and no notes. If the file cannot be used, return None and a note.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None, ()
    try:
        check_file(path)
        with safe_open(path, framework="pt") as file:
            embeddings, about = file.get_tensor("embeddings"), file.metadata() or {}
    except (OSError, SafetensorError, StoreError):
        embeddings, about = None, {}
    notes = about.get(_NOTES, "")
    if embeddings is None or len(embeddings) != count or about != _about(path, embeddings, notes):
        return None, (f"image features in the cache ({path.name}) were damaged or changed; they are computed again",)
    return embeddings, tuple(notes.splitlines())


def _write(path: Path, embeddings: Embeddings, notes: Sequence[str]) -> tuple[str, ...]:
    from safetensors.torch import save

    kept = embeddings.contiguous()
    try:
        write_atomic(path, save({"embeddings": kept}, metadata=_about(path, kept, "\n".join(notes))))
    except StoreError:
        return ("image features cannot be kept for later runs; set CLIP_DESCRIPTIONS_CACHE to a writable folder",)
    return ()


def _about(path: Path, embeddings: Embeddings, notes: str) -> dict[str, str]:
    """Return the metadata of embeddings: name of their file, notes on the images, checksum of embeddings and notes."""
    content = bytes(bytes_of(embeddings)) + notes.encode()
    return {"of": path.stem, "checksum": hashlib.sha256(content).hexdigest(), _NOTES: notes}
