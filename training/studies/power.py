"""Power of a study by simulation: how often a true difference would be found. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interp.stats import RaterVariances, clustered_share, wilson
from interp.stats.two_way import two_way_difference
from training.studies.design import Study
from training.studies.sampling import usual_weights
from training.studies.simulation import latent_mean

PREFERENCE, CORRELATION = "preference", "correlation difference"
_DRAWS = 200  # of people and images, for the interval of each simulated difference
_LOWER = 0.2  # correlation of the weaker metric with the mean ratings of many readers


@dataclass(frozen=True)
class Design:
    """Size of a study.

    Attributes:
        people: number of participants.
        items: number of pairs that are compared.
        blocks: parts that the pairs are dealt out to; a participant compares the pairs of one part.
        weights: pairs of the data that each item stands for, as `study make` chooses them by default.
        groups: article of each item, numbered from 0; by default each item has an article of its own.
    """

    people: int
    items: int
    blocks: int
    weights: tuple[float, ...]
    groups: tuple[int, ...]

    @classmethod
    def usual(cls, people: int, items: int, each: int) -> Design:
        """Return the design that `study make` chooses from very many pairs, with at most `each` for a participant."""
        return cls(people, items, -(-items // each), tuple(usual_weights(items)), tuple(range(items)))

    @classmethod
    def of_study(cls, study: Study) -> Design:
        """Return the design of a study that was made."""
        blocks = len({form.name.rstrip("0123456789") for form in study.forms})
        groups = list(dict.fromkeys(item.group for item in study.items))
        return cls(
            study.people,
            len(study.items),
            blocks,
            tuple(item.weight for item in study.items),
            tuple(groups.index(item.group) for item in study.items),
        )

    @property
    def each(self) -> int:
        """Number of pairs that a participant compares, at most."""
        return -(-self.items // self.blocks)


@dataclass(frozen=True)
class Power:
    """Share of simulated studies that find a difference.

    Attributes:
        measure: `PREFERENCE` or `CORRELATION`.
        size: the true preference, or the true difference of correlations.
        share: share of studies whose 95 % interval lies above 50 %, or above 0.
        low, high: 95 % interval of the share, for the number of simulations.
        simulations: number of simulated studies.
    """

    design: Design
    measure: str
    size: float
    share: float
    low: float
    high: float
    simulations: int


def assignment(design: Design, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which participant compares which item, shape (people, items): blocks of items, in turn."""
    block_of = rng.permutation(design.items) % design.blocks
    return np.arange(design.people)[:, None] % design.blocks == block_of[None]


def power_of_preference(
    design: Design,
    preference: float,
    variances: RaterVariances,
    *,
    simulations: int,
    seed: int,
    on_study: Callable[[], object] = lambda: None,
) -> Power:
    """Simulate how often a preference above one half is found (`interp.stats.clustered_share`).

    Choices are made as by `training.studies.simulation.Readers`, without biases.

    Args:
        preference: true preference, above 1/2.
        on_study: called after each simulated study, for a progress bar.
    """
    mean = latent_mean(preference, variances.people + variances.items + variances.rest)
    sizes = [math.sqrt(part) for part in (variances.people, variances.items, variances.rest)]
    weights, groups = np.array(design.weights), np.array(design.groups)
    hits_found = 0
    for number in range(simulations):
        rng = np.random.default_rng([seed, number])
        there = assignment(design, rng)
        person, item = np.nonzero(there)
        u = mean + rng.normal(0, sizes[0], design.people)[person] + rng.normal(0, sizes[1], design.items)[item]
        hits = (u + rng.normal(0, sizes[2], len(u)) > 0).astype(float)
        of_rows = weights[item] / there.sum(0)[item]
        hits_found += clustered_share(hits, person, design.people + groups[item], of_rows).low > 0.5
        on_study()
    return _power(design, PREFERENCE, preference, hits_found, simulations)


def power_of_correlation(
    design: Design,
    difference: float,
    variances: RaterVariances,
    *,
    simulations: int,
    seed: int,
    on_study: Callable[[], object] = lambda: None,
) -> Power:
    """Simulate how often one metric is found to correlate more with mean ratings than another one.

    Each participant rates one text of a pair, at random. Both metrics are the true quality of a text plus noise of
    their own. With the mean ratings of this design, one correlates by 0.2, the other one by 0.2 plus the difference.

    Raises:
        ValueError: with so few readers of a text, no metric can correlate so much.
    """
    readers = design.people / design.blocks / 2
    ceiling = variances.ceiling(readers)
    highest = _LOWER + difference
    if highest >= ceiling:
        raise ValueError(
            f"a correlation of {highest:.2f} is beyond {ceiling:.2f}, which {readers:.1f} readers of a text allow"
        )
    sizes = [math.sqrt(part) for part in (variances.people, variances.items, variances.rest)]
    hits_found = 0
    for number in range(simulations):
        rng = np.random.default_rng([seed, number])
        there = assignment(design, rng)
        rated = rng.integers(0, 2, there.shape)  # text of the pair that a participant rates
        people, quality = rng.normal(0, sizes[0], design.people), rng.normal(0, 1, (design.items, 2))
        ratings, names = [], []
        for item in range(design.items):
            for text in (0, 1):
                who = np.flatnonzero(there[:, item] & (rated[:, item] == text))
                values = people[who] + quality[item, text] * sizes[1] + rng.normal(0, sizes[2], len(who))
                ratings.append(values.tolist())
                names.append([str(person) for person in who])
        better, worse = (
            r * quality.ravel() + math.sqrt(1 - r**2) * rng.normal(0, 1, quality.size)
            for r in (highest / ceiling, _LOWER / ceiling)
        )
        clusters = [str(group) for group in design.groups for _ in (0, 1)]
        estimate = two_way_difference(better, worse, ratings, names, clusters, draws=_DRAWS, seed=number)
        hits_found += estimate.low > 0
        on_study()
    return _power(design, CORRELATION, difference, hits_found, simulations)


def _power(design: Design, measure: str, size: float, found: int, simulations: int) -> Power:
    share = wilson(found, simulations)
    return Power(design, measure, size, share.value, share.low, share.high, simulations)


def sentence(powers: Sequence[Power], variances: RaterVariances, source: str) -> str:
    """Return a paragraph for an application to an ethics board.

    Args:
        powers: of one design.
        source: where the variances come from.
    """
    design = powers[0].design
    judged = f"all {design.items}" if design.blocks == 1 else f"{design.each} of {design.items}"
    size = f"{design.people} participants, each of whom judges {judged} pairs of texts"
    parts = []
    for power in powers:
        what = (
            f"a true preference of {100 * power.size:g} %"
            if power.measure == PREFERENCE
            else f"a difference of {power.size:g} between two correlations with mean ratings"
        )
        parts.append(f"{what} in {100 * power.share:.0f} % of cases")
    found = ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
    return (
        f"With {size}, the study is expected to find {found} ({powers[0].simulations} simulated studies). A difference "
        "is found if its 95 % interval, which treats people and texts as samples, lies above chance. The "
        f"simulation assumes variances of {variances.people:.3f} between people, {variances.items:.3f} between texts "
        f"and {variances.rest:.3f} within them, {source}."
    )
