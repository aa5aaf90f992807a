"""Mediated integrated gradients: which words act on the score, and by which route through a site.

Integrated gradients (Sundararajan et al. 2017) move all token embeddings on a straight line from a baseline to the
text. At a site (layer l, EOT) every path from a word to the score passes Z, the rest of the stream there, or
neither, since later blocks also attend to other positions. Cutting the gradient accordingly gives the routes
`through`, `around` and `bypass`; they add up to `full`, the plain method. `through` is conductance (Dhamdhere et al.
2018) summed over the directions of the rotation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interp.attribution.convergence import integrate_until
from interp.attribution.integral import PathSettings, assemble
from interp.attribution.result import ROUTES, Attributions, Route
from interp.clip.model import Clip, Tokens, tokenize
from interp.clip.sites import SiteError
from interp.interventions.rotation import Rotation
from interp.tensors import Embeddings, Int, Tensor


class MediatedIntegratedGradients:
    """Attribute a text's score for an image to its tokens, by route through a site.

    >>> from interp.clip.loading import load_clip
    >>> from interp.clip.model import embed_images
    >>> from interp.data.toy import load_toy
    >>> clip, pairs = load_clip("toy"), load_toy()
    >>> pair = pairs.pairs[0]
    >>> image = embed_images(clip, [pairs.open_image(pair)])
    >>> attributions = MediatedIntegratedGradients(clip).attribute([pair.positive], image)
    >>> len(attributions.by_word("full")[0]) == len(attributions.words[0])
    True

    Args:
        clip: the model.
        rotation: of the subspace Z, at a site in the text tower; without one only `full` can be asked for.
        routes: those to compute; by default all four with a rotation, else `full`.

    Raises:
        ValueError: an unknown route, or one that needs a rotation.
        SiteError: the site is in the vision tower or not in this model.
        SiteMismatch: the rotation is of another width.
    """

    def __init__(self, clip: Clip, rotation: Rotation | None = None, *, routes: Sequence[Route] | None = None) -> None:
        """Check that rotation, model and routes go together."""
        self.clip, self.rotation = clip, rotation
        self.layer = 0
        self.routes = tuple(routes) if routes is not None else (ROUTES if rotation is not None else ("full",))
        if unknown := set(self.routes) - set(ROUTES):
            raise ValueError(f"unknown route '{unknown.pop()}'; known: {', '.join(ROUTES)}")
        if rotation is None and set(self.routes) != {"full"}:
            raise ValueError("without a rotation there is no site: only the route 'full' is defined")
        if rotation is not None:
            site = rotation.site
            if site.tower != "text":
                raise SiteError(f"attributions are of words: the site must be in the text tower, got {site.label}")
            rotation.check(clip)
            self.layer = site.layer

    def attribute(
        self,
        inputs: Sequence[str] | Tokens,
        images: Embeddings,
        *,
        baselines: Int[Tensor, "n t"] | None = None,
        n_steps: int = 50,
        method: str = "gausslegendre",
        internal_batch_size: int | None = None,
        return_convergence_delta: bool = False,
        tolerance: float | None = None,
    ) -> Attributions | tuple[Attributions, np.ndarray]:
        """Attributions of each text's score (cosine) with the image of the same row.

        Args:
            inputs: n texts, or their tokens.
            images: unit-norm embeddings, shape (n, embed).
            baselines: token ids to start from, shape (n, t); by default BOS, padding, EOT.
            n_steps: points of the path integral.
            method: captum's name of the rule: ``gausslegendre``, ``riemann_trapezoid``, ``riemann_middle``, ...
            internal_batch_size: texts x steps that are run at once; by default as many as hold about 1,000 tokens.
            return_convergence_delta: return the attributions' `delta` beside them, as captum does.
            tolerance: largest `Attributions.relative_delta`; texts that miss it are attributed again with twice the
                points, up to `MOST_DOUBLINGS` times. By default all are attributed once, with `n_steps`.

        Returns:
            `Attributions`, or with `return_convergence_delta` a tuple of them and `Attributions.delta`.

        Raises:
            ValueError: counts that differ, an unknown rule, or a tolerance that is not positive.
        """
        tokens = inputs if isinstance(inputs, Tokens) else tokenize(self.clip, inputs)
        needed = {"through", "around"} & set(self.routes)
        bases = {"z": self.rotation.basis} if self.rotation is not None and needed else {}
        settings = PathSettings(n_steps, method, internal_batch_size, baselines, self.routes)
        shared, through = integrate_until(self.clip, tokens, images, self.layer, bases, settings, tolerance)
        values = assemble(shared, through["z"] if through else None, self.routes)
        found = Attributions.of(tokens, values, shared)
        return (found, found.delta) if return_convergence_delta else found
