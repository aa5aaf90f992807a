from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.runs.spreadsheet import csv_text, plain

# Beginnings of formulas, written out here instead of imported
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r")
formulas = st.tuples(st.sampled_from(FORMULA), st.text(st.sampled_from("=+-@1.A(\t\r"), max_size=5)).map("".join)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("=", "'="),
        ("+1+1", "'+1+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("@", "'@"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+", "'+"),
        ("--1", "'--1"),
        ("+-1", "'+-1"),
        ("-1e", "'-1e"),
        ("\t1", "'\t1"),
        ("\r", "'\r"),
        ("-1_0", "'-1_0"),
        ("-1 ", "'-1 "),
        ("-١", "'-١"),
        ("", ""),
        ("a=1", "a=1"),
        (" =1", " =1"),
        ("'=1", "'=1"),
        ("1-1", "1-1"),
        ("-", "-"),
        ("é", "é"),
        ("-0.5", "-0.5"),
        ("+1e3", "+1e3"),
        ("-inf", "-inf"),
        ("+.5", "+.5"),
        ("-7.", "-7."),
    ],
)
def test_cells_are_these(text: str, cell: str):
    assert plain(text) == cell
    row = csv_text(pd.DataFrame({"a": [text]})).partition("\n")[2]
    assert pd.read_csv(io.StringIO("a\n" + row), dtype=str, keep_default_na=False)["a"].tolist() == (
        [cell.replace("\r", "\n")]
    )


@pytest.mark.parametrize("value", [-1, -0.5, 0, True, None, float("-inf")])
def test_numbers_are_left(value: object):
    assert plain(value) is value


@given(formulas | st.text(max_size=5))
def test_no_text_is_a_formula(text):
    cell = str(plain(text))
    if cell.startswith(FORMULA) and cell != "-":
        assert float(cell) == float(text)
    assert cell in (text, f"'{text}")


@given(st.lists(st.tuples(st.floats(allow_nan=False), formulas, st.integers(-9, 9)), min_size=1, max_size=4))
def test_numbers_come_back_as_they_were(rows):
    frame = pd.DataFrame(rows, columns=["=x", "text", "n"])
    table = pd.read_csv(io.StringIO(csv_text(frame)), float_precision="round_trip", dtype={"text": str})
    assert list(table.columns) == ["'=x", "text", "n"]
    assert table.iloc[:, 0].tolist() == frame["=x"].tolist()
    assert table["n"].tolist() == frame["n"].tolist()
    assert list(frame.columns) == ["=x", "text", "n"]  # the table does not change


def test_tables_without_formulas_are_written_as_before():
    frame = pd.DataFrame({"a": [-0.5, None], "b": ["x", None], "c": [-1, 2], "d": [True, False]})
    assert csv_text(frame) == frame.to_csv(index=False)
