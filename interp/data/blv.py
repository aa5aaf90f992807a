"""Ratings of image descriptions by blind and low-vision readers (Kreiss et al. 2022), with the images."""

from __future__ import annotations

import math
import os
import shlex
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE, read_file
from interp.data.images import checksum, open_rgb
from interp.data.pairs import digest
from interp.data.tables import Row, Table, read_table
from interp.errors import quoted

if TYPE_CHECKING:
    from PIL.Image import Image

RATINGS, _IMAGES = "blv_ratings.csv", "images"
# places of ratings and images in a clone of the authors' repository
_CLONED = Path("analyses/contextclip/context_blv_data.csv"), Path("behavioral_experiments/writing/data")
# question -> column; 5 is the best answer to each question, and for irrelevance means that nothing is irrelevant
QUESTIONS = {
    "overall": "q_overall",
    "imaginability": "q_reconstructivity",
    "relevance": "q_relevance",
    "irrelevance": "q_irrelevance",
}
_READER = "participant"  # column of each person's code; needed for the ceiling
_ARTICLE = "article_text"
_TEXT = ("description", "context", "imgstem")
SOURCE = "github.com/elisakreiss/contextual-description-evaluation"


@dataclass(frozen=True)
class RatedText:
    """Description of an image in an article, with its readers' ratings.

    Attributes:
        description: text of the description.
        context: context from the article in which the description appears.
        image: name of the image, without suffix, in Unicode's form NFC.
        ratings: question of `QUESTIONS` -> mean rating, 1 to 5; NaN without an answer.
        article: text of the article; empty if the file has no column ``article_text``.
        readers: code of each person who was asked; empty if the file has no column ``participant``.
        answers: question of `QUESTIONS` -> rating of each person who was asked; NaN without an answer.
    """

    description: str
    context: str
    image: str
    ratings: Mapping[str, float]
    readers: tuple[str, ...]
    answers: Mapping[str, tuple[float, ...]]
    article: str = ""

    @property
    def raters(self) -> int:
        """Number of people who were asked."""
        return len(next(iter(self.answers.values())))


@dataclass(frozen=True)
class RatedTexts:
    """Rated texts, with functions that open their images.

    Attributes:
        name: name for tables and manifests.
        texts: texts in the order of the file.
        open_image: function from a name to the RGB image; raises `DataError` if the image cannot be read.
        image_key: function from a name to a key that changes with the content of the image; cheaper than opening it.
    """

    name: str
    texts: tuple[RatedText, ...]
    open_image: Callable[[str], Image]
    image_key: Callable[[str], str]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def fingerprint(self) -> str:
        """Checksum that changes whenever texts, ratings or images change."""
        return digest(
            part
            for text in self.texts
            for part in (
                text.description,
                text.context,
                text.image,
                self.image_key(text.image),
                *text.readers,
                *(f"{question}={ratings!r}" for question, ratings in text.answers.items()),
            )
        )


def load_blv(folder: Path | str) -> RatedTexts:
    """Load the ratings, averaged over the raters of each text; images are opened on request.

    Args:
        folder: a clone of the authors' repository; or a folder with `blv_ratings.csv`, one row per text and rater, and
            the images in `images/`.

    Returns:
        One text per description, context and image, in order of first appearance.

    Raises:
        DataError: a file, a column or an image is missing, or a cell is unusable.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):  # unlike Path.is_dir, never raises
        raise DataError(
            f"no folder '{folder}' with the ratings; create it: git clone https://{SOURCE} {shlex.quote(str(folder))}"
        )
    ratings, images = _places(folder)
    table = _ratings_table(ratings)
    answers, articles = _answers(table), _articles(table)
    paths = _paths(images, {image for _, _, image in answers})
    if missing := [image for _, _, image in answers if image not in paths]:
        raise DataError(f"'{images}' has no image {quoted(missing[0])}; download it from {SOURCE}")
    texts = tuple(_rated(text, rows, articles.get(text, "")) for text, rows in answers.items())

    def read(image: str) -> bytes:
        """Return the content of an image file."""
        return read_file(paths[image], MOST_IMAGE)

    return RatedTexts(f"blv:{folder}", texts, lambda image: open_rgb(image, read), lambda image: checksum(image, read))


def _places(folder: Path) -> tuple[Path, Path]:
    """Return the file of ratings and the folder of images, with our names or as in the authors' repository."""
    ours, cloned = (folder / RATINGS, folder / _IMAGES), (folder / _CLONED[0], folder / _CLONED[1])
    return cloned if os.path.isfile(cloned[0]) and not os.path.isfile(ours[0]) else ours


