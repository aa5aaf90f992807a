"""Training of edits on clean runs: no step runs a text tower, only EOT's stream passes the blocks above the site.

Several sizes, weights of retention and seeds are trained side by side, on the same minibatches and in one product. As
in a search for Z, an edit is parametrized in whitened coordinates (`PairsAtSite.whitening`), since streams are
anisotropic: rows R span the columns of S V with S = whitening, and W = R + D S, so that h changes by
R' (D S (h - m) + b), where m is the mean stream. It begins at D = 0 and b = 0, which change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from interp.clip.edits.edit import Edit
from interp.clip.tensors import Float, Int, Streams, Tensor
from interp.errors import UserError
from interp.subspaces.losses import contrastive_loss
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import orthonormal, random_basis

FLOOR = 0.03  # of the learning rate, at the end
_RETAIN = (0.0, 0.25, 0.5, 1.0, 2.0)  # weights of retention that are tried


@dataclass(frozen=True)
class EditConfig:
    """Settings of a training of edits.

    Attributes:
        lr: learning rate of Adam at the start; it falls to `FLOOR` of that.
        batch_size: pairs of a step.
        max_steps: steps.
        look_every: steps between two looks at val.
        seed: seed of the rows at the start, and of the order of pairs.
    """

    lr: float = 1e-2
    batch_size: int = 64
    max_steps: int = 300
    look_every: int = 20
    seed: int = 0


@dataclass(frozen=True)
class Losses:
    """Losses of a batch for each of c edits, in nats.

    Attributes:
        behavioral: cross-entropy over [negative, positive] of each pair's logits, target positive.
        retention: cross-entropy of picking a text's own image in the batch, and an image's own text, the mean over
            both and over the kinds of text.
    """

    behavioral: Float[Tensor, " c"]
    retention: Float[Tensor, " c"]


Change = Callable[[Streams], Streams]


def edit_losses(part: PairsAtSite, changes: Sequence[Change], rows: Int[Tensor, " b"]) -> Losses:
    """Return the losses of some pairs, differentiable in whatever the changes depend on.

    Args:
        changes: changes of the streams at the site, each on its own.
        rows: the pairs to take.
    """
    n, m, scale = len(part), len(rows), part.pairs.logit_scale
    both = torch.cat([rows, rows + n])
    run, images = part.pairs.run.take(both), part.pairs.targets[rows]
    h = run.stream(part.site)
    embedded = run.push(part.site, torch.stack([change(h) for change in changes], dim=1))
    positive, negative = embedded[:m], embedded[m:]
    gaps = ((positive - negative) * images[:, None]).sum(-1)
    logits = (scale * torch.einsum("ie,jce->cij", images, half) for half in (positive, negative))
    kinds = torch.stack([contrastive_loss(each) for each in logits])
    return Losses(functional.softplus(-scale * gaps).mean(0), kinds.mean(0))


@dataclass(eq=False)
class _Candidate:
    """An edit while it is trained.

    Attributes:
        free: V, shape (d, k); weight: D, shape (k, d); bias: b.
        kept: the tensors with the lowest loss on val, its weight included.
    """

    size: int
    retain: float
    whitening: Float[Tensor, "d d"]
    mean: Float[Tensor, " d"]
    free: Float[Tensor, "d k"]
    weight: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]
    kept: dict[str, Tensor] = field(default_factory=dict)
    behavioral: float = math.inf
    retention: float = math.inf
    step: int = 0

    @property
    def parameters(self) -> list[Tensor]:
        return [self.free, self.weight, self.bias]

    def rows(self) -> Float[Tensor, "k d"]:
        return orthonormal(self.whitening @ self.free).T

    def change(self, h: Streams) -> Streams:
        return h + ((h - self.mean) @ self.whitening @ self.weight.T + self.bias) @ self.rows()

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the same change as LoReFT: W = R + D S, and b - D S m."""
        with torch.no_grad():
            rows, added = self.rows(), self.weight @ self.whitening
            made = {"rows": rows, "weight": rows + added, "bias": self.bias - added @ self.mean}
            return {name: tensor.detach().clone() for name, tensor in made.items()}

    def total(self) -> float:
        return self.behavioral + self.retain * self.retention

    def look(self, step: int, behavioral: float, retention: float) -> None:
        if behavioral + self.retain * retention < self.total() or not self.kept:
            self.kept, self.behavioral, self.retention, self.step = self.tensors(), behavioral, retention, step


