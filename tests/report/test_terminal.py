"""Tables in a terminal: no line is wider than 120 letters, and missing things have a name."""

from __future__ import annotations

import math
from dataclasses import replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.cli import WIDTH, cut, folded, wrapped
from interp.data.contrast import DIRECTIONS, PAPER, Contrast
from interp.data.pairs import Pair, without_intervals
from interp.measures import MethodName
from interp.report import write_report
from interp.report.choice import best_cell
from interp.report.sweep_run import SweepRun, load_sweep
from interp.report.terminal import terminal_table
from tests.run_folders import NORMS, PAPER_METHODS, Question, write_sweep
from training.evaluation.numbers import Number
from training.evaluation.numbers import terminal_table as evaluation_table
from training.evaluation.rendering import Entry, ResultTable, terminal
from training.evaluation.tasks import units_of

LONG = Contrast("white wine of the southern coast and its hills", "warm beer from the islands in the north " * 5)
ALIKE = Contrast("text that was written by the authors", "text that was written by their readers")
MASKED = (MethodName("masked-das", "masked", "masked DAS"), *PAPER_METHODS)
QUESTIONS = {"paper": Question(), "long": Question(LONG, MASKED), "alike": Question(ALIKE)}
LINES = st.lists(st.lists(st.text("ab ", max_size=9), min_size=4, max_size=4), min_size=1, max_size=4)
MANY = (*NORMS, "glasgow-concreteness", "a-norm-of-our-own-with-a-name-that-is-long")


def table_of(run: SweepRun, frame: pd.DataFrame | None = None, *, verbose: bool = True) -> str:
    frame = run.frame if frame is None else frame
    return terminal_table(frame, run.layout, run.contrast, run.norms, run.verdict, run.trained_by, verbose=verbose)


def shown(path: Path, *, verbose: bool = True) -> str:
    return table_of(load_sweep(path), verbose=verbose)


@pytest.mark.parametrize("tuned", [False, True])
def test_a_table_without_intervals_says_why(tuned: bool, tmp_path: Path):
    run = load_sweep(write_sweep(tmp_path / "sweep", tuned=tuned))
    pairs = [Pair(str(i), "a star", "a moon", "test", str(i % 5)) for i in range(40)]
    lacking = without_intervals(pairs, "test")
    assert lacking == ["no intervals: the test pairs come from 5 articles; at least 8 are needed"]
    assert (
        without_intervals([*pairs, *(replace(pair, group=f"more {i}") for i, pair in enumerate(pairs))], "test") == []
    )
    frame = run.frame.copy()
    frame[[name for name in frame if name.endswith(("_low", "_high"))]] = math.nan
    text = terminal_table(frame, run.layout, run.contrast, run.norms, by=run.trained_by, lacking=lacking)
    assert "No intervals: the test pairs come from 5 articles; at least 8 are needed." in " ".join(text.split())
    assert "nan" not in text
    assert "[- -]" not in text
    assert "[]" not in text
    assert "intervals: the test" not in shown(run.folder.path)


@pytest.mark.slow
@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize(
    "question", [Question(), Question(LONG, MASKED), Question(ALIKE)], ids=["paper", "long", "alike"]
)
@pytest.mark.parametrize("norms", [NORMS, NORMS[:1], MANY, ()], ids=["two", "one", "four", "none"])
def test_no_line_of_a_sweep_is_too_wide(tuned: bool, question: Question, norms: tuple[str, ...], tmp_path: Path):
    """Every share is 100 %, and layers, sizes and seeds have the maximum number of digits."""
    path = write_sweep(tmp_path / "sweep", tuned=tuned, question=question, norms=norms, layers=(9, 12), sizes=(4, 512))
    run = load_sweep(path)
    for whole in (False, True):
        frame = run.frame.copy()
        if whole:
            shares = [display for display in run.layout if display.unit.sign == "%" and not display.change]
            frame[[key for display in shares for key in display.columns if key in frame]] = 1.0
        text = table_of(run, frame)
        assert max(map(len, text.splitlines())) <= WIDTH == 120
        # columns that are left out are listed below the table, and the page has them
        joined = " ".join(text.split())
        left = joined.partition("Columns that do not fit: ")[2].partition(". The page")[0]
        page = unescape(write_report(run, tmp_path / "page.html").read_text())
        for title in filter(None, left.split("; ")):
            assert title.removesuffix(" (frozen)") in page


def test_by_default_only_correlations_with_the_second_norm_are_left_out(tmp_path: Path):
    """The page and results.csv also have these correlations, and the intervals."""
    for tuned in (False, True):
        text = shown(write_sweep(tmp_path / str(tuned), tuned=tuned))
        left = " ".join(text.split()).partition("Columns that do not fit: ")[2].partition(". The page")[0]
        assert all(name.startswith(("concreteness", "imageability", "IIA ")) for name in left.split("; "))
        above, head = text.splitlines()[:2]
        assert "imageability" in above
        assert ("frozen" in above) == tuned
        assert "through" in head
        assert ("[" in text.splitlines()[2]) == tuned  # of preference
    one_norm = shown(write_sweep(tmp_path / "one", norms=("imageability",)))
    assert "around" in one_norm.splitlines()[1]


