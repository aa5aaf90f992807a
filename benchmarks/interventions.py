"""Counterfactual scores and DAS steps compared with pyvene.

The goals compare with pyvene as it is meant to be used, with sources as inputs. A second line for each gives pyvene the
streams of the sources at the site, computed beforehand, which is possible while the model is frozen. Otherwise pyvene
is set up as an expert would: the text tower alone, in inference mode if nothing is trained, `use_fast` (all texts end
at one position), no parametrization if the basis is fixed, and one orthogonalization per step (`parametrize.cached`) if
it is trained, instead of one for each of its three uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyvene
import torch
from torch.nn import functional
from torch.nn.utils import parametrize

from benchmarks.material import random_images, random_tokens, vit_b32
from benchmarks.measure import FLOAT, Machine, Result, Work, block_bytes, block_flops, side_by_side
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.clip.tensors import Tensor
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.losses import counterfactual_loss, das_losses
from interp.subspaces.pairs import PairRun, clean_scores
from interp.subspaces.rotation import Rotation, orthonormal, random_basis, swap_span
from interp.subspaces.search import SearchConfig

BATCH, SIZE = 32, 256
CLOSE = 1e-5  # tolerance for unit-norm embeddings, float32


def measure(machine: Machine, repeats: int, whole: bool) -> Iterator[Result]:
    """Yield all goals of this file; if `whole`, also lines without a goal."""
    clip = vit_b32()
    for layer, length, goal in ((11, 77, 150.0), (6, 32, 38.0)):
        yield from scores(clip, machine, layer, length, goal, repeats, whole)
    for length, goal in ((77, 100.0), (32, 40.0)):
        yield from das_step(clip, machine, 10, length, goal, repeats, whole)


def scores(
    clip: Clip, machine: Machine, layer: int, length: int, goal: float, repeats: int, whole: bool
) -> Iterator[Result]:
    """Yield scores of counterfactuals; ours use a clean run that is made once, for any number of rotations."""
    draw = np.random.default_rng(0)
    base, source = (random_tokens(clip, [length] * BATCH, draw) for _ in range(2))
    images, basis = random_images(clip, BATCH), random_basis(clip.width("text"), SIZE, torch.Generator())
    rotation = Rotation(basis, Site("text", layer))
    runs = [clean_texts(clip, tokens, [rotation.site]) for tokens in (base, source)]
    model, _ = intervenable(clip, layer, basis, trained=False)
    where = {"sources->base": length - 1}

    @torch.inference_mode()
    def peer(streams: Tensor | None = None) -> Tensor:
        sources = {"sources": [{"input_ids": source.ids}]} if streams is None else {"source_representations": streams}
        _, out = model({"input_ids": base.ids}, unit_locations=where, **sources)
        return (embedded(clip, out, length) * images).sum(-1)

    def ours() -> Tensor:
        return (interchange(*runs, rotation) * images).sum(-1)

    torch.testing.assert_close(ours(), peer(), atol=CLOSE, rtol=0)
    clean = (runs[0].push(rotation.site, runs[0].stream(rotation.site)) * images).sum(-1)
    if (ours() - clean).abs().max() < 100 * CLOSE:
        raise RuntimeError("the intervention changes nothing: there is nothing to compare")
    least = machine.seconds(push_work(clip, layer, length, backward=False))
    name = f"counterfactual scores, layer {layer}, k = {SIZE}, batch {BATCH}, T = {length}"
    yield side_by_side((name, "pyvene"), peer, ours, goal=(">=", goal), repeats=repeats, inner=10, least=least)
    if not whole:
        return
    streams = runs[1].stream(rotation.site)[:, None]
    torch.testing.assert_close(peer(streams), peer(), atol=CLOSE, rtol=0)
    yield side_by_side(
        (name, "pyvene, given the sources' streams"), lambda: peer(streams), ours, goal=None, repeats=repeats, inner=10
    )


def das_step(
    clip: Clip, machine: Machine, layer: int, length: int, goal: float, repeats: int, whole: bool
) -> Iterator[Result]:
    """Yield an optimizer step of a search: 32 counterfactuals, the gradient of the rotation, Adam."""
    draw, n, site = np.random.default_rng(0), BATCH // 2, Site("text", layer)
    tokens, images = random_tokens(clip, [length] * BATCH, draw), random_images(clip, n)
    pairs = PairRun(clean_texts(clip, tokens, [site]), images, clip.logit_scale)
    base_logits = clean_scores(pairs, site) * pairs.logit_scale
    rows, source = torch.arange(n), torch.arange(n).roll(1)
    free = random_basis(clip.width("text"), SIZE, torch.Generator().manual_seed(0)).contiguous()
    model, turn = intervenable(clip, layer, free, trained=True)
    base_ids, source_ids = tokens.ids.roll(n, 0), torch.cat([tokens.ids[source], tokens.ids[source + n]])

    def peer_loss(streams: Tensor | None = None) -> Tensor:
        sources = {"sources": [{"input_ids": source_ids}]} if streams is None else {"source_representations": streams}
        with parametrize.cached():
            _, out = model({"input_ids": base_ids}, unit_locations={"sources->base": length - 1}, **sources)
        logits = (embedded(clip, out, length) * images.repeat(2, 1)).sum(-1) * clip.logit_scale
        return counterfactual_loss(base_logits, logits)

    directions = torch.nn.Parameter(free.clone())

    def own_loss() -> Tensor:
        swaps = [lambda base, other: swap_span(base, other, directions)]
        return das_losses(pairs, site, swaps, source, base_logits, rows)[0]

    torch.testing.assert_close(own_loss(), peer_loss(), atol=CLOSE, rtol=CLOSE)
    _check_gradients(directions, own_loss, turn, peer_loss)
    streams = pairs.run.take(torch.cat([source, source + n])).stream(site)[:, None]
    torch.testing.assert_close(peer_loss(streams), peer_loss(), atol=CLOSE, rtol=CLOSE)
    name = f"DAS optimizer step, layer {layer}, k = {SIZE}, batch {BATCH}, T = {length}"
    least, step = machine.seconds(push_work(clip, layer, length, backward=True)), stepper([directions], own_loss)
    peers = {"pyvene": peer_loss, "pyvene, given the sources' streams": partial(peer_loss, streams)}
    for peer, loss in list(peers.items())[: 2 if whole else 1]:
        plain = peer == "pyvene"
        yield side_by_side(
            (name, peer),
            stepper(list(turn.parameters()), loss),
            step,
            goal=(">=", goal) if plain else None,
            repeats=repeats,
            inner=10,
            least=least if plain else None,
        )


def _check_gradients(
    directions: torch.nn.Parameter,
    own_loss: Callable[[], Tensor],
    turn: torch.nn.Module,
    peer_loss: Callable[[], Tensor],
) -> None:
    """Raise unless both losses change equally along the gradient, despite the different coordinates of the subspace.

    The projector R R' is common to both sides, so the derivative is compared along a move of the subspace that is given
    to both: R -> orthonormal(R + t M).
    """
    (grad,) = torch.autograd.grad(own_loss(), directions)
    start, step = directions.detach().clone(), 1e-2
    direction = grad / grad.norm()
    losses = []
    for sign in (1, -1):
        moved = orthonormal(start + sign * step * direction)
        directions.data = moved.clone()
        turn.weight = moved
        ours, theirs = float(own_loss().detach()), float(peer_loss().detach())
        if abs(ours - theirs) > CLOSE * max(1.0, abs(theirs)):
            raise RuntimeError(f"the losses differ after a move: {ours} and {theirs}")
        losses.append(theirs)
    directions.data = start
    turn.weight = start
    slope = (losses[0] - losses[1]) / (2 * step)
    if abs(slope - float(grad.norm())) > 0.02 * abs(slope):
        raise RuntimeError(f"the gradient is {float(grad.norm())} along itself, by pyvene's losses {slope}")


def stepper(parameters: list[torch.nn.Parameter], loss_of: Callable[[], Tensor]) -> Callable[[], float]:
    """Return a function that takes a step of Adam on a loss and returns the loss."""
    optimizer = torch.optim.Adam(parameters, lr=SearchConfig().lr)

    def step() -> float:
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def intervenable(
    clip: Clip, layer: int, basis: Tensor, *, trained: bool, use_fast: bool = True
) -> tuple[pyvene.IntervenableModel, torch.nn.Module]:
    """Return pyvene's model of the text tower with a rotation at EOT, and the module that holds the rotation.

    Args:
        clip: model.
        layer: layer of the site.
        basis: basis of the rotation.
        trained: True if the rotation is trained.
        use_fast: True if all texts of a batch end at one position.
    """
    intervention = pyvene.LowRankRotatedSpaceIntervention(embed_dim=len(basis), low_rank_dimension=basis.shape[1])
    turn = intervention.rotate_layer
    if not trained:
        parametrize.remove_parametrizations(turn, "weight")
        turn.weight.requires_grad_(False)
        turn.weight.data = basis.clone()
    else:
        turn.weight = basis
    place = {"component": f"encoder.layers[{layer - 1}].output", "unit": "pos", "intervention": intervention}
    model = pyvene.IntervenableModel(pyvene.IntervenableConfig([place]), model=clip.model.text_model, use_fast=use_fast)
    return model, turn


def embedded(clip: Clip, out: object, length: int) -> Tensor:
    """Return unit-norm embeddings from the text tower's output for texts of one length."""
    last = out.last_hidden_state[:, length - 1]  # type: ignore[attr-defined]
    return functional.normalize(clip.model.text_projection(last), dim=-1)


def push_work(clip: Clip, layer: int, length: int, *, backward: bool, size: int = SIZE) -> Work:
    """Return the work that interventions at EOT cannot avoid: swap, the blocks above at EOT, projection.

    A training step also needs the QR decomposition.
    """
    d, embed, blocks = clip.width("text"), clip.embed_dim, clip.depth("text") - layer
    attention = 4 * length * d
    flops = BATCH * (4 * d * size + blocks * attention + 2 * d * embed) + blocks * block_flops(clip, BATCH)
    cache = blocks * 2 * BATCH * (length - 1) * d
    data = FLOAT * (cache + d * size + d * embed) + blocks * block_bytes(clip)
    qr = 2 * d * size**2 - 2 * size**3 / 3
    return Work(2 * flops + 3 * qr, 2 * data) if backward else Work(flops, data)
