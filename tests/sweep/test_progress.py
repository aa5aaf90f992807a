"""How long the rest will take: said once, when enough is known."""

from __future__ import annotations

import pytest

from interp.sweep.progress import Forecast


@pytest.mark.parametrize(
    ("at_once", "looks", "said"),
    [
        (1, [(5, 0), (30, 1), (60, 2)], ["1 of 21 cells took 30 seconds; the rest takes about 10.0 minutes"]),
        (2, [(30, 1), (32, 2), (64, 4)], ["2 of 21 cells took 32 seconds; the rest takes about 5.1 minutes"]),
        (8, [(30, 1), (32, 7), (36, 9)], ["9 of 21 cells took 36 seconds; the rest takes about 48 seconds"]),
        (1, [(0.5, 1), (1, 2)], []),  # not worth a line
        (1, [(700, 21)], []),
        (1, [(36000, 3)], ["3 of 21 cells took 10.0 hours; the rest takes about 60.0 hours"]),
    ],
)
def test_the_forecast_comes_with_the_first_cells_of_all_processes(at_once: int, looks, said: list[str]):
    clock, heard = [0.0], []
    forecast = Forecast(21, at_once, now=lambda: clock[0], say=heard.append)
    for clock[0], done in looks:
        forecast.look(done)
    assert heard == said
