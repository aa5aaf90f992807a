"""Power of a study: the share of simulated studies that find a true difference. No torch."""

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
_DRAWS = 200  # draws of people and images for the interval of each simulated difference
_LOWER = 0.2  # correlation of the weaker metric with the mean ratings of many readers


@dataclass(frozen=True)
class Design:
    """Size of a study.

    Attributes:
        people: number of participants.
        items: number of pairs to compare.
        blocks: number of parts of the items; a participant compares the pairs of one part.
        weights: number of pairs of the data that each item stands for.
        groups: article of each item, numbered from 0.
    """

    people: int
    items: int
    blocks: int
    weights: tuple[float, ...]
    groups: tuple[int, ...]

    @classmethod
    def usual(cls, people: int, items: int, each: int) -> Design:
        """Return the design that `study make` chooses from a large number of pairs.

        Args:
            people: number of participants.
            items: number of pairs to compare, each from a different article.
            each: maximum number of pairs for one participant.
        """
        return cls(people, items, -(-items // each), tuple(usual_weights(items)), tuple(range(items)))

    @classmethod
    def of_study(cls, study: Study) -> Design:
        """Return the design of an existing study."""
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
        """Maximum number of pairs for one participant."""
        return -(-self.items // self.blocks)


@dataclass(frozen=True)
class Power:
    """Share of simulated studies that find a difference.

    Attributes:
        measure: `PREFERENCE` or `CORRELATION`.
        size: true preference, or true difference of correlations.
        share: share of studies whose 95 % interval lies above 50 %, or above 0 for `CORRELATION`.
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
    """Return a mask of the items of each participant, shape (people, items); participants take the blocks in turn."""
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
    """Return the power to find a preference above one half (`interp.stats.clustered_share`).

    Choices follow the model of `training.studies.simulation.Readers`, without biases.

    Args:
        preference: true preference, above 1/2.
        on_study: function to call after each simulated study, for a progress bar.
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
    """Return the power to find that one metric correlates more with mean ratings than a second metric.

    Each participant rates one text of a pair, drawn at random. Both metrics are the true quality of a text plus
    independent noise. The weaker metric has a correlation of 0.2 with the mean ratings of this design, and the stronger
    metric has 0.2 plus the difference.

    Raises:
        ValueError: the stronger correlation exceeds the ceiling for the number of readers of a text.
    """
    readers = design.people / design.blocks / 2
    ceiling = variances.ceiling(readers)
    highest = _LOWER + difference
    if highest >= ceiling:
        raise ValueError(
            f"a correlation of {highest:.2f} exceeds {ceiling:.2f}, the ceiling for {readers:.1f} readers of each text"
        )
    sizes = [math.sqrt(part) for part in (variances.people, variances.items, variances.rest)]
    hits_found = 0
    for number in range(simulations):
        rng = np.random.default_rng([seed, number])
        there = assignment(design, rng)
        rated = rng.integers(0, 2, there.shape)  # text of the pair that the participant rates
        people, quality = rng.normal(0, sizes[0], design.people), rng.normal(0, 1, (design.items, 2))
        ratings, names = [], []
        for item in range(design.items):
            for text in (0, 1):
                raters = np.flatnonzero(there[:, item] & (rated[:, item] == text))
                values = people[raters] + quality[item, text] * sizes[1] + rng.normal(0, sizes[2], len(raters))
                ratings.append(values.tolist())
                names.append([str(person) for person in raters])
        better, worse = (
            r * quality.ravel() + math.sqrt(1 - r**2) * rng.normal(0, 1, quality.size)
            for r in (highest / ceiling, _LOWER / ceiling)
        )
        clusters = [str(group) for group in design.groups for _ in (0, 1)]
        estimate = two_way_difference(better, worse, ratings, names, clusters, draws=_DRAWS, seed=number)
        hits_found += estimate.low > 0
        on_study()
    return _power(design, CORRELATION, difference, hits_found, simulations)


def _power(design: Design, measure: str, size: float, hits: int, simulations: int) -> Power:
    share = wilson(hits, simulations)
    return Power(design, measure, size, share.value, share.low, share.high, simulations)


def sentence(powers: Sequence[Power], variances: RaterVariances, source: str) -> str:
    """Return a paragraph for an application to an ethics board.

    Args:
        powers: powers of one design.
        source: origin of the variances.
    """
    design = powers[0].design
    judged = f"all {design.items}" if design.blocks == 1 else f"{design.each} of {design.items}"
    size = f"{design.people} participants, who each judge {judged} pairs of texts"
    parts = []
    for power in powers:
        difference = (
            f"a true preference of {100 * power.size:g} %"
            if power.measure == PREFERENCE
            else f"a difference of {power.size:g} between two correlations with mean ratings"
        )
        parts.append(f"{difference} in {100 * power.share:.0f} % of cases")
    detected = ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
    return (
        f"With {size}, the study is expected to find {detected} ({powers[0].simulations} simulated studies). A "
        "difference counts as found if its 95 % interval, which treats people and texts as samples, lies above chance. "
        f"The simulation assumes variances of {variances.people:.3f} between people, {variances.items:.3f} between "
        f"texts and {variances.rest:.3f} within them, {source}."
    )
