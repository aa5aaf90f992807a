"""Arguments of the command, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interp.cli.types import parse_ints
from interp.sweep import __main__ as sweep
from tests.oracles.plain_forward import one_line
from tests.sweep.sweeping import run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "13"], "layer 13 does not exist: the text tower of toy has layers 1 to 12"),
        (["--layers", "0-3"], "0 is too small"),
        (["--layers", "9-6"], "--layers 9-6 runs backwards; write 6-9"),
        (["--layers", "six"], "'six' is neither a number nor a range"),
        (["--sizes", "4096"], "size 4096 does not fit: the text tower of toy has width 128"),
        (["--sizes", "0"], "0 is too small"),
        (["--model", "nowhere"], "no model 'nowhere'"),
        (["--data", "concadia:/nowhere"], "no folder '/nowhere'"),
        (["--data", "flickr"], "known: toy, concadia:FOLDER"),
        (["--norms", "valence"], "unknown norm 'valence'"),
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--limit", "3"], "at least 2 are needed"),
        (["--split", "dev"], "toy has no split 'dev'"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(tmp_path: Path, capsys, arguments: list[str], message: str):
    out = tmp_path / "run"
    assert run("--out", str(out), *arguments) == 2
    assert message in one_line(capsys)
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["--sources", "both"], ["--limit", "many"], ["--layer", "6", "--nonsense"]])
def test_what_the_parser_refuses_is_one_line_too(capsys, arguments: list[str]):
    with pytest.raises(SystemExit) as stopped:
        sweep.main(arguments)
    assert stopped.value.code == 2
    assert "--help" in one_line(capsys)


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys):
    (tmp_path / "file").write_text("")
    assert run("--out", str(tmp_path / "file" / "run")) == 2
    assert "cannot be written to; choose another folder" in one_line(capsys)
    assert run("--out", str(tmp_path / ("x" * 300))) == 2
    assert "File name too long; choose another folder" in one_line(capsys)


def test_concadia_with_a_bad_image(model: str, concadia: Path, tmp_path: Path, capsys):
    (concadia / "resized" / "7.jpg").write_bytes(b"\xff\xd8 not much of a picture")
    out = tmp_path / "run"
    arguments = ["--model", model, "--data", f"concadia:{concadia}", "--split", "val", "--out", str(out), "--jobs", "1"]
    assert run(*arguments) == 2
    assert "1 of 24 images cannot be used: cannot read the image '7.jpg'" in one_line(capsys)
    assert not out.exists()
    assert run(*arguments, "--skip-bad-images") == 0
    assert "1 images left out" in capsys.readouterr().out
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
    assert seconds < 20  # it takes a fraction of a second; the imports above are what makes it slow


@pytest.mark.parametrize(("text", "numbers"), [("6-8,12", [6, 7, 8, 12]), ("4", [4]), (" 8, 2 ", [2, 8]), ("1-1", [1])])
def test_lists_of_numbers(text: str, numbers: list[int]):
    assert parse_ints(text, "--x") == numbers
