"""Plain version of a model by its own forward passes, torch's hooks and autograd, as the reference of the fast paths.

Nothing here shares code with the cached engine or with the attributors. A text is always run whole, every position
through every block, and a change of EOT's stream is the return value of a forward hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from interp.clip.families import family_of
from interp.clip.families.family import Tower
from interp.clip.tensors import Basis, Embeddings, Float, Int, Pixels, Streams, Tensor


@contextmanager
def hooked(module: nn.Module, change: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Let a function see a module's output in the body's forward passes, and replace it unless it returns None."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        hidden, *rest = output if isinstance(output, tuple) else (output,)
        changed = change(hidden)
        if changed is None:
            return output
        return (changed, *rest) if isinstance(output, tuple) else changed

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _block(model: Any, tower: Tower, layer: int) -> nn.Module:
    """Return the block of a tower whose output is a layer, counted from 1."""
    return family_of(model).blocks(model, tower)[layer - 1]


def texts(model: Any, ids: Int[Tensor, "n t"]) -> Embeddings:
    """Return unit-norm embeddings of texts, padded behind EOT."""
    features = family_of(model).text_features(model, ids.to(model.device))
    return features / features.norm(dim=-1, keepdim=True)


def images(model: Any, pixels: Pixels) -> Embeddings:
    """Return unit-norm embeddings of images."""
    features = family_of(model).image_features(model, pixels)
    return features / features.norm(dim=-1, keepdim=True)


def end_streams(
    model: Any, ids: Int[Tensor, "n t"], eot: Int[Tensor, " n"], layers: Sequence[int]
) -> dict[int, Streams]:
    """Return the stream at EOT after each of some layers, from one forward pass, with its autograd graph."""
    seen: dict[int, Tensor] = {}

    def keep(layer: int) -> Callable[[Tensor], None]:
        def look(hidden: Tensor) -> None:
            seen[layer] = hidden[torch.arange(len(ids)), eot]

        return look

    with ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(hooked(_block(model, "text", layer), keep(layer)))
        texts(model, ids)
    return seen


def put(hidden: Float[Tensor, "n t d"], places: Int[Tensor, " n"], h: Streams) -> Float[Tensor, "n t d"]:
    """Return the streams with one position of each row replaced."""
    out = hidden.clone()
    out[torch.arange(len(out)), places] = h
    return out


def counterfactuals(model: Any, ids: Int[Tensor, "n t"], eot: Int[Tensor, " n"], layer: int, h: Streams) -> Embeddings:
    """Return unit-norm embeddings of texts whose stream at EOT after a layer is replaced by `h`."""
    with hooked(_block(model, "text", layer), lambda hidden: put(hidden, eot, h)):
        return texts(model, ids)


def image_counterfactuals(
    model: Any, pixels: Pixels, layer: int, basis: Basis, source: Int[Tensor, " n"]
) -> Embeddings:
    """Return unit-norm embeddings of images with Z at CLS taken from other images of the batch."""
    block, seen = _block(model, "vision", layer), list[Tensor]()

    def look(hidden: Tensor) -> None:
        seen.append(hidden[:, 0])

    with hooked(block, look):
        images(model, pixels)
    h = swapped(seen[0], seen[0][source], basis.to(seen[0]))
    with hooked(block, lambda hidden: put(hidden, torch.zeros_like(source), h)):
        return images(model, pixels)


def swapped(base: Streams, source: Streams, basis: Basis) -> Streams:
    """Return the base streams with the source streams' part in the subspace (Geiger et al. 2024)."""
    projector = basis @ basis.T
    return base - base @ projector + source @ projector


def search_loss(
    model: Any,
    runs: Mapping[str, tuple[Tensor, Tensor]],
    pictures: Embeddings,
    layer: int,
    free: Float[Tensor, "d k"],
) -> Tensor:
    """Return the loss of a search in the span of a free matrix, a cross-entropy of two logits (Zur et al. 2024, 3.2).

    Args:
        model: model.
        runs: for `base` and `source` the ids and the places of EOT of 2 m texts. In the first half the counterfactual
            must win, in the second half the base.
        pictures: unit-norm embeddings of the image of each base text, shape (2 m, embed).
        layer: layer of the site.
        free: free matrix.
    """
    base, source = (end_streams(model, *runs[name], [layer])[layer].detach() for name in ("base", "source"))
    q, _ = torch.linalg.qr(free)
    changed = counterfactuals(model, *runs["base"], layer, swapped(base, source, q))
    clean = texts(model, runs["base"][0]).detach()
    logits = torch.stack([(part * pictures).sum(-1) for part in (clean, changed)], 1) * model.logit_scale.exp()
    wins = torch.arange(len(logits), device=logits.device) < len(logits) // 2
    return functional.cross_entropy(logits, wins.long())


def _instead(path: Tensor, _embedded: Tensor) -> Tensor:
    return path


def attributions(
    model: Any,
    ids: Int[Tensor, " t"],
    start: Int[Tensor, " t"],
    image: Float[Tensor, " embed"],
    site: tuple[int, Basis],
    rule: tuple[Tensor, Tensor],
) -> dict[str, Float[Tensor, " t"]]:
    """Return mediated integrated gradients of one text, by a backward pass through the whole tower for each route.

    Args:
        model: model.
        ids, start: tokens of the text, which ends in EOT, and of its baseline.
        image: unit-norm embedding of the image.
        site: layer, and orthonormal basis of the subspace.
        rule: points and weights of the integral.
    """
    (layer, basis), (points, weights) = site, rule
    table = family_of(model).layer_0(model)
    with torch.no_grad():
        end, begin = (table(input_ids=tokens[None].to(model.device))[0] for tokens in (ids, start))
    projector, last = basis @ basis.T, len(ids) - 1

    def cut(route: str) -> Callable[[Tensor], Tensor]:
        """Return a function that lets gradients pass by one route only, and detaches the later blocks' other input."""

        def hold(hidden: Tensor) -> Tensor:
            eot = hidden[:, last]
            inside = eot @ projector
            kept = {"through": inside, "around": eot - inside}.get(route)
            if kept is None:  # bypass: all positions except EOT
                return torch.cat([hidden[:, :last], eot.detach()[:, None]], 1)
            return torch.cat([hidden[:, :last].detach(), (kept + (eot - kept).detach())[:, None]], 1)

        return hold

    by_route = {}
    for route in ("through", "around", "bypass", "full"):
        path = (begin + points.to(end)[:, None, None] * (end - begin)).requires_grad_()
        with ExitStack() as hooks:
            hooks.enter_context(hooked(table, partial(_instead, path)))
            if route != "full":
                hooks.enter_context(hooked(_block(model, "text", layer), cut(route)))
            score = (texts(model, ids.expand(len(points), -1)) @ image).sum()
        (gradient,) = torch.autograd.grad(score, path)
        by_route[route] = ((gradient * (end - begin)).sum(-1) * weights.to(end)[:, None]).sum(0)
    return by_route
