"""Distributed alignment search: find the rotation whose subspace Z carries which kind of text it is.

The outcome is the IIT-DAS one, on a frozen model (Zur et al. 2024, section 3.2; Geiger et al. 2024): a negative text
(a caption) given Z of a positive one (a description) must score higher than it did; the reverse must score lower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from interp.data.contrast import DIRECTIONS, Direction
from interp.errors import UserError
from interp.interventions.clean_run import CleanRun
from interp.interventions.rotation import Rotation, orthonormal, random_basis, swap, swap_span
from interp.stats import iia_outcomes
from interp.tensors import Basis, Embeddings, Float, Int, Streams, Tensor

Sources = Literal["random", "paired"]
Swap = Callable[[Streams, Streams, Basis], Streams]


@dataclass(frozen=True, eq=False)
class PairRun:
    """The clean run of pairs: all positive texts, then all negative ones, and their images.

    Attributes:
        run: clean run of 2 n texts; row i is a positive text, row n + i the negative one of the same image.
        images: unit-norm image embeddings, shape (n, embed).
        logit_scale: factor from score to logit.
        groups: for each pair what bootstraps must resample together; by default each on its own.
    """

    run: CleanRun
    images: Embeddings
    logit_scale: float
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.run) != 2 * len(self.images):
            raise ValueError(f"expected 2 texts for each of {len(self.images)} images, got {len(self.run)} texts")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Int[Tensor, " m"]) -> PairRun:
        """Some of the pairs, in the order given."""
        groups = tuple(self.groups[i] for i in rows.tolist()) if self.groups else ()
        return PairRun(self.run.take(torch.cat([rows, rows + len(self)])), self.images[rows], self.logit_scale, groups)


@dataclass(frozen=True)
class DASConfig:
    """Settings of one search."""

    sources: Sources = "random"
    lr: float = 1e-2
    batch_size: int = 64
    max_steps: int = 300
    look_every: int = 20
    patience: int = 3  # looks at `val` without a lower loss, then stop
    min_gain: float = 5e-3  # by how much, in nats, a loss must be lower to count
    seed: int = 0


@dataclass(frozen=True)
class Outcomes:
    """Scores of counterfactuals beside those of their bases, by direction; arrays of length draws x n.

    Attributes:
        base, counterfactual: direction -> scores.
        sources: the pair whose text Z was taken from.
        groups: cluster of each entry.
    """

    base: dict[Direction, np.ndarray]
    counterfactual: dict[Direction, np.ndarray]
    sources: np.ndarray
    groups: np.ndarray

    def hits(self, direction: Direction) -> np.ndarray:
        """1 where the counterfactual comes out as the causal model predicts, 0 where not, 1/2 for a tie."""
        winner: Literal["base", "counterfactual"]
        winner = "counterfactual" if direction == "up" else "base"
        return iia_outcomes(self.base[direction], self.counterfactual[direction], winner=winner)

    def iia(self, direction: Direction | None = None) -> float:
        """Interchange intervention accuracy of one direction, or the mean of both."""
        chosen = DIRECTIONS if direction is None else (direction,)
        return float(np.mean([self.hits(one).mean() for one in chosen]))

    def shift(self, direction: Direction) -> float:
        """How much the intervention moves the score on average: counterfactual minus base."""
        return float((self.counterfactual[direction] - self.base[direction]).mean())


def draw_sources(n: int, sources: Sources, generator: torch.Generator) -> Int[Tensor, " n"]:
    """For each pair the pair that its source text is taken from.

    ``paired``: its own. ``random``: another one, each serving once (a cyclic shift of a random order).

    Raises:
        ValueError: random sources of fewer than two pairs, or an unknown kind.
    """
    if sources == "paired":
        return torch.arange(n)
    if sources != "random":
        raise ValueError(f"unknown sources '{sources}'; known: random, paired")
    if n < 2:
        raise ValueError(f"random sources need at least 2 pairs, got {n}")
    order = torch.randperm(n, generator=generator)
    out = torch.empty(n, dtype=torch.long)
    out[order] = order.roll(1)
    return out


def _interventions(rows: Int[Tensor, " m"], source: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    """Rows of base and source texts in a run of 2 n: negative texts given Z of positive ones, then the reverse."""
    n = len(source)
    return torch.cat([rows + n, rows]), torch.cat([source[rows], source[rows] + n])


@torch.inference_mode()
def clean_scores(pairs: PairRun, layer: int) -> Float[Tensor, " m"]:
    """Scores of the unchanged negative texts, then positive ones: pushed from `layer` as counterfactuals are."""
    run = pairs.run.take(_interventions(torch.arange(len(pairs)), torch.arange(len(pairs)))[0])
    return _push_scores(run, pairs.images.repeat(2, 1), layer, run.stream(layer))


def _push_scores(
    run: CleanRun, images: Embeddings, layer: int, h: Streams, batch_size: int = 256
) -> Float[Tensor, " m"]:
    out = torch.empty(len(run), dtype=images.dtype, device=images.device)
    for rows in run.batches(batch_size):
        out[rows] = (run.take(rows).push(layer, h[rows]) * images[rows]).sum(-1)
    return out


@dataclass(eq=False)
class _Search:
    """One subspace that is searched for, and what the looks at it have found."""

    free: Float[Tensor, "d k"]
    basis: Basis  # the best so far
    best: float = np.inf
    counted: float = np.inf  # the last loss that was lower by enough
    since: int = 0  # looks since then
    history: list[tuple[int, float]] = field(default_factory=list)

    def look(self, step: int, loss: float, basis: Basis, min_gain: float) -> None:
        self.history.append((step, loss))
        if loss < self.best:
            self.best, self.basis = loss, basis
        self.counted, self.since = (loss, 0) if loss < self.counted - min_gain else (self.counted, self.since + 1)


def train_das(
    train: PairRun,
    val: PairRun,
    site: str,
    layer: int,
    size: int,
    config: DASConfig | None = None,
    *,
    clean: tuple[Tensor, Tensor] | None = None,
    on_look: Callable[[int, float], None] | None = None,
) -> Rotation:
    """Search for the rotation of `size` directions that minimizes the IIT-DAS loss, the model frozen.

    Args:
        train, val: clean runs that kept `layer`.
        site: label for the rotation, for example ``text.11.eot``.
        size: k, from 0 (nothing to train) to d.
        clean: `clean_scores` of train and val, if they are known.
        on_look: called with the step and the loss on `val` after each look.

    Returns:
        The rotation; its facts hold the configuration, the steps taken and the history of looks.

    Raises:
        ValueError: the size does not fit the stream.
        UserError: the loss is not a number.
    """

    def looked(_size: int, step: int, loss: float) -> None:
        if on_look is not None:
            on_look(step, loss)

    return train_das_sizes(train, val, site, layer, [size], config, clean=clean, on_look=looked)[0]


def train_das_sizes(
    train: PairRun,
    val: PairRun,
    site: str,
    layer: int,
    sizes: Sequence[int],
    config: DASConfig | None = None,
    *,
    clean: tuple[Tensor, Tensor] | None = None,
    on_look: Callable[[int, int, float], None] | None = None,
) -> list[Rotation]:
    """Search for the rotations of some sizes that minimize the IIT-DAS loss, the model frozen.

    Adam on a free d x k matrix whose span is the subspace; minibatches over the cached clean runs; the basis with the
    lowest loss on `val` is kept, and a search stops after `patience` looks without a better one. All sizes are
    searched side by side on the same minibatches, which pass the model in one product: that is faster by a quarter,
    and changes what is found only by rounding.

    Args:
        train, val: clean runs that kept `layer`.
        site: label for the rotations, for example ``text.11.eot``.
        sizes: k of each, from 0 (nothing to train) to d.
        clean: `clean_scores` of train and val, if they are known.
        on_look: called with the size, the step and the loss on `val` after each look.

    Returns:
        A rotation for each size; its facts hold the configuration, the steps taken and the history of looks.

    Raises:
        ValueError: a size does not fit the stream.
        UserError: a loss is not a number.
    """
    config = config or DASConfig()
    width, device = train.run.stream(layer).shape[1], train.images.device
    for size in sizes:
        if not 0 <= size <= width:
            raise ValueError(f"size {size} does not fit: the stream at {site} has width {width}")
    searches = []
    for size in sizes:
        start = random_basis(width, size, torch.Generator().manual_seed(config.seed)).to(device)
        searches.append(_Search(start.clone().requires_grad_(), start))
    going = [search for search in searches if search.basis.shape[1]]
    if not going:
        return [Rotation(search.basis, site, _facts(search, config)) for search in searches]
    known = clean or (clean_scores(train, layer), clean_scores(val, layer))
    base_logits, val_logits = known[0] * train.logit_scale, known[1] * val.logit_scale
    val_source = draw_sources(len(val), config.sources, torch.Generator().manual_seed(config.seed))
    batches = _batches(len(train), config, torch.Generator().manual_seed(config.seed))
    optimizer = torch.optim.Adam([search.free for search in searches], lr=config.lr)
    for step, (rows, source) in enumerate(islice(batches, config.max_steps), start=1):
        if not going:
            break
        optimizer.zero_grad()  # of a search that has ended the gradient stays unset, and Adam leaves it alone
        spans = [search.free for search in going]
        das_losses(train, layer, spans, source, base_logits, rows, swap_span).sum().backward()
        optimizer.step()
        if step % config.look_every and step < config.max_steps:
            continue
        bases = [orthonormal(search.free.detach()) for search in going]
        losses = _mean_losses(val, layer, bases, val_source, val_logits)
        for search, basis, loss in zip(going, bases, losses, strict=True):
            size = basis.shape[1]
            if not np.isfinite(loss):
                raise UserError(f"the loss at {site}, size {size}, is not a number after {step} steps")
            search.look(step, loss, basis, config.min_gain)
            if on_look is not None:
                on_look(size, step, loss)
        going = [search for search in going if search.since < config.patience]
    return [Rotation(search.basis, site, _facts(search, config)) for search in searches]


def _facts(search: _Search, config: DASConfig) -> dict[str, Any]:
    if not search.history:
        return {"method": "das", "steps": 0}
    found = {"steps": search.history[-1][0], "val_loss": search.best, "history": search.history}
    return {"method": "das", **found, **vars(config)}


def _batches(n: int, config: DASConfig, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of minibatches without end, each pass in a new order and with new sources."""
    while True:
        source = draw_sources(n, config.sources, generator)
        for rows in torch.randperm(n, generator=generator).split(config.batch_size):
            yield rows, source


