"""Path integral of texts: gradients at points of a path, pulled back from the score or a site to the embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from interp.attribution.baselines import default_baselines
from interp.attribution.path_rule import path_rule
from interp.attribution.result import ROUTES, Attributions, Route
from interp.clip.blocks import blocks, embed_ids, embed_stream, keys_and_values, run_block, step_block
from interp.clip.model import Clip, Tokens, length_batches
from interp.clip.packing import group
from interp.clip.tensors import Embeddings, Float, Int, Tensor
from interp.subspaces.subspace import Subspace, pulled

_TOKENS_AT_ONCE = 1024  # bounds memory, and was faster than larger batches on CPUs
TEXTS_AT_ONCE = 16  # texts of similar length


@dataclass(frozen=True, eq=False)
class PathSettings:
    """Settings of a path integral.

    Attributes:
        n_steps: number of points.
        method: name of the rule, see `path_rule`.
        internal_batch_size: texts x steps that are run at once; by default as many as hold about 1,000 tokens.
        baselines: token ids at the start of the path, shape (n, t); by default `default_baselines`.
        routes: routes that will be assembled; only the integrals that they need are computed.
        multiply: True to multiply gradients by the difference of text and baseline; False to average them alone.
    """

    n_steps: int = 50
    method: str = "gausslegendre"
    internal_batch_size: int | None = None
    baselines: Int[Tensor, "n t"] | None = None
    routes: Sequence[Route] = ROUTES
    multiply: bool = True


@dataclass(frozen=True)
class CommonPart:
    """Part that the attributions of all subspaces at one layer share; arrays of shape (n, t).

    Attributes:
        stream: attributions through the whole stream at the site, if needed.
        full: attributions by every path, if needed.
        score, baseline_score: scores of each text and of its baseline, shape (n,).
        points: number of points of each text's path, shape (n,).
    """

    stream: np.ndarray | None
    full: np.ndarray | None
    score: np.ndarray
    baseline_score: np.ndarray
    points: np.ndarray


def assemble(shared: CommonPart, through: np.ndarray | None, routes: Sequence[Route]) -> dict[Route, np.ndarray]:
    """Return the attributions of one subspace by route.

    `around` is the part of the stream's attributions that does not go through Z. `bypass` is the part of the full
    attributions that does not go through the stream.

    Raises:
        ValueError: a route needs an integral that was not computed.
    """
    out: dict[Route, np.ndarray] = {}
    for route in routes:
        whole, part = {
            "through": (through, 0.0),
            "around": (shared.stream, through),
            "bypass": (shared.full, shared.stream),
            "full": (shared.full, 0.0),
        }[route]
        if whole is None or part is None:
            raise ValueError(f"the route '{route}' was not computed; request it in the `routes` of `PathSettings`")
        out[route] = whole - part
    return out


def attributions_of(
    tokens: Tokens, shared: CommonPart, through: np.ndarray | None, routes: Sequence[Route]
) -> Attributions:
    """Return the routes that `assemble` gives as the attributions of texts."""
    values = assemble(shared, through, routes)
    return Attributions(
        tokens.words, tokens.word_of.numpy(), values, shared.score, shared.baseline_score, shared.points
    )


def integrate(
    clip: Clip,
    tokens: Tokens,
    images: Embeddings,
    layer: int,
    subspaces: Mapping[str, Subspace],
    settings: PathSettings | None = None,
) -> tuple[CommonPart, dict[str, np.ndarray]]:
    """Return the path integrals of several subspaces at one layer, at the cost of one forward pass.

    Args:
        clip: model.
        tokens: tokens of n texts.
        images: unit-norm embeddings, one for each text.
        layer: layer of the site; 0 if there is none.
        subspaces: name -> subspace of the stream after the layer.
        settings: settings of the integral; None for the defaults.

    Returns:
        The part that all subspaces share, and name -> attributions through that subspace, float64, shape (n, t).

    Raises:
        ValueError: counts or shapes differ, there are no steps, or the rule is unknown.
    """
    settings = settings or PathSettings()
    if len(images) != len(tokens):
        raise ValueError(f"each text needs an image, got {len(images)} images for {len(tokens)} texts")
    given = settings.baselines if settings.baselines is not None else default_baselines(clip, tokens)
    if given.shape != tokens.ids.shape:
        raise ValueError(
            f"baselines must have the shape of the tokens, {tuple(tokens.ids.shape)}, got {tuple(given.shape)}"
        )
    score, baseline_score = np.zeros(len(tokens)), np.zeros(len(tokens))
    cut = GradientCut.of(layer, subspaces, settings.routes)
    sums = {name: np.zeros(tuple(tokens.ids.shape)) for name in cut.names}
    for rows in length_batches(tokens.eot, TEXTS_AT_ONCE):
        batch = tokens.take(rows)
        width = batch.ids.shape[1]
        with torch.no_grad():
            end = embed_ids(clip, batch.ids.to(clip.device))
            start = embed_ids(clip, given[rows, :width].to(clip.device))
        paths = StraightPaths(start, end, batch.eot, images[rows].to(clip.device, clip.model.dtype))
        score[rows.numpy()], baseline_score[rows.numpy()] = end_scores(clip, paths)
        for name, values in along(clip, paths, cut, settings).items():
            sums[name][rows.numpy(), :width] = values.numpy()
    points = np.full(len(tokens), settings.n_steps)
    shared = CommonPart(sums.get("stream"), sums.get("full"), score, baseline_score, points)
    return shared, {name: sums[f"z.{name}"] for name in subspaces}


@dataclass(frozen=True, eq=False)
class StraightPaths:
    """Straight lines from baselines to texts, both as output by the embedding layer, on the model's device.

    Attributes:
        start, end: embeddings of baselines and of texts, shape (m, t, d).
        eot: place of each text's EOT.
        images: embeddings of the images that the texts are scored with.
    """

    start: Float[Tensor, "m t d"]
    end: Float[Tensor, "m t d"]
    eot: Int[Tensor, " m"]
    images: Embeddings


@dataclass(frozen=True, eq=False)
class GradientCut:
    """Cut of the gradients at a layer (0: no cut), into the parts that pass through given subspaces.

    Attributes:
        layer: layer of the cut.
        subspaces: name -> subspace of the stream after the layer.
        whole: integrals to compute in addition: ``stream`` passes through all of the site, ``full`` is not cut.
    """

    layer: int
    subspaces: Mapping[str, Subspace]
    whole: tuple[str, ...]

    @classmethod
    def of(cls, layer: int, subspaces: Mapping[str, Subspace], routes: Sequence[Route]) -> GradientCut:
        """Return the cut that the given routes need."""
        by_integral = {"stream": {"around", "bypass"}, "full": {"full", "bypass"}}
        return cls(layer, subspaces, tuple(name for name, users in by_integral.items() if users & set(routes)))

    @property
    def names(self) -> list[str]:
        """Names of the integrals that `along` returns."""
        return [*self.whole, *(f"z.{name}" for name in self.subspaces)]


@torch.no_grad()
def end_scores(clip: Clip, paths: StraightPaths) -> np.ndarray:
    """Return the scores of the texts and of their baselines, float64, shape (2, m)."""
    both = torch.cat([paths.end, paths.start])
    scores = path_scores(clip, both, paths.eot.repeat(2), paths.images.repeat(2, 1))
    return scores.double().cpu().numpy().reshape(2, -1)


@torch.enable_grad()  # captum's noise tunnel calls with gradients off
def along(
    clip: Clip, paths: StraightPaths, cut: GradientCut, settings: PathSettings, *, by_dimension: bool = False
) -> dict[str, Float[Tensor, "m t *d"]]:
    """Return the path integrals: ``z.NAME`` for each subspace, and those of `GradientCut.whole`; float64, on the CPU.

    Args:
        clip: model.
        paths: paths of m texts.
        cut: cut of the gradients.
        settings: rule and number of points.
        by_dimension: True to keep a number for each dimension of each embedding instead of their sum.

    Raises:
        ValueError: there are no steps, or the rule is unknown.
    """
    n_steps = settings.n_steps
    if n_steps < 1:
        raise ValueError(f"n_steps must be at least 1, got {n_steps}")
    alphas, weights = path_rule(n_steps, settings.method)
    count, width = paths.end.shape[:2]
    shape = paths.end.shape if by_dimension else paths.end.shape[:2]
    sums = {name: torch.zeros(shape, dtype=torch.float64) for name in cut.names}
    for chunk in torch.arange(count * n_steps).split(settings.internal_batch_size or max(1, _TOKENS_AT_ONCE // width)):
        text, step = chunk // n_steps, chunk % n_steps
        delta = (paths.end - paths.start)[text]
        points = (paths.start[text] + alphas[step].to(paths.end)[:, None, None] * delta).requires_grad_()
        for name, grad in _gradients(clip, points, paths.eot[text], paths.images[text], cut).items():
            parts = grad * delta if settings.multiply else grad
            parts = parts if by_dimension else parts.sum(-1)
            weighed = parts.double().cpu() * weights[step].view(-1, *[1] * (parts.ndim - 1))
            sums[name].index_add_(0, text, weighed)
    return sums


def path_scores(
    clip: Clip, hidden: Float[Tensor, "m t d"], eot: Int[Tensor, " m"], images: Embeddings, layer: int = 0
) -> Float[Tensor, " m"]:
    """Return the scores of texts given as the stream after a layer, by default the output of the embedding layer."""
    causal = clip.family.causal("text")
    for block in blocks(clip, "text")[layer:]:
        hidden, _, _ = run_block(block, hidden, causal=causal, eot=eot)
    return (embed_stream(clip, "text", hidden[torch.arange(len(hidden)), eot]) * images).sum(-1)


def _gradients(
    clip: Clip, path: Float[Tensor, "m t d"], eot: Int[Tensor, " m"], images: Embeddings, cut: GradientCut
) -> dict[str, Float[Tensor, "m t d"]]:
    """Return the gradients of the scores with respect to the embeddings, cut at the site; `full` is not cut.

    The site is the last token of a text. In a causal tower the gradient at the site is that of EOT alone, pushed
    through the blocks above. In any other tower all positions run again, and all positions except EOT are held fixed at
    the site.
    """
    layer, subspaces, whole = cut.layer, cut.subspaces, cut.whole
    each, tower, causal = torch.arange(len(path)), blocks(clip, "text"), clip.family.causal("text")
    earlier = group(each * path.shape[1], eot, path.device)
    hidden, held, site = path, path, path[each, eot]
    above: list[tuple[Any, Tensor, Tensor]] = []
    for number, block in enumerate(tower):
        before = hidden
        with torch.set_grad_enabled(number < layer or "full" in whole):
            if number + 1 < len(tower):
                hidden, k, v = run_block(block, before, causal=causal, eot=eot)
            else:  # only EOT is read after the last block
                k, v = keys_and_values(block, before)
            k, v = k.flatten(0, 1), v.flatten(0, 1)
            if number + 1 in (layer, len(tower)):
                end = step_block(block, before[each, eot][earlier.order], k, v, earlier.parts)[earlier.back]
        if number + 1 == layer:
            site, held = end, hidden.detach()
        elif number >= layer:
            above.append((block, k.detach(), v.detach()))
    out: dict[str, Tensor] = {}
    if subspaces or "stream" in whole:
        leaf = site.detach().requires_grad_()
        if causal:
            h = leaf[earlier.order]
            for each_block, k, v in above:
                h = step_block(each_block, h, k, v, earlier.parts)
            scores = (embed_stream(clip, "text", h) * images[earlier.order]).sum()
        else:
            scores = path_scores(clip, held.index_put((each, eot), leaf), eot, images, layer).sum()
        (at_site,) = torch.autograd.grad(scores, leaf)
        passing = {f"z.{name}": pulled(z, leaf.detach(), at_site) for name, z in subspaces.items()}
        passing |= {"stream": at_site} if "stream" in whole else {}
        out = {name: torch.autograd.grad(site, path, part, retain_graph=True)[0] for name, part in passing.items()}
    if "full" in whole:
        (out["full"],) = torch.autograd.grad((embed_stream(clip, "text", end) * images).sum(), path)
    return out
