"""Common search of DAS and its variants: Adam on minibatches, from several starts, until the starts agree.

Streams are anisotropic: in a few directions, texts differ a hundred times as much as in most directions. In the
coordinates of the stream, Adam does not reach a direction that matters but is small next to its neighbours, and every
start ends on the same plateau. Candidates are therefore parametrized in whitened coordinates (`PairsAtSite.whitening`),
in which texts differ equally in all directions.

A search goes through `ROUNDS`. In each round, the learning rate falls to `FLOOR` times its first value, so that the
round ends at rest. A search has converged when its starts agree in their lowest loss on val, and the gradient of the
loss on train pairs is small at the end of the best start. A converged search stops. A search that has not converged
after the last round reports this.

All sizes and starts are searched side by side on the same minibatches, which pass the model in one product. This is
faster by a quarter, and changes the result only by rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch

from interp.clip.modes import gradients
from interp.clip.sites import Site
from interp.clip.tensors import Streams, Tensor
from interp.errors import UserError
from interp.subspaces.convergence import slopes
from interp.subspaces.losses import Loss, iit_das_loss, mean_losses
from interp.subspaces.pairs import PairRun, PairsAtSite, Sources, draw_sources
from interp.subspaces.subspace import Subspace

STARTS = 2  # starts of each search
ROUNDS = (0.4, 1.0)  # ends, as shares of `max_steps`
FLOOR = 0.03  # share of the learning rate at the end of a round
AGREEMENT = 0.01  # nats (calibrated search: units of 1 - R²) by which the lowest losses of two starts may differ
LEVEL = 0.15  # largest gradient at convergence, in nats per radian


@dataclass(frozen=True)
class SearchConfig:
    """Settings of one search.

    Attributes:
        sources: texts that Z is taken from.
        lr: learning rate of Adam at the start of a round, in whitened coordinates.
        batch_size: pairs per step; each pair gives two interventions.
        max_steps: largest number of optimizer steps.
        look_every: steps between two evaluations on val.
        seed: seed of the starts, the order and the sources.
    """

    sources: Sources = "random"
    lr: float = 3e-2
    batch_size: int = 64
    max_steps: int = 400
    look_every: int = 20
    seed: int = 0

    def starts(self) -> list[int]:
        """Return the seed of each start: the search's own, then seeds of a stream that no search begins with."""
        others = np.random.SeedSequence([self.seed, 2]).generate_state(STARTS - 1)
        return [self.seed, *others.tolist()]


Found = TypeVar("Found", bound=Subspace)
_Found_co = TypeVar("_Found_co", bound=Subspace, covariant=True)


@runtime_checkable
class Candidate(Protocol[_Found_co]):
    """Subspace during its search: the part that distinguishes one searched method from another."""

    @property
    def parameters(self) -> Sequence[Tensor]:
        """Leaves that Adam moves; none if there is nothing to search."""
        ...

    def at(self, progress: float, /) -> bool:
        """Follow the schedule; called before each step and each evaluation.

        Args:
            progress: share of `max_steps` taken so far, from 0 to 1.

        Returns:
            True if the schedule has ended. Until then the search goes on.
        """
        ...

    def swap(self, base: Streams, source: Streams) -> Streams:
        """Return the base streams with Z of the source streams, differentiable in the parameters; shape (n, d)."""
        ...

    def penalty(self) -> Tensor | None:
        """Return a scalar that is added to the loss of the steps, in nats; None for no penalty."""
        ...

    def subspace(self, site: Site, /) -> _Found_co:
        """Return the present subspace at a site, detached, for evaluations on val and as the result."""
        ...

    def cost(self) -> float:
        """Return the cost of the present subspace, in nats, which is added to the loss when candidates are compared."""
        ...


@dataclass(eq=False)
class _Start(Generic[Found]):
    """One start of a search, and its evaluations."""

    candidate: Candidate[Found]
    last: Found  # at the last evaluation
    kept: Found
    loss: float = math.inf  # of the kept subspace, without its cost
    total: float = math.inf  # with its cost
    history: list[tuple[int, float, int]] = field(default_factory=list)

    def look(self, step: int, loss: float, subspace: Found) -> None:
        self.last = subspace
        self.history.append((step, loss, subspace.size))
        total = loss + self.candidate.cost()
        if total < self.total:
            self.total, self.loss, self.kept = total, loss, subspace


@dataclass(eq=False)
class _Search(Generic[Found]):
    """All starts of one search, and the state of its convergence."""

    size: int
    starts: list[_Start[Found]]
    gradient: float = 0.0
    converged: bool = True  # `search` sets this to False if a candidate has parameters

    @property
    def best(self) -> _Start[Found]:
        """Start with the lowest total of loss on val and cost."""
        return min(self.starts, key=lambda start: start.total)

    @property
    def going(self) -> bool:
        """State of the search: True until it has converged."""
        return not self.converged

    def judge(self, gradients: Sequence[float], *, ended: bool) -> None:
        """Decide whether the search has converged, at the end of a round."""
        totals = [start.total for start in self.starts]
        self.gradient = gradients[self.starts.index(self.best)]
        self.converged = ended and max(totals) - min(totals) <= AGREEMENT and self.gradient <= LEVEL


