from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from interp.data.errors import DataError
from interp.scoring.rows import EMPTY, read_alt_texts
from tests.scoring.tables import DECORATIVE, MISSING, UNREADABLE
from tests.wording import raises


@pytest.mark.parametrize(("suffix", "count"), [("csv", 11), ("xlsx", 13), ("ods", 13)])
def test_rows_are_those_of_the_table_with_their_problems(folder: Path, suffix: str, count: int):
    table = read_alt_texts(folder / f"alt texte.{suffix}")
    assert [row.number for row in table.rows] == list(range(2, 2 + count))
    assert tuple(row.number for row in table.rows if row.problem) == tuple(sorted(MISSING + DECORATIVE))
    assert [row.number for row in table.rows if row.decorative] == list(DECORATIVE)
    problems = {row.number: row.problem for row in table.rows}
    assert "rot.jpg" in problems[6]  # the table has other letters
    assert problems[DECORATIVE[0]] == EMPTY
    paths = {row.number: row.path for row in table.rows if row.path is not None}
    assert all(path.is_file() for path in paths.values())
    assert set(UNREADABLE) < set(paths)  # the fault appears when the file is opened
    assert any("Windows-1252" in note for note in table.notes) == (suffix == "csv")
    text = "Ein schwarzer Ring, sonst nichts"
    assert table.rows[1].text == text


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_names_are_found_in_either_form_of_unicode(tmp_path: Path, form: str, on_disk: str):
    name = "übung/müll ä.png"
    path = tmp_path / unicodedata.normalize(on_disk, name)
    path.parent.mkdir()
    Image.new("L", (8, 8)).save(path)
    written = unicodedata.normalize(form, name).replace("/", "\\")
    (tmp_path / "alts.csv").write_text(f"image,alt\n{written},{unicodedata.normalize('NFD', 'ein rosé')}\n", "utf-8")
    (row,) = read_alt_texts(tmp_path / "alts.csv").rows
    assert row.path is not None
    assert row.path.samefile(path)
    assert row.text == "ein ros\u00e9"


def test_absolute_paths_and_those_of_other_folders_are_found(tmp_path: Path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "alts.csv").write_text(f"image,alt\n../a.png,one\n{tmp_path / 'a.png'},two\n")
    assert not any(row.problem for row in read_alt_texts(tmp_path / "below" / "alts.csv").rows)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("image,alt\n", ()),
        ("image,alt\nhttps://x.org/a.png,one\n", ("row 2", "https://x.org/a.png")),
        ("image,alt\n,one\n,two\n", "row 2"),
    ],
)
def test_a_table_of_which_nothing_can_be_scored_is_one_line(tmp_path: Path, content: str, value: object):
    (tmp_path / "alts.csv").write_text(content)
    with raises(DataError, "alts.csv", value):
        read_alt_texts(tmp_path / "alts.csv")
