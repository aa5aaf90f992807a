"""Counterfactual scores and DAS steps compared with a prefix cache: the strongest rival that one could write in a day.

The rival keeps the streams of all positions at the layer of the site and never runs the blocks below it again. Its
sources are also streams that it kept. The blocks above run again at all positions, padded, by transformers' own layers
with fused attention. Our remaining advantage is that a change at EOT, the last position, affects no other position.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from benchmarks.interventions import BATCH, CLOSE, SIZE, stepper
from benchmarks.material import random_images, random_tokens, vit_b32
from benchmarks.measure import Result, side_by_side
from interp.clip.model import Clip, Tokens
from interp.clip.sites import Site
from interp.clip.tensors import Tensor
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.losses import counterfactual_loss, das_losses
from interp.subspaces.pairs import PairRun, clean_scores
from interp.subspaces.rotation import Rotation, random_basis, swap_span

BARS = ((77, 20.0), (32, 6.0))  # tokens, and the least ratio
PEER = "prefix cache"


def measure(repeats: int) -> Iterator[Result]:
    """Yield all goals of this file."""
    clip = vit_b32()
    for length, goal in BARS:
        for layer in (6, 11):
            yield scores(clip, layer, length, goal, repeats)
        yield das_step(clip, 10, length, goal, repeats)


def scores(clip: Clip, layer: int, length: int, goal: float, repeats: int) -> Result:
    """Return the time of scores of counterfactuals of a fixed rotation; both sides have run all texts before."""
    draw = np.random.default_rng(0)
    base, source = (random_tokens(clip, [length] * BATCH, draw) for _ in range(2))
    images, basis = random_images(clip, BATCH), random_basis(clip.width("text"), SIZE, torch.Generator())
    rotation = Rotation(basis, Site("text", layer))
    runs = [clean_texts(clip, tokens, [rotation.site]) for tokens in (base, source)]
    kept, given = streams(clip, base, layer), streams(clip, source, layer)[:, -1].clone()

    @torch.inference_mode()
    def peer() -> Tensor:
        return (run_again(clip, layer, kept, swap_span(kept[:, -1], given, basis)) * images).sum(-1)

    def ours() -> Tensor:
        return (interchange(*runs, rotation) * images).sum(-1)

    torch.testing.assert_close(ours(), peer(), atol=CLOSE, rtol=0)
    name = f"counterfactual scores, layer {layer}, k = {SIZE}, batch {BATCH}, T = {length}"
    return side_by_side((name, PEER), peer, ours, goal=(">=", goal), repeats=repeats, inner=5)


def das_step(clip: Clip, layer: int, length: int, goal: float, repeats: int) -> Result:
    """Return the time of an optimizer step of a search; the rival takes the same gradient at all positions."""
    draw, n, site = np.random.default_rng(0), BATCH // 2, Site("text", layer)
    tokens, images = random_tokens(clip, [length] * BATCH, draw), random_images(clip, n)
    pairs = PairRun(clean_texts(clip, tokens, [site]), images, clip.logit_scale)
    base_logits = clean_scores(pairs, site) * pairs.logit_scale
    rows, source = torch.arange(n), torch.arange(n).roll(1)
    free = random_basis(clip.width("text"), SIZE, torch.Generator().manual_seed(0)).contiguous()
    both = streams(clip, tokens, layer).clone()
    kept, given = both.roll(n, 0), both[torch.cat([source, source + n]), -1]
    theirs, ours = (torch.nn.Parameter(free.clone()) for _ in range(2))

    def peer_loss() -> Tensor:
        changed = swap_span(kept[:, -1], given, theirs)
        logits = (run_again(clip, layer, kept, changed) * images.repeat(2, 1)).sum(-1) * clip.logit_scale
        return counterfactual_loss(base_logits, logits)

    def own_loss() -> Tensor:
        swaps = [lambda base, other: swap_span(base, other, ours)]
        return das_losses(pairs, site, swaps, source, base_logits, rows)[0]

    torch.testing.assert_close(own_loss(), peer_loss(), atol=CLOSE, rtol=CLOSE)
    gradients = [
        torch.autograd.grad(loss(), parameter)[0] for loss, parameter in ((own_loss, ours), (peer_loss, theirs))
    ]
    torch.testing.assert_close(*gradients, atol=1e-4 * float(gradients[0].abs().max()), rtol=0)
    name = f"DAS optimizer step, layer {layer}, k = {SIZE}, batch {BATCH}, T = {length}"
    return side_by_side(
        (name, PEER),
        stepper([theirs], peer_loss),
        stepper([ours], own_loss),
        goal=(">=", goal),
        repeats=repeats,
        inner=5,
    )


@torch.inference_mode()
def streams(clip: Clip, tokens: Tokens, layer: int) -> Tensor:
    """Return the residual stream at all positions after a layer, for texts of one length."""
    hidden: Tensor = clip.model.text_model.embeddings(input_ids=tokens.ids)
    for block in clip.model.text_model.encoder.layers[:layer]:
        hidden = block(hidden, None, is_causal=True)
    return hidden


def run_again(clip: Clip, layer: int, kept: Tensor, changed: Tensor) -> Tensor:
    """Return unit-norm embeddings after EOT's stream at a layer is replaced."""
    hidden = torch.cat([kept[:, :-1], changed[:, None]], dim=1)
    for block in clip.model.text_model.encoder.layers[layer:]:
        hidden = block(hidden, None, is_causal=True)
    last = clip.model.text_model.final_layer_norm(hidden[:, -1])
    return functional.normalize(clip.model.text_projection(last), dim=-1)
