"""Mediated integrated gradients: which words act on the score, and by which route through a site.

Integrated gradients (Sundararajan et al. 2017) move all token embeddings on a straight line from a baseline to the
text. At a site (layer l, EOT) every path from a word to the score passes Z, the rest of the stream there, or
neither, since later blocks also attend to other positions. Cutting the gradient accordingly gives the routes
`through`, `around` and `bypass`; they add up to `full`, the plain method. `through` is conductance (Dhamdhere et al.
2018) summed over the directions of the rotation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from interp.attribution.path_rule import path_rule
from interp.attribution.result import ROUTES, Attributions, Route
from interp.clip.blocks import blocks, embed_ids, embed_stream, keys_and_values, run_block, step_block
from interp.clip.model import Clip, Tokens, length_batches, tokenize
from interp.clip.packing import group
from interp.clip.sites import SiteError, SiteMismatch
from interp.interventions.rotation import Rotation
from interp.tensors import Basis, Embeddings, Float, Int, Tensor

TOKENS_AT_ONCE = 1024  # bounds memory, and was faster than larger batches on CPUs
TEXTS_AT_ONCE = 16  # of similar length


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
            site.check(clip)
            if rotation.width != clip.width("text"):
                raise SiteMismatch(
                    f"the rotation is for width {rotation.width}, the text tower has {clip.width('text')}"
                )
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

        Returns:
            `Attributions`, or with `return_convergence_delta` a tuple of them and `Attributions.delta`.

        Raises:
            ValueError: counts that differ, or an unknown rule.
        """
        tokens = inputs if isinstance(inputs, Tokens) else tokenize(self.clip, inputs)
        needed = {"through", "around"} & set(self.routes)
        bases = {"z": self.rotation.basis} if self.rotation is not None and needed else {}
        shared, through = integrate(
            self.clip, tokens, images, self.layer, bases,
            PathSettings(n_steps, method, internal_batch_size, baselines, self.routes),
        )  # fmt: skip
        values = assemble(shared, through["z"] if through else None, self.routes)
        found = Attributions(tokens.words, tokens.word_of.numpy(), values, shared.score, shared.baseline_score)
        return (found, found.delta) if return_convergence_delta else found


@dataclass(frozen=True, eq=False)
class PathSettings:
    """How a path integral is taken.

    Attributes:
        n_steps: its points.
        method: of the rule, see `path_rule`.
        internal_batch_size: texts x steps that are run at once; by default as many as hold about 1,000 tokens.
        baselines: token ids to start from, shape (n, t); by default `default_baselines`.
        routes: those that will be assembled; nothing is computed that they do not need.
    """

    n_steps: int = 50
    method: str = "gausslegendre"
    internal_batch_size: int | None = None
    baselines: Int[Tensor, "n t"] | None = None
    routes: Sequence[Route] = ROUTES


@dataclass(frozen=True)
class Shared:
    """What the attributions of all subspaces at one layer have in common; arrays of shape (n, t).

    Attributes:
        stream: through the whole stream at the site, if needed. full: by every path, if needed.
    """

    stream: np.ndarray | None
    full: np.ndarray | None
    score: np.ndarray
    baseline_score: np.ndarray


def assemble(shared: Shared, through: np.ndarray | None, routes: Sequence[Route]) -> dict[Route, np.ndarray]:
    """The routes of one subspace: what of the stream's route does not go through Z goes around it, and what of all
    does not go through the stream bypasses it.

    Raises:
        ValueError: a route needs what was not computed.
    """
    out: dict[Route, np.ndarray] = {}
    for route in routes:
        whole, part = {
            "through": (through, 0.0), "around": (shared.stream, through),
            "bypass": (shared.full, shared.stream), "full": (shared.full, 0.0),
        }[route]  # fmt: skip
        if whole is None or part is None:
            raise ValueError(f"the route '{route}' was not computed")
        out[route] = whole - part
    return out


def default_baselines(clip: Clip, tokens: Tokens) -> Int[Tensor, "n t"]:
    """BOS, padding up to the text's EOT, EOT: nothing is said, at the same length."""
    pad = clip.tokenizer.pad_token_id
    ids = torch.full_like(tokens.ids, clip.eot if pad is None else pad)
    ids[:, 0] = tokens.ids[:, 0]
    after = torch.arange(ids.shape[1]) >= tokens.eot[:, None]
    return torch.where(after, tokens.ids, ids)


