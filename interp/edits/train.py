"""Training of edits on clean runs: no step runs a text tower. Only EOT's stream passes the blocks above the site.

Several sizes and weights of retention are trained side by side, on the same minibatches and in one product. As in a
search for Z, an edit is parametrized in whitened coordinates (`PairsAtSite.whitening`), since streams are anisotropic.
With S = whitening, the rows R span the columns of S V, and W = R + D S. The change of h is R' (D S (h - m) + b), where
m is the mean stream. Training begins at D = 0 and b = 0, which change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from interp.clip.edits.edit import Edit
from interp.clip.modes import gradients
from interp.clip.tensors import Float, Int, Streams, Tensor
from interp.edits.losses import Batch, Change, edit_losses
from interp.errors import UserError
from interp.subspaces.losses import Objective
from interp.subspaces.pairs import PairsAtSite, Sources
from interp.subspaces.rotation import Rotation, orthonormal, random_basis

FLOOR = 0.03  # share of the learning rate at the end
_REST = 0.01  # nats that the loss on val may still fall in the last quarter of the steps
RETAIN = (0.0, 0.5, 2.0)  # default weights of retention
_VAL_BATCH = 256  # pairs


@dataclass(frozen=True)
class EditConfig:
    """Settings of a training of edits.

    Attributes:
        objective: objective, one of those of a fine-tuning; Z is the row space of R.
        weight: weight of IIT-DAS in the joint objective, by default 0.5; or of the calibration terms in calibrated
            IIT-DAS, by default 0.1.
        sources: texts that Z is taken from.
        lr: learning rate of Adam at the start; it falls to `FLOOR` times this value.
        batch_size: pairs per step.
        max_steps: number of steps.
        look_every: steps between two evaluations on val.
        seed: seed of the initial rows R, of the order of pairs, and of sources.
    """

    objective: Objective = "behavioral"
    weight: float | None = None
    sources: Sources = "random"
    lr: float = 3e-2
    batch_size: int = 64
    max_steps: int = 80
    look_every: int = 10
    seed: int = 0

    @property
    def effective_weight(self) -> float:
        """Weight of the objective's second part."""
        return {"joint": 0.5}.get(self.objective, 0.1) if self.weight is None else self.weight


@dataclass(frozen=True)
class _EditValidation:
    """Evaluation on val.

    Attributes:
        step: number of steps before the evaluation.
        loss: loss of the objective, in nats.
        retention_rise: rise of the contrastive loss over the unedited model, in nats.
        preference: preference accuracy.
    """

    step: int
    loss: float
    retention_rise: float
    preference: float

    @property
    def cost(self) -> float:
        """Sum of loss and retention rise, by which val selects a weight: both count equally, nat for nat."""
        return self.loss + self.retention_rise


@dataclass(frozen=True, eq=False)
class TrainedEdit:
    """Edit at the end of its training.

    Attributes:
        edit: LoReFT edit of the step with the lowest loss on val, including retention with its weight.
        look: evaluation at that step.
        history: all evaluations.
    """

    edit: Edit
    look: _EditValidation
    history: tuple[_EditValidation, ...]

    @property
    def rotation(self) -> Rotation:
        """Z of the edit: the row space of R."""
        edit = self.edit
        return Rotation(edit.tensors["rows"].T.contiguous(), edit.site, {**edit.facts, "method": "edit"})


@dataclass(eq=False)
class _Candidate:
    """Edit during its training.

    Attributes:
        free: V, shape (d, k); weight: D, shape (k, d); bias: b.
        kept: tensors of the step with the lowest loss on val.
    """

    size: int
    retain: float
    whitening: Float[Tensor, "d d"]
    mean: Float[Tensor, " d"]
    free: Float[Tensor, "d k"]
    weight: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]
    kept: dict[str, Tensor] = field(default_factory=dict)
    history: list[_EditValidation] = field(default_factory=list)
    best: _EditValidation | None = None

    @property
    def parameters(self) -> list[Tensor]:
        return [self.free, self.weight, self.bias]

    def change(self) -> Change:
        """Return the change that the current parameters make."""
        basis = orthonormal(self.whitening @ self.free)

        def stream(h: Streams) -> Streams:
            return h + ((h - self.mean) @ self.whitening @ self.weight.T + self.bias) @ basis.T

        return Change(stream, basis)

    def total(self, look: _EditValidation) -> float:
        return look.loss + self.retain * look.retention_rise

    def look(self, look: _EditValidation) -> None:
        """Record an evaluation, and keep the tensors if its loss is the lowest so far."""
        self.history.append(look)
        if self.best is None or self.total(look) < self.total(self.best):
            self.kept, self.best = self._tensors(), look

    def at_rest(self, steps: int) -> bool:
        """Return whether the lowest loss on val has fallen by less than `_REST` in the last quarter of the steps."""
        early = [self.total(look) for look in self.history if look.step <= 0.75 * steps]
        return min(early) - min(map(self.total, self.history)) < _REST

    def _tensors(self) -> dict[str, Tensor]:
        """Return the tensors of the same change as LoReFT: W = R + D S, and b - D S m."""
        with torch.no_grad():
            rows, added = self.change().basis.T, self.weight @ self.whitening
            made = {"rows": rows, "weight": rows + added, "bias": self.bias - added @ self.mean}
            return {name: tensor.detach().clone() for name, tensor in made.items()}


