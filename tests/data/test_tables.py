from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data import workbooks
from interp.data.errors import DataError
from interp.data.tables import read_table
from tests.wording import raises

cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6)),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([",", ";", "\t"]),
    # with "\n" at the ends of rows, csv.writer does not quote a lone "\r", which needs quotes
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]),
)
def test_any_cells_come_back_with_the_number_of_their_row(table, encoding, sign, form):
    sign = sign if table and len(table[0]) > 1 else ","  # a single column has no sign between cells
    names = [f"Column {i} " for i in range(len(table[0]) if table else 2)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, delimiter=sign, lineterminator=form[0], quoting=form[1]).writerows([names, *table])
        read = read_table(path)
    assert read.columns == tuple(name.strip().lower() for name in names)
    expected = [(number, row) for number, row in enumerate(table, start=2) if "".join(row).strip()]
    assert [(row.number, list(row.cells)) for row in read.rows] == expected
    for row, (_, written) in zip(read.rows, expected, strict=True):
        assert [row[column] for column in read.columns] == [cell.strip() for cell in written]


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


TEXT = "Datei;Alternativtext\nfoto 1.jpg;Ein Mädchen fährt über die Straße, „schnell“ – ganz allein\n"
ALPHABETS = [
    ("cp1252", TEXT),
    ("mac_roman", TEXT),
    ("cp1252", "fichier;texte\na.jpg;Une élève à côté d’une forêt\n"),
    ("cp1252", "image;alt\na.jpg;Käse\n"),
    ("cp1252", "image;alt\na.jpg;30°C outside, 100 m²\n"),
    ("cp1252", "image;alt\na.jpg;Una niña pequeña en la 1ª fila, 5€/m²\n"),
    ("cp1250", "plik;tekst\na.jpg;Dziewczyna jedzie na rowerze przez łąkę\n"),
    ("cp1251", "файл;текст\na.jpg;Девочка едет на велосипеде через поле\n"),
    ("shift_jis", "画像;説明\na.jpg;自転車に乗っている女の子\n"),
    ("utf-16-le", TEXT),
    ("utf-16-be", TEXT),
    ("utf-32", TEXT),
]


@pytest.mark.parametrize(("encoding", "text"), ALPHABETS)
def test_encodings_are_guessed_where_that_is_asked_for(tmp_path: Path, encoding: str, text: str):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    table = read_table(path, guess=True)
    assert "\n".join(";".join(cells) for cells in (table.columns, table.rows[0].cells)) == (
        text.partition("\n")[0].lower() + "\n" + text.splitlines()[1]
    )
    assert "with semicolons" in table.notes[0]
    if not encoding.startswith("utf"):
        with raises(DataError):
            read_table(path)


@pytest.mark.parametrize("text", ["image;alt\na.jpg;A café by the sea\nb.jpg;cut \udcc3 here\n", "a;b\nü;\udcfc\n"])
def test_a_damaged_text_in_utf8_is_named_and_not_guessed(tmp_path: Path, text: str):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with raises(DataError, "table.csv", "row"):
        read_table(path, guess=True)


def test_a_long_text_is_read(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1," + "word " * 60_000 + "\n")
    assert len(read_table(path).rows[0]["b"]) == 5 * 60_000 - 1


@pytest.mark.parametrize(
    "text",
    [
        "a;b, c;d\n1, 2, 3;4;5\n",  # commas in texts, and in a name
        "a,b;c,d\n1,2,3\n",  # a semicolon in a name
        "sep=|\na|b;c\n1;2|3\n",  # a first line for Excel
        '"sep=;"\r\na;b\r\n1,2;3\r\n',
        'a;b\n\n1;"2;\n3"\n',
    ],
)
def test_the_sign_between_cells_is_that_by_which_rows_are_even(tmp_path: Path, text: str):
    path = tmp_path / "table.csv"
    path.write_text(text, newline="")
    (row,) = read_table(path).rows
    assert (
        list(row.cells)
        == {
            "a;b,": ["1, 2, 3", "4", "5"],
            "a,b;": ["1", "2", "3"],
            "sep=": ["1;2", "3"],
            '"sep': ["1,2", "3"],
            "a;b\n": ["1", "2;\n3"],
        }[text[:4]]
    )
    assert row.number == 2 + text.count("sep=") + text.count("\n\n")


CELLS = [["Datei", "Größe", "Text"], ["ä.jpg", 3, "zwei\nZeilen"], [None, None, None], ["b.jpg", 2.5, None]]


@pytest.mark.parametrize(("suffix", "engine"), [("xlsx", "openpyxl"), ("ods", "odf")])
def test_spreadsheets_are_read_as_their_cells_are_shown(tmp_path: Path, suffix: str, engine: str):
    path = tmp_path / f"table.{suffix}"
    frame = pd.DataFrame(CELLS)
    with pd.ExcelWriter(path, engine=engine) as writer:
        pd.DataFrame().to_excel(writer, sheet_name="empty")
        frame.to_excel(writer, sheet_name="alts", header=False, index=False)
    table = read_table(path)
    assert table.columns == ("datei", "größe", "text")
    assert [(row.number, *row.cells) for row in table.rows] == [
        (2, "ä.jpg", "3", "zwei\nZeilen"),
        (4, "b.jpg", "2.5", ""),
    ]
    assert table.notes == (f"only the sheet 'alts' of '{path}' is read, out of 2",)


def test_formulas_without_a_value_are_counted(tmp_path: Path):
    """Some programs write formulas without values; a spreadsheet program stores the values."""
    path = tmp_path / "table.xlsx"
    pd.DataFrame([["a.jpg", '=CONCATENATE("a ","b")'], ["b.jpg", "text"]], columns=["image", "alt"]).to_excel(
        path, index=False
    )
    table = read_table(path)
    assert [row["alt"] for row in table.rows] == ["", "text"]
    (note,) = table.notes
    assert note.startswith(f"1 cell of '{path}' taken as empty, because of an error or a formula")


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04damaged", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, b"PK\x03\x04"]
)
def test_damaged_spreadsheets_are_one_line(tmp_path: Path, content: bytes):
    path = tmp_path / "table.xlsx"
    path.write_bytes(content)
    with raises(DataError, "table.xlsx"):
        read_table(path)


def test_a_spreadsheet_that_is_huge_when_unpacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "table.xlsx"
    pd.DataFrame([["x" * 10_000]]).to_excel(path)
    monkeypatch.setattr(workbooks, "MOST_TEXT", 9_000)
    with raises(DataError, "table.xlsx"):
        read_table(path)
