"""Variables of launchers in the environment."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.accelerating import forget_precision
from tests.training.finetuning import command, run, weights
from training.launching import alone, launched

WHOLE = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29588"}


def test_alone_hides_all_of_them_and_puts_them_back(monkeypatch: pytest.MonkeyPatch):
    left = WHOLE | {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_USE_FSDP": "1", "OMPI_COMM_WORLD_SIZE": "2"}
    for name, value in left.items():
        monkeypatch.setenv(name, value)
    with alone():
        assert not set(left) & set(os.environ)
    assert left.items() <= os.environ.items()


@pytest.mark.parametrize("name", WHOLE)
def test_one_variable_alone_is_ignored_and_named(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, WHOLE[name])
    with launched(None) as notes:
        assert name not in os.environ
    (note,) = notes
    assert note.startswith(f"{name} of a launcher is ignored")
    assert all(other in note for other in WHOLE)
    assert os.environ[name] == WHOLE[name]


def test_a_launcher_is_obeyed_and_what_it_wants_is_named(monkeypatch: pytest.MonkeyPatch):
    wanted = {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}
    for name, value in (WHOLE | wanted).items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGTERM)
    with launched(None) as notes:
        assert os.environ["RANK"] == "0"
        assert os.environ["ACCELERATE_MIXED_PRECISION"] == "bf16"
        assert "ACCELERATE_GRADIENT_ACCUMULATION_STEPS" not in os.environ
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is before
    assert ["127.0.0.1:29588" in notes[0], "bf16" in notes[1], "--batch-size" in notes[2]] == [True] * 3
    with launched("no") as notes:
        assert not any("bf16" in note for note in notes)


def test_nothing_is_said_where_there_is_no_launcher():
    with launched(None) as notes:
        assert notes == []


@pytest.mark.slow
def test_a_fine_tuning_that_waits_for_others_says_so_and_ends_when_it_is_told(small, tmp_path: Path):
    process = subprocess.Popen(
        command("--model", small.name, "--out", str(tmp_path / "run")),
        env=os.environ | WHOLE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "process 0 of 2" in line
    assert "127.0.0.1:29588" in line
    time.sleep(2)  # until it waits within the library
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM
    process.stdout.close()


@pytest.mark.slow
def test_a_launchers_accumulation_changes_no_number(small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    options = ["--model", small.name, "--max-steps", "2", "--look-every", "1"]
    assert run(*options, "--out", str(tmp_path / "plain")) == 0
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    forget_precision()
    assert run(*options, "--out", str(tmp_path / "left")) == 0
    assert weights(tmp_path / "left") == weights(tmp_path / "plain")
    capsys.readouterr()
