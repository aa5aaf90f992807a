"""Tests of the arguments of the command, and of refused arguments."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interp.cli.types import parse_ints
from interp.sweep import __main__ as sweep
from interp.sweep.config import DEFAULT_LIMIT
from tests.sweep.sweeping import run
from tests.wording import exits, refused

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--layers", "13"], (13, 1, 12)),
        (["--layers", "0-3"], ("--layers", 0)),
        (["--layers", "9-6"], ("--layers", 9, 6)),
        (["--layers", "six"], "'six'"),
        (["--sizes", "4096"], (4096, 128)),
        (["--sizes", "0"], ("--sizes", 0)),
        (["--model", "nowhere"], "'nowhere'"),
        (["--model", "toy", "--data", "concadia:/nowhere"], "'/nowhere'"),
        (["--model", "toy", "--data", "flickr"], ("'flickr'", "concadia:FOLDER")),
        (["--norms", "valence"], "'valence'"),
        (["--jobs", "0"], ("--jobs", 1)),
        (["--device", "abacus"], "'abacus'"),
        (["--limit", "3"], 2),
        (["--split", "dev"], "'dev'"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(tmp_path: Path, capsys, arguments: list[str], value: object):
    out = tmp_path / "run"
    refused(run("--out", str(out), *arguments), capsys, value)
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["--sources", "both"], ["--limit", "many"], ["--layer", "6", "--nonsense"]])
def test_what_the_parser_refuses_is_one_line_too(capsys, arguments: list[str]):
    with exits(capsys, "--help"):
        sweep.main(arguments)


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys):
    (tmp_path / "file").write_text("")
    refused(run("--out", str(tmp_path / "file" / "run")), capsys, str(tmp_path / "file"))
    refused(run("--out", str(tmp_path / ("x" * 300))), capsys, "x" * 70)


def test_concadia_with_a_bad_image(model: str, concadia: Path, tmp_path: Path, capsys):
    (concadia / "resized" / "7.jpg").write_bytes(b"\xff\xd8 not much of a picture")
    out = tmp_path / "run"
    arguments = ["--model", model, "--data", f"concadia:{concadia}", "--split", "val", "--out", str(out), "--jobs", "1"]
    refused(run(*arguments), capsys, 1, 24, "'7.jpg'")
    assert not out.exists()
    assert run(*arguments, "--skip-bad-images") == 0
    assert "1 image left out" in capsys.readouterr().out
    assert any("7.jpg" in note for note in json.loads((out / "manifest.json").read_text())["notes"])


def test_help_reads_like_documentation_and_is_quick():
    started = time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-m", "interp.sweep", "--help"], capture_output=True, text=True, check=True
    ).stdout
    seconds = time.perf_counter() - started
    for word in ("examples:", "--layers 6-12", "concadia:", "results.csv", "imageability"):
        assert word in shown
    heavy = [sys.executable, "-X", "importtime", "-m", "interp.sweep", "--help"]
    imported = subprocess.run(heavy, capture_output=True, text=True, check=True).stderr
    assert not [
        line for line in imported.splitlines() if line.split("|")[-1].strip() in ("torch", "transformers", "pandas")
    ]
    assert seconds < 20  # it takes a fraction of a second, unless a heavy package is imported


@pytest.mark.parametrize(("text", "numbers"), [("6-8,12", [6, 7, 8, 12]), ("4", [4]), (" 8, 2 ", [2, 8]), ("1-1", [1])])
def test_lists_of_numbers(text: str, numbers: list[int]):
    assert parse_ints(text, "--x") == numbers


def test_the_help_names_the_default_number_of_pairs(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        sweep.main(["--help"])
    assert f"more than {DEFAULT_LIMIT:,} pairs" in capsys.readouterr().out