def train_edits(
    train: PairsAtSite,
    val: PairsAtSite,
    sizes: Sequence[int],
    *,
    retain: Sequence[float] = _RETAIN,
    config: EditConfig | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> list[Edit]:
    """Train an edit for each size and weight of retention, side by side.

    The behavioral objective asks that the positive text of each pair score higher. Retention is a contrastive term over
    the batch for both kinds of text, which keeps retrieval.

    Args:
        train, val: pairs at one site in the residual stream.
        sizes: numbers of directions k, from 1 to the width of the stream.
        retain: weights of the contrastive term.
        on_step: called after each step, for a progress bar.

    Returns:
        LoReFT edits, sizes first, then weights. Each is that of the step with the lowest loss on val. Their facts hold
        the settings; the `step`; `val_behavioral`, and `val_retention_rise` over the unedited model, in nats.

    Raises:
        ValueError: a size does not fit the stream.
        UserError: a loss is not a number.
    """
    config = config or EditConfig()
    for size in sizes:
        train.check_size(size)
    candidates = [_start(train, size, weight, config.seed) for size in sizes for weight in retain]
    every = torch.arange(len(val))
    before = _measure(val, [lambda h: h], every)[0][1]

    def look(step: int) -> None:
        for one, (behavioral, retention) in zip(
            candidates, _measure(val, [one.change for one in candidates], every), strict=True
        ):
            if not math.isfinite(behavioral + retention):
                raise UserError(f"the loss of an edit at {train.site} is not a number after {step} steps")
            one.look(step, behavioral, retention)

    weights = torch.tensor([one.retain for one in candidates], device=train.streams.device)
    optimizer = torch.optim.Adam([leaf for one in candidates for leaf in one.parameters], lr=config.lr)
    look(0)
    for step, rows in zip(range(config.max_steps), _batches(train, config), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * (1 - (1 - FLOOR) * step / config.max_steps)
        optimizer.zero_grad()
        losses = edit_losses(train, [one.change for one in candidates], rows)
        (losses.behavioral + weights * losses.retention).sum().backward()
        optimizer.step()
        on_step()
        if (step + 1) % config.look_every == 0 or step + 1 == config.max_steps:
            look(step + 1)
    return [Edit("loreft", train.site, one.kept, _facts(one, before, config)) for one in candidates]


def train_edit(
    train: PairsAtSite,
    val: PairsAtSite,
    size: int,
    *,
    retain: Sequence[float] = _RETAIN,
    config: EditConfig | None = None,
) -> Edit:
    """Train an edit with each weight of retention, and return the one that val chooses (`chosen`)."""
    return chosen(train_edits(train, val, [size], retain=retain, config=config))


def chosen(edits: Sequence[Edit]) -> Edit:
    """Return the edit with the lowest sum of two losses on val, in nats: the behavioral loss, and the rise of the
    contrastive loss over the unedited model. A nat of preference is worth a nat of retrieval; of equals the first wins.
    """
    return min(edits, key=lambda edit: edit.facts["val_behavioral"] + edit.facts["val_retention_rise"])


def _start(train: PairsAtSite, size: int, retain: float, seed: int) -> _Candidate:
    streams = train.streams
    free = random_basis(streams.shape[1], size, torch.Generator().manual_seed(seed)).to(streams)
    weight, bias = streams.new_zeros(size, streams.shape[1]), streams.new_zeros(size)
    for leaf in (free, weight, bias):
        leaf.requires_grad_()
    return _Candidate(size, retain, train.whitening, streams.mean(0), free, weight, bias)


@torch.no_grad()
def _measure(part: PairsAtSite, changes: Sequence[Change], rows: Int[Tensor, " b"]) -> list[tuple[float, float]]:
    """Return behavioral and retention loss of each change, over pairs of 256 at a time."""
    sums = torch.zeros(2, len(changes), dtype=torch.float64)
    for some in rows.split(256):
        losses = edit_losses(part, changes, some)
        sums += torch.stack([losses.behavioral, losses.retention]).double().cpu() * len(some)
    return [(behavioral, retention) for behavioral, retention in (sums / len(rows)).T.tolist()]


def _facts(one: _Candidate, before: float, config: EditConfig) -> dict[str, Any]:
    return {
        "objective": "behavioral",
        "retain": one.retain,
        "step": one.step,
        "val_behavioral": one.behavioral,
        "val_retention_rise": one.retention - before,
        **vars(config),
    }


def _batches(train: PairsAtSite, config: EditConfig) -> Iterator[Int[Tensor, " b"]]:
    """Yield rows of minibatches without end, each pass in a new order."""
    generator = torch.Generator().manual_seed(config.seed)
    while True:
        yield from torch.randperm(len(train), generator=generator).split(config.batch_size)
