"""Tests of a sweep in parts, with simultaneous jobs in a folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from interp.errors import UserError
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.sweep.sharing import Shard, claimed
from tests.sweep.sweeping import command as small_sweep
from tests.sweep.sweeping import run
from tests.wording import raises, refused

ALONE = ["--jobs", "1"]


@given(st.sets(st.tuples(st.integers(1, 12), st.integers(1, 8), st.integers(0, 4)), max_size=60), st.integers(1, 12))
def test_each_cell_is_in_one_part_and_searched_with_its_like_if_there_are_enough(places, count: int):
    whole = [Place(*place) for place in sorted(places)]
    parts = [Shard(number, count).part(whole) for number in range(1, count + 1)]
    assert sorted(place for part in parts for place in part) == whole
    groups = {(place.layer, place.seed) for place in whole}
    if len(groups) >= count:
        assert len(groups) == sum(len({(place.layer, place.seed) for place in part}) for part in parts)
        assert all(parts)
    assert max(map(len, parts), default=0) - min(map(len, parts), default=0) <= 8 * (len(whole) // count + 1)


@pytest.mark.parametrize("text", ["3", "0/2", "3/2", "a/b", "1/0", "-1/3", "1/2/3", "", "1/" + "9" * 5000])
def test_what_is_no_part_is_one_line(text: str):
    with raises(UserError, f"--shard '{text[:70]}", "3/20") as caught:
        Shard.parse(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("options", [["--shard", "3/2"], ["--shard", "1/2", "--merge"]])
def test_options_that_go_together_with_nothing_are_one_line(options, tmp_path: Path, capsys):
    refused(run(*ALONE, *options, "--out", str(tmp_path / "run")), capsys, "--shard")
    assert not (tmp_path / "run").exists()


def test_cells_that_another_job_is_at_work_on_are_left_to_it(tmp_path: Path):
    folder, places = RunFolder(tmp_path), [Place(1, 2, 0), Place(1, 4, 0)]
    with claimed(folder, places[:1]) as mine, claimed(folder, places) as others:
        assert (mine, others) == (places[:1], places[1:])
    with claimed(folder, places) as mine:
        assert mine == places


@pytest.mark.slow
@pytest.mark.thorough
def test_parts_give_the_table_of_the_whole(small, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = ["--model", small.name]
    assert run(*ALONE, *model, "--out", str(tmp_path / "whole")) == 0
    out = tmp_path / "parts"
    command = small_sweep(*ALONE, *model, "--out", str(out), "--shard")
    jobs = [
        subprocess.Popen(
            [*command, f"{number}/2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"CLIP_DESCRIPTIONS_CACHE": str(tmp_path / f"cache{number}")},
        )
        for number in (1, 2)
    ]
    outputs = [job.communicate(timeout=300) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], outputs
    assert all("2 cells, 0 done before" in printed for printed, _ in outputs)
    assert not (out / "results.csv").exists()
    assert not list(out.glob("cache*"))
    capsys.readouterr()
    assert run(*ALONE, *model, "--out", str(out), "--merge") == 0
    assert "4 cells, 4 done before" in capsys.readouterr().out
    for name in ("results.csv", "norms.csv", "ratings.json", "examples.json", "chosen.json", "directions.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert (out / "report.html").exists()
    manifest = RunFolder(out).manifest()
    assert "--shard" not in manifest["command"]
    assert manifest["arguments"]["merge"] is False

    # missing cells cannot be merged, and conflicting processes are refused
    (out / "cells" / "layer04-size002-seed0.json").unlink()
    refused(run(*ALONE, *model, "--out", str(out), "--merge"), capsys, 1, "layer04-size002-seed0")
    with FileLock(out / ".part-1of2.lock"):
        refused(run(*ALONE, *model, "--out", str(out), "--shard", "1/2"), capsys, "1of2")
        refused(run(*ALONE, *model, "--out", str(out)), capsys, f"'{out}'")
    assert run(*ALONE, *model, "--out", str(out), "--shard", "1/2") == 0
    assert "all cells are done; write the tables and the page with --merge" in capsys.readouterr().out
