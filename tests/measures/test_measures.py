"""Tests of the declarations of measures for any contrast, methods and norms, and of their table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from interp.data.contrast import PAPER, Contrast
from interp.measures import Key, MethodName, passes, trained_schema
from interp.measures import sweep_schema as declare
from interp.measures.schema import CORRELATION, SCORE, SHARE, Measure, Schema
from interp.runs.cells import trained_name
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.stats import Estimate
from tests.run_folders import NORMS, PAPER_METHODS, PAPERS, Question, kept, write_evaluation, write_sweep
from tests.wording import raises
from training.evaluation.stored import read
from training.evaluation.tasks import TASKS, units_of

WINES = Question(Contrast("wine", "beer"), (MethodName("masked-das", "masked", "masked DAS"), *PAPER_METHODS))
letters = st.text("abcdefgh", min_size=1, max_size=6)
kinds = st.tuples(letters, letters).filter(lambda both: both[0] != both[1])
# the x keeps names different from those of ceilings, splits and intervals
methods = st.lists(letters.map("x{}".format), min_size=1, max_size=4, unique=True).map(
    lambda keys: [MethodName(key, key, f"method {key}") for key in keys]
)
norms = st.lists(letters.map("x{}".format), max_size=3, unique=True)


def of_training(question: Question) -> Schema:
    return trained_schema(question.contrast, question.methods, NORMS)


def schema(question: Question = PAPERS, names: Sequence[str] = NORMS, *, tuned: bool = False) -> Schema:
    return declare(question.contrast, question.methods, names, models=["edited", "tuned"] if tuned else [])


def columns(measures: Schema) -> list[str]:
    return [column for measure in measures for column in measures.columns(measure)]


@pytest.mark.slow
@given(kinds, methods, norms, st.booleans())
def test_every_column_is_of_one_measure_and_every_title_tells(both, finders, names, tuned: bool):
    declared = declare(Contrast(*both), finders, names, models=["edited", "tuned"] if tuned else [])
    assert len(set(columns(declared))) == len(columns(declared))
    assert len({measure.title for measure in declared}) == len(list(declared))
    assert all(measure.count in declared for measure in declared)


@pytest.mark.slow
@given(st.data(), kinds, methods, norms, st.booleans())
def test_a_row_reads_back_as_the_numbers_that_were_written(data, both, finders, names, tuned: bool):
    declared = declare(Contrast(*both), finders, names, models=["edited", "tuned"] if tuned else [])
    value = st.floats(-10, 10) | st.just(math.nan)
    keys = data.draw(st.lists(st.sampled_from([measure.key for measure in declared]), unique=True))
    numbers = {key: Estimate(data.draw(value), 7, data.draw(value), data.draw(value)) for key in keys}
    row = declared.wide(numbers)
    again = declared.read(row)
    assert declared.wide(again) == pytest.approx(row, abs=0, rel=0, nan_ok=True)
    assert again.keys() == numbers.keys()
    for key, number in numbers.items():
        ends = (number.low, number.high) if declared[key].interval else (math.nan, math.nan)
        count = numbers.get(declared[key].count, Estimate(0.0, 7)).value
        kept = (number.value, 0 if math.isnan(count) else int(count), *ends)
        got = again[key]
        assert (got.value, got.n, got.low, got.high) == pytest.approx(kept, abs=0, rel=0, nan_ok=True)


def test_directions_are_written_under_their_own_names():
    """The hard direction has the negative text as its base."""
    numbers = {
        Key("iia", direction="up"): Estimate(0.25, 8, 0.125, 0.5),
        Key("iia", direction="down"): Estimate(0.75, 8),
    }
    row = schema().wide(numbers)
    assert (row["iia_c2d"], row["iia_c2d_low"], row["iia_c2d_high"], row["iia_d2c"]) == (0.25, 0.125, 0.5, 0.75)
    with raises(ValueError, "iia"):
        Key("iia", direction="up").column()


@pytest.mark.slow
@given(letters.map("z{}".format))
def test_a_number_that_is_not_declared_is_an_error(name: str):
    declared = schema()
    with raises(ValueError, name, snapshot=False):
        declared.wide({Key("iia"): Estimate(0.5, 1), Key(name): Estimate(0.5, 1)})
    assert set(declared.wide({Key("iia"): Estimate(0.5, 1)})) == {"iia", "iia_low", "iia_high"}
    assert set(declared.wide({Key("shift", direction="up"): Estimate(0.5, 1)})) == {"shift_c2d"}  # without an interval


@pytest.mark.slow
@pytest.mark.parametrize("question", [PAPERS, WINES], ids=["paper", "wines"])
@pytest.mark.parametrize("tuned", [False, True])
def test_every_number_of_a_cell_is_declared(question: Question, tuned: bool, tmp_path: Path):
    folder = RunFolder(write_sweep(tmp_path / "sweep", tuned=tuned, question=question))
    for name in folder.names():
        files = {folder.cell_path(name): schema}
        trained = [folder.path / trained_name(objective, Place.parse(name)) for objective in passes("iit-das")]
        files |= dict.fromkeys(trained, of_training) if tuned else {}
        for path, declared in files.items():
            stored = set(kept(path)["measures"])
            assert stored <= set(columns(declared(question)))
            assert not stored <= set(columns(declared(Question(Contrast("x", "y")))))


def test_every_number_of_an_evaluation_has_a_unit(tmp_path: Path):
    path = write_evaluation(tmp_path / "run", "IIT-DAS, LoRA", routes=("through", "around", "full"), readers=True)
    declared = units_of(TASKS, PAPER)
    units = {measure: declared[task][measure] for task, _, measure in read(path).values}
    assert units["preference"] == SHARE
    assert units["r_through"].bounds == CORRELATION.bounds
    assert declared["preference"]["mean caption score"] == declared["preference"]["shift_c2d"] == SCORE
    assert "mean caption score" not in units_of(TASKS, WINES.contrast)["preference"]


def test_no_two_measures_share_a_column():
    share = Measure(Key("a"), "A", SHARE, interval=True)
    with raises(ValueError, "'a'"):
        Schema(PAPER, (share, Measure(Key("a"), "again", SCORE)))
    with raises(ValueError, "'a_low'"):
        Schema(PAPER, (share, Measure(Key("a_low"), "the least of A", SCORE)))
    with raises(ValueError, "'iia_val'"):  # a method with this name would hide the measure that chooses the cell
        declare(PAPER, [*PAPER_METHODS, MethodName("val", "val", "a method")], NORMS)


@pytest.mark.slow
@given(st.lists(st.one_of(st.floats(-2, 2), st.just(math.nan)), min_size=1, max_size=9))
def test_colours_are_symmetric_where_no_bounds_are_fixed(values: list[float]):
    each = np.array(values)
    assert SHARE.reach(each) == (0.0, 100.0)
    low, high = SCORE.reach(each)
    assert low == -high < 0
    assume(np.isfinite(each).any())
    assert high == pytest.approx(max(1e-6, np.nanmax(np.abs(values))))
    lost = schema(tuned=True)[Key("transfer_drop", model="tuned")].unit
    assert lost.reach(each) == (-5.0, 5.0)  # a loss of less than five points looks small


def test_a_table_without_some_columns_has_the_other_measures():
    present = schema().among(["iia", "iia_low", "preference", "layer"])
    assert [measure.key for measure in present] == [Key("iia"), Key("preference")]
