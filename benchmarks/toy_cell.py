"""Steps of one fine-tuned cell of the toy, compared with peft's own forward pass in the same loop.

The peer runs the adapted model as transformers and peft do. One pass gives the clean logits and, by a hook, the streams
of the sources. Another pass gives the counterfactuals; in it, a hook changes the stream. Texts are padded to the
longest of the batch. Data, order, sources, loss and optimizer are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle

import torch

from benchmarks.measure import Result, side_by_side
from interp.clip import blocks as arithmetic
from interp.clip.hooks import capture, patch
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip, unit_texts
from interp.clip.sites import Site
from interp.clip.swap import swap
from interp.clip.tensors import Tensor
from interp.data import load_pairs
from interp.subspaces.losses import counterfactual_loss
from interp.subspaces.pairs import draw_sources, interventions
from interp.subspaces.rotation import orthonormal
from training.batches import Examples, Order, examples, generator
from training.config import FinetuneConfig
from training.finetune_run import first_rotation
from training.losses import Learner
from training.trainable_weights import prepare

LAYER, SIZE, PAIRS = 11, 16, 32
CLOSE = 1e-4
Loss = Callable[[Learner, Tensor, int], Tensor]  # learner, pairs of a step and its number -> loss


def measure(repeats: int) -> Iterator[Result]:
    """Yield the goal against peft's forward pass, and a line against ours with peft's layers.

    The line shows the gain of merging.
    """
    config = FinetuneConfig(layer=LAYER, size=SIZE)
    learners = [_learner(config) for _ in range(3)]
    base = load_clip("toy")
    pairs = load_pairs("toy")
    train = examples(base, image_features(base, pairs), "train", frozen=True)
    order = Order(len(train), PAIRS, None, 0).epoch(0)
    _check(learners, [_ours(train), _peft(train), _unmerged(train)], order[0])
    name = f"IIT-DAS LoRA step of one cell of the toy, layer {LAYER}, k = {SIZE}, {PAIRS} pairs"
    ours = _stepping(learners[0], order, _ours(train))
    for learner, peer, loss, goal in (
        (learners[1], "peft's own forward in the same loop", _peft(train), 2.0),
        (learners[2], "adapters not merged, texts packed", _unmerged(train), None),
    ):
        yield side_by_side(
            (name, peer),
            _stepping(learner, order, loss),
            ours,
            goal=None if goal is None else (">=", goal),
            repeats=max(repeats, 5),
            inner=2,
        )


def _learner(config: FinetuneConfig) -> Learner:
    """Return the toy with adapters, the same each time."""
    clip = load_clip("toy")
    free = first_rotation(config, clip)
    prepare(clip, config)
    torch.manual_seed(1)
    for name, parameter in clip.model.named_parameters():
        if "lora_B" in name:  # zero by default, which would hide errors in the gradients
            parameter.data.normal_(std=0.02)
    return Learner(clip, "iit-das", Site("text", LAYER), free, 0.5)


def _weights(learner: Learner) -> list[Tensor]:
    return [parameter for parameter in learner.parameters() if parameter.requires_grad]


def _stepping(learner: Learner, order: list[Tensor], loss_of: Loss) -> Callable[[], object]:
    optimizer = torch.optim.Adam(_weights(learner), lr=1e-5, fused=True)
    turn = cycle(enumerate(order))

    def step() -> None:
        number, rows = next(turn)
        loss = loss_of(learner, rows, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _sources(number: int) -> Tensor:
    return draw_sources(PAIRS, "random", generator(0, 1, number))


def _ours(train: Examples) -> Loss:
    def loss(learner: Learner, rows: Tensor, number: int) -> Tensor:
        tokens = train.tokens.take(torch.cat([rows, rows + len(train)]))
        return learner(tokens.ids, tokens.eot, train.images(learner.clip, rows), _sources(number))

    return loss


def _unmerged(train: Examples) -> Loss:
    def loss(learner: Learner, rows: Tensor, number: int) -> Tensor:
        with _as_they_are():
            return _ours(train)(learner, rows, number)

    return loss


@contextmanager
def _as_they_are() -> Iterator[None]:
    """Run blocks without merging their adapters, and restore the merging on exit."""
    before = arithmetic.merged
    arithmetic.merged = lambda block: block
    try:
        yield
    finally:
        arithmetic.merged = before


def _peft(train: Examples) -> Loss:
    site = Site("text", LAYER)

    def logits(clip: Clip, ids: Tensor, images: Tensor) -> Tensor:
        return (unit_texts(clip.model, ids) * images).sum(-1) * clip.logit_scale

    def loss(learner: Learner, rows: Tensor, number: int) -> Tensor:
        clip, free = learner.clip, learner.free
        if free is None:
            raise ValueError("the objective has no rotation")
        tokens = train.tokens.take(torch.cat([rows, rows + len(train)]))
        images = train.images(clip, rows).repeat(2, 1)
        with capture(clip, [site]) as seen:
            clean = logits(clip, tokens.ids, images)
        streams = seen[site][torch.arange(len(tokens)), tokens.eot]
        base, source = interventions(torch.arange(PAIRS), _sources(number))
        basis = orthonormal(free)
        with patch(clip, site, tokens.eot[base], lambda h: swap(h, streams[source], basis)):
            changed = logits(clip, tokens.ids[base], images)
        return counterfactual_loss(clean[base], changed)

    return loss


def _check(learners: list[Learner], losses: list[Loss], rows: Tensor) -> None:
    """Check that the loss and the gradient of every weight agree."""
    results = []
    for learner, loss_of in zip(learners, losses, strict=True):
        loss = loss_of(learner, rows, 0)
        results.append((loss.detach(), torch.autograd.grad(loss, _weights(learner))))
    largest = max(float(grad.abs().max()) for grad in results[0][1])
    if largest == 0:
        raise RuntimeError("no weight has a gradient: there is nothing to compare")
    for loss, gradients in results[1:]:
        torch.testing.assert_close(loss, results[0][0], atol=CLOSE, rtol=CLOSE)
        for gradient, other in zip(gradients, results[0][1], strict=True):
            torch.testing.assert_close(gradient, other, atol=CLOSE * largest, rtol=0)