@torch.inference_mode()
def _mean_losses(
    pairs: PairRun, layer: int, bases: Sequence[Float[Tensor, "d _"]], source: Tensor, base_logits: Tensor
) -> list[float]:
    total = torch.zeros(len(bases), dtype=torch.float64)
    for rows in torch.arange(len(pairs)).split(256):
        total += das_losses(pairs, layer, bases, source, base_logits, rows).double().cpu() * len(rows)
    return (total / len(pairs)).tolist()


def das_loss(
    pairs: PairRun,
    layer: int,
    basis: Basis,
    source: Int[Tensor, " n"],
    base_logits: Float[Tensor, " m"],
    rows: Int[Tensor, " b"],
    swapped: Swap = swap,
) -> Tensor:
    """`das_losses` of one basis."""
    return das_losses(pairs, layer, [basis], source, base_logits, rows, swapped)[0]


def das_losses(
    pairs: PairRun,
    layer: int,
    bases: Sequence[Float[Tensor, "d _"]],
    source: Int[Tensor, " n"],
    base_logits: Float[Tensor, " m"],
    rows: Int[Tensor, " b"],
    swapped: Swap = swap,
) -> Float[Tensor, " c"]:
    """The IIT-DAS objective of some pairs for each of c bases: mean cross-entropy over [base, counterfactual], both
    directions half each.

    Args:
        source: for each of all n pairs the one that its source text comes from.
        base_logits: clean ones of all negative texts, then of all positive ones, length 2 n.
        rows: the pairs to take.
        swapped: `swap`, or `swap_span`, if the bases are free matrices.
    """
    base_rows, source_rows = _interventions(rows, source)
    base = pairs.run.take(base_rows)
    own, other = base.stream(layer), pairs.run.take(source_rows).stream(layer)
    h = torch.stack([swapped(own, other, basis) for basis in bases], dim=1)
    logits = (base.push(layer, h) * pairs.images[rows].repeat(2, 1)[:, None]).sum(-1) * pairs.logit_scale
    return counterfactual_loss(base_logits[torch.cat([rows, rows + len(pairs)]), None], logits)