def _rated(text: tuple[str, str, str], rows: Sequence[tuple[str, tuple[float, ...]]], article: str) -> RatedText:
    """Return a text with the answers of its readers, and their means."""
    answers = dict(zip(QUESTIONS, zip(*(ratings for _, ratings in rows), strict=True), strict=True))
    means = {question: _mean(ratings) for question, ratings in answers.items()}
    readers = tuple(reader for reader, _ in rows)
    return RatedText(*text, means, readers if all(readers) else (), answers, article)


def _ratings_table(path: Path) -> Table:
    """Read the file of ratings; raise `DataError` if it is missing or lacks a column."""
    if not os.path.isfile(path):
        raise DataError(f"'{path.parent}' has no {path.name} and is not a clone of {SOURCE}; clone this repository")
    table = read_table(path)
    table.require(*_TEXT, *QUESTIONS.values())
    if not table.rows:
        raise DataError(f"'{path}' holds no ratings; download it from {SOURCE}")
    return table


def _text_of(row: Row) -> tuple[str, str, str]:
    """Return the description, context and image of a row, which identify a rated text."""
    description, context, image = (row.filled(column) for column in _TEXT)
    return description, context, unicodedata.normalize("NFC", image)


def _articles(table: Table) -> dict[tuple[str, str, str], str]:
    """Return the text of the article of each rated text; empty if the table has no column for it."""
    return {_text_of(row): row[_ARTICLE] for row in table.rows} if _ARTICLE in table.columns else {}


def _answers(table: Table) -> dict[tuple[str, str, str], list[tuple[str, tuple[float, ...]]]]:
    """Return for each description, context and image the readers, and their ratings in the order of `QUESTIONS`."""
    answers: dict[tuple[str, str, str], list[tuple[str, tuple[float, ...]]]] = {}
    named = _READER in table.columns
    for row in table.rows:
        answer = row[_READER] if named else "", tuple(_rating(row, column) for column in QUESTIONS.values())
        answers.setdefault(_text_of(row), []).append(answer)
    return answers


def _rating(row: Row, column: str) -> float:
    cell = row[column]
    if cell in ("", "NA"):
        return math.nan
    try:
        rating = float(cell)
    except ValueError:
        rating = math.nan
    if not 1 <= rating <= 5:
        raise row.error(column, f"{quoted(cell)} is not a rating from 1 to 5; leave the cell empty if unrated")
    return rating


def _mean(ratings: tuple[float, ...]) -> float:
    given = [rating for rating in ratings if not math.isnan(rating)]
    return fmean(given) if given else math.nan


def _paths(folder: Path, images: Collection[str]) -> dict[str, Path]:
    """Return the file of each image that a folder has.

    Args:
        images: names without suffix, in Unicode's form NFC; some file systems keep names in another form. A name
            without accents also matches a file with accents, since the authors' repository has one image like this.
    """
    try:
        files = sorted(path for path in folder.iterdir() if not path.is_dir())
    except OSError as error:
        raise DataError(f"cannot read images in '{folder}': {error.strerror}; download them from {SOURCE}") from error
    named = {unicodedata.normalize("NFC", path.stem): path for path in files}
    plain: dict[str, list[Path]] = {}
    for name, path in named.items():
        plain.setdefault(_without_accents(name), []).append(path)
    alone = {name: paths[0] for name, paths in plain.items() if len(paths) == 1}
    by_name = alone | named
    return {image: by_name[image] for image in images if image in by_name}


def _without_accents(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", name) if not unicodedata.combining(letter))
