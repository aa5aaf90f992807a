"""Optimizer steps of an edit on clean runs, compared with pyreft's way: a hook in a full pass of the text tower.

Both sides train the same LoReFT change, in the parametrization of `interp.edits.train`, in the same loop: the same
minibatches, losses, optimizer, and images as cached embeddings. All weights are frozen. The peer is set up as an expert
would: transformers' own fused attention, texts of one length and thus without padding, and no gradient below the hook.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

import numpy as np
import torch
from torch.nn import functional

from benchmarks.interventions import BATCH, CLOSE, push_work
from benchmarks.material import random_images, random_tokens, vit_b32
from benchmarks.measure import Machine, Result, side_by_side
from interp.clip.hooks import patch
from interp.clip.model import Clip, Tokens, unit_texts
from interp.clip.sites import Site
from interp.clip.tensors import Tensor
from interp.edits.losses import Batch, Change, edit_losses
from interp.edits.train import EditConfig, train_edits
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.rotation import orthonormal, random_basis
from training.config import FinetuneConfig

LAYER, SIZE, RETAIN = 10, 16, 1.0
_ON_CONCADIA, _VAL, _STEPS, _REPEATS = 512, (64, 320), (2, 8), 3  # pairs of train and val, steps, measurements
_MOST_VAL = FinetuneConfig.val_samples  # pairs of val that a training looks at
PAIRS, BATCHES = BATCH // 2, 4  # pairs of a step; steps before a pair is repeated
Loss = Callable[[Tensor], Tensor]  # rows of some pairs -> loss


def measure(machine: Machine, repeats: int, whole: bool) -> Iterator[Result]:
    """Yield the goal of this file; if `whole`, also lines without a goal."""
    clip = vit_b32()
    for length, goal in ((77, 20.0), (25, None)):
        if whole or goal is not None:
            yield from _step(clip, machine, length, goal, repeats, whole)


def _step(clip: Clip, machine: Machine, length: int, goal: float | None, repeats: int, whole: bool) -> Iterator[Result]:
    """Yield a step of Adam; ours uses a clean run that is made once, whose own cost is the second line."""
    n, draw, site = PAIRS * BATCHES, np.random.default_rng(0), Site("text", LAYER)
    tokens, images = random_tokens(clip, [length] * 2 * n, draw), random_images(clip, n)
    part = PairsAtSite(PairRun(clean_texts(clip, tokens, [site]), images, clip.logit_scale), site)
    batches = torch.randperm(n, generator=torch.Generator().manual_seed(0)).split(PAIRS)
    ours, theirs = Trained(part), Trained(part)
    losses = own_loss(part, ours), peer_loss(clip, tokens, images, site, theirs)
    check(losses, (ours.leaves, theirs.leaves), batches[0])
    name = f"optimizer step of an edit, layer {LAYER}, k = {SIZE}, batch {BATCH}, T = {length}"
    least = machine.seconds(push_work(clip, LAYER, length, backward=True, size=SIZE))
    step, peer = _stepping(ours, losses[0], batches), _stepping(theirs, losses[1], batches)
    yield side_by_side(
        (name, "a hook in a full forward pass (pyreft)"),
        peer,
        step,
        goal=None if goal is None else (">=", goal),
        repeats=repeats,
        inner=10,
        least=least,
    )
    if whole:
        texts = tokens.take(torch.arange(BATCH))
        yield side_by_side(
            (name, "the clean run of its texts, once"),
            lambda: clean_texts(clip, texts, [site]),
            step,
            goal=None,
            repeats=repeats,
            inner=10,
        )


def on_concadia(lengths: Sequence[int]) -> Iterator[Result]:
    """Yield the time of training an edit on Concadia, computed from measured parts: a start, steps, and looks at val.

    Trainings are measured with few and many steps, and with few and many pairs of val. The differences give the time of
    a step, and of a look at a pair.
    """
    clip, draw = vit_b32(), np.random.default_rng(0)
    (few, many), (small, large) = _STEPS, _VAL
    n = _ON_CONCADIA + large
    tokens, images = random_tokens(clip, draw.choice(lengths, 2 * n).tolist(), draw), random_images(clip, n)
    looks = 1 + EditConfig.max_steps // EditConfig.look_every
    for layer in (6, 10, 12):
        site = Site("text", layer)
        started = time.perf_counter()
        pairs = PairRun(clean_texts(clip, tokens, [site]), images, clip.logit_scale)
        clean = (time.perf_counter() - started) / n
        train, subset, all_ = (
            PairsAtSite(pairs.take(torch.arange(start, start + count)), site)
            for start, count in ((0, _ON_CONCADIA), (_ON_CONCADIA, small), (_ON_CONCADIA, large))
        )
        _training(train, subset, few)  # warm
        costs = []
        for _ in range(_REPEATS):
            least, longer, wider = (_training(train, *rest) for rest in ((subset, few), (subset, many), (all_, few)))
            step, look = (longer - least) / (many - few), (wider - least) / (2 * (large - small))
            start = least - few * step - 2 * small * look
            costs.append([start + EditConfig.max_steps * step + looks * _MOST_VAL * look, step, look])
        low, value, high = np.percentile([each[0] for each in costs], [25, 50, 75])
        step, look = np.median([each[1:] for each in costs], axis=0)
        yield Result(
            f"training an edit on Concadia, layer {layer}, k = {SIZE}, {_MOST_VAL} pairs of val (extrapolated)",
            "",
            "s",
            float(value),
            float(low),
            float(high),
            _REPEATS,
            None,
            facts={"step": float(step), "look_at_a_pair": float(look), "clean_run_of_a_pair": clean},
        )


def _training(train: PairsAtSite, val: PairsAtSite, steps: int) -> float:
    """Return the seconds of a training with two looks at val."""
    started = time.perf_counter()
    config = EditConfig(objective="iit-das-calibrated", max_steps=steps, look_every=steps)
    train_edits(train, val, [SIZE], retain=[0.0], config=config)
    return time.perf_counter() - started


class Trained:
    """Change of a stream that is trained: h + R' (D S (h - m) + b), with R the directions of S V.

    Attributes:
        leaves: V, D and b. D and b are zero at the start of a real training, which would hide errors in the gradients.
    """

    def __init__(self, part: PairsAtSite) -> None:
        generator, d = torch.Generator().manual_seed(0), part.streams.shape[1]
        self.whitening, self.mean = part.whitening, part.streams.mean(0)
        drawn = (torch.randn(*shape, generator=generator) / d for shape in ((SIZE, d), (SIZE,)))
        self.leaves = [leaf.requires_grad_() for leaf in (random_basis(d, SIZE, generator), *drawn)]

    def __call__(self, h: Tensor) -> Tensor:
        free, weight, bias = self.leaves
        rows = orthonormal(self.whitening @ free).T
        return h + ((h - self.mean) @ self.whitening @ weight.T + bias) @ rows


def own_loss(part: PairsAtSite, change: Callable[[Tensor], Tensor]) -> Loss:
    """Return our loss: only EOT's streams pass through the blocks above the site."""
    basis = part.streams.new_zeros(part.streams.shape[1], 0)  # empty: no Z is swapped

    def loss(rows: Tensor) -> Tensor:
        losses = edit_losses(part, [Change(change, basis)], Batch(rows))
        return losses.behavioral[0] + RETAIN * losses.retention[0]

    return loss


