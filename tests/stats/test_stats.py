from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats as scipy_stats
from sklearn.metrics import f1_score

from interp import stats
from tests.oracles.plain_forward import copied_correlations, percentiles, residuals
from tests.wording import raises

numbers = arrays.arrays(np.float64, st.integers(3, 30), elements=st.integers(-50, 50).map(float))


@given(numbers, st.integers(0, 1000))
def test_correlations_are_scipys(x, seed):
    y = x + np.random.default_rng(seed).normal(0, 20, len(x)).round(1)
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    assert stats.pearson(x, y) == pytest.approx(scipy_stats.pearsonr(x, y).statistic, abs=1e-9)
    assert stats.correlate(x, y, method="spearman", draws=10).value == pytest.approx(
        scipy_stats.spearmanr(x, y).statistic, abs=1e-9
    )


def test_the_clustered_bootstrap_is_the_one_that_copies_samples_out():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), rng.integers(1, 5, 12))
    x = rng.normal(size=len(groups)) + groups / 6
    y = x + rng.normal(size=len(groups))
    estimate = stats.correlate(x, y, groups, draws=500, seed=3)
    assert (estimate.low, estimate.high) == pytest.approx(
        percentiles(copied_correlations(x, y, groups, 500, 3), groups), abs=1e-9
    )
    assert estimate.low < estimate.value < estimate.high
    alone = stats.correlate(x, y, draws=500, seed=3)
    assert (alone.low, alone.high) != pytest.approx((estimate.low, estimate.high), abs=1e-3)


def test_intervals_do_not_depend_on_the_scale():
    rng = np.random.default_rng(2)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    estimate = stats.correlate(x, y, draws=200)
    for scale in (1e-9, 1e-3, 1e6):
        other = stats.correlate(x * scale + scale, y, draws=200)
        assert (other.value, other.low, other.high) == pytest.approx(
            (estimate.value, estimate.low, estimate.high), abs=1e-6
        )


