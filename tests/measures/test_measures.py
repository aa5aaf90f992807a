"""The schema of measures, for any contrast, methods and norms."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from interp.data.contrast import PAPER, Contrast
from interp.errors import UserError
from interp.measures import MethodName, evaluation_schema
from interp.measures import sweep_schema as declare
from interp.measures.schema import CORRELATION, SCORE, SHARE, Measure, Schema
from interp.runs.folder import RunFolder
from tests.run_folders import NORMS, PAPER_METHODS, PAPERS, Question, kept, write_evaluation, write_sweep
from training.evaluation.compare import read

WINES = Question(Contrast("wine", "beer"), (MethodName("masked-das", "masked", "masked DAS"), *PAPER_METHODS))
letters = st.text("abcdefgh", min_size=1, max_size=6)
kinds = st.tuples(letters, letters).filter(lambda both: both[0] != both[1])
# with an x before them, names are those of no ceiling, split or interval
methods = st.lists(letters.map("x{}".format), min_size=1, max_size=4, unique=True).map(
    lambda keys: [MethodName(key, key, f"method {key}") for key in keys]
)
norms = st.lists(letters.map("x{}".format), max_size=3, unique=True)


def schema(question: Question = PAPERS, names: Sequence[str] = NORMS, *, tuned: bool = False) -> Schema:
    return declare(question.contrast, question.methods, names, tuned=tuned)


@pytest.mark.slow
@given(kinds, methods, norms, st.booleans())
def test_every_column_is_of_one_measure_and_every_title_tells(both, some, names, tuned: bool):
    found = declare(Contrast(*both), some, names, tuned=tuned)
    columns = [column for measure in found for column in measure.keys]
    assert len(columns) == len(set(columns)) == len(found.columns)
    assert len({measure.title for measure in found}) == len(list(found))
    for kind in (False, True):
        shown = found.shown("table", tuned=kind)
        page = found.shown("page", tuned=kind)
        assert set(shown) <= set(page)  # what a terminal has no room for is there
        assert len({measure.name for measure in page}) == len(page)
        assert bool(shown) == (tuned or not kind)
    for measure in found.shown("figure"):
        assert measure.family
        assert len({one.unit for one in found if one.family == measure.family}) == 1  # they share a scale


@pytest.mark.slow
@given(kinds, methods, norms)
def test_what_a_measure_is_compared_with_is_there(both, some, names):
    found = declare(Contrast(*both), some, names)
    controls = [f"iia_{method.key}" for method in some[1:]]
    assert found["iia"].against == (*controls, "iia_whole", "iia_size0")
    for key in found["iia"].against:
        assert found[key].unit == SHARE
    assert found["preference"].against == ("50 %",)
    assert all(measure.against == ("the base",) for measure in declare(PAPER, some, names, tuned=True) if measure.tuned)


@pytest.mark.slow
@given(letters.map("z{}".format))
def test_a_key_that_is_not_declared_is_an_error_that_lists_those_that_are(key: str):
    found = schema()
    with pytest.raises(
        UserError, match=f"there is no measure '{key}'; known: directions, iia, iia_c2d, iia_d2c, iia_pca, "
    ):
        _ = found[key]
    with pytest.raises(ValueError, match=rf"does not declare {key}$"):
        found.check(["iia", "iia_low", key])
    found.check(["iia", "iia_low", "iia_high"])
    with pytest.raises(ValueError, match=r"does not declare shift_c2d_low$"):
        found.check(["shift_c2d", "shift_c2d_low"])  # it has no interval


@pytest.mark.slow
@pytest.mark.parametrize("question", [PAPERS, WINES], ids=["paper", "wines"])
@pytest.mark.parametrize("tuned", [False, True])
def test_every_number_of_a_cell_is_declared(question: Question, tuned: bool, tmp_path: Path):
    folder = RunFolder(write_sweep(tmp_path / "sweep", tuned=tuned, question=question))
    for name in folder.names():
        cell = kept(folder.cell_path(name))
        schema(question, tuned=tuned).check(cell["measures"])
        with pytest.raises(ValueError, match=r"interp/measures does not declare"):
            schema(Question(Contrast("x", "y")), tuned=tuned).check(cell["measures"])


def test_every_number_of_an_evaluation_is_declared(tmp_path: Path):
    path = write_evaluation(tmp_path / "run", "IIT-DAS, LoRA", routes=("through", "around", "full"), readers=True)
    known = evaluation_schema(PAPER)
    units = {measure: known[measure].unit for _, _, measure in read(path).values}
    assert units["preference"] == SHARE
    assert units["pearson through"].bounds == CORRELATION.bounds
    assert known["mean caption score"].unit == known["shift c2d"].unit == SCORE
    with pytest.raises(UserError, match="there is no measure 'mean caption score'"):
        _ = evaluation_schema(WINES.contrast)["mean caption score"]


def test_no_two_measures_share_a_column():
    share = Measure("a", "A", SHARE, interval=True)
    with pytest.raises(ValueError, match="two measures have the column 'a'"):
        Schema((share, Measure("a", "again", SCORE)))
    with pytest.raises(ValueError, match="two measures have the column 'a_low'"):
        Schema((share, Measure("a_low", "the least of A", SCORE)))
    with pytest.raises(ValueError, match="column 'iia_val'"):  # a method of that name would hide what chooses the cell
        declare(PAPER, [*PAPER_METHODS, MethodName("val", "val", "a method")], NORMS)


def test_the_schema_of_the_paper_keeps_its_keys():
    found = schema(tuned=True)
    first, *keys = [measure.key for measure in found.shown("table", tuned=False)]
    assert first == "directions"
    assert keys[:13] == [
        "iia",
        "iia_c2d",
        "iia_d2c",
        "iia_pca",
        "iia_means",
        "iia_random",
        "shift_c2d",
        "shift_d2c",
        "ratio_c2d",
        "ratio_d2c",
        "r2_own",
        "neutral_preference",
        "preference",
    ]
    assert keys[13:16] == [f"r_imageability_{route}" for route in ("through", "around", "full")]
    own = [measure.heading for measure in found.shown("table", tuned=False)][1:14]
    assert own == ["IIA", "c>d", "d>c", "pca", "means", "random", "c>d", "d>c", "c>d", "d>c", "R²", "neutral", "pref"]
    assert [measure.key for measure in schema(WINES).shown("heatmap")][:5] == [
        "iia",
        "iia_b2w",
        "iia_w2b",
        "iia_das",
        "iia_pca",
    ]
    assert "iia_masked_das" in declare(PAPER, [*PAPER_METHODS, WINES.methods[0]], NORMS).columns


@pytest.mark.slow
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_numbers_are_written_in_their_unit(value: float, low: float):
    found = schema(tuned=True)
    row = {"iia": value, "r_imageability_through": value, "r_imageability_through_low": low}
    row |= {"r_imageability_through_high": math.nan, "tuned_transfer_drop": value}
    # Python's own way to leave out the minus of what rounds to nothing
    assert found["iia"].text(row) == f"{100 * value:z.1f}"
    assert found["r_imageability_through"].text(row) == f"{value:+z.2f} [{low:+z.2f} -]"
    assert found["tuned_transfer_drop"].value(row) == pytest.approx(-100 * value)  # a loss is shown as a change
    assert found["iia"].text({"iia": math.nan}) == "-"


@pytest.mark.slow
@given(st.lists(st.one_of(st.floats(-2, 2), st.just(math.nan)), min_size=1, max_size=9))
def test_colours_are_symmetric_where_no_bounds_are_fixed(values: list[float]):
    each = np.array(values)
    assert SHARE.reach(each) == (0.0, 100.0)
    low, high = SCORE.reach(each)
    assert low == -high < 0
    assume(np.isfinite(each).any())
    assert high == pytest.approx(max(1e-6, np.nanmax(np.abs(each))))
    lost = schema(tuned=True)["tuned_transfer_drop"].unit
    assert lost.reach(each) == (-5.0, 5.0)  # a loss of less than five points looks small


def test_a_run_that_is_older_than_a_measure_does_without():
    found = schema().among(["iia", "iia_low", "preference", "layer"])
    assert [measure.key for measure in found] == ["iia", "preference"]
    with pytest.raises(UserError, match=re.escape("there is no measure 'iia_c2d'; known: iia, preference")):
        _ = found["iia_c2d"]