def peer_loss(clip: Clip, tokens: Tokens, images: Tensor, site: Site, change: Callable[[Tensor], Tensor]) -> Loss:
    """Return the same loss by the model's own forward pass, in which a hook changes the stream at EOT."""
    n, scale = len(images), clip.logit_scale

    def contrastive(logits: Tensor) -> Tensor:
        diagonal = torch.arange(len(logits))
        return (functional.cross_entropy(logits, diagonal) + functional.cross_entropy(logits.T, diagonal)) / 2

    def loss(rows: Tensor) -> Tensor:
        texts, shown = tokens.take(torch.cat([rows, rows + n])), images[rows]
        with patch(clip, site, texts.eot, change):
            positive, negative = unit_texts(clip.model, texts.ids).chunk(2)
        behavioral = functional.softplus(scale * ((negative - positive) * shown).sum(-1)).mean()
        retention = sum(contrastive(scale * shown @ half.T) for half in (positive, negative)) / 2
        return behavioral + RETAIN * retention

    return loss


def check(losses: Sequence[Loss], leaves: Sequence[Sequence[Tensor]], rows: Tensor) -> None:
    """Raise unless both sides have the same loss, and the same gradient of every leaf."""
    ours, peer = (loss(rows) for loss in losses)
    torch.testing.assert_close(ours, peer, atol=CLOSE, rtol=CLOSE)
    gradients = [torch.autograd.grad(loss, each) for loss, each in zip((ours, peer), leaves, strict=True)]
    for gradient, other in zip(*gradients, strict=True):
        largest = float(other.abs().max())
        if largest == 0:
            raise RuntimeError("a part of the edit has no gradient: there is nothing to compare")
        torch.testing.assert_close(gradient, other, atol=1e-4 * largest, rtol=0)


def _stepping(change: Trained, loss_of: Loss, batches: Sequence[Tensor]) -> Callable[[], object]:
    optimizer, turn = torch.optim.Adam(change.leaves, lr=EditConfig().lr), cycle(batches)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(next(turn)).backward()
        optimizer.step()

    return step
