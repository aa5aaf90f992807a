"""The search that DAS and its variants share: Adam on minibatches; the basis with the lowest loss on val is kept.

All sizes are searched side by side on the same minibatches, which pass the model in one product: that is faster by a
quarter, and changes what is found only by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.nn import functional

from interp.clip.sites import Site
from interp.errors import UserError
from interp.interventions.rotation import Rotation
from interp.methods.pairs import PairRun, PairsAtSite, Sources, Swap, draw_sources, interventions, swap_in
from interp.tensors import Basis, Float, Int, Streams, Tensor


@dataclass(frozen=True)
class SearchConfig:
    """Settings of one search.

    Attributes:
        sources: texts that Z is taken from.
        lr: learning rate of Adam.
        batch_size: pairs of a step; each gives two interventions.
        max_steps: optimizer steps at most.
        look_every: steps between two looks at val.
        patience: looks at val without a lower loss, then stop.
        min_gain: by how much, in nats, a loss must be lower to count.
        seed: of the start, the order and the sources.
    """

    sources: Sources = "random"
    lr: float = 1e-2
    batch_size: int = 64
    max_steps: int = 300
    look_every: int = 20
    patience: int = 3
    min_gain: float = 5e-3
    seed: int = 0


@runtime_checkable
class Candidate(Protocol):
    """A subspace while it is searched for: what distinguishes one searched method from another."""

    @property
    def parameters(self) -> Sequence[Tensor]:
        """Leaves that Adam moves; none where nothing is to be searched."""
        ...

    def at(self, progress: float, /) -> bool:
        """The schedule: told before each step and look which share of `max_steps` is behind, from 0 to 1.

        Returns:
            Whether the schedule has ended. Until then the search goes on, whatever its patience.
        """
        ...

    def swap(self, base: Streams, source: Streams) -> Streams:
        """The base streams with Z of the source streams, differentiable in the parameters; shape (n, d)."""
        ...

    def penalty(self) -> Tensor | None:
        """A scalar that is added to the loss of the steps, in nats; None for none."""
        ...

    def basis(self) -> Basis:
        """The orthonormal basis as it is now, detached: what looks at val measure, and what is kept."""
        ...

    def cost(self) -> float:
        """The cost of `basis` as it is now, in nats, added to the loss wherever looks are compared; 0 for none."""
        ...


@dataclass(eq=False)
class _Search:
    """A candidate, and what the looks at it have found."""

    number: int
    candidate: Candidate
    size: int
    best_basis: Basis
    best_loss: float = np.inf  # without the cost of its basis
    best: float = np.inf  # with it
    counted: float = np.inf  # the last loss, with cost, that was lower by enough
    since: int = 0  # looks since then, or since the schedule ended
    history: list[tuple[int, float]] = field(default_factory=list)

    def look(self, step: int, loss: float, basis: Basis, min_gain: float, *, ended: bool) -> None:
        self.history.append((step, loss))
        total = loss + self.candidate.cost()
        if total < self.best:
            self.best, self.best_loss, self.best_basis = total, loss, basis
        gained = total < self.counted - min_gain
        self.counted = total if gained else self.counted
        self.since = 0 if gained or not ended else self.since + 1


@runtime_checkable
class Loss(Protocol):
    """What a search minimizes."""

    def __call__(
        self, part: PairsAtSite, swaps: Sequence[Swap], source: Int[Tensor, " n"], rows: Int[Tensor, " b"], /
    ) -> Float[Tensor, " c"]:
        """The mean loss of some pairs for each of c ways to swap Z.

        Args:
            part: n pairs at a site.
            source: for each of all n pairs the one that its source text comes from.
            rows: the pairs to take.
        """
        ...


def iit_das_loss(
    part: PairsAtSite, swaps: Sequence[Swap], source: Int[Tensor, " n"], rows: Int[Tensor, " b"]
) -> Float[Tensor, " c"]:
    """`das_losses` of pairs at a site, in nats; a `Loss`."""
    return das_losses(part.pairs, part.site, swaps, source, part.clean * part.pairs.logit_scale, rows)


def search(
    name: str, train: PairsAtSite, val: PairsAtSite, candidates: Sequence[Candidate], config: SearchConfig,
    *, loss: Loss = iit_das_loss, on_look: Callable[[int, int, float], None] | None = None,
) -> list[Rotation]:  # fmt: skip
    """Minimize a loss over candidates, the model frozen.

    Args:
        name: of the method, kept with each rotation.
        train, val: pairs at one site.
        candidates: those that have nothing to search are returned as they start.
        loss: by default that of IIT-DAS.
        on_look: called with the candidate's number, the step and the loss on `val` after each look.

    Returns:
        A rotation for each candidate; its facts hold the configuration, the steps taken and the history of looks.

    Raises:
        UserError: a loss is not a number.
    """
    searches = [
        _Search(number, one, start.shape[1], start)
        for number, (one, start) in enumerate((one, one.basis()) for one in candidates)
    ]
    going = [one for one in searches if one.candidate.parameters]
    if going:
        val_source = draw_sources(
            len(val), config.sources, torch.Generator().manual_seed(config.seed), val.pairs.clusters
        )
        batches = _batches(train.pairs, config, torch.Generator().manual_seed(config.seed))
        optimizer = torch.optim.Adam([leaf for one in going for leaf in one.candidate.parameters], lr=config.lr)
        for step, (rows, source) in enumerate(islice(batches, config.max_steps), start=1):
            if not going:
                break
            for one in going:
                one.candidate.at((step - 1) / config.max_steps)
            optimizer.zero_grad()  # of a search that has ended the gradient stays unset, and Adam leaves it alone
            losses = loss(train, [one.candidate.swap for one in going], source, rows).sum()
            penalties = [found for one in going if (found := one.candidate.penalty()) is not None]
            (losses + torch.stack(penalties).sum() if penalties else losses).backward()
            optimizer.step()
            if step % config.look_every and step < config.max_steps:
                continue
            ended = [one.candidate.at(step / config.max_steps) for one in going]
            bases = [one.candidate.basis() for one in going]
            values = _mean_losses(val, bases, val_source, loss)
            for one, basis, value, over in zip(going, bases, values, ended, strict=True):
                if not np.isfinite(value):
                    raise UserError(f"the loss at {val.site}, size {one.size}, is not a number after {step} steps")
                one.look(step, value, basis, config.min_gain, ended=over)
                if on_look is not None:
                    on_look(one.number, step, value)
            going = [one for one in going if one.since < config.patience]
    return [Rotation(one.best_basis, train.site, _facts(name, one, config)) for one in searches]


def _facts(name: str, one: _Search, config: SearchConfig) -> dict[str, Any]:
    if not one.history:
        return {"method": name, "steps": 0}
    found = {"steps": one.history[-1][0], "val_loss": one.best_loss, "history": one.history}
    return {"method": name, **found, **vars(config)}


def _batches(pairs: PairRun, config: SearchConfig, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of minibatches without end, each pass in a new order and with new sources."""
    while True:
        source = draw_sources(len(pairs), config.sources, generator, pairs.clusters)
        for rows in torch.randperm(len(pairs), generator=generator).split(config.batch_size):
            yield rows, source


