"""The embedded model is not used by default on data other than its own."""

from __future__ import annotations

import importlib

import pytest

from interp.cli import DefaultName, command_line
from interp.data.options import check_world
from interp.errors import UserError
from interp.sweep.config import SweepConfig
from tests.wording import raises, refused


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("interp.sweep.__main__", ["--layers", "10"]),
        ("training.finetune", []),
        ("training.evaluate", []),
        ("training.paper", []),
    ],
)
def test_a_command_asks_for_a_model_before_it_looks_at_data(module: str, arguments: list[str], capsys):
    main = importlib.import_module(module).main
    refused(
        main([*arguments, "--data", "csv:nowhere.csv"]), capsys, "'csv:nowhere.csv'", "openai/clip-vit-base-patch32"
    )
    assert main([*arguments, "--data", "csv:nowhere.csv", "--model", "toy"]) == 2  # the model was given
    assert "nowhere.csv" in capsys.readouterr().err


def test_readers_are_no_world_of_the_toy_either(capsys):
    refused(importlib.import_module("training.evaluate").main(["--blv", "ratings"]), capsys, "'ratings'")


def test_a_name_that_was_given_is_told_from_the_same_default():
    with raises(UserError, "'csv:x'"):
        check_world(DefaultName("toy"), "csv:x")
    check_world("toy", "csv:x")
    check_world(DefaultName("toy"), "toy")
    assert "--model" not in command_line("sweep", SweepConfig())
    assert "--model toy" in command_line("sweep", SweepConfig(model="toy"))