@gradients()
def search(
    name: str,
    train: PairsAtSite,
    val: PairsAtSite,
    candidates: Sequence[Sequence[Candidate[Found]]],
    config: SearchConfig,
    *,
    loss: Loss = iit_das_loss,
    on_look: Callable[[int, float], None] | None = None,
) -> list[Found]:
    """Minimize a loss over candidates, with the model frozen.

    Args:
        name: name of the method, kept with each subspace.
        train, val: pairs at one site.
        candidates: starts of each search; a search without parameters ends where it starts.
        loss: loss to minimize; by default the loss of IIT-DAS.
        on_look: function that is called, after each evaluation, with the step and the lowest loss on `val` so far of
            the first search.

    Returns:
        The subspace of the best start of each search. Its facts hold the configuration; `steps` taken; `converged`; the
        lowest `val_loss` and that of each of the `starts`; the `gradient` at the end of the best start (`slopes`); and
        the `history` of the best start, with step, loss and number of directions of each evaluation.

    Raises:
        UserError: a loss is not a number.
    """
    searches = [
        _Search(starts[0].subspace(train.site).size, [_start(candidate, train.site) for candidate in starts])
        for starts in candidates
    ]
    for state in searches:
        state.converged = not any(start.candidate.parameters for start in state.starts)
    source = draw_sources(len(val), config.sources, torch.Generator().manual_seed(config.seed), val.pairs.clusters)

    def look(step: int, states: Sequence[_Search[Found]]) -> None:
        starts = [(state, start) for state in states for start in state.starts]
        present = [start.candidate.subspace(train.site) for _, start in starts]
        losses = mean_losses(val, present, source, loss)
        for (state, start), subspace, value in zip(starts, present, losses, strict=True):
            if not math.isfinite(value):
                raise UserError(f"the loss at {val.site}, size {state.size}, is not a number after {step} steps")
            start.look(step, value, subspace)
        if on_look is not None and searches[0] in states:
            on_look(step, searches[0].best.loss)

    look(0, searches)
    going, step = [state for state in searches if state.going], 0
    batches = _batches(train.pairs, config, torch.Generator().manual_seed(config.seed))
    leaves = [leaf for state in going for start in state.starts for leaf in start.candidate.parameters]
    optimizer = torch.optim.Adam(leaves or [torch.zeros(1, requires_grad=True)], lr=config.lr)
    for share in ROUNDS:
        first, last = step, max(1, round(share * config.max_steps))
        while going and step < last:
            for group in optimizer.param_groups:
                group["lr"] = config.lr * (1 - (1 - FLOOR) * (step - first) / (last - first))
            _step(
                train,
                [start.candidate for state in going for start in state.starts],
                optimizer,
                next(batches),
                loss,
                step / config.max_steps,
            )
            step += 1
            if step % config.look_every == 0 or step == last:
                for state in going:
                    for start in state.starts:
                        start.candidate.at(step / config.max_steps)
                look(step, going)
        if going:
            norms = slopes(
                train, [start.last for state in going for start in state.starts], config.sources, config.seed, loss
            )
            for state in going:
                ended = all(start.candidate.at(step / config.max_steps) for start in state.starts)
                state.judge([norms.pop(0) for _ in state.starts], ended=ended)
            going = [state for state in going if state.going]
    return [state.best.kept.with_facts(_facts(name, state, config)) for state in searches]


def _start(candidate: Candidate[Found], site: Site) -> _Start[Found]:
    subspace = candidate.subspace(site)
    return _Start(candidate, subspace, subspace)


def _step(
    train: PairsAtSite,
    candidates: Sequence[Candidate[Any]],
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    loss: Loss,
    progress: float,
) -> None:
    """Take one step of all candidates on the same pairs; Adam skips parameters without a gradient."""
    for candidate in candidates:
        candidate.at(progress)
    rows, source = batch
    optimizer.zero_grad()
    total = loss(train, [candidate.swap for candidate in candidates], source, rows).sum()
    penalties = [penalty for candidate in candidates if (penalty := candidate.penalty()) is not None]
    (total + torch.stack(penalties).sum() if penalties else total).backward()
    optimizer.step()


def _facts(name: str, state: _Search[Any], config: SearchConfig) -> dict[str, Any]:
    best = state.best
    return {
        "method": name,
        "converged": state.converged,
        "steps": best.history[-1][0],
        "val_loss": best.loss,
        "starts": [start.loss for start in state.starts],
        "gradient": state.gradient,
        "history": best.history,
        **vars(config),
    }


def _batches(pairs: PairRun, config: SearchConfig, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield rows of minibatches without end, each pass in a new order and with new sources."""
    while True:
        source = draw_sources(len(pairs), config.sources, generator, pairs.clusters)
        for rows in torch.randperm(len(pairs), generator=generator).split(config.batch_size):
            yield rows, source