@torch.inference_mode()
def _mean_losses(part: PairsAtSite, bases: Sequence[Float[Tensor, "d _"]], source: Tensor, loss: Loss) -> list[float]:
    total = torch.zeros(len(bases), dtype=torch.float64)
    swaps = [swap_in(basis) for basis in bases]
    for rows in torch.arange(len(part)).split(256):
        total += loss(part, swaps, source, rows).double().cpu() * len(rows)
    return (total / len(part)).tolist()


def das_losses(
    pairs: PairRun,
    site: Site,
    swaps: Sequence[Swap],
    source: Int[Tensor, " n"],
    base_logits: Float[Tensor, " m"],
    rows: Int[Tensor, " b"],
) -> Float[Tensor, " c"]:
    """The IIT-DAS objective of some pairs (Zur et al. 2024, section 3.2), for each of c ways to swap Z.

    Mean cross-entropy over [base, counterfactual] in nats, both directions half each.

    Args:
        swaps: each gives base streams the Z of source streams.
        source: for each of all n pairs the one that its source text comes from.
        base_logits: clean ones of all negative texts, then of all positive ones, length 2 n.
        rows: the pairs to take.
    """
    base_rows, source_rows = interventions(rows, source)
    base = pairs.run.take(base_rows)
    own, other = base.stream(site.layer), pairs.run.take(source_rows).stream(site.layer)
    h = torch.stack([swapped(own, other) for swapped in swaps], dim=1)
    logits = (base.push(site.layer, h) * pairs.targets[base_rows][:, None]).sum(-1) * pairs.logit_scale
    return counterfactual_loss(base_logits[torch.cat([rows, rows + len(pairs)]), None], logits)


def counterfactual_loss(base: Tensor, counterfactual: Tensor) -> Tensor:
    """Cross-entropy over [base, counterfactual]: the counterfactual must win in the first half, then the base.

    Args:
        base, counterfactual: logits, shape (m,), or (m, 1) and (m, c).

    Returns:
        The mean of each column, in nats.
    """
    sign = torch.ones_like(base)
    sign[len(base) // 2 :] = -1
    return functional.softplus(sign * (base - counterfactual)).mean(0)  # two-way cross-entropy
