"""Pareto front of costs and gains."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Return for each point whether it is on the Pareto front.

    A point is on the front unless another point, with a different cost or gain, costs at most as much and gains at
    least as much.

    >>> pareto_front([0, 1, 2, 2], [5, 7, 6, 8])
    [True, True, False, True]
    """
    points = list(zip(costs, gains, strict=True))
    return [not any(cost <= x and gain >= y and (cost, gain) != (x, y) for cost, gain in points) for x, y in points]
