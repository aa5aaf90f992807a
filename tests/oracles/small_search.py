"""Oracle of DAS: separate starts, whole forward passes in float64, and QR in each step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.oracles.world import KINDS, World, changed_scores, clean, draw_sources, random_subspace

TARGET = {"caption": 1, "description": 0}  # which of [base, counterfactual] must win, by the kind of the base
RATE, FALL, BATCH, LOOK_EVERY = 3e-2, 0.97, 64, 20
RIDGE, MOST_PAIRS = 0.1, 1024
# Ends of rounds as shares of all steps, nats between two starts, nats per radian. The constants repeat those of
# `interp.subspaces.search`, so a change there must be made here too.
ROUNDS, AGREEMENT, LEVEL = (0.4, 1.0), 0.01, 0.15


def loss(world: World, split: str, layer: int, basis: Tensor, source: Sequence[int], rows: Sequence[int]) -> Tensor:
    """Return the two-way cross-entropy over the logits [base, counterfactual]; both directions weigh the same."""
    halves, factor = [], world.clip.model.logit_scale.exp()
    for kind in KINDS:
        after = changed_scores(world, split, kind, layer, basis, source, rows)
        logits = factor * torch.stack([clean(world, split, kind, layer)[0][rows], after], dim=1)
        halves.append(functional.cross_entropy(logits, torch.full((len(rows),), TARGET[kind])))
    return (halves[0] + halves[1]) / 2


def loss_on_val(world: World, layer: int, basis: Tensor, seed: int) -> float:
    """Return the loss of all pairs of val, each with one source."""
    source = draw_sources(world.all("val", "group"), torch.Generator().manual_seed(seed))
    return float(loss(world, "val", layer, basis, source, range(len(source))))


def whitening(streams: Tensor) -> Tensor:
    """Return the symmetric matrix that nearly equalizes the variances of streams; a ridge bounds its eigenvalues."""
    covariance = torch.cov(streams.T, correction=0)
    values, vectors = torch.linalg.eigh(covariance)
    varying = [value for value in values.tolist() if value > 1e-9 * max(values.tolist())]
    middle = math.exp(sum(map(math.log, varying)) / len(varying))
    scales = [math.sqrt(middle / (max(value, 0.0) + RIDGE * middle)) for value in values.tolist()]
    return vectors @ torch.diag(torch.tensor(scales, dtype=torch.float64)) @ vectors.T


def gradient(world: World, layer: int, basis: Tensor, shape: Tensor, seed: int) -> float:
    """Return the length of the gradient of the loss of train in whitened coordinates, from two halves of the pairs.

    Args:
        shape: the whitening.
    """
    articles, generator = world.all("train", "group"), torch.Generator().manual_seed(seed)
    order = torch.randperm(len(articles), generator=generator).tolist()[:MOST_PAIRS]
    middle = math.ceil(len(order) / 2)
    start, slopes = torch.linalg.qr(torch.linalg.inv(shape) @ basis)[0], []
    for rows in (order[:middle], order[middle:]):
        given, source = draw_sources([articles[i] for i in rows], generator), list(range(len(articles)))
        for place, i in enumerate(rows):
            source[i] = rows[given[place]]
        free = start.clone().requires_grad_()
        loss(world, "train", layer, torch.linalg.qr(shape @ free)[0], source, rows).backward()
        slopes.append(free.grad - start @ (start.T @ free.grad))
    return math.sqrt(max(0.0, float((slopes[0] * slopes[1]).sum())))


@dataclass
class Start:
    """Start of a search: a free matrix, with the losses on val and the bases of all evaluations."""

    free: Tensor
    shape: Tensor

    def __post_init__(self) -> None:
        self.losses: list[float] = []
        self.bases: list[Tensor] = []

    def basis(self) -> Tensor:
        """Return an orthonormal basis of the span."""
        return torch.linalg.qr(self.shape @ self.free)[0]

    def look(self, loss_of: Callable[[Tensor], float]) -> None:
        """Keep the present basis and its loss."""
        self.bases.append(self.basis().detach())
        self.losses.append(loss_of(self.bases[-1]))


@dataclass(frozen=True)
class Found:
    """Result of a search.

    Attributes:
        basis: basis with the lowest loss on val.
        steps: number of steps taken.
        converged: 1 if the search has converged, else 0.
        starts: lowest loss of each start.
        gradient: length of the gradient at the end of the better start.
        looks: loss of the better start at each evaluation.
    """

    basis: Tensor
    steps: int
    converged: float
    starts: Sequence[float]
    gradient: float
    looks: Sequence[float]


def minibatches(articles: Sequence[str], seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the rows of minibatches and the sources of all pairs; each pass has another order and other sources."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        source = draw_sources(articles, generator)
        order = torch.randperm(len(articles), generator=generator).tolist()
        for first in range(0, len(order), BATCH):
            yield order[first : first + BATCH], source


def search(world: World, layer: int, size: int, seed: int, max_steps: int) -> Found:
    """Search from two starts by Adam, in rounds, until the starts agree and the better start has a small gradient."""
    shape = whitening(torch.cat([clean(world, "train", kind, layer)[1] for kind in KINDS]))
    seeds, width = [seed, int(np.random.SeedSequence([seed, 2]).generate_state(1)[0])], len(shape)
    if size in (0, width):
        basis = random_subspace(width, size, seed) if size else torch.zeros(width, 0, dtype=torch.float64)
        least = loss_on_val(world, layer, basis, seed)
        return Found(basis, 0, 1.0, [least], 0.0, [least])
    starts = [Start(random_subspace(width, size, start_seed).requires_grad_(), shape) for start_seed in seeds]
    for start in starts:
        start.look(lambda basis: loss_on_val(world, layer, basis, seed))
    optimizer = torch.optim.Adam([start.free for start in starts])
    batches, step = minibatches(world.all("train", "group"), seed), 0
    for end in (round(share * max_steps) for share in ROUNDS):
        first = step
        while step < end:
            optimizer.param_groups[0]["lr"] = RATE * (1 - FALL * (step - first) / (end - first))
            optimizer.zero_grad()
            rows, source = next(batches)
            for start in starts:
                loss(world, "train", layer, start.basis(), source, rows).backward()
            optimizer.step()
            step += 1
            if step % LOOK_EVERY == 0 or step == end:
                for start in starts:
                    start.look(lambda basis: loss_on_val(world, layer, basis, seed))
        lowest = [min(start.losses) for start in starts]
        better = starts[lowest.index(min(lowest))]
        steepness = gradient(world, layer, better.bases[-1], shape, seed)
        converged = abs(lowest[0] - lowest[1]) <= AGREEMENT and steepness <= LEVEL
        if converged:
            break
    kept = better.bases[better.losses.index(min(better.losses))]
    return Found(kept, step, float(converged), lowest, steepness, better.losses)
