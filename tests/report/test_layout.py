"""Layout of measures: where each is shown, in which order, and how its numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data.contrast import Contrast
from interp.errors import UserError
from interp.measures import Key, Model, sweep_schema
from interp.report.displays import evidence_keys, sweep_layout
from interp.report.layout import CONTROLS, Layout
from tests.measures.test_measures import WINES, kinds, methods, norms
from tests.run_folders import NORMS, PAPERS, Question
from tests.wording import raises


def layout(question: Question = PAPERS, *, tuned: bool = False) -> Layout:
    schema = sweep_schema(question.contrast, question.methods, NORMS, models=["tuned"] * tuned)
    return sweep_layout(schema, question.methods, NORMS)


@pytest.mark.slow
@given(kinds, methods, norms, st.sampled_from([(), ("tuned",), ("edited", "tuned")]))
def test_every_name_tells_and_families_share_a_unit(both, some, names, models: tuple[Model, ...]):
    found = sweep_layout(sweep_schema(Contrast(*both), some, names, models=models), some, names)
    assert bool(found.at("page", model="edited")) == ("edited" in models)
    for kind in ("", "tuned"):
        shown, page = found.at("table", model=kind), found.at("page", model=kind)
        assert set(shown) <= set(page)  # what a terminal has no room for is there
        assert len({one.name for one in page}) == len(page)
        assert bool(shown) == (not kind or kind in models)
    for one in found.at("figure"):
        assert one.family
        assert len({other.unit for other in found if other.family == one.family}) == 1  # they share a scale
    assert [one.key for one in found if one.family == CONTROLS] == [Key("iia", one.column) for one in some[1:]]


def test_the_table_of_the_paper_keeps_its_order():
    first, *shown = layout(tuned=True).at("table", model="")
    assert first.column == "directions"
    assert [one.column for one in shown][:13] == [
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
    assert [one.column for one in shown][13:16] == [
        f"r_imageability_{route}" for route in ("through", "around", "full")
    ]
    headings = ["IIA", "c>d", "d>c", "pca", "means", "random", "c>d", "d>c", "c>d", "d>c", "R²", "neutral", "pref"]
    assert [one.heading for one in shown][:13] == headings
    wines = [one.column for one in layout(WINES).at("heatmap")][:5]
    assert wines == ["iia", "iia_b2w", "iia_w2b", "iia_das", "iia_pca"]


@pytest.mark.parametrize("model", ["", "tuned"])
def test_all_evidence_is_on_the_page_in_the_order_of_the_questions(model):
    keys = [Key(key.measure, key.subspace, model, direction=key.direction) for key in evidence_keys(PAPERS.contrast)]
    page = [one.key for one in layout(tuned=True).at("page")]
    assert [key for key in page if key in keys] == keys
    assert keys[0].measure == "gap"


@pytest.mark.slow
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_numbers_are_written_in_their_unit(value: float, low: float):
    found = layout(tuned=True)
    iia, related = found[Key("iia")], found[Key("r", norm="imageability", route="through")]
    row = {"iia": value, "r_imageability_through": value, "r_imageability_through_low": low}
    row |= {"r_imageability_through_high": math.nan, "tuned_transfer_drop": value, "iia_low": low, "iia_high": low}
    # Python's own way to leave out the minus of what rounds to nothing
    assert iia.text(row) == f"{100 * value:z.1f}"
    assert iia.text(row, ends=True) == f"{100 * value:z.1f} [{100 * low:z.1f} {100 * low:z.1f}]"
    assert related.text(row) == f"{value:+z.2f} [{low:+z.2f} -]"
    assert related.text(row, ends=False) == f"{value:+z.2f}"
    lost = found[Key("transfer_drop", model="tuned")]
    assert lost.value(row) == pytest.approx(-100 * value)  # a loss is shown as a change
    assert iia.text({"iia": math.nan}) == "-"


def test_a_column_that_is_not_shown_is_an_error_that_lists_those_that_are():
    assert layout().of_column("iia_c2d").key == Key("iia", direction="up")
    with raises(UserError, "'zeal'", "iia_d2c"):
        layout().of_column("zeal")
