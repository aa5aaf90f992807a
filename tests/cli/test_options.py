"""Senseless options give one line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import make_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.cli import check_bounds, option, parse
from interp.cli.types import MOST, parse_ints
from interp.data import statistics
from interp.errors import UserError
from interp.sweep import __main__ as sweep
from tests.wording import exits, raises, refused
from training import evaluate, finetune, paper
from training.config import FinetuneConfig


@pytest.mark.parametrize(
    "argument",
    [
        *(f"--seed={number}" for number in ("9" * 5000, 2**63, 10**12, -(10**12), "nan", "inf", "", "1.5", "x")),
        *(f"--lr={number}" for number in ("nan", "inf", "-inf", "1e999", "9" * 5000, "", "x")),
        *(f"--{name}={value}" for name in ("model", "out", "data", "split") for value in ("", " ", "x" * 100_000)),
        "--objective=" + "x" * 100_000,
    ],
)
def test_options_beyond_sense_are_a_line(argument: str, capsys: pytest.CaptureFixture[str]):
    with exits(capsys, argument.partition("=")[0]):
        parse(FinetuneConfig, "x", "", "", [argument])


@pytest.mark.parametrize("flag", ["--out", "--data", "--model"])
def test_two_hyphens_are_no_value(flag: str, capsys: pytest.CaptureFixture[str]):
    with exits(capsys, flag, "x --help"):
        parse(FinetuneConfig, "x", "", "", [f"{flag}=--"])


def test_an_unknown_option_is_answered_with_the_nearest_one(capsys: pytest.CaptureFixture[str]):
    for words, value in (
        (["--batch-sise=3"], ("--batch-sise=3", "--batch-size")),
        (["--lora-renk", "4"], ("--lora-renk 4", "--lora-rank")),
        (["--frobnicate"], "--frobnicate"),
        (["frobnicate"], "frobnicate"),
    ):
        with exits(capsys, value, "x --help"):
            parse(FinetuneConfig, "x", "", "", words)


@given(st.integers(-5, 5) | st.none(), st.integers(-5, 5), st.integers(-5, 5) | st.none())
def test_bounds_are_those_of_the_option(value: int | None, least: int, most: int | None):
    config = make_dataclass("Config", [("rows_of_it", "int", option(0, "rows", least=least, most=most))])
    small = value is not None and value < least
    large = value is not None and most is not None and value > most
    if not small and not large:
        check_bounds(config(value))
        return
    with raises(UserError, "--rows-of-it", "least" if small else "most", snapshot=False):
        check_bounds(config(value))


def test_a_whole_number_is_one_or_more_unless_the_option_allows_less():
    others = [("rate", "float", option(-0.5, "")), ("on", "bool", option(False, ""))]
    config = make_dataclass("Config", [("rows", "int | None", option(None, "")), *others])
    check_bounds(config())
    for value in (0, -3, math.nan):
        with raises(UserError, "--rows", 1, value):
            check_bounds(config(value))


@pytest.mark.parametrize(
    ("main", "options", "value"),
    [
        (sweep.main, ["--merge", "--out", "/tmp/nowhere-at-all"], "'/tmp/nowhere-at-all'"),
        (sweep.main, ["--n-steps", "10001"], ("--n-steps", 10000, 10001)),
        (sweep.main, ["--jobs", "257"], ("--jobs", 256, 257)),
        (
            sweep.main,
            ["--layers", "1-12", "--seeds", "0-999"],
            (12000, 10000),
        ),
        (sweep.main, ["--layers", "1", "--sizes", "1-101", "--seeds", "0-99"], (10100, 10000)),
        (finetune.main, ["--lora-rank", "4097"], ("--lora-rank", 4096, 4097)),
        (finetune.main, ["--batch-size", "1000002"], ("--batch-size", 1000000, 1000002)),
        (finetune.main, ["--samples", "1000000002"], ("--samples", 1000000000)),
        (evaluate.main, ["--n-steps", "10001"], ("--n-steps", 10000)),
        (statistics.main, ["--draws", "10001"], ("--draws", 10000)),
        (paper.main, ["--jobs", "257"], ("--jobs", 256)),
        (paper.main, ["--seeds", "1-1001"], ("--seeds", 1001, 1000)),
    ],
)
def test_what_would_only_exhaust_memory_or_time_is_a_line(
    main: Callable[[list[str]], int], options: list[str], value: object, capsys: pytest.CaptureFixture[str]
):
    refused(main(options), capsys, value)


@given(st.text(st.sampled_from("0123456789-, x²"), max_size=30) | st.text(st.characters(), max_size=5))
def test_any_list_of_numbers_is_read_or_a_line(text: str):
    try:
        numbers = parse_ints(text, "--layers", low=1)
    except UserError:
        return
    assert numbers == sorted(set(numbers))
    assert numbers
    assert 1 <= numbers[0] <= numbers[-1] <= MOST
