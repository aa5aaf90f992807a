"""Layout of measures: places, order, and the format of numbers."""

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
def test_every_name_tells_and_families_share_a_unit(both, methods, names, models: tuple[Model, ...]):
    layout_of_all = sweep_layout(sweep_schema(Contrast(*both), methods, names, models=models), methods, names)
    assert bool(layout_of_all.at("page", model="edited")) == ("edited" in models)
    for kind in ("", "tuned"):
        shown, page = layout_of_all.at("table", model=kind), layout_of_all.at("page", model=kind)
        assert set(shown) <= set(page)  # the page has the measures that the terminal omits
        assert len({display.name for display in page}) == len(page)
        assert bool(shown) == (not kind or kind in models)
    for display in layout_of_all.at("figure"):
        assert display.family
        assert len({other.unit for other in layout_of_all if other.family == display.family}) == 1  # they share a scale
    assert [display.key for display in layout_of_all if display.family == CONTROLS] == [
        Key("iia", display.column) for display in methods[1:]
    ]


def test_the_table_of_the_paper_keeps_its_order():
    first, *shown = layout(tuned=True).at("table", model="")
    assert first.column == "directions"
    assert [display.column for display in shown][:13] == [
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
    assert [display.column for display in shown][13:16] == [
        f"r_imageability_{route}" for route in ("through", "around", "full")
    ]
    headings = ["IIA", "c>d", "d>c", "pca", "means", "random", "c>d", "d>c", "c>d", "d>c", "R²", "neutral", "pref"]
    assert [display.heading for display in shown][:13] == headings
    wines = [display.column for display in layout(WINES).at("heatmap")][:5]
    assert wines == ["iia", "iia_b2w", "iia_w2b", "iia_das", "iia_pca"]


@pytest.mark.parametrize("model", ["", "tuned"])
def test_all_evidence_is_on_the_page_in_the_order_of_the_questions(model):
    keys = [Key(key.measure, key.subspace, model, direction=key.direction) for key in evidence_keys(PAPERS.contrast)]
    page = [display.key for display in layout(tuned=True).at("page")]
    assert [key for key in page if key in keys] == keys
    assert keys[0].measure == "gap"


@pytest.mark.slow
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_numbers_are_written_in_their_unit(value: float, low: float):
    tuned_layout = layout(tuned=True)
    iia, related = tuned_layout[Key("iia")], tuned_layout[Key("r", norm="imageability", route="through")]
    row = {"iia": value, "r_imageability_through": value, "r_imageability_through_low": low}
    row |= {"r_imageability_through_high": math.nan, "tuned_transfer_drop": value, "iia_low": low, "iia_high": low}
    # Python's format that omits the minus sign of a rounded zero
    assert iia.text(row) == f"{100 * value:z.1f}"
    assert iia.text(row, ends=True) == f"{100 * value:z.1f} [{100 * low:z.1f} {100 * low:z.1f}]"
    assert related.text(row) == f"{value:+z.2f} [{low:+z.2f} -]"
    assert related.text(row, ends=False) == f"{value:+z.2f}"
    lost = tuned_layout[Key("transfer_drop", model="tuned")]
    assert lost.value(row) == pytest.approx(-100 * value)  # a loss appears as a change
    assert iia.text({"iia": math.nan}) == "-"


def test_a_column_that_is_not_shown_is_an_error_that_lists_those_that_are():
    assert layout().of_column("iia_c2d").key == Key("iia", direction="up")
    with raises(UserError, "'zeal'", "iia_d2c"):
        layout().of_column("zeal")
