"""Options beyond sense are one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.cli import MOST, parse, parse_ints
from interp.errors import UserError
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
    with pytest.raises(SystemExit, match="2"):
        parse(FinetuneConfig, "x", "", "", [argument])
    said = capsys.readouterr().err
    assert said.startswith(f"error: argument {argument.partition('=')[0]}: ")
    assert len(said) < 1100
    assert said.count("\n") == 1


@given(st.text(st.sampled_from("0123456789-, x²"), max_size=30) | st.text(st.characters(), max_size=5))
def test_any_list_of_numbers_is_read_or_a_line(text: str):
    try:
        found = parse_ints(text, "--layers", low=1)
    except UserError:
        return
    assert found == sorted(set(found))
    assert found
    assert 1 <= found[0] <= found[-1] <= MOST
