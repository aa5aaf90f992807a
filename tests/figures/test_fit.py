"""A fitted line and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from figures.fit import line

pytestmark = pytest.mark.slow


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=8, max_size=30).filter(
        lambda points: np.ptp([x for x, _ in points]) > 0.1
    )
)
def test_a_fitted_line_is_that_of_numpy_within_its_interval(drawn_points: list[tuple[float, float]]):
    x, y = np.array(drawn_points).T
    fitted = line(x, y, draws=200)
    assert fitted is not None
    np.testing.assert_allclose(fitted.fit, np.polyval(np.polyfit(x, y, 1), fitted.at), atol=1e-8)
    assert (fitted.at[0], fitted.at[-1]) == (x.min(), x.max())
    assert (fitted.low <= fitted.high).all()


def test_the_interval_of_a_line_is_that_of_resampling(generator):
    draw = np.random.default_rng(1)
    x = draw.uniform(100, 700, 40)
    y = 0.001 * x + draw.normal(0, 0.2, 40)
    fitted = line(np.append(x, np.nan), np.append(y, 3.0), places=3)
    assert fitted is not None
    sampled = []
    for _ in range(3000):
        rows = draw.integers(0, 40, 40)
        sampled.append(np.polyval(np.polyfit(x[rows], y[rows], 1), fitted.at))
    low, high = np.percentile(sampled, [2.5, 97.5], axis=0)
    np.testing.assert_allclose(fitted.low, low, atol=0.02)
    np.testing.assert_allclose(fitted.high, high, atol=0.02)
    assert (fitted.low < fitted.fit).all()
    assert (fitted.fit < fitted.high).all()


def test_there_is_no_line_through_too_little():
    seven = np.arange(7)
    assert line(seven, seven**2) is None
    assert line([1] * 8, range(8)) is None
    assert line([*seven, np.nan], range(8)) is None
    assert line(range(8), range(8)) is not None
