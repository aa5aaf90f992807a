from __future__ import annotations

from pathlib import Path

import pytest

from interp.data.errors import DataError
from interp.data.tables import read_table
from interp.scoring.columns import find_columns
from tests.wording import raises

PATHS, TEXTS, NUMBERS = ("a.jpg", "b/c.PNG"), ("a red cat", "two dogs on a lawn"), ("1", "2")


def columns(tmp_path: Path, header: str, *cells: tuple[str, str], **named: str) -> tuple[str, str, str | None]:
    path = tmp_path / "alts.csv"
    rows = "\n".join(";".join(row) for row in zip(*cells, strict=True))
    path.write_text(f"{header}\n{rows}\n", encoding="utf-8")
    return find_columns(read_table(path), named.get("image"), named.get("text"))


@pytest.mark.parametrize(
    "header",
    [
        "image;alt",
        "File name;Alt-Text",
        "Dateiname;Alternativtext",
        "Bilddatei;Bildbeschreibung",
        "Nom du fichier;Texte alternatif",
        "Archivo;Texto alternativo",
        "Nombre de archivo;Descripción",
        "ficheiro;Descrição",
        "nome file;testo alternativo",
        "bestandsnaam;Alternatieve tekst",
        "plik;Tekst alternatywny",
        "файл;описание",
        "画像;代替テキスト",
        "图片;描述",
        "picture;something else",
        "something;description",
        "one;two",
    ],
)
def test_columns_are_guessed_by_their_names_or_by_what_they_hold(tmp_path: Path, header: str):
    image, text = header.lower().split(";")
    *names, guess = columns(tmp_path, f"n;{text};{image}", NUMBERS, TEXTS, PATHS)
    assert names == [image, text]
    assert guess is not None
    assert f"'{image}'" in guess
    assert f"'{text}'" in guess


def test_names_win_over_what_cells_hold_and_the_surest_name_over_others(tmp_path: Path):
    assert columns(tmp_path, "caption;alt;src;image", TEXTS, NUMBERS, PATHS, PATHS)[:2] == ("image", "alt")


@pytest.mark.parametrize("cells", [("https://x.org/a.jpg", "https://x.org/b.jpg"), NUMBERS])
def test_a_column_of_addresses_or_numbers_is_none_of_files_whatever_its_name(tmp_path: Path, cells: tuple[str, str]):
    assert columns(tmp_path, "image;name;alt", cells, PATHS, TEXTS)[:2] == ("name", "alt")
    assert columns(tmp_path, "image;n;alt", cells, NUMBERS, TEXTS)[0] == "image"  # no other column is better


def test_columns_that_are_named_are_taken_in_any_case_and_form(tmp_path: Path):
    decomposed = "Gro\u0308ße"
    assert columns(
        tmp_path, "größe;alt", PATHS, TEXTS, image=f" {decomposed.upper()}".replace("SS", "ß"), text="Alt"
    ) == (
        "größe",
        "alt",
        None,
    )


def test_what_cannot_be_told_is_asked_for(tmp_path: Path):
    with raises(DataError, "--image", ("one, two")):
        columns(tmp_path, "one;two", TEXTS, NUMBERS)
    with raises(DataError, "--text", ("image, two")):
        columns(tmp_path, "image;two", PATHS, NUMBERS)
    with raises(DataError, "'photo'", "--image", "one, two"):
        columns(tmp_path, "one;two", PATHS, TEXTS, image="photo")
    with raises(DataError, "'one'"):
        columns(tmp_path, "one;two", PATHS, TEXTS, image="one", text="one")
