"""Mediated integrated gradients: effect of each word on the score, by route through a site.

Integrated gradients (Sundararajan et al. 2017) move all token embeddings on a straight line from a baseline to the
text. At a site (layer l, EOT) every path from a word to the score passes through Z, through the rest of the stream, or
through neither, since later blocks also attend to other positions. Cutting the gradient accordingly gives the routes
`through`, `around` and `bypass`; they add up to `full`, the plain method. `through` is conductance (Dhamdhere et al.
2018) summed over the directions of a rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, cast, overload

import numpy as np
from captum.attr._utils.attribution import GradientAttribution
from captum.log import log_usage

from interp.attribution.captum_inputs import (
    attribute_embeddings,
    attribute_ids,
    check_images,
    score_embedded,
    start_of,
    tokens_of,
)
from interp.attribution.convergence import integrate_until
from interp.attribution.integral import PathSettings, attributions_of
from interp.attribution.result import ROUTES, Attributions, Route
from interp.clip.inputs import Texts
from interp.clip.model import Clip, Tokens, tokenize
from interp.clip.modes import gradients, ordinary
from interp.clip.sites import BLOCK, SiteError
from interp.clip.tensors import Embeddings, Tensor
from interp.subspaces.subspace import Subspace

Start = Tensor | float | tuple[Tensor | float, ...] | None  # captum's forms of baselines


class MediatedIntegratedGradients(GradientAttribution):
    """Attributor of a text's score for an image to the text's tokens, by route through a site, for use with captum.

    >>> from interp.clip.loading import load_clip
    >>> from interp.clip.model import embed_images
    >>> from interp.data.toy.pairs import load_toy
    >>> clip, pairs = load_clip("toy"), load_toy()
    >>> pair = pairs.pairs[0]
    >>> image = embed_images(clip, [pairs.open_image(pair)])
    >>> attributions = MediatedIntegratedGradients(clip).attribute([pair.positive], image)
    >>> len(attributions.by_word("full")[0]) == len(attributions.words[0])
    True

    Args:
        clip: model.
        subspace: Z, such as a `Rotation`, in the stream after a block of the text tower; without Z there is only the
            route `full`.
        routes: routes to compute; by default all four with a subspace, else `full`.
        multiply_by_inputs: captum's option: True to multiply gradients by the difference of input and baseline. With
            False, attributions of embeddings are averages of gradients along the path. Texts and token ids have no
            attributions of this kind: CLIP's layer norms ignore the part that all dimensions of a token have in common,
            so the sum of a gradient over the dimensions is 0.

    Raises:
        ValueError: a route is unknown, or needs a subspace.
        SiteError: the site is in the vision tower, inside a block, or not in this model.
        SiteMismatch: the width of the subspace differs from that of the model.
    """

    def __init__(
        self,
        clip: Clip,
        subspace: Subspace | None = None,
        *,
        routes: Sequence[Route] | None = None,
        multiply_by_inputs: bool = True,
    ) -> None:
        """Check that subspace, model and routes are compatible."""
        super().__init__(partial(score_embedded, clip))
        self._multiply = multiply_by_inputs
        self.clip, self.subspace = clip, subspace
        self.layer = 0
        self.routes = tuple(routes) if routes is not None else (ROUTES if subspace is not None else ("full",))
        if unknown := set(self.routes) - set(ROUTES):
            raise ValueError(f"unknown route '{unknown.pop()}'; known: {', '.join(ROUTES)}")
        if subspace is None and set(self.routes) != {"full"}:
            raise ValueError("without a subspace only the route 'full' is defined; give a subspace for other routes")
        if subspace is not None:
            site = subspace.site
            if site.tower != "text":
                raise SiteError(f"attributions need a site in the text tower, got {site.label}")
            if site.component != BLOCK:
                raise SiteError(
                    f"attributions need a site after a block, but {site.label} is inside a block; use component 'block'"
                )
            subspace.check(clip)
            self.layer = site.layer

    @overload
    def attribute(
        self,
        inputs: Texts | Tokens,
        images: Embeddings,
        *,
        baselines: Start = ...,
        n_steps: int = ...,
        method: str = ...,
        internal_batch_size: int | None = ...,
        return_convergence_delta: Literal[False] = ...,
        tolerance: float | None = ...,
    ) -> Attributions: ...

    @overload
    def attribute(
        self,
        inputs: Texts | Tokens,
        images: Embeddings,
        *,
        baselines: Start = ...,
        n_steps: int = ...,
        method: str = ...,
        internal_batch_size: int | None = ...,
        return_convergence_delta: Literal[True],
        tolerance: float | None = ...,
    ) -> tuple[Attributions, np.ndarray]: ...

    @overload
    def attribute(
        self,
        inputs: Tensor,
        images: Embeddings | None = ...,
        *,
        baselines: Start = ...,
        additional_forward_args: Tensor | tuple[Tensor, ...] | None = ...,
        n_steps: int = ...,
        method: str = ...,
        internal_batch_size: int | None = ...,
        return_convergence_delta: Literal[False] = ...,
        tolerance: float | None = ...,
    ) -> Tensor: ...

    @overload
    def attribute(
        self,
        inputs: Tensor,
        images: Embeddings | None = ...,
        *,
        baselines: Start = ...,
        additional_forward_args: Tensor | tuple[Tensor, ...] | None = ...,
        n_steps: int = ...,
        method: str = ...,
        internal_batch_size: int | None = ...,
        return_convergence_delta: Literal[True],
        tolerance: float | None = ...,
    ) -> tuple[Tensor, Tensor]: ...

    @log_usage()  # captum's decorator: NoiseTunnel looks for the function that it wraps
    @gradients()
    def attribute(
        self,
        inputs: Texts | Tokens | Tensor | tuple[Tensor, ...],
        images: Any = None,
        *,
        baselines: Any = None,
        additional_forward_args: Tensor | tuple[Tensor, ...] | None = None,
        n_steps: int = 50,
        method: str = "gausslegendre",
        internal_batch_size: int | None = None,
        return_convergence_delta: bool = False,
        tolerance: float | None = None,
    ) -> Any:
        """Attribute each text's score (cosine) with the image of the same row.

        Args:
            inputs: a text, n texts, or their tokens. As in captum, also a tensor, or a tuple of one tensor: token ids,
                shape (n, t), or token embeddings without positions, shape (n, t, d). One route is computed for a
                tensor.
            images: unit-norm embeddings, shape (n, embed).
            baselines: start of the path, by default BOS, padding, EOT. Token ids have shape (n, t), and embeddings have
                shape (n, t, d). A single row serves all inputs, and a number fills all places.
            additional_forward_args: for a tensor, the images; for embeddings also the place where each text ends, shape
                (n,), by default the last token. captum's NoiseTunnel repeats these arguments with the inputs.
            n_steps: points of the path integral.
            method: captum's name of the rule: ``gausslegendre``, ``riemann_trapezoid``, ``riemann_middle``, ...
            internal_batch_size: texts x steps that are run at once; by default as many as hold about 1,000 tokens.
            return_convergence_delta: also return the attributions' `delta`, as captum does.
            tolerance: largest `Attributions.relative_delta`. Texts that miss it are attributed again with twice the
                points, up to `MOST_DOUBLINGS` times. By default all texts are attributed once, with `n_steps`.

        Returns:
            `Attributions` for texts. For a tensor, a float64 tensor of the same shape; for a tuple, a tuple of one.
            With `return_convergence_delta` a tuple of the attributions and the deltas, shape (n,).

        Raises:
            ValueError: counts or shapes differ, the second argument does not hold images, the rule is unknown, the
                tolerance is not positive, or texts or token ids are given without `multiply_by_inputs`. For a tensor
                also: several routes, a delta of a route other than `full`, no images, or a tolerance for embeddings.
        """
        if images is not None:
            check_images(self.clip, images, "the second argument")
            images = ordinary(images)
        settings = PathSettings(n_steps, method, internal_batch_size, routes=self.routes, multiply=self._multiply)
        needs = {"through", "around"} & set(self.routes)
        subspaces = {"z": self.subspace} if self.subspace is not None and needs else {}
        start = _only(baselines, "baselines") if isinstance(baselines, tuple) else baselines
        if isinstance(inputs, tuple) and inputs and all(isinstance(each, Tensor) for each in inputs):
            alone = _only(inputs, "inputs")
        else:
            alone = cast(Texts | Tokens | Tensor, inputs)
        if isinstance(alone, Tensor):
            given = _images_and_ends(self.clip, images, additional_forward_args)
            values, difference = self._of_tensor(alone, given, start_of(start, alone), subspaces, settings, tolerance)
            result = (values,) if isinstance(inputs, tuple) else values
            if not return_convergence_delta:
                return result
            if self.routes != ("full",):
                raise ValueError(
                    "a convergence delta is defined for the route 'full' only, whose attributions add up to the "
                    "difference of scores"
                )
            return result, values.flatten(1).sum(1) - difference
        if images is None or additional_forward_args is not None:
            raise ValueError("texts need the images' embeddings as second argument, and no additional_forward_args")
        tokens = alone if isinstance(alone, Tokens) else tokenize(self.clip, alone)
        self._check_sums()
        settings = replace(settings, baselines=_ids(self.clip, start_of(start, tokens.ids)))
        shared, through = integrate_until(self.clip, tokens, images, self.layer, subspaces, settings, tolerance)
        attributions = attributions_of(tokens, shared, through["z"] if through else None, self.routes)
        return (attributions, attributions.delta) if return_convergence_delta else attributions

    def _of_tensor(
        self,
        inputs: Tensor,
        given: tuple[Tensor, ...],
        start: Tensor | None,
        subspaces: dict[str, Subspace],
        settings: PathSettings,
        tolerance: float | None,
    ) -> tuple[Tensor, Tensor]:
        if len(self.routes) != 1:
            raise ValueError(
                f"a tensor is attributed by one route, not {len(self.routes)}; choose it, e.g. routes=('through',)"
            )
        cut, images, eot = (self.layer, subspaces), given[0], given[1] if len(given) > 1 else None
        if not inputs.is_floating_point():
            self._check_sums()
            tokens, settings = tokens_of(self.clip, inputs), replace(settings, baselines=_ids(self.clip, start))
            return attribute_ids(self.clip, tokens, images, cut, settings, tolerance)
        if tolerance is not None:
            raise ValueError("token embeddings have no tolerance: set n_steps, or give texts or token ids")
        return attribute_embeddings(self.clip, inputs, (images, eot, start), cut, settings)

    def _check_sums(self) -> None:
        """Raise `ValueError` if attributions are summed over dimensions without `multiply_by_inputs`.

        The sum would be 0.
        """
        if not self._multiply:
            raise ValueError(
                "without multiply_by_inputs, the sum over the dimensions of a token is 0; give token embeddings, whose "
                "dimensions are attributed separately"
            )

    @property
    def multiplies_by_inputs(self) -> bool:
        """Option `multiply_by_inputs`, which captum reads under this name."""
        return self._multiply

    def has_convergence_delta(self) -> bool:
        """Return whether `return_convergence_delta` is supported; captum calls this method."""
        return self.routes == ("full",)


def _images_and_ends(
    clip: Clip, images: Embeddings | None, more: Tensor | tuple[Tensor, ...] | None
) -> tuple[Tensor, ...]:
    """Return the images and, if they are given, the places where texts end."""
    given = () if more is None else tuple(more) if isinstance(more, tuple) else (more,)
    given = given if images is None else (images, *given)
    if not 1 <= len(given) <= 2 or not all(isinstance(each, Tensor) for each in given):
        raise ValueError(
            "additional_forward_args must hold the images' embeddings and, for token embeddings only, the places where "
            "the texts end"
        )
    check_images(clip, given[0], "additional_forward_args without a second argument")
    return given


def _only(given: tuple[Any, ...], name: str) -> Any:
    if len(given) != 1:
        raise ValueError(f"a tuple of {name} must hold one element, not {len(given)}: texts are the only input")
    return given[0]


def _ids(clip: Clip, start: Tensor | None) -> Tensor | None:
    """Return the baselines of texts; raise `ValueError` for a token that the model does not have."""
    count = clip.family.table(clip.model).num_embeddings
    if start is not None and bool(((start < 0) | (start >= count)).any()):
        raise ValueError(f"baselines of texts and of token ids must be token ids from 0 to {count - 1}")
    return start
