"""Tests of the Pareto front of costs and gains."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interp.stats import pareto_front

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8)


@given(POINTS)
def test_the_front_has_every_point_that_none_beats(points: list[tuple[int, int]]):
    costs, gains = (list(values) for values in zip(*points, strict=True))
    for (cost, gain), here in zip(points, pareto_front(costs, gains), strict=True):
        better = [p for p in points if p[0] <= cost and p[1] >= gain and p != (cost, gain)]
        assert here == (not better)
    assert any(pareto_front(costs, gains))