def test_the_trained_model_comes_first_and_the_frozen_search_next_to_it(tmp_path: Path):
    run = load_sweep(write_sweep(tmp_path / "sweep", tuned=True, layers=(6,), sizes=(4,), norms=("imageability",)))
    row = run.frame.iloc[0]
    cells = shown(tmp_path / "sweep").splitlines()[2].replace(" [", "[").split("  ")
    cells = [word for word in cells if word.strip()]
    wanted = ["*", "6", "5", "4"]
    interval = " ".join(f"{100 * row[f'tuned_preference_{end}']:.1f}" for end in ("low", "high"))
    wanted.append(f"{100 * row['tuned_preference']:.1f}[{interval}]")
    wanted += [f"{100 * row[f'tuned_iia_{PAPER.short(direction)}']:.1f}" for direction in DIRECTIONS]
    wanted += [f"{-100 * row[f'tuned_{ability}_drop']:+.1f}" for ability in ("transfer", "retrieval")]
    through, low, high = (row[f"tuned_r_imageability_through{end}"] for end in ("", "_low", "_high"))
    wanted += [f"{through:+.2f}[{low:+.2f} {high:+.2f}]"]
    wanted += [f"{row[f'tuned_r_imageability_{route}']:+.2f}" for route in ("around", "full")]
    wanted += [f"{100 * row['iia']:.1f}", f"{row['shift_c2d']:+.3f}"]
    assert [word.strip() for word in cells] == wanted


def test_a_long_sweep_shows_the_best_cell_of_each_layer_and_all_on_request(tmp_path: Path):
    path = write_sweep(tmp_path / "sweep", tuned=True, layers=(6, 7, 9), sizes=(2, 4, 8, 16, 32))
    run = load_sweep(path)
    brief, verbose = (table_of(run, verbose=verbose).splitlines() for verbose in (False, True))
    layers = [line.lstrip("*~ ").split()[0] for line in brief[2:5]]
    assert layers == ["6", "7", "9"]
    assert brief[5] == "Rows: the best cell of each layer. --verbose and the page show all 15 cells."
    for layer, line in zip(layers, brief[2:5], strict=True):
        best = best_cell(run.frame[run.frame["layer"] == int(layer)])
        assert line.lstrip("*~ ").split()[:3] == [layer, str(int(layer) - 1), str(int(best["size"]))]
    assert sum(line.startswith("*") for line in brief) == 1
    assert len([line for line in verbose[2:17] if line.lstrip("*~ ").split()[0] in layers]) == 15
    assert len(brief) <= 25
    assert "R²: 1 if a swap" not in " ".join(brief)


def test_headings_stand_over_their_columns(tmp_path: Path):
    above, head, *_ = shown(write_sweep(tmp_path / "sweep", tuned=True)).splitlines()
    for name, first, last in (("imageability", "through", "full"), ("frozen", "IIA", "shift")):
        start = above.index(name)
        group = head[: start + len(name) + 30]
        place = group.rindex(first, 0, start + len(name))
        assert place <= start + len(name)
        assert head.index(last, place) + len(last) >= start


def test_tables_of_evaluations_go_on_below():
    columns = [f"a column of some width, {number}" for number in range(9)]
    entries = tuple(tuple(Entry((0.5, 0.7), 0.4, 0.6, of=2) for _ in columns) for _ in range(3))
    names = ("base (n = 2)", "IIT-DAS, LoRA (n = 2)", "x" * 200)
    text = terminal(ResultTable("table1", "A title that goes on " * 9, tuple(columns), names, entries, share=True))
    assert max(map(len, text.splitlines())) <= WIDTH
    for column in columns:
        assert text.count(column) == 1
    assert text.count("IIT-DAS, LoRA (n = 2)") == text.count("model  ") > 1
    rows = [Number("preference", "test", f"preference, {LONG.negative} longer", 0.5, 9, 0.4, 0.6)]
    numbers = evaluation_table(rows, units_of(["preference"], LONG))
    assert max(map(len, numbers.splitlines())) <= WIDTH
    assert "[40.0 60.0]" in numbers


@given(
    st.lists(st.lists(st.text("ab ", max_size=9), min_size=4, max_size=4), min_size=1, max_size=4), st.integers(20, 60)
)
def test_folded_lines_lose_no_cell(lines: list[list[str]], width: int):
    blocks = "\n".join(folded(lines, left=1, width=width)).split("\n\n") if any(map(any, lines)) else []
    for block in blocks:
        assert max(map(len, block.splitlines()), default=0) <= width
    for line in lines:
        for word in " ".join(line).split():
            assert word in "\n".join(blocks)


@given(st.text("ab ", max_size=99), st.integers(2, 30))
def test_what_is_cut_or_wrapped_fits(text: str, width: int):
    assert len(cut(text, width)) <= width
    assert all(len(line) <= width for line in wrapped(text, width).splitlines())
    if len(text) <= width:
        assert cut(text, width) == text


def test_a_share_that_is_not_defined_is_a_dash(tmp_path: Path):
    run = load_sweep(write_sweep(tmp_path / "sweep", tuned=True))
    frame = run.frame.assign(tuned_preference=float("nan"))
    assert isinstance(frame, pd.DataFrame)
    assert " - " in terminal_table(frame, run.layout, run.contrast, run.norms)
