"""Leading directions of a subspace Z, with texts, words and images for display."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip, Tokens, length_batches, tokenize
from interp.clip.tensors import Float
from interp.data.errors import DataError
from interp.data.pairs import PairSet
from interp.drawing.markup import MINUS, escape, signed, table
from interp.runs.directions import End, LeadingDirection, pairs_at_ends
from interp.runs.examples import small_jpeg
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.leading import Text, axes, leading
from interp.subspaces.rotation import Rotation, RotationError

_AT_ONCE = 1024  # largest number of texts whose clean run is in memory


@dataclass(frozen=True, eq=False, repr=False)
class _DirectionExamples:
    """Leading directions of Z.

    Attributes:
        rotation: the leading directions as a basis, in their order, at the site of Z.
        leading: for each direction, its share of the variance within Z, its separation of the kinds, and its ends.
        pairs: pairs whose texts were used.
        size: number of directions of Z.
    """

    rotation: Rotation
    leading: tuple[LeadingDirection, ...]
    pairs: PairSet | EmbeddedPairs
    size: int

    def __repr__(self) -> str:
        return f"Described({len(self.leading)} leading of {self.size} directions at {self.rotation.site})"

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: the words and texts at the ends of each direction, with all readable images."""
        if not self.leading:
            return "<p>There is no direction in Z along which these texts differ.</p>"
        pictures = self._pictures()
        parts = []
        for number, direction in enumerate(self.leading, 1):
            signed_ends = zip(("+", MINUS), direction.ends, strict=True)
            ends = "".join(_end_html(sign, end, pictures) for sign, end in signed_ends)
            heading = escape(f"{number}. {direction.title}: {direction.summary}")
            parts.append(f'<h4>{heading}</h4><div style="display:flex;flex-wrap:wrap;gap:1em 2em">{ends}</div>')
        return "".join(parts)

    def _pictures(self) -> dict[str, str]:
        """Return the image of each pair with a text at an end, as an element of HTML, by id."""
        if not isinstance(self.pairs, PairSet):
            return {}
        by_id, out = {pair.id: pair for pair in self.pairs.pairs}, {}
        for name in pairs_at_ends(self.leading):
            try:
                content = base64.b64encode(small_jpeg(self.pairs.open_image(by_id[name]))).decode()
            except DataError:
                continue
            alt, style = escape(by_id[name].positive), "height:4em;margin:0;vertical-align:middle"
            out[name] = f'<img src="data:image/jpeg;base64,{content}" alt="{alt}" style="{style}"> '
        return out


def _end_html(sign: str, end: End, pictures: dict[str, str]) -> str:
    rows = [[word.word, signed(word.difference, 2), str(word.texts)] for word in end.words]
    words = table(["word", "difference", "texts"], rows, caption=f"{sign} end: words")
    texts = "".join(
        f"<li>{pictures.get(text.pair, '')}{escape(text.text)} ({escape(text.kind)}, {signed(text.value, 1)})</li>"
        for text in end.texts
    )
    return f'<div style="flex:1 1 20em">{words}<p>{sign} end: texts</p><ul>{texts}</ul></div>'


def describe(
    rotation: Rotation,
    clip: Clip,
    pairs: PairSet | EmbeddedPairs,
    *,
    most: int = 3,
    on_batch: Callable[[int], object] = lambda _n: None,
) -> _DirectionExamples:
    """Describe Z by its leading directions, with the texts and the words at both ends of each.

    All bases of Z are equally valid, so a meaningful basis is chosen. The difference of the kinds' means within Z comes
    first. The principal components of the rest, within Z, follow. An end shows the texts that lie furthest out, at most
    one per article. An end also shows words, ranked by the mean of the texts that contain them;
    `interp.runs.directions` explains each number. If Z is empty, or if texts do not differ in Z, there are no
    directions.

    Args:
        clip: model in which Z was found.
        pairs: pairs whose texts are used, preferably pairs that the search for Z did not use; a `PairSet` also shows
            images.
        most: largest number of directions; there are no more than `rotation.size`.
        on_batch: function that is called with the number of texts after each batch, for a progress bar.

    Raises:
        RotationError: the site is in the vision tower, or there are no pairs.
        SiteError, SiteMismatch: the rotation does not fit this model.
    """
    if rotation.site.tower != "text":
        raise RotationError(
            f"describe() needs a site in the text tower, and Z is at {rotation.site}; read the coordinates of images "
            "with clean_images(clip, images, [site]).stream(site) @ rotation.basis"
        )
    if not len(pairs):
        raise RotationError("there are no pairs to describe Z with; choose a split that has pairs")
    rotation.check(clip)
    contents = pairs.texts
    tokens = pairs.tokens_for(clip) if isinstance(pairs, EmbeddedPairs) else tokenize(clip, contents)
    inside = _coordinates(rotation, clip, tokens, on_batch)
    texts = [
        Text(kind, contents[row], tokens.words[row], pair.id, pair.group)
        for row, (kind, pair) in enumerate((kind, pair) for kind in pairs.contrast.kinds for pair in pairs.pairs)
    ]
    directions = axes(inside, most)
    turned = np.stack([axis for _, axis in directions], axis=1) if directions else np.zeros((rotation.size, 0))
    basis = (rotation.basis.cpu().double() @ torch.from_numpy(turned)).to(rotation.basis)
    each = tuple(leading(inside, title, axis, texts) for title, axis in directions)
    return _DirectionExamples(replace(rotation, basis=basis, facts={}), each, pairs, rotation.size)


def _coordinates(
    rotation: Rotation, clip: Clip, tokens: Tokens, on_batch: Callable[[int], object]
) -> Float[np.ndarray, "n k"]:
    """Return the coordinates of each text in Z, relative to the mean of all texts."""
    basis, site = rotation.basis.cpu().double(), rotation.site
    out = torch.empty(len(tokens), rotation.size, dtype=torch.float64)
    for rows in length_batches(tokens.eot, _AT_ONCE):
        run = clean_texts(clip, tokens.take(rows), [site], on_batch=on_batch)
        out[rows] = run.stream(site).cpu().double() @ basis
    return (out - out.mean(0)).numpy()
