"""Tasks that are finished, damaged, interrupted, or evaluated with other options."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.training.evaluation.evaluating import run, table, times
from tests.wording import refused
from training import evaluate
from training.evaluation.tasks import blv

pytestmark = pytest.mark.slow


def test_what_is_done_is_not_done_again_unless_it_was_asked_otherwise(done: Path, lora: Path, ratings, tmp_path):
    out = shutil.copytree(done, tmp_path / "out")
    arguments = ["--model", str(lora), "--blv", str(ratings), "--out", str(out), "--tasks", "preference,norms,blv"]
    before, first = times(out), (out / "results.csv").read_bytes()
    assert run(*arguments) == 0
    assert (times(out), (out / "results.csv").read_bytes()) == (before, first)
    for options, redone in {
        ("--n-steps", "4"): {"norms"},
        ("--sources", "paired"): {"preference"},
        ("--prefix", "A photo depicts "): {"blv"},
        ("--limit", "50"): {"preference", "norms"},
    }.items():
        arguments += options
        assert run(*arguments) == 0
        after = times(out)
        assert {name for name in after if after[name] != before[name]} == redone, options
        assert (out / "results.csv").read_bytes() != first
        before = after
    assert len(json.loads((out / "manifest.json").read_text())["resumed"]) == 5


def test_an_evaluation_is_run_again_from_its_manifest(done: Path, tmp_path: Path):
    assert evaluate.main(["--config", str(done), "--trust-run", "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "results.csv").read_bytes() == (done / "results.csv").read_bytes()


def test_other_tasks_of_the_same_folder_stay_in_its_tables(done: Path, lora: Path, tmp_path: Path, capsys):
    out = shutil.copytree(done, tmp_path / "out")
    assert run("--model", str(lora), "--tasks", "norms", "--attributed", "3", "--out", str(out)) == 0
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "%" in line or "[" in line]
    assert set(shown) == {"task", "norms"}
    before, after = table(done), table(out)
    assert before.index.equals(after.index)
    changed = after.index[~((after["value"] == before["value"]) | after["value"].isna())]
    assert set(changed.get_level_values("task")) == {"norms"}
    words = json.loads((done / "cells" / "norms.json").read_text())["details"]["words"]
    assert words.keys() == {"through", "around", "full"}
    assert words["through"].keys() == words["full"].keys() > {"the"}


def test_a_damaged_cell_is_computed_again(done: Path, lora: Path, ratings: Path, tmp_path: Path):
    out = shutil.copytree(done, tmp_path / "out")
    (out / "cells" / "norms.json").write_text("{ cut sho")
    (out / "results.csv").unlink()
    assert run("--model", str(lora), "--blv", str(ratings), "--out", str(out)) == 0
    assert (out / "results.csv").read_bytes() == (done / "results.csv").read_bytes()
    assert {name for name, when in times(out).items() if when != times(done)[name]} == {"norms"}


def test_interrupted_and_resumed_gives_the_same(done: Path, lora: Path, ratings, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    arguments = ["--model", str(lora), "--blv", str(ratings), "--out", str(out)]

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patcher:
        patcher.setattr(blv, "agreement_with_readers", interrupted)
        assert run(*arguments) == 130
    captured = capsys.readouterr()
    assert "interrupted" in captured.err
    finished = times(out)
    assert finished.keys() == {"preference", "transfer"}
    assert not (out / "results.csv").exists()
    assert run(*arguments) == 0
    assert {name: when for name, when in times(out).items() if name in finished} == finished
    for name in ("results.csv", "results.json", "results.parquet"):
        assert (out / name).read_bytes() == (done / name).read_bytes()


def test_a_folder_is_one_models(done: Path, lora: Path, model: str, tmp_path: Path, capsys):
    out = shutil.copytree(done, tmp_path / "out")
    refused(run("--model", model, "--tasks", "preference", "--limit", "60", "--out", str(out)), capsys, f"'{out}'")
    assert {path.name: path.read_bytes() for path in out.glob("*.*")} == {
        path.name: path.read_bytes() for path in done.glob("*.*")
    }
    refused(run("--model", str(lora), "--tasks", "preference", "--out", str(lora)), capsys, f"'{lora}'")
    assert json.loads((lora / "manifest.json").read_text())["settings"]["kind"] == "finetune"
