from __future__ import annotations

import io

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from interp.runs.spreadsheet import FORMULA, csv_text, plain

formulas = st.tuples(st.sampled_from(FORMULA), st.text(st.sampled_from("=+-@1.A(\t\r"), max_size=5)).map("".join)


@given(formulas | st.text(max_size=5))
def test_no_text_is_a_formula(text):
    cell = str(plain(text))
    if cell.startswith(FORMULA) and cell != "-":
        assert float(cell) == float(text)
    assert cell in (text, f"'{text}")


@given(st.lists(st.tuples(st.floats(allow_nan=False), formulas, st.integers(-9, 9)), min_size=1, max_size=4))
def test_numbers_come_back_as_they_were(rows):
    frame = pd.DataFrame(rows, columns=["=x", "text", "n"])
    found = pd.read_csv(io.StringIO(csv_text(frame)), float_precision="round_trip", dtype={"text": str})
    assert list(found.columns) == ["'=x", "text", "n"]
    assert found.iloc[:, 0].tolist() == frame["=x"].tolist()
    assert found["n"].tolist() == frame["n"].tolist()
    assert list(frame.columns) == ["=x", "text", "n"]  # the table itself is left alone


def test_tables_without_formulas_are_written_as_before():
    frame = pd.DataFrame({"a": [-0.5, None], "b": ["x", None], "c": [-1, 2], "d": [True, False]})
    assert csv_text(frame) == frame.to_csv(index=False)
