"""Tests of sweeps that are interrupted, damaged, extended or repeated."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from interp import cli
from interp.report.page.page import page
from interp.report.sweep_run import load_sweep
from interp.runs.files import StoreError
from interp.sweep import __main__ as sweep
from tests.children import running, wait_for
from tests.sweep.sweeping import FROZEN, SMALL, command, run, tables
from tests.wording import exits, raises, refused

pytestmark = pytest.mark.slow


def test_the_command_in_the_manifest_asks_for_the_same():
    config = sweep.SweepConfig(data="concadia:my 'data'", sizes="2,6", n_steps=7, skip_bad_images=True)
    first, *words = shlex.split(cli.command_line("python", config))
    assert first == "python"
    assert cli.parse(sweep.SweepConfig, "", "", "", words) == config
    assert cli.command_line("python", sweep.SweepConfig()) == "python"


@pytest.mark.usefixtures("stranger")
def test_a_sweep_is_run_again_from_its_manifest(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Compare all bits, require trust for a model from elsewhere, and let typed options win."""
    again = ["--config", str(done / "manifest.json"), "--out", str(tmp_path / "again"), "--jobs", "1"]
    with exits(capsys, "--trust-run", "--model"):
        sweep.main(again)
    assert not (tmp_path / "again").exists()
    assert sweep.main([*again, "--trust-run"]) == 0
    assert tables(tmp_path / "again") == tables(done)
    first, second = (json.loads((run / "manifest.json").read_text()) for run in (done, tmp_path / "again"))
    assert second["settings"] == first["settings"]
    assert "--config" not in second["command"]  # the command does not need the earlier run
    other = ["--config", str(done), "--out", str(tmp_path / "other"), "--trust-run", "--jobs", "1"]
    assert sweep.main([*other, "--layers", "5", "--sizes", "2"]) == 0
    assert pd.read_csv(tmp_path / "other" / "results.csv")[["layer", "size"]].to_numpy().tolist() == [[5, 2]]


def test_killed_and_resumed_only_what_is_missing_is_computed(done: Path, model: str, tmp_path: Path):
    out = tmp_path / "killed"
    process = subprocess.Popen(
        command("--model", model, "--out", str(out), "--jobs", "2"), stderr=subprocess.DEVNULL, start_new_session=True
    )
    wait_for(lambda: list(out.glob("cells/*.json")), 120, process=process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not running(process.pid))  # wait for the end of orphaned workers, which may still write
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob("cells/*.json")}
    assert 0 < len(finished) < 4
    left = time.time_ns()
    assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("cells/*.json")}
    assert {name: when for name, when in after.items() if name in finished} == finished
    assert all(when > left for name, when in after.items() if name not in finished)
    assert tables(out) == tables(done)
    assert not (out / "cache").exists()


def test_two_sweeps_do_not_share_a_folder(done: Path, model: str, capsys: pytest.CaptureFixture[str]):
    with FileLock(done / ".lock"):
        refused(run("--model", model, "--out", str(done)), capsys, f"'{done}'")


