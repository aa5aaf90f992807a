"""The picture of preference and its cost on the page of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.report import write_report
from interp.report.page.tradeoff import front, models, tradeoff
from interp.report.sweep_run import load_sweep
from tests.run_folders import write_sweep

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8)


@given(POINTS)
def test_the_front_has_every_point_that_none_beats(points: list[tuple[int, int]]):
    costs, gains = (list(values) for values in zip(*points, strict=True))
    for (cost, gain), here in zip(points, front(costs, gains), strict=True):
        better = [p for p in points if p[0] <= cost and p[1] >= gain and p != (cost, gain)]
        assert here == (not better)
    assert any(front(costs, gains))


def test_every_model_of_a_sweep_is_in_every_panel(tmp_path: Path):
    sweep = load_sweep(write_sweep(tmp_path / "sweep", tuned=True))
    every, picture = models(sweep), tradeoff(sweep)
    assert [model.shape for model in every] == ["base"] + ["edit"] * 6 + ["trained"] * 6
    assert sum(model.chosen for model in every) == 1
    row = sweep.frame.iloc[0]
    assert every[1].retrieval == pytest.approx(100 * row["edited_retrieval_drop"])
    assert every[7].preference == pytest.approx(100 * row["tuned_preference"])
    assert [len(panel.marks) for panel in picture.panels] == [13, 13, 12]  # the base was not trained
    for panel in picture.panels:
        xs = [mark.x for mark in panel.marks]
        assert panel.left <= min(xs) <= max(xs) <= panel.left + picture.panel
        assert 1 <= len(panel.ticks) <= 9
        # higher on the picture is a higher preference
        ranked = sorted(panel.marks, key=lambda mark: mark.y)
        assert ranked[0].front
    drawn = [mark for mark in picture.panels[0].marks if mark.low is not None]
    assert len(drawn) == 2
    assert "edits and" in picture.said


def test_a_search_alone_has_no_picture(tmp_path: Path):
    for tuned in (False, True):
        page = write_report(load_sweep(write_sweep(tmp_path / str(tuned), tuned=tuned))).read_text()
        assert ("Pareto front" in page) == tuned
        assert ('href="#tradeoff"' in page) == tuned