def counterfactual_loss(base: Tensor, counterfactual: Tensor) -> Tensor:
    """Cross-entropy over [base, counterfactual]: the counterfactual must win in the first half, then the base.

    Args:
        base, counterfactual: logits, shape (m,), or (m, 1) and (m, c).

    Returns:
        The mean of each column.
    """
    sign = torch.ones_like(base)
    sign[len(base) // 2 :] = -1
    return functional.softplus(sign * (base - counterfactual)).mean(0)  # two-way cross-entropy


@torch.inference_mode()
def evaluate(
    pairs: PairRun, layer: int, basis: Basis, *, sources: Sources = "random", draws: int = 4, seed: int = 0,
    clean: Float[Tensor, " m"] | None = None,
) -> Outcomes:  # fmt: skip
    """Counterfactual scores of every pair in both directions, with `draws` random sources each (1 if paired).

    The base scores are computed by the same operations on the same batches, so that an intervention that changes
    nothing ties exactly; `clean` holds them, as `clean_scores` gives them, if they are known.
    """
    generator = torch.Generator().manual_seed(seed)
    n, images = len(pairs), pairs.images.repeat(2, 1)
    base: dict[Direction, list[np.ndarray]] = {direction: [] for direction in DIRECTIONS}
    changed: dict[Direction, list[np.ndarray]] = {direction: [] for direction in DIRECTIONS}
    clean = clean_scores(pairs, layer) if clean is None else clean
    drawn = [draw_sources(n, sources, generator) for _ in range(1 if sources == "paired" else draws)]
    for source in drawn:
        base_rows, source_rows = _interventions(torch.arange(n), source)
        run = pairs.run.take(base_rows)
        h = swap(run.stream(layer), pairs.run.take(source_rows).stream(layer), basis)
        scores = _push_scores(run, images, layer, h)
        for number, direction in enumerate(DIRECTIONS):
            half = slice(number * n, (number + 1) * n)
            base[direction].append(clean[half].cpu().numpy())
            changed[direction].append(scores[half].cpu().numpy())
    groups = np.asarray(pairs.groups or [str(i) for i in range(n)])
    return Outcomes(
        {key: np.concatenate(value) for key, value in base.items()},
        {key: np.concatenate(value) for key, value in changed.items()},
        torch.cat(drawn).numpy(),
        np.tile(groups, len(drawn)),
    )