@pytest.fixture
def clustered() -> dict[str, np.ndarray]:
    """Return about 60 units in 15 clusters; x and y depend on length, and other is independent."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(15), rng.integers(2, 7, 15))
    length = rng.normal(size=len(groups)) + groups / 5
    x, y = length + rng.normal(size=len(groups)), length + rng.normal(size=len(groups))
    return {"x": x, "y": y, "other": rng.normal(size=len(groups)), "length": length, "groups": groups}


@given(numbers, st.integers(0, 1000))
def test_a_partial_correlation_is_the_one_of_residuals(z, seed):
    rng = np.random.default_rng(seed)
    x, y = z + rng.normal(0, 20, len(z)).round(1), rng.normal(0, 20, len(z)).round(1) - z
    rest = residuals(x, z), residuals(y, z)
    assume(rest[0].std() > 0.01 and rest[1].std() > 0.01)
    estimate = stats.correlate(x, y, given=z, draws=10)
    assert estimate.value == pytest.approx(stats.pearson(*rest), abs=1e-6)
    ranked = stats.correlate(scipy_stats.rankdata(x), scipy_stats.rankdata(y), given=scipy_stats.rankdata(z), draws=10)
    of_ranks = stats.correlate(x, y, given=z, method="spearman", draws=10)
    assert vars(of_ranks) == pytest.approx(vars(ranked), abs=0, nan_ok=True)


def test_what_a_third_variable_explains_is_gone(clustered):
    x, y, length = clustered["x"], clustered["y"], clustered["length"]
    assert stats.correlate(x, y).low > 0.3
    partial = stats.correlate(x, y, given=length)
    assert partial.low < 0 < partial.high
    assert stats.correlate(x, y, given=np.ones(len(x))).value == pytest.approx(stats.correlate(x, y).value, abs=1e-12)
    assert math.isnan(stats.correlate(x, y, given=2 * x + 1).value)
    assert math.isnan(stats.correlate(x, x * 0, given=length).value)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_the_partial_bootstrap_is_the_one_that_copies_samples_out(clustered, method: stats.Method):
    x, y, length, groups = (clustered[key] for key in ("x", "y", "length", "groups"))
    estimate = stats.correlate(x, y, groups, given=length, method=method, draws=300, seed=3)
    if method == "spearman":
        x, y, length = map(scipy_stats.rankdata, (x, y, length))
    naive = percentiles(copied_correlations(x, y, groups, 300, 3, length), groups)
    assert (estimate.low, estimate.high) == pytest.approx(naive, abs=1e-9)
    assert estimate.low < estimate.value < estimate.high
    fitted_once = stats.correlate(residuals(x, length), residuals(y, length), groups, draws=300, seed=3)
    assert estimate.value == pytest.approx(fitted_once.value, abs=1e-9)
    assert (estimate.low, estimate.high) != pytest.approx((fitted_once.low, fitted_once.high), abs=1e-3)


def test_a_partial_correlation_does_not_depend_on_the_scale(clustered):
    x, y, length = clustered["x"], clustered["y"], clustered["length"]
    estimate = stats.correlate(x, y, given=length, draws=100)
    for scale in (1e-9, -1e6):
        assert vars(stats.correlate(x, y, given=length * scale + scale, draws=100)) == pytest.approx(vars(estimate))
    assert stats.correlate(x, y, given=length**3, draws=100).value != pytest.approx(estimate.value)


@pytest.mark.parametrize("controlled", [False, True])
def test_a_difference_is_taken_in_the_same_samples(clustered, controlled: bool):
    x, other, y, groups = (clustered[key] for key in ("x", "other", "y", "groups"))
    length = clustered["length"] if controlled else None
    estimate = stats.difference(x, other, y, groups, given=length, draws=300)
    naive = copied_correlations(x, y, groups, 300, 0, length) - copied_correlations(other, y, groups, 300, 0, length)
    assert (estimate.low, estimate.high) == pytest.approx(percentiles(naive, groups), abs=1e-9)
    first, second = (stats.correlate(side, y, groups, given=length) for side in (x, other))
    assert estimate.value == pytest.approx(first.value - second.value, abs=1e-12)
    unpaired = copied_correlations(x, y, groups, 300, 0, length) - copied_correlations(other, y, groups, 300, 5, length)
    assert (estimate.low, estimate.high) != pytest.approx(percentiles(unpaired, groups), abs=1e-3)


@given(numbers, st.integers(0, 1000), st.sampled_from(["pearson", "spearman"]), st.booleans())
def test_differences_of_the_same_and_of_the_swapped(x, seed, method, controlled):
    rng = np.random.default_rng(seed)
    other, y, z = rng.normal(size=(3, len(x)))
    assume(np.ptp(x) > 0 and (not controlled or len(x) > 4))
    options = {"given": z if controlled else None, "method": method, "draws": 50}
    same = stats.difference(x, x, y, **options)
    assert (same.value, same.n) == (0, len(x))
    assert (same.low, same.high) == ((0, 0) if len(x) >= 8 else pytest.approx((math.nan, math.nan), nan_ok=True))
    there, back = stats.difference(x, other, y, **options), stats.difference(other, x, y, **options)
    swapped = (-there.value, -there.high, -there.low)  # undefined if z explains a rival completely
    assert (back.value, back.low, back.high) == pytest.approx(swapped, abs=1e-12, nan_ok=True)
    assert method == "spearman" or there.value != 0  # few ranks may tie


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        x = rng.normal(size=80)
        y = 0.5 * x + math.sqrt(0.75) * rng.normal(size=80)
        estimate = stats.correlate(x, y, draws=400, seed=trial)
        covered += estimate.low <= 0.5 <= estimate.high
    assert 0.88 <= covered / 200 <= 0.99


def test_missing_values_are_left_out_and_what_is_undefined_is_nan():
    estimate = stats.correlate([1, 2, 3, math.nan, 5], [2, 4, 6, 8, math.nan])
    assert (estimate.value, estimate.n) == (pytest.approx(1), 3)
    constant = stats.correlate([1, 1, 1], [1, 2, 3])
    assert math.isnan(constant.value)
    assert math.isnan(constant.low)
    assert stats.correlate([], []).n == 0
    with raises(ValueError):
        stats.correlate([1, 2], [1, 2, 3])
    unchecked = inspect.unwrap(stats.correlate)  # without the type checker of the tests
    with raises(ValueError, "'kendall'"):
        unchecked([1, 2], [1, 2], method="kendall")


def test_units_that_lack_any_value_are_left_out(clustered):
    x, other, y, length = (clustered[key].copy() for key in ("x", "other", "y", "length"))
    whole = np.arange(len(x)) >= 4
    x[0], other[1], y[2], length[3] = math.nan, math.inf, math.nan, math.nan
    estimate = stats.difference(x, other, y, given=length, draws=50)
    kept = stats.difference(x[whole], other[whole], y[whole], given=length[whole], draws=50)
    assert estimate == kept
    assert estimate.n == len(x) - 4
    assert stats.difference(x, other, y, draws=50).n == len(x) - 3
    assert stats.correlate(x, y, given=length, draws=50).n == len(x) - 3
    few = stats.difference(x, other, y, np.arange(len(x)) % 2)
    assert math.isfinite(few.value)
    assert math.isnan(few.low)
    assert math.isnan(stats.difference([], [], []).value)
    assert math.isnan(stats.correlate([], [], given=[]).value)
    assert math.isnan(stats.difference(x, x * 0, y).value)
    with raises(ValueError, "x", "other", "y", "given", "(2,)"):
        stats.difference([1, 2], [1, 2], [1, 2], given=[1])
    with raises(ValueError, "clusters", 1, 2):
        stats.difference([1, 2], [1, 2], [1, 2], [1])


@given(st.integers(1, 500), st.data())
def test_wilsons_interval_is_scipys(n, data):
    hits = data.draw(st.integers(0, n))
    estimate = stats.wilson(hits, n)
    theirs = scipy_stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (estimate.value, estimate.n) == (hits / n, n)
    assert (estimate.low, estimate.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high - estimate.low > stats.wilson(2 * hits, 2 * n).high - stats.wilson(2 * hits, 2 * n).low


def test_wilson_of_nothing():
    nothing = stats.wilson(0, 0)
    assert nothing.n == 0
    assert all(math.isnan(value) for value in (nothing.value, nothing.low, nothing.high))
    for hits, n in ((-1, 3), (4, 3), (0, -1)):
        with raises(ValueError, "hits", "n", 0):
            stats.wilson(hits, n)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40), st.integers(6, 9))
def test_macro_f1_is_that_of_scikit_learn(labels, classes):
    truth, guess = map(list, zip(*labels, strict=True))
    score = stats.macro_f1(truth, guess, classes)
    assert score == pytest.approx(f1_score(truth, guess, average="macro", zero_division=0.0), abs=1e-12)
    assert score == pytest.approx(stats.macro_f1(guess, truth, classes), abs=1e-12)
    assert (score == 1) == (truth == guess)


def test_golden_macro_f1():
    """Compare with values computed by hand; the second is the example in the documentation of scikit-learn."""
    assert stats.macro_f1([0, 0, 1, 2], [0, 1, 1, 1], 3) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert stats.macro_f1([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], 3) == pytest.approx(0.8 / 3)
    assert stats.macro_f1([0, 0, 1, 1], [0, 0, 0, 0], 2) != pytest.approx(0.5)  # 0.5 is the accuracy
    assert math.isnan(stats.macro_f1([], [], 3))
    for truth, guess in (([0, 3], [0, 0]), ([0, 0], [0, -1])):
        with raises(ValueError, 0, 2):
            stats.macro_f1(truth, guess, 3)
    with raises(ValueError):
        stats.macro_f1([0, 1], [0], 3)


@pytest.mark.slow
def test_means_of_samples():
    """Test one sample, with an interval from resampled clusters, and two samples, whose variances add up."""
    drawn = np.random.default_rng(0)
    values, clusters = drawn.normal(size=(2, 400)), np.arange(400) // 2
    errors = [stats.standard_error(each, clusters) for each in values]
    single = stats.mean_of_means([(values[0], clusters)], draws=20_000)
    assert single.value == pytest.approx(values[0].mean())
    assert single.high - single.low == pytest.approx(2 * 1.96 * errors[0], rel=0.05)
    both = stats.mean_of_means([(values[0], clusters), (values[1], clusters)], [1, 3], draws=20_000)
    assert both.value == pytest.approx((values[0].mean() + 3 * values[1].mean()) / 4)
    assert both.high - both.low == pytest.approx(2 * 1.96 * np.hypot(errors[0], 3 * errors[1]) / 4, rel=0.05)
    assert both.n == 800
    few = stats.mean_of_means([(values[0], clusters), (np.array([1.0, 2.0]), np.array([0, 1]))])
    assert np.isnan([few.low, few.high]).all()


def test_preference_and_iia():
    np.testing.assert_array_equal(stats.preference([2, 1, 1], [1, 1, 2]), [1, 0.5, 0])
    np.testing.assert_array_equal(stats.iia_outcomes([2, 1, 1], [1, 1, 2], winner="counterfactual"), [0, 0.5, 1])
    np.testing.assert_array_equal(stats.iia_outcomes([2, 1, 1], [1, 1, 2], winner="base"), [1, 0.5, 0])
    unchecked = inspect.unwrap(stats.iia_outcomes)
    with raises(ValueError):
        unchecked([1], [2], winner="source")


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(-9e-7, 9e-7))
def test_what_rounding_may_have_done_is_a_tie_everywhere(scores: list[float], off: float):
    """Test differences of rounding: in float32, a text in two batches has cosines that differ by about 1e-7."""
    a = np.array(scores)
    near, far = a + off, a + 1.1e-6
    for outcomes in (
        stats.preference,
        lambda x, y: stats.iia_outcomes(y, x, winner="counterfactual"),
        lambda x, y: stats.iia_outcomes(x, y, winner="base"),
    ):
        assert (outcomes(a, near) == 0.5).all()
        assert (outcomes(far, a) == 1).all()
        assert (outcomes(a, far) == 0).all()
    np.testing.assert_array_equal(stats.settled(near - a), 0)
    np.testing.assert_array_equal(stats.settled(far - a), far - a)


def test_float32_scores_of_one_embedding_tie():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 200, 512)).astype(np.float32)
    x, y = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (x, y))
    once, again = (x * y).sum(1), (x[:, ::-1] * y[:, ::-1]).sum(1)
    assert (once != again).any()
    assert (stats.preference(once, again) == 0.5).all()
    assert np.isin(stats.preference(once, (x * y[::-1]).sum(1)), [0, 1]).mean() > 0.95


def test_pairs_of_equal_scores_do_not_move_preference_away_from_chance():
    """Replace half of all pairs by ties: a preference of 55 % becomes 52.5 %, not 27.5 %."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=1000)
    other = np.where(np.arange(1000) < 500, scores, np.where(np.arange(1000) < 775, scores - 0.1, scores + 0.1))
    assert stats.preference(scores, other).mean() == pytest.approx(0.525)


