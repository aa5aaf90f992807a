"""Sentences about a sweep agree with its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.data.contrast import PAPER
from interp.measures import sweep_schema
from interp.report import write_report
from interp.report.displays import sweep_layout
from interp.report.reading import finding, no_preference, reading, spreads, unconverged
from interp.report.sweep_run import SweepRun, load_sweep
from interp.report.terminal import terminal_table
from tests.run_folders import PAPER_METHODS, write_sweep


@pytest.fixture(params=[False, True], ids=["frozen", "tuned"])
def sweep(tmp_path: Path, request: pytest.FixtureRequest) -> SweepRun:
    return load_sweep(write_sweep(tmp_path / "sweep", tuned=request.param, layers=(6, 7, 9), sizes=(4, 16)))


def test_the_extremes_of_every_measure_are_compared(sweep: SweepRun):
    all_spreads = spreads(sweep.frame, sweep.layout)
    assert len(all_spreads) >= 5
    for spread in all_spreads:
        values = sweep.frame[spread.measure.column]
        assert (spread.highest[spread.measure.column], spread.lowest[spread.measure.column]) == (
            values.max(),
            values.min(),
        )
        _, low, high = spread.measure.columns
        assert spread.apart == (spread.highest[low] > spread.lowest[high])
    text = " ".join(reading(sweep.frame, sweep.layout, sweep.norms))
    assert text.count(" at layer ") == 2 * sum(spread.apart for spread in all_spreads)


def test_trends_are_those_of_the_intervals(sweep: SweepRun):
    model = "tuned_" if "tuned_preference" in sweep.frame else ""
    for low, high, verb in ((0.1, 0.4, "rise with"), (-0.4, -0.1, "fall with"), (-0.1, 0.4, "do not surely follow")):
        frame, key = sweep.frame.copy(), f"{model}r_imageability_through"
        frame[[key, f"{key}_low", f"{key}_high"]] = (low + high) / 2, low, high
        first = reading(frame, sweep.layout, ["imageability"])[0]
        assert first.startswith(f"Through Z, attributions of words {verb} imageability (r {(low + high) / 2:+.2f} [")
        assert first.count("imageability") == 3
        assert "; around it, they " in first


def test_what_is_lost_is_said_as_a_change_from_the_worst_to_the_best(tmp_path: Path):
    sweep = load_sweep(write_sweep(tmp_path / "sweep", tuned=True, layers=(6, 7), sizes=(4,)))
    frame = sweep.frame.copy()
    for end in ("", "_low", "_high"):
        frame[f"tuned_retrieval_drop{end}"] = [0.30, 0.02]
    sentences = reading(frame, sweep.layout, ())
    assert (
        "the change of retrieval, from -30.0 points at layer 6, size 4 to -2.0 points at layer 7, size 4"
        in sentences[0]
    )


def test_one_cell_and_no_norm(tmp_path: Path):
    sweep = load_sweep(write_sweep(tmp_path / "one", layers=(6,), sizes=(4,), norms=()))
    assert reading(sweep.frame, sweep.layout, sweep.norms) == []


def test_page_and_terminal_say_it(sweep: SweepRun, tmp_path: Path):
    sentences = " ".join(reading(sweep.frame, sweep.layout, sweep.norms))
    result = finding(sweep.frame, sweep.layout, sweep.contrast, sweep.trained_by)
    for verbose in (False, True):
        table = terminal_table(
            sweep.frame, sweep.layout, sweep.contrast, sweep.norms, by=sweep.trained_by, verbose=verbose
        )
        printed = " ".join(table.split())
        assert result in printed
        assert (sentences in printed) == verbose
    page = write_report(sweep, tmp_path / "page.html").read_text()
    assert f"<p>{sentences.replace('>', '&gt;')}</p>" in page
    assert f'<p class="lead">{result}</p>' in page


def test_the_finding_has_the_numbers_of_the_chosen_cell(sweep: SweepRun):
    best, text = sweep.best, finding(sweep.frame, sweep.layout, sweep.contrast, sweep.trained_by)
    assert f"At layer {int(best['layer'])}, size {int(best['size'])}, " in text
    assert f"{int(best['test_pairs'])} test pairs" in text
    column = "tuned_preference" if sweep.trained else "iia"
    value, low, high = (100 * best[f"{column}{end}"] for end in ("", "_low", "_high"))
    assert f"{value:.1f} [{low:.1f} {high:.1f}] %" in text
    assert f"{100 * best['preference']:.1f}" in text
    if sweep.trained:
        assert f"retrieval by {-100 * best['tuned_retrieval_drop']:+.1f} points" in text


def test_texts_that_did_not_converge_are_told_of_in_a_line():
    columns = {"attribution_delta": [0.001, 0.02], "attribution_unconverged": [0.0, 0.125]}
    columns |= {"attribution_delta_relative": [0.009, 0.034]}
    sentences = unconverged(pd.DataFrame(columns))
    assert (
        "in the worst cell 12.5 % of texts miss their difference of scores by more than 1 %, by at most 3.4 %"
        in sentences
    )
    fine = {"attribution_delta": [0.02], "attribution_unconverged": [0.0], "attribution_delta_relative": [0.009]}
    assert unconverged(pd.DataFrame(fine)) == ""  # a large error of a large difference
    tuned = {"tuned_val_loss": [0.1]} | {f"tuned_{key}": [value[-1]] for key, value in columns.items()}
    assert "12.5 % of texts" in unconverged(pd.DataFrame(fine | tuned))


def test_a_gap_without_an_interval_is_no_verdict_on_the_preference():
    layout = sweep_layout(sweep_schema(PAPER, PAPER_METHODS, ()), PAPER_METHODS, ())
    texts = {}
    for name, ends in (("none", (-0.1, 0.2)), ("unknown", (np.nan, np.nan)), ("some", (0.01, 0.2))):
        frame = pd.DataFrame({"gap": [0.05], "gap_low": [ends[0]], "gap_high": [ends[1]]})
        texts[name] = no_preference(frame, layout, PAPER)
    assert texts["some"] == ""
    assert texts["none"].startswith(
        "The model has no preference to localize: it scores a description above its caption"
    )
    assert texts["unknown"].startswith(
        "The model may have no preference to localize: it scores a description above its"
    )
    assert "interval" in texts["unknown"]
    assert "does not lie above 0" not in texts["unknown"]
