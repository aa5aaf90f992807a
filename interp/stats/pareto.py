"""Pareto front of gains and their costs."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Return for each point whether it is on the Pareto front.

    A point is on the front if no other point costs at most as much, gains at least as much, and differs from it.

    >>> pareto_front([0, 1, 2, 2], [5, 7, 6, 8])
    [True, True, False, True]
    """
    points = list(zip(costs, gains, strict=True))
    return [
        not any(cost <= own and gain >= high and (cost, gain) != (own, high) for cost, gain in points)
        for own, high in points
    ]