def test_the_published_clipscores_give_the_published_preference(published):
    """Compare with the published result: CLIP prefers the description in 52.0 % of 200 items (Kreiss et al. 2022).

    In four items, both texts have equal scores.
    """
    import csv

    with (published / "concadia-sample" / "reference_clipscores.csv").open() as file:
        rows = list(csv.DictReader(file))
    scores = [[float(row[f"{kind}_clipscore"]) for row in rows] for kind in ("description", "caption")]
    outcomes = stats.preference(*scores)
    assert (outcomes == 1).mean() == 0.52
    assert (outcomes == 0.5).sum() == 4
    assert outcomes.mean() == 0.53


def test_a_mean_of_correlations_is_the_mean_and_its_units_are_resampled_alike():
    rng = np.random.default_rng(0)
    y = rng.normal(size=40)
    xs = [y + rng.normal(size=40) for _ in range(3)]
    xs[1][5] = np.nan  # omitted from all
    kept = np.arange(40) != 5
    estimate = stats.mean_correlation(xs, y)
    assert estimate.n == 39
    assert estimate.value == pytest.approx(np.mean([np.corrcoef(x[kept], y[kept])[0, 1] for x in xs]))
    assert estimate.low < estimate.value < estimate.high
    alone, thrice = stats.correlate(xs[0], y), stats.mean_correlation([xs[0]] * 3, y)
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((alone.value, alone.low, alone.high))
    apart = stats.mean_correlation([xs[0], -xs[0]], y)
    assert (apart.value, apart.low, apart.high) == pytest.approx((0, 0, 0), abs=1e-9)
    assert math.isnan(stats.mean_correlation([np.ones(40)], y).value)
