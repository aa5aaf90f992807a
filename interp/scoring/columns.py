"""Columns of images and texts in a table of alt texts, given by the user or guessed. No torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from statistics import fmean

from interp.data.errors import DataError
from interp.data.tables import Table
from interp.errors import quoted

_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif")

# Names in the languages of the European Union and in several others, as `_bare` returns them, from the clearest on.
_IMAGE_NAMES = re.findall(
    r"\w+",
    """
    image imagefile imagefilename imagepath imagename filename filepath file img picture photo path src asset figure
    bild bilddatei bildname dateiname datei foto fotodatei pfad abbildung grafik fichier nomdufichier cheminimage
    imagen archivo fichero nombredearchivo ruta immagine nomefile percorso imagem ficheiro arquivo nomedoarquivo
    afbeelding bestand bestandsnaam plik nazwapliku obraz obrazek soubor obrazok kuva tiedosto tiedostonimi fil
    filnamn filnavn billede bilde kep fajl fajlnev slika datoteka imagine fisier eikona arheio izobrazhenie fail
    изображение картинка фото файл имяфайла зображення εικόνα αρχείο 画像 画像ファイル ファイル名 图片 图像 文件 文件名
    이미지 파일 파일명 الصورة صورة ملف תמונה קובץ görsel resim dosya
    """,
)
_TEXT_NAMES = re.findall(
    r"\w+",
    """
    alttext alt alttexts alternativetext alttag altattribute description imagedescription longdescription text
    caption alternativtext bildbeschreibung beschreibung textalternative textealternatif textealternative
    textedalternative texte legende textoalternativo textoalt descripcion texto testoalternativo descrizione testo
    descricao alternatievetekst alttekst beschrijving tekst tekstalternatywny opis alternativnitext popis
    vaihtoehtoinenteksti kuvaus teksti alternativtext beskrivning beskrivelse alternativtekst alternativszoveg
    leiras szoveg alternativnibesedilo opisslike textalternativ descriere альтернативныйтекст описание текст
    альтернативнийтекст опис εναλλακτικόκείμενο περιγραφή 代替テキスト 説明 テキスト 替代文本 替代文字
    描述 文本 대체텍스트 설명     النصالبديل وصف טקסטחלופי תיאור alternatifmetin açıklama metin
    """,
)
_ADDRESS = re.compile(r"^(https?|ftp|data|file):", re.IGNORECASE)
_SAMPLED_ROWS = 200  # number of rows from which columns are guessed
_MAJORITY = 0.5


def find_columns(table: Table, image: str | None, text: str | None) -> tuple[str, str, str | None]:
    """Return the column of images, the column of texts, and a sentence if either of them was guessed.

    A column is guessed by its name, or else by its content: paths of pictures, or the longest texts of the table.

    Args:
        table: table of alt texts.
        image, text: columns given by the user, in upper or lower case.

    Raises:
        DataError: a given column does not exist, or no column can be guessed.
    """
    given = {"--image": image, "--text": text}
    named = {option: _named(table, option, name) for option, name in given.items() if name is not None}
    shares = _shares_of_pictures(table, named.values())
    likely = [column for column in sorted(shares, key=lambda name: -shares[name]) if shares[column] > _MAJORITY]
    images = named.get("--image") or _by_name(likely, _IMAGE_NAMES) or next(iter(likely), None)
    images = images or _by_name(shares, _IMAGE_NAMES)
    if images is None:
        raise DataError(
            f"cannot tell which column of '{table.file}' holds the images: name it with --image; {_columns(table)}"
        )
    others = [column for column in table.columns if column and column != images]
    texts = named.get("--text") or _by_name(others, _TEXT_NAMES) or _longest_texts(table, images)
    if texts is None:
        raise DataError(
            f"cannot tell which column of '{table.file}' holds the texts: name it with --text; {_columns(table)}"
        )
    if images == texts:
        raise DataError(
            f"images and texts cannot both be in the column {quoted(images)} of '{table.file}'; {_columns(table)}"
        )
    if len(named) == len(given):
        return images, texts, None
    return (
        images,
        texts,
        f"column '{images}' is used for the images and '{texts}' for the texts; --image and --text change that",
    )


def is_address(path: str) -> bool:
    """Return whether a path is a web address or a data URL."""
    return bool(_ADDRESS.match(path))


def _named(table: Table, option: str, name: str) -> str:
    """Return the column that an option gives, in the letters of the table."""
    column = unicodedata.normalize("NFC", name).strip().lower()
    columns = {unicodedata.normalize("NFC", name): name for name in table.columns}
    if column not in columns:
        raise DataError(f"'{table.file}' has no column {quoted(name)} for {option}; {_columns(table)}")
    return columns[column]


def _columns(table: Table) -> str:
    """Return the columns of a table as the end of an error message."""
    note = f" ({table.notes[-1]})" if table.notes else ""
    return f"the first row must hold the names of the columns, which are: {table.listed}{note}"


def _bare(name: str) -> str:
    """Return a name in lower case, without accents, spaces and signs.

    >>> _bare("Alt-Text"), _bare("Größe (px)"), _bare("Descripción")
    ('alttext', 'grossepx', 'descripcion')
    """
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def _by_name(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """Return the column whose name comes first in a list of names; None if no name is in the list."""
    order = {_bare(name): place for place, name in reversed(list(enumerate(names)))}
    matches = [column for column in columns if _bare(column) in order]
    return min(matches, key=lambda column: order[_bare(column)], default=None)


def _shares_of_pictures(table: Table, given: Collection[str]) -> dict[str, float]:
    """Return for each column that the user did not give the share of cells with the suffix of a picture file."""
    cells = _cells(table)
    columns = (column for column in table.columns if column and column not in given)
    return {column: fmean(map(_is_picture, cells.get(column, [""]))) for column in columns}


def _longest_texts(table: Table, images: str) -> str | None:
    """Return the column with the longest texts, among the columns in which most texts have several words."""
    cells = {column: texts for column, texts in _cells(table).items() if column != images}
    several = {
        column: texts
        for column, texts in cells.items()
        if fmean(len(text.split()) > 1 and not is_address(text) for text in texts) > _MAJORITY
    }
    return max(several, key=lambda column: fmean(map(len, several[column])), default=None)


def _is_picture(cell: str) -> bool:
    return cell.lower().endswith(_SUFFIXES) and not is_address(cell)


def _cells(table: Table) -> dict[str, list[str]]:
    """Return the filled cells of the first rows, by column."""
    columns = {column: [row[column] for row in table.rows[:_SAMPLED_ROWS]] for column in table.columns if column}
    return {column: filled for column, cells in columns.items() if (filled := [cell for cell in cells if cell])}