@gradients()
def train_edits(
    train: PairsAtSite,
    val: PairsAtSite,
    sizes: Sequence[int],
    *,
    retain: Sequence[float] = RETAIN,
    config: EditConfig | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> list[TrainedEdit]:
    """Train an edit for each size and weight of retention, side by side.

    Retention is a contrastive term over the batch for both kinds of text, which is added to the objective and preserves
    retrieval.

    Args:
        train, val: pairs at one site in the residual stream.
        sizes: numbers of directions k, from 1 to the width of the stream.
        retain: weights of the contrastive term.
        on_step: function that is called after each step, for a progress bar.

    Returns:
        Trained edits, ordered by size, then by weight. Their facts hold the settings, the results at the step that was
        kept, and whether training converged (``converged``).

    Raises:
        ValueError: a size does not fit the stream.
        UserError: a loss is not a number.
    """
    config = config or EditConfig()
    for size in sizes:
        train.check_size(size)
    candidates = [_start(train, size, weight, config.seed) for size in sizes for weight in retain]
    draw = torch.Generator().manual_seed(config.seed)
    watched = _val_batches(val, config)
    nothing = Change(lambda h: h, candidates[0].change().basis.detach())
    before = _measure(val, [nothing], watched, config)[0].retention_rise

    def look(step: int) -> None:
        evaluations = _measure(val, [candidate.change() for candidate in candidates], watched, config, step, before)
        for candidate, look in zip(candidates, evaluations, strict=True):
            if not math.isfinite(look.cost):
                raise UserError(f"the loss of an edit at {train.site} is not a number after {step} steps")
            candidate.look(look)

    weights = torch.tensor([candidate.retain for candidate in candidates], device=train.streams.device)
    optimizer = torch.optim.Adam([leaf for candidate in candidates for leaf in candidate.parameters], lr=config.lr)
    look(0)
    for step, rows in zip(range(config.max_steps), _batches(train, config, draw), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * (1 - (1 - FLOOR) * step / config.max_steps)
        optimizer.zero_grad()
        batch = Batch.draw(train, rows, config.objective, config.sources, draw)
        losses = edit_losses(train, [candidate.change() for candidate in candidates], batch)
        total = losses.total(config.objective, config.effective_weight) + weights * losses.retention
        total.sum().backward()
        optimizer.step()
        on_step()
        if (step + 1) % config.look_every == 0 or step + 1 == config.max_steps:
            look(step + 1)
    return [_trained_edit(candidate, train, config) for candidate in candidates]


def train_edit(
    train: PairsAtSite,
    val: PairsAtSite,
    size: int,
    *,
    retain: Sequence[float] = RETAIN,
    config: EditConfig | None = None,
) -> Edit:
    """Train an edit with each weight of retention, and return the edit that val selects (`chosen`)."""
    return chosen(train_edits(train, val, [size], retain=retain, config=config)).edit


def chosen(edits: Sequence[TrainedEdit]) -> TrainedEdit:
    """Return the edit with the lowest cost on val (`_EditValidation.cost`), the first edit in case of a tie.

    Both losses are smooth, so the rule detects differences of a few points. Shares of a few hundred pairs would hide
    these differences.
    """
    return min(edits, key=lambda trained: trained.look.cost)


def _start(train: PairsAtSite, size: int, retain: float, seed: int) -> _Candidate:
    streams = train.streams
    free = random_basis(streams.shape[1], size, torch.Generator().manual_seed(seed)).to(streams)
    weight, bias = streams.new_zeros(size, streams.shape[1]), streams.new_zeros(size)
    for leaf in (free, weight, bias):
        leaf.requires_grad_()
    return _Candidate(size, retain, train.whitening, streams.mean(0), free, weight, bias)


def _val_batches(val: PairsAtSite, config: EditConfig) -> list[Batch]:
    """Return all pairs of val in batches of nearly equal size, with fixed sources."""
    draw = torch.Generator().manual_seed(config.seed)
    parts = torch.arange(len(val)).tensor_split(max(1, len(val) // _VAL_BATCH))
    return [Batch.draw(val, rows, config.objective, config.sources, draw) for rows in parts]


@torch.no_grad()
def _measure(
    val: PairsAtSite,
    changes: Sequence[Change],
    batches: Sequence[Batch],
    config: EditConfig,
    step: int = 0,
    before: float = 0.0,
) -> list[_EditValidation]:
    """Return an evaluation on val for each change.

    Args:
        before: contrastive loss of the unedited model.
    """
    sums = torch.zeros(3, len(changes), dtype=torch.float64)
    for batch in batches:
        losses = edit_losses(val, changes, batch)
        each = losses.total(config.objective, config.effective_weight), losses.retention, losses.preference
        sums += torch.stack(each).double().cpu() * len(batch.rows)
    means = (sums / len(val)).T.tolist()
    return [_EditValidation(step, loss, retention - before, preference) for loss, retention, preference in means]


def _trained_edit(candidate: _Candidate, train: PairsAtSite, config: EditConfig) -> TrainedEdit:
    assert candidate.best is not None
    facts: dict[str, Any] = {
        **vars(config),
        "weight": config.effective_weight,
        "retain": candidate.retain,
        "step": candidate.best.step,
        "val_loss": candidate.best.loss,
        "val_retention_rise": candidate.best.retention_rise,
        "val_preference": candidate.best.preference,
        "converged": candidate.at_rest(config.max_steps),
    }
    edit = Edit("loreft", train.site, candidate.kept, facts)
    return TrainedEdit(edit, candidate.best, tuple(candidate.history))


def _batches(train: PairsAtSite, config: EditConfig, draw: torch.Generator) -> Iterator[Int[Tensor, " b"]]:
    """Yield rows of minibatches without end, each pass in a new order."""
    while True:
        yield from torch.randperm(len(train), generator=draw).tensor_split(max(1, len(train) // config.batch_size))
