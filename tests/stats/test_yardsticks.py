"""Tests of numbers in units of another sample's mean: closed forms, and coverage of intervals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from interp import stats
from interp.data.contrast import DIRECTIONS, SIGN
from interp.evidence.calibration import calibration, slopes, squared_errors
from interp.evidence.controls import SwapOutcomes, control
from interp.stats import Yardstick
from interp.subspaces.outcomes import Outcomes
from tests.oracles.dyads import Design, mean_to_by_pairs, other, ratio_by_pairs, ratio_to_by_pairs
from tests.wide import wide
from tests.wording import raises

DRAWS = 500
GAP, ARTICLES, EACH = 0.8, 100, 3  # 300 train pairs whose mean is ten times its error
RATIO, FACTOR, WITHIN = (
    1.3,
    0.4,
    0.2,
)  # mean move of a swap over the gap, and its variation across kinds and within a kind


SMALL = Design(articles=14, each=3)  # for matrices over pairs of units


def train_gaps(rng: np.random.Generator, mean: float = GAP, articles: int = ARTICLES) -> tuple[np.ndarray, np.ndarray]:
    """Draw gaps of pairs, and their articles."""
    article = np.repeat(np.arange(articles), EACH)
    return mean + 0.7 * (rng.normal(size=articles)[article] + rng.normal(size=len(article))), article


def swapped(rng: np.random.Generator, moved: float, factor: float, design: Design) -> Outcomes:
    """Draw outcomes whose moves have the mean `moved` in the expected direction."""
    x, bases, sources = design.draw(rng)
    y = 0.6 * x + 0.8 * design.spread * rng.normal(size=len(x))  # for the other kind, with equal spread
    moves = {way: SIGN[way] * (moved + factor * each) for way, each in zip(DIRECTIONS, (x, y), strict=True)}
    source, n = sources * design.each, design.articles * design.each  # any pair of the source's article
    return Outcomes({way: np.zeros(len(x)) for way in DIRECTIONS}, moves, source, bases, n)


def both(rng: np.random.Generator, design: Design | None = None) -> tuple[Outcomes, Outcomes]:
    design = design or Design()
    return swapped(rng, RATIO * GAP, FACTOR, design), swapped(rng, 0.0, WITHIN, design)


@pytest.mark.slow
def test_intervals_of_calibration_hold_the_truth_only_if_the_gap_is_in_error():
    varies = (FACTOR**2 + WITHIN**2) * Design().spread ** 2
    truth = {"ratio_c2d": RATIO, "ratio_d2c": RATIO, "r2": 1 - (RATIO - 1) ** 2 - varies / GAP**2}
    rng, covered = np.random.default_rng(1), {True: dict.fromkeys(truth, 0), False: dict.fromkeys(truth, 0)}
    for _ in range(DRAWS):
        gap, swaps = stats.yardstick(*train_gaps(rng)), both(rng)
        taken_as_known = Yardstick(gap.value, gap.n, gap.value, gap.value, error=0.0)
        for heeded, by in ((True, gap), (False, taken_as_known)):
            measures = wide(calibration(*swaps, by))
            for key, value in truth.items():
                covered[heeded][key] += measures[f"{key}_low"] <= value <= measures[f"{key}_high"]
    for key in truth:
        assert 0.92 <= covered[True][key] / DRAWS <= 0.98, key
        assert covered[False][key] / DRAWS < 0.85, key


@pytest.mark.slow
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.05, 0.3, -0.8, 3.0]))
@example(28, 0.3)  # the gap may be 0 by one of the two ends of its interval
def test_intervals_are_those_of_matrices_over_pairs_of_units(seed: int, mean: float):
    rng = np.random.default_rng(seed)
    gaps, articles = train_gaps(rng, mean, 20)
    across, within = both(rng, SMALL)
    gap, naive = stats.yardstick(gaps, articles), other(gaps.tolist(), articles.tolist())
    assert (gap.value, gap.low, gap.high) == pytest.approx(naive[:3])
    assert (gap.error**2, gap.freedom, gap.skewness) == pytest.approx(naive.spread)
    units = across.groups.tolist(), across.source_groups.tolist()
    moves = across.moves("up")
    estimate, wanted = stats.ratio_to(moves, gap, *units), ratio_to_by_pairs(moves.tolist(), naive, *units)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(wanted, rel=1e-6, nan_ok=True)

    def errors(g: float) -> list[float]:
        crossed = [(u / g - 1) ** 2 + (d / g + 1) ** 2 for u, d in zip(moves, across.moves("down"), strict=True)]
        alike = zip(within.moves("up"), within.moves("down"), strict=True)
        return crossed + [(u / g) ** 2 + (d / g) ** 2 for u, d in alike]

    twice = [
        np.concatenate([first, second])
        for first, second in ((across.groups, within.groups), (across.source_groups, within.source_groups))
    ]
    values, by_gap = squared_errors(across, within, gap.value), slopes(across, within, gap.value)
    lost = stats.measured_mean(values, by_gap, gap, *twice)
    wanted = mean_to_by_pairs(errors, naive, *(first.tolist() for first in twice))
    assert (lost.value, lost.low, lost.high) == pytest.approx(wanted, rel=1e-6, nan_ok=True)


def paired_with(across: Outcomes, rng: np.random.Generator) -> Outcomes:
    """Return outcomes of swaps between the texts of each pair, which are close to the different gaps of pairs."""
    n = across.pairs
    gaps = GAP + 0.3 * rng.normal(size=n)
    base = {"up": np.zeros(n), "down": gaps}
    moves = {way: SIGN[way] * gaps + 0.2 * rng.normal(size=n) for way in DIRECTIONS}
    return Outcomes(base, {way: base[way] + moves[way] for way in DIRECTIONS}, np.arange(n), across.groups[:n], n)


def test_a_control_and_what_exceeds_it_are_measured_by_the_same_gaps():
    rng = np.random.default_rng(0)
    across, within = both(rng)
    ours = SwapOutcomes(across, within, paired_with(across, rng))
    others = [replace(ours, within=changed(within, 0.5), paired=moved(ours.paired, by)) for by in (0.1, 0.3)]
    measures, n = wide(control("pca", ours, others)), across.pairs
    units = within.groups[:n].tolist(), within.first_draw().source_groups.tolist()

    def errors(outcomes: SwapOutcomes) -> list[float]:
        gaps, out = outcomes.paired.gaps(), []
        for i in range(n):
            crossed = [(outcomes.paired.moves(way)[i] - SIGN[way] * gaps[i]) ** 2 for way in DIRECTIONS]
            alike = [outcomes.within.moves(way)[i] ** 2 for way in DIRECTIONS]
            out.append(sum(crossed) / 2 + sum(alike) / 2)
        return out

    squares = [gap**2 for gap in ours.paired.gaps().tolist()]
    theirs = np.mean([errors(other) for other in others], axis=0).tolist()
    value, low, high = ratio_by_pairs(theirs, squares, *units)
    wanted = [1 - value, 1 - high, 1 - low]
    assert [measures[f"r2_own_pca{end}"] for end in ("", "_low", "_high")] == pytest.approx(wanted, rel=1e-6)
    saved = (np.array(theirs) - errors(ours)).tolist()
    wanted = list(ratio_by_pairs(saved, squares, *units))
    assert [measures[f"r2_own_over_pca{end}"] for end in ("", "_low", "_high")] == pytest.approx(wanted, rel=1e-6)
    assert measures["r2_own_over_pca"] == pytest.approx(ours.own.r2().value - measures["r2_own_pca"])


def changed(outcomes: Outcomes, factor: float) -> Outcomes:
    """Return outcomes with scores of counterfactuals multiplied by a factor."""
    return replace(outcomes, counterfactual={way: factor * each for way, each in outcomes.counterfactual.items()})


def moved(outcomes: Outcomes, by: float) -> Outcomes:
    """Return outcomes with a constant added to scores of counterfactuals."""
    return replace(outcomes, counterfactual={way: by + each for way, each in outcomes.counterfactual.items()})


def test_a_yardstick_without_error_divides():
    values, bases, sources = Design().draw(np.random.default_rng(0))
    exact = Yardstick(-2.0, 300, -2.0, -2.0, error=0.0)
    estimate, plain = (
        stats.ratio_to(values + 1, exact, bases, sources),
        stats.clustered_mean(values + 1, bases, sources),
    )
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx(
        (-plain.high / 2, -plain.value / 2, -plain.low / 2)
    )
    assert vars(stats.measured_mean(values, values * 0, exact, bases, sources)) == pytest.approx(
        vars(stats.clustered_mean(values, bases, sources))
    )


def test_t_has_the_degrees_of_freedom_of_welch():
    """Test a ratio near 0, with the t of the values, a large ratio, with that of the yardstick, and one in between."""
    values = np.random.default_rng(0).normal(size=40)
    values = np.concatenate([values, -values]) - 0.0
    error, by = stats.standard_error(values, range(80)), Yardstick(10.0, 9, 9.0, 11.0, error=0.05, freedom=4.0)
    for mean in (0.0, 20.0, 1e5):
        estimate = stats.ratio_to(values + mean, by, range(80))
        parts = error**2, (mean / 10 * by.error) ** 2
        freedom = sum(parts) ** 2 / (parts[0] ** 2 / 79 + parts[1] ** 2 / 4)
        t = scipy_stats.t(freedom).ppf(0.975)
        for end in (estimate.low, estimate.high):
            assert abs(values.mean() + mean - 10 * end) == pytest.approx(
                t * math.hypot(error, end * by.error), rel=1e-6
            )


def test_what_a_yardstick_that_may_be_0_measures_has_no_interval():
    values, bases, sources = Design().draw(np.random.default_rng(0))
    unsure, nothing = Yardstick(0.1, 9, -0.1, 0.3, error=0.1), Yardstick(0.0, 9, -0.1, 0.1, 0.05)
    few = stats.yardstick([1.0, 1.1, 0.9, 1.0], [0, 0, 1, 1])
    assert few.value == 1
    assert few.may_be_zero
    for by in (unsure, few):
        for estimate in (
            stats.ratio_to(values, by, bases, sources),
            stats.measured_mean(values, values, by, bases, sources),
        ):
            assert math.isfinite(estimate.value)
            assert np.isnan([estimate.low, estimate.high]).all()
    assert math.isnan(stats.ratio_to(values, nothing, bases, sources).value)
    sure = Yardstick(1.0, 9, 0.9, 1.1, error=0.05)
    for estimate in (stats.ratio_to([1.0] * 9, sure, range(9)), stats.ratio_to([1.0, 2.0], sure, range(2))):
        assert math.isfinite(estimate.value)
        assert math.isnan(estimate.low)
    assert math.isnan(stats.ratio_to([], sure, []).value)
    with raises(ValueError, "values", "slopes", "clusters", "(2,)", "(3,)"):
        stats.measured_mean([1, 2], [1, 2, 3], sure, range(2))
