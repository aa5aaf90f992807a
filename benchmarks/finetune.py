"""IIT-DAS optimizer steps with LoRA, compared with a behavioral step, and with pyvene in the same loop.

pyvene is set up as an expert would: one plain pass gives the clean logits and, by a hook, the streams of the sources at
the site. These streams are given to pyvene (`source_representations`), which then runs each counterfactual once. Texts
are padded to the longest of the batch, not to 77.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np
import torch
from torch.nn import functional
from torch.nn.utils import parametrize

from benchmarks.interventions import intervenable
from benchmarks.material import random_images, random_tokens, vit_b32
from benchmarks.measure import FLOAT, Machine, Result, Work, block_bytes, block_flops, side_by_side
from interp.clip.model import Clip, Tokens
from interp.clip.sites import Site
from interp.clip.tensors import Tensor
from interp.subspaces.losses import Objective, counterfactual_loss
from interp.subspaces.rotation import random_basis
from training.batches import generator
from training.config import FinetuneConfig
from training.losses import Learner
from training.trainable_weights import prepare

LAYER, SIZE, RANK, PAIRS = 11, 256, 64, 12  # the paper's settings of IIT-DAS with LoRA
CLOSE = 1e-4


def measure(machine: Machine, repeats: int, lengths: Sequence[int]) -> Iterator[Result]:
    """Yield both goals, on batches whose texts are as long as those of Concadia."""
    draw = np.random.default_rng(0)
    clips = [adapted() for _ in range(3)]
    batches = [random_tokens(clips[0], draw.choice(lengths, 2 * PAIRS).tolist(), draw) for _ in range(repeats + 1)]
    images, source = random_images(clips[0], PAIRS), torch.arange(PAIRS).roll(1)
    free = random_basis(clips[0].width("text"), SIZE, generator(0)).contiguous()
    behavioral, iit_das = (
        learner(clip, kind, free) for clip, kind in zip(clips[:2], ("behavioral", "iit-das"), strict=True)
    )
    peer_loss, parameters = pyvene_loss(clips[2], free, images, source)
    _check(iit_das, parameters, lambda: own_loss(iit_das, batches[0], images, source), lambda: peer_loss(batches[0]))
    tokens = float(np.mean([int((batch.eot + 1).sum()) for batch in batches]))
    least = machine.seconds(step_work(clips[0], tokens))

    def stepping(parameters: Sequence[torch.nn.Parameter], loss_of: Callable[[Tokens], Tensor]) -> Callable[[], object]:
        optimizer, turn = torch.optim.Adam(parameters, lr=1e-5), cycle(batches)

        def step() -> None:
            loss = loss_of(next(turn))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step

    def trained(module: torch.nn.Module) -> list[torch.nn.Parameter]:
        return [parameter for parameter in module.parameters() if parameter.requires_grad]

    def ours_step(module: Learner) -> Callable[[], object]:
        return stepping(trained(module), lambda batch: own_loss(module, batch, images, source))

    settings = f"layer {LAYER}, k = {SIZE}, rank {RANK}, {PAIRS} pairs"
    ratio = side_by_side(
        (f"IIT-DAS LoRA step, {settings}", "ours, behavioral"),
        ours_step(behavioral),
        ours_step(iit_das),
        goal=None,
        repeats=repeats,
        least=least,
    )
    # The goal is on the cost of our step relative to the behavioral step.
    yield replace(
        ratio,
        name=f"IIT-DAS / behavioral LoRA step, {settings}",
        value=1 / ratio.value,
        low=1 / ratio.high,
        high=1 / ratio.low,
        goal=("<=", 1.25),
    )
    yield side_by_side(
        (f"IIT-DAS LoRA step, {settings}", "pyvene in the same loop"),
        stepping(parameters, peer_loss),
        ours_step(iit_das),
        goal=(">=", 2.5),
        repeats=repeats,
        least=least,
    )


def adapted() -> Clip:
    """Return ViT-B/32 with adapters on its text tower, the same each time."""
    clip = vit_b32()
    prepare(clip, FinetuneConfig(lora_rank=RANK))
    torch.manual_seed(1)
    for name, parameter in clip.model.named_parameters():
        if "lora_B" in name:  # zero by default, which would hide errors in the gradients
            parameter.data.normal_(std=0.02)
    return clip


def learner(clip: Clip, objective: Objective, free: Tensor) -> Learner:
    """Return our loss."""
    return Learner(clip, objective, Site("text", LAYER), None if objective == "behavioral" else free.clone(), 0.5)


def own_loss(learner: Learner, batch: Tokens, images: Tensor, source: Tensor) -> Tensor:
    """Return the loss of a batch, given as descriptions, then captions."""
    return learner(batch.ids, batch.eot, images, source)


def pyvene_loss(
    clip: Clip, free: Tensor, images: Tensor, source: Tensor
) -> tuple[Callable[[Tokens], Tensor], list[torch.nn.Parameter]]:
    """Return the same loss by pyvene, and the parameters that it trains."""
    text = clip.model.text_model
    adapters = [parameter for parameter in clip.model.parameters() if parameter.requires_grad]
    model, turn = intervenable(clip, LAYER, free, trained=True, use_fast=False)
    for parameter in adapters:  # pyvene has frozen the whole model
        parameter.requires_grad_(True)
    n = len(images)
    base_rows, source_rows = torch.arange(2 * n).roll(n), torch.cat([source, source + n])

    def scores(hidden: Tensor, eot: Tensor) -> Tensor:
        last = functional.normalize(clip.model.text_projection(hidden[torch.arange(2 * n), eot]), dim=-1)
        return (last * images.repeat(2, 1)).sum(-1) * clip.logit_scale

    def loss(batch: Tokens) -> Tensor:
        seen: list[Tensor] = []
        site = text.encoder.layers[LAYER - 1]
        handle = site.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        clean = scores(text(input_ids=batch.ids).last_hidden_state, batch.eot)
        handle.remove()
        # captions as bases first: description -> caption is the second half
        streams = seen[0][source_rows, batch.eot[source_rows]][:, None]
        ends = batch.eot[base_rows]
        places = [[[end] for end in ends.tolist()]]
        with parametrize.cached():
            _, out = model(
                {"input_ids": batch.ids[base_rows]},
                unit_locations={"sources->base": (places, places)},
                source_representations=streams,
            )
        return counterfactual_loss(clean[base_rows], scores(out.last_hidden_state, ends))

    return loss, [*adapters, *turn.parameters()]


def _check(
    ours: Learner, theirs: Sequence[torch.nn.Parameter], ours_loss: Callable[[], Tensor], peer: Callable[[], Tensor]
) -> None:
    """Check that the loss and the gradient of every adapter agree.

    The last of `theirs` is the rotation, which is not compared because its coordinates differ.
    """
    adapters = [parameter for parameter in ours.model.parameters() if parameter.requires_grad]
    losses = ours_loss(), peer()
    torch.testing.assert_close(*losses, atol=CLOSE, rtol=CLOSE)
    gradients = [torch.autograd.grad(losses[0], adapters), torch.autograd.grad(losses[1], theirs[: len(adapters)])]
    largest = max(float(grad.abs().max()) for grad in gradients[1])
    if largest == 0:
        raise RuntimeError("no adapter has a gradient: there is nothing to compare")
    for gradient, other in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, other, atol=CLOSE * largest, rtol=0)


def step_work(clip: Clip, tokens: float) -> Work:
    """Return the work of forward and backward passes through frozen weights and adapters, and of the counterfactuals.

    The passes run at every token, but the last block needs keys and values only. The adapters also need their own
    gradients.
    """
    d, depth = clip.width("text"), clip.depth("text")
    share = (depth - 1) + 2 * d * d / (block_flops(clip, 1) / 2)
    adapters = depth * 4 * 2 * (2 * d * RANK)  # flops of a token
    flops = 2 * share * block_flops(clip, tokens) + 3 * adapters * tokens
    flops += 2 * block_flops(clip, 4 * PAIRS) + 3 * (2 * d * SIZE**2 - 2 * SIZE**3 / 3)
    return Work(flops, 2 * depth * block_bytes(clip) + FLOAT * 6 * depth * tokens * d)
