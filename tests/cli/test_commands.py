"""Tests of the entry point of all commands."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest

from interp.cli.commands import COMMANDS, main
from tests.wording import refused

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_the_same_as_its_module(name: str, capsys: pytest.CaptureFixture[str]):
    shown = []
    for run in (lambda: main([name, "--help"]), lambda: importlib.import_module(COMMANDS[name][0]).main(["--help"])):
        with pytest.raises(SystemExit) as caught:
            run()
        assert caught.value.code == 0
        shown.append(capsys.readouterr().out)
    module = COMMANDS[name][0].removesuffix(".__main__")
    assert shown[0].startswith(f"usage: clip-descriptions {name} ")
    assert shown[1].startswith(f"usage: python -m {module} ")
    assert "python -m" not in shown[0]
    spelled = shown[1]
    for other, (path, _) in COMMANDS.items():
        spelled = re.sub(rf"python -m {path.removesuffix('.__main__')}(?![.\w])", f"clip-descriptions {other}", spelled)
    assert shown[0].split() == spelled.split()  # the line breaks differ


def test_errors_and_hints_spell_commands_as_they_were_typed(capsys: pytest.CaptureFixture[str]):
    for run, spelling in (
        (lambda: main(["sweep", "--layres", "3"]), "clip-descriptions sweep --help"),
        (
            lambda: importlib.import_module("interp.sweep.__main__").main(["--layres", "3"]),
            "python -m interp.sweep --help",
        ),
    ):
        with pytest.raises(SystemExit):
            run()
        assert spelling in capsys.readouterr().err


@pytest.mark.slow
def test_its_status_is_that_of_the_command(capsys: pytest.CaptureFixture[str]):
    assert main(["norms", "list"]) == 0
    assert main(["norms", "nothing"]) == 2
    capsys.readouterr()


def test_what_it_says(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert max(map(len, shown.splitlines())) <= 140
    for arguments, value in (
        ([], ("sweep", "report")),
        (["swep"], ("'swep'", "sweep", "clip-descriptions --help")),
        (["--layers"], "'--layers'"),
    ):
        status, captured = main(arguments), capsys.readouterr()
        assert captured.out == ""
        refused(status, captured.err, value)


def test_versions(capsys: pytest.CaptureFixture[str]):
    line = f"clip-descriptions {metadata.version('clip-descriptions')}\n"
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == line
    for name in COMMANDS:
        with pytest.raises(SystemExit) as caught:
            main([name, "--version"])
        assert caught.value.code == 0
        assert capsys.readouterr().out == line


@pytest.mark.slow
def test_it_is_installed_by_its_name():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["options.entry_points"]["console_scripts"].strip() == "clip-descriptions = interp.cli.commands:main"
    done = subprocess.run(
        [sys.executable, "-m", "interp.cli.commands", "norms", "list"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("norm ")
