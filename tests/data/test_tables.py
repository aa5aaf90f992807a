from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data.errors import DataError
from interp.data.tables import read_table
from tests.wording import raises

cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6)),
    st.sampled_from(["utf-8", "utf-8-sig"]),
    # with "\n" at the ends of rows, csv.writer leaves a lone "\r" without the quotes that it needs
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]),
)
def test_any_cells_come_back_with_the_number_of_their_row(table, encoding, form):
    names = [f"Column {i} " for i in range(len(table[0]) if table else 2)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, lineterminator=form[0], quoting=form[1]).writerows([names, *table])
        found = read_table(path)
    assert found.columns == tuple(name.strip().lower() for name in names)
    expected = [(number, row) for number, row in enumerate(table, start=2) if "".join(row).strip()]
    assert [(row.number, list(row.cells)) for row in found.rows] == expected
    for row, (_, written) in zip(found.rows, expected, strict=True):
        assert [row[column] for column in found.columns] == [cell.strip() for cell in written]


def test_names_in_two_header_rows(tmp_path: Path):
    path = tmp_path / "two.csv"
    path.write_text("Word,Length,IMAG,,FAM,,\n,,M,SD,M,SD,\na,1,2,3,4,5,\n")
    table = read_table(path, header_rows=2)
    assert table.columns == ("word", "length", "imag m", "imag sd", "fam m", "fam sd", "")
    assert [(row.number, row["fam m"]) for row in table.rows] == [(3, "4")]
    path.write_text("Word,IMAG\n")
    assert read_table(path, header_rows=2).columns == ("word", "imag")


def test_a_quote_that_swallows_the_file_is_named_where_it_opens(tmp_path: Path):
    path = tmp_path / "long.csv"
    path.write_text('a,b\n1,2\n"3,4\n' + "5,6\n" * 50_000)
    with raises(DataError, "long.csv", 3):
        read_table(path)


def test_errors_stay_short_and_on_one_line(tmp_path: Path):
    path = tmp_path / "n.csv"
    name = "a\nb " * 100
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", name], ["x", "no number " * 100]])
    row = read_table(path).rows[0]
    with raises(DataError, 2) as caught:
        row.number_in(name.strip())
    assert len(str(caught.value).removeprefix(f"'{path}'")) < 300


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(tmp_path: Path, end: str):
    path = tmp_path / "table.csv"
    path.write_bytes(end.join(["a,b", '1,"2\r\n3\r4"', "", "5,6"]).encode())
    assert [(row.number, *row.cells) for row in read_table(path).rows] == [(2, "1", "2\r\n3\r4"), (4, "5", "6")]