def integrate(
    clip: Clip,
    tokens: Tokens,
    images: Embeddings,
    layer: int,
    bases: Mapping[str, Basis],
    settings: PathSettings | None = None,
) -> tuple[Shared, dict[str, np.ndarray]]:
    """The path integrals of several subspaces at one layer, at the price of one forward pass.

    Args:
        layer: of the site; 0 if there is none.
        bases: name -> orthonormal basis, shape (d, k).

    Returns:
        What all subspaces share, and name -> attributions through that subspace, float64, shape (n, t).

    Raises:
        ValueError: counts or shapes that differ, no steps, or an unknown rule.
    """
    settings = settings or PathSettings()
    n_steps = settings.n_steps
    if len(images) != len(tokens):
        raise ValueError(f"one image for each text is needed, got {len(images)} images for {len(tokens)} texts")
    if n_steps < 1:
        raise ValueError(f"n_steps must be at least 1, got {n_steps}")
    given = settings.baselines if settings.baselines is not None else default_baselines(clip, tokens)
    if given.shape != tokens.ids.shape:
        raise ValueError(
            f"baselines must have the shape of the tokens, {tuple(tokens.ids.shape)}, got {tuple(given.shape)}"
        )
    alphas, weights = path_rule(n_steps, settings.method)
    whole = [name for name, users in (("stream", {"around", "bypass"}), ("full", {"full", "bypass"}))
             if users & set(settings.routes)]  # fmt: skip
    sums = {name: np.zeros(tuple(tokens.ids.shape)) for name in [*whole, *(f"z.{name}" for name in bases)]}
    score, baseline_score = np.zeros(len(tokens)), np.zeros(len(tokens))
    moved = {name: basis.to(clip.device, clip.model.dtype) for name, basis in bases.items()}
    for rows in length_batches(tokens.eot, TEXTS_AT_ONCE):
        some = tokens.take(rows)
        width = some.ids.shape[1]
        with torch.no_grad():
            end = embed_ids(clip, some.ids.to(clip.device))
            start = embed_ids(clip, given[rows, :width].to(clip.device))
            target = images[rows].to(clip.device, clip.model.dtype)
            both = path_scores(clip, torch.cat([end, start]), some.eot.repeat(2), target.repeat(2, 1)).double().cpu()
            score[rows.numpy()], baseline_score[rows.numpy()] = both.numpy().reshape(2, -1)
        steps = torch.arange(len(rows) * n_steps)
        for chunk in steps.split(settings.internal_batch_size or max(1, TOKENS_AT_ONCE // width)):
            text, step = chunk // n_steps, chunk % n_steps
            delta = (end - start)[text]
            path = (start[text] + alphas[step].to(end)[:, None, None] * delta).requires_grad_()
            grads = _gradients(clip, path, some.eot[text], target[text], layer, moved, whole)
            for name, grad in grads.items():
                parts = (grad * delta).sum(-1).double().cpu() * weights[step][:, None]
                per_text = torch.zeros(len(rows), width, dtype=torch.float64).index_add_(0, text, parts)
                sums[name][rows.numpy(), :width] += per_text.numpy()
    shared = Shared(sums.get("stream"), sums.get("full"), score, baseline_score)
    return shared, {name: sums[f"z.{name}"] for name in bases}


def path_scores(
    clip: Clip, embedded: Float[Tensor, "m t d"], eot: Int[Tensor, " m"], images: Embeddings
) -> Float[Tensor, " m"]:
    """Scores of texts given as the output of the embedding layer."""
    hidden = embedded
    for block in blocks(clip, "text"):
        hidden, _, _ = run_block(block, hidden, causal=True)
    return (embed_stream(clip, "text", hidden[torch.arange(len(hidden)), eot]) * images).sum(-1)


def _gradients(
    clip: Clip,
    path: Float[Tensor, "m t d"],
    eot: Int[Tensor, " m"],
    images: Embeddings,
    layer: int,
    bases: Mapping[str, Basis],
    whole: Sequence[str],
) -> dict[str, Float[Tensor, "m t d"]]:
    """Gradients of the scores with respect to the embeddings, cut at the site; `full` is not cut.

    The site is a text's last token, so its gradient is that of EOT alone, pushed through the blocks above.
    """
    each, tower = torch.arange(len(path)), blocks(clip, "text")
    earlier = group(each * path.shape[1], eot, path.device)
    hidden, site = path, path[each, eot]
    above: list[tuple[nn.Module, Tensor, Tensor]] = []
    for number, block in enumerate(tower):
        before = hidden
        with torch.set_grad_enabled(number < layer or "full" in whole):
            if number + 1 < len(tower):
                hidden, k, v = run_block(block, before, causal=True)
            else:  # only EOT is read after it
                k, v = keys_and_values(block, before)
            k, v = k.flatten(0, 1), v.flatten(0, 1)
            if number + 1 in (layer, len(tower)):
                end = step_block(block, before[each, eot], k, v, earlier)
        if number + 1 == layer:
            site = end
        elif number >= layer:
            above.append((block, k.detach(), v.detach()))
    out: dict[str, Tensor] = {}
    if bases or "stream" in whole:
        leaf = h = site.detach().requires_grad_()
        for each_block, k, v in above:
            h = step_block(each_block, h, k, v, earlier)
        (at_site,) = torch.autograd.grad((embed_stream(clip, "text", h) * images).sum(), leaf)
        cut = {f"z.{name}": (at_site @ basis) @ basis.T for name, basis in bases.items()}
        cut |= {"stream": at_site} if "stream" in whole else {}
        out = {
            name: torch.autograd.grad(site, path, cotangent, retain_graph=True)[0] for name, cotangent in cut.items()
        }
    if "full" in whole:
        (out["full"],) = torch.autograd.grad((embed_stream(clip, "text", end) * images).sum(), path)
    return out
