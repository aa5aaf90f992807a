"""Choice of the cell, compared with a loop without data frames; also with shares of 100 % only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.report import write_report
from interp.report.choice import FROZEN, TUNED, Rule, as_good, best_cell, rule_of
from interp.report.sweep_run import load_sweep
from interp.report.terminal import terminal_table
from interp.runs.place import Place
from tests.run_folders import write_sweep

SHARES = st.one_of(st.sampled_from([0.9, 0.95, 1.0]), st.just(math.nan))
ERRORS = st.one_of(st.sampled_from([0.0, 0.04, 0.06]), st.just(math.nan))
LOSSES = st.one_of(st.sampled_from([-0.1, 0.0, 0.25]), st.just(math.nan))
cell = st.tuples(SHARES, ERRORS, LOSSES)
places = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([4, 16]), st.integers(0, 1)), min_size=1, max_size=8, unique=True
)


def chosen(rows: Sequence[Mapping[str, Any]], rule: Rule) -> Mapping[str, Any]:
    """Choose a cell as the text of the rule says."""
    measured, error_of = rule.share.column(), rule.error.column()
    shares = [-1.0 if math.isnan(row[measured]) else row[measured] for row in rows]
    errors = [row[error_of] for row, share in zip(rows, shares, strict=True) if share == max(shares)]
    least = max(shares) - max([error for error in errors if not math.isnan(error)], default=0.0)
    left = [row for row, share in zip(rows, shares, strict=True) if share >= least]
    return min(left, key=lambda row: [math.inf if math.isnan(row[key]) else row[key] for key in order(rule)])


def order(rule: Rule) -> list[str]:
    """Return the columns that decide between equally good cells."""
    return [name.format(rule.loss.column()) for name in rule.order]


@pytest.mark.slow
@pytest.mark.parametrize("rule", [FROZEN, TUNED], ids=["frozen", "tuned"])
@given(places, st.data())
def test_the_rule_is_that_of_a_loop(rule: Rule, where: list[tuple[int, int, int]], data: st.DataObject):
    rows = []
    for layer, size, seed in where:
        share, error, loss = data.draw(cell)
        row = {"layer": layer, "size": size, "seed": seed}
        row |= {rule.share.column(): share, rule.error.column(): error, rule.loss.column(): loss}
        row |= {"iia": 1 - share, "tuned_preference": 1 - share}  # test pairs do not influence the choice
        row |= {"tuned_val_loss": 0.1} if rule == TUNED else {}
        rows.append(row)
    frame = pd.DataFrame(rows)
    assert rule_of(frame) == rule
    assert Place.of(best_cell(frame)) == Place.of(chosen(rows, rule))
    assert Place.of(best_cell(frame)) in {Place.of(row) for _, row in as_good(frame, rule).iterrows()}


def test_where_every_share_is_1_what_was_lost_decides():
    grid = [(layer, size) for layer in (6, 7) for size in (4, 16)]
    frame = pd.DataFrame(
        [
            {
                "layer": layer,
                "size": size,
                "seed": 0,
                "iia_val": 1.0,
                "iia_val_se": 0.0,
                "das_val_loss": 0.01 * layer,
                "tuned_val_loss": 0.1,
                "tuned_preference_val": 1.0,
                "tuned_preference_val_se": 0.0,
                "tuned_retrieval_rise_val": rise,
            }
            for (layer, size), rise in zip(grid, (0.3, 0.2, 0.1, 0.4), strict=True)
        ]
    )
    assert Place.of(best_cell(frame)) == (7, 4, 0)
    frozen = frame.drop(columns=[column for column in frame if column.startswith("tuned")])
    assert Place.of(best_cell(frozen)) == (6, 4, 0)  # the smallest size, then the lower loss
    frozen.loc[frozen["layer"] == 7, "das_val_loss"] = 0.001
    assert Place.of(best_cell(frozen)) == (7, 4, 0)


@pytest.mark.parametrize("tuned", [False, True])
def test_table_page_and_notebook_say_the_rule_and_star_the_same_cell(tuned: bool, tmp_path: Path):
    run = load_sweep(write_sweep(tmp_path / "sweep", tuned=tuned))
    rule = TUNED if tuned else FROZEN
    table = terminal_table(run.frame, run.layout, run.contrast, run.norms, run.verdict, run.trained_by, verbose=True)
    assert rule.words in " ".join(table.split())
    assert rule.words in unescape(run._repr_html_())
    assert rule.words in unescape(write_report(run, tmp_path / "page.html").read_text())
    (starred,) = [line.split() for line in table.splitlines() if line.startswith("* ")]
    best = Place.of(chosen(run.frame.to_dict("records"), rule))
    assert Place.of(run.best) == best
    assert [int(word) for word in starred[1:4]] == [best.layer, best.block, best.size]
    assert f"At layer {best.layer}, size {best.size}, " in " ".join(table.split())
