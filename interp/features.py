"""Image features: computed once for each model and data set, and kept on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interp.data.pairs import DataError, Pair, PairSet, digest
from interp.models import Clip, embed_images
from interp.store import StoreError, write_atomic
from interp.tensors import Embeddings

if TYPE_CHECKING:
    from PIL.Image import Image


def cache_folder() -> Path:
    """Where image features are kept between runs: `$CLIP_DESCRIPTIONS_CACHE`, or a folder in the user's cache."""
    given = os.environ.get("CLIP_DESCRIPTIONS_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "clip-descriptions"


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Unit-norm embeddings of the images of some pairs, in their order; and the images that could not be read.

    Attributes:
        embeddings: shape (n, embed), of the pairs in `pairs`.
        bad: one sentence for each image that was left out.
        notes: sentences the user should read.
    """

    pairs: tuple[Pair, ...]
    embeddings: Embeddings
    bad: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def image_features(
    clip: Clip, pairs: PairSet, *, skip_bad: bool = False, on_image: Callable[[], None] = lambda: None
) -> ImageFeatures:
    """Embed the images of all pairs, or read what an earlier call with the same model and images left.

    Args:
        skip_bad: leave out pairs whose image cannot be read, instead of raising.
        on_image: called after each image, for a progress bar.

    Raises:
        DataError: images cannot be read; the message counts them and names the first three.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save

    key = digest(
        [clip.fingerprint, str(clip.model.dtype), clip.device.type, pairs.fingerprint, *(p.id for p in pairs.pairs)]
    )
    path = cache_folder() / f"images-{key}.safetensors"
    try:
        return ImageFeatures(pairs.pairs, load_file(path)["embeddings"].to(clip.device))
    except (OSError, SafetensorError, KeyError):
        pass  # not there, or not to be used: computed below
    kept: list[Pair] = []
    bad: list[str] = []

    def images() -> Iterator[Image]:
        for pair in pairs.pairs:
            try:
                picture = pairs.open_image(pair)
            except DataError as error:
                bad.append(str(error))
            else:
                kept.append(pair)
                yield picture
            on_image()

    embeddings = embed_images(clip, images())
    if bad and not skip_bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise DataError(
            f"{len(bad)} of {len(pairs)} images cannot be used: {'; '.join(bad[:3])}{more}; "
            "mend them, or leave them out with --skip-bad-images"
        )
    if not kept:
        raise DataError(f"none of the {len(pairs)} images of {pairs.name} can be read; the first: {bad[0]}")
    notes: tuple[str, ...] = ()
    if not bad:  # a file that may yet be mended must not be remembered as missing
        try:
            write_atomic(path, save({"embeddings": embeddings.contiguous()}))
        except StoreError:
            notes = (f"image features cannot be kept in '{path.parent}'; set CLIP_DESCRIPTIONS_CACHE to a folder",)
    return ImageFeatures(tuple(kept), embeddings.to(clip.device), tuple(bad), notes)
