from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from interp.runs.chosen_cell import ChosenControls, EditControls, chosen_file, keep_chosen, read_chosen
from interp.runs.files import StoreError
from interp.runs.place import Place
from interp.stats import Estimate
from tests.run_folders import a_run, rewrite
from tests.wording import raises

CHOSEN = ChosenControls(
    Place(8, 16, 0),
    {1: 0.7, 2: 0.25},
    0.125,
    Estimate(0.6, 9, 0.4, 0.8),
    Estimate(0.5, 9, 0.3, 0.7),
    False,
    {1: [10.0, 45.0], 2: [60.0]},
)
CONTROLS = EditControls(CHOSEN.arbitrary, CHOSEN.untrained, Estimate(0.9, 9, 0.8, 0.95), {1: [3.0, 60.0]}, 0.125)
EDITED = replace(CHOSEN, objective="edit", edit=CONTROLS)


def test_what_is_kept_is_read(tmp_path: Path):
    folder = a_run(tmp_path)
    assert read_chosen(folder) is None
    keep_chosen(folder, CHOSEN)
    keep_chosen(folder, EDITED)
    assert read_chosen(folder) == CHOSEN
    assert read_chosen(folder, "edit") == EDITED
    assert read_chosen(folder, "joint") is None


def test_what_is_not_defined_is_read_as_such(tmp_path: Path):
    folder = a_run(tmp_path)
    keep_chosen(
        folder, ChosenControls(CHOSEN.place, {1: math.nan}, 0.0, Estimate(math.nan, 0), CHOSEN.untrained, True, {})
    )
    chosen = read_chosen(folder)
    assert chosen is not None
    assert math.isnan(chosen.overlaps[1])
    assert math.isnan(chosen.arbitrary.value)
    assert chosen.untrained == CHOSEN.untrained


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"cell": 3}, ('["cell"]', 3)),
        ({"cell": {"layer": "x", "size": 1, "seed": 0}}, ('["cell"]["layer"]', '"x"')),
        ({"overlaps": {"one": 0.5}}, ('["overlaps"]', '"one"')),
        ({"overlaps": {"1": "much"}}, ('["overlaps"]["1"]', '"much"')),
        ({"angles": {"1": 3}}, ('["angles"]["1"]', 3)),
        ({"angles": {"1": ["wide"]}}, ('["angles"]["1"][0]', '"wide"')),
        ({"arbitrary": {"value": 0.5}}, ('["arbitrary"]', '"n"')),
        ({"edit": {"words": None}}, ('["edit"]', '"arbitrary"')),
        ({"chance": [1]}, ('["chance"]', "[1]")),
    ],
)
def test_a_damaged_file_is_one_line_that_says_where(tmp_path: Path, change: dict[str, object], value: object):
    folder = a_run(tmp_path)
    keep_chosen(folder, CHOSEN)
    content = json.loads((tmp_path / chosen_file("")).read_text()) | change
    rewrite(tmp_path / chosen_file(""), content)
    with raises(StoreError, chosen_file(""), value):
        read_chosen(folder)
    (tmp_path / chosen_file("")).write_text("{ cut sho")
    with raises(StoreError, chosen_file("")):
        read_chosen(folder)
