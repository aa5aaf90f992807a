"""The picture of preference and its cost on the page of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.drawing.markup import MINUS, signed
from interp.report import write_report
from interp.report.page.tables import moved
from interp.report.page.tradeoff import models, tradeoff
from interp.report.sweep_run import load_sweep
from interp.runs.place import Place
from tests.run_folders import write_sweep


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
    assert "edits and" in picture.finding


def test_a_search_alone_has_no_picture(tmp_path: Path):
    for tuned in (False, True):
        page = write_report(load_sweep(write_sweep(tmp_path / str(tuned), tuned=tuned))).read_text()
        assert ("Pareto front" in page) == tuned
        assert ("Z and its controls" in page) != tuned


def test_the_words_that_a_training_moves_most_are_listed_next_to_the_base(tmp_path: Path):
    sweep = load_sweep(write_sweep(tmp_path / "sweep", tuned=True))
    place = Place.of(sweep.best)
    words = sweep.trained["edit"][place]["words"]["full"]
    (first, last), (base, count) = list(words)[1:3], sweep.cells[place]["words"]["full"][list(words)[1]]
    words[first], words[last] = (base + 0.5, count), (words[last][0] - 0.25, 1)
    edits, fine_tuned = moved(sweep)
    assert (edits.trained, fine_tuned.place) == ("an edit", place)
    rows = [[entry.text for entry in entries] for _, entries in edits.table.rows]
    assert rows[0] == [first, "3", signed(base, 4), signed(base + 0.5, 4), "+0.5000"]
    assert len(rows) == len(words)
    assert {row[-1] for row in rows} == {"+0.5000", "+0.0000", f"{MINUS}0.2500"}
    assert {row[-1].text for _, row in fine_tuned.table.rows} == {"+0.0000"}
    page = write_report(sweep).read_text()
    assert f"Changes of the mean attribution of words by an edit at layer {place.layer}, size" in page


def test_a_word_that_occurs_once_is_not_listed(tmp_path: Path):
    sweep = load_sweep(write_sweep(tmp_path / "sweep", tuned=True))
    words = sweep.cells[Place.of(sweep.best)]["words"]["full"]
    rare = next(iter(words))
    words[rare] = (words[rare][0], 1)
    for training in moved(sweep):
        assert {row[0].text for _, row in training.table.rows} == {*words} - {rare}