def test_what_is_missing_or_does_not_fit_is_computed_again_with_the_same_bits(
    done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Damage one file at a time.

    The damages are a truncated cell, a changed number, a copy of another cell, and a lost rotation. At last, a cell and
    its rotation are removed, and the search covers all sizes again.
    """
    out = shutil.copytree(done, tmp_path / "run")
    cell, rotation = (out / name / "layer04-size006-seed0" for name in ("cells", "rotations"))
    cell, tensors, about = (
        path.with_suffix(end)
        for path, end in (
            (cell, ".json"),
            (rotation, ".safetensors"),
            (rotation, ".json"),
        )
    )
    before, text = tensors.stat().st_mtime_ns, cell.read_text()
    other = out / "cells" / "layer05-size002-seed0.json"
    spoils = {
        "cannot read": lambda: cell.write_text("{ cut sho"),
        "its checksum does not match": lambda: cell.write_text(
            text.replace('"preference": 0.', '"preference": 0.1', 1)
        ),
        "holds the cell layer04": lambda: other.write_text(text),
    }
    for number, (message, spoil) in enumerate(spoils.items()):
        spoil()
        assert run("--model", model, "--out", str(out), "--jobs", "1", "--layers", "4-5") == 0
        assert message in (printed := capsys.readouterr().out), number
        assert "it is computed again" in printed
        assert tables(out) == tables(done)
        assert tensors.stat().st_mtime_ns == before
        assert json.loads((out / "manifest.json").read_text())["cells_computed"] == 1
    shutil.copy(out / "rotations" / "layer05-size006-seed0.json", about)
    shutil.copy(out / "rotations" / "layer05-size006-seed0.safetensors", tensors)
    assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
    assert "is the subspace of another cell" in capsys.readouterr().out
    for path in (cell, tensors, about):
        path.unlink()
    assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
    assert tables(out) == tables(done)
    assert tensors.read_bytes() == (done / "rotations" / tensors.name).read_bytes()
    assert "last digits" not in capsys.readouterr().out


@pytest.mark.thorough
def test_examples_that_were_changed_are_kept_again(done: Path, model: str, tmp_path: Path, capsys):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    before = {path.name: path.read_bytes() for path in (out / "examples").iterdir()}
    text = (out / "examples.json").read_text()
    for spoil, message in (
        (
            lambda: (out / "examples.json").write_text(text.replace('"positive": "', '"positive": "x', 1)),
            "examples.json",
        ),
        (lambda: (out / "examples" / "0.jpg").write_bytes(before["1.jpg"]), "0.jpg"),
        ((out / "examples" / "0.jpg").unlink, ""),
    ):
        spoil()
        if message:
            with raises(StoreError, message):
                page(load_sweep(out))
        assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
        assert message in capsys.readouterr().out
        assert (out / "examples.json").read_text() == text
        assert {path.name: path.read_bytes() for path in (out / "examples").iterdir()} == before


def test_a_damaged_cell_that_is_not_asked_for_is_said_before_anything_is_computed(
    done: Path, model: str, tmp_path: Path, capsys
):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    (out / "cells" / "layer04-size002-seed0.json").unlink()
    (out / "cells" / "layer05-size006-seed0.json").write_text("{")
    refused(run("--model", model, "--out", str(out), "--jobs", "1", "--layers", "4"), capsys, 5, 6, 0)
    assert not (out / "cells" / "layer04-size002-seed0.json").exists()


def test_a_manifest_that_is_none_is_left_as_it_is(done: Path, model: str, tmp_path: Path, capsys):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(manifest | {"norm_sources": 7}))
    before = (out / "manifest.json").read_bytes()
    refused(run("--model", model, "--out", str(out)), capsys, '["norm_sources"]', 7)
    assert (out / "manifest.json").read_bytes() == before


def test_a_stray_file_among_the_cells_is_named_and_not_read(done: Path, tmp_path: Path):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    shutil.copy(out / "cells" / "layer04-size006-seed0.json", out / "cells" / "layer04-size006-seed0 (1).json")
    (out / "cells" / "notes.txt").write_text("mine")
    sweep_run = load_sweep(out)
    assert len(sweep_run.cells) == 4
    assert sweep_run.strays == ["cells/layer04-size006-seed0 (1).json", "cells/notes.txt"]
    assert "notes.txt" in page(sweep_run)


def test_a_run_can_be_widened_but_not_bent(done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = shutil.copytree(done, tmp_path / "run")
    assert (
        sweep.main([*SMALL[:-2], *FROZEN, "--sizes", "2,3,6", "--model", model, "--out", str(out), "--jobs", "1"]) == 0
    )
    assert json.loads((out / "manifest.json").read_text())["cells_computed"] == 2
    narrow, wide = pd.read_csv(done / "results.csv"), pd.read_csv(out / "results.csv")
    pd.testing.assert_frame_equal(wide[wide["size"] != 3].reset_index(drop=True), narrow)
    assert (
        "4 cells were searched together with other sizes than this command has (layer04-size002-seed0"
        in capsys.readouterr().out
    )
    capsys.readouterr()
    refused(run("--model", model, "--out", str(out), "--sources", "paired"), capsys, 'sources = "random"', '"paired"')


def test_interrupted_runs_say_how_to_go_on(model: str, tmp_path: Path):
    out = tmp_path / "run"
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    long = command("--model", model, "--out", str(out), "--jobs", "2", "--max-steps", "2000", "--seeds", "0-40")
    process = subprocess.Popen(long, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    wait_for(lambda: list(out.glob("rotations/*.json")), 120, process=process)
    os.killpg(process.pid, signal.SIGINT)  # the whole group, as a terminal does
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "interrupted" in error
    assert "Traceback" not in error
