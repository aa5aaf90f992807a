"""Ratings of a sweep's attributed words by norms, kept in the run folder. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from interp.runs.cells import places, read_cell
from interp.runs.content import Real
from interp.runs.examples import PLAIN
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder

if TYPE_CHECKING:
    from interp.data.norms import Norm

RATINGS = "ratings.json"


class NoRatings(StoreError):
    """Error of a run without ratings of its words; a sweep writes the ratings after its last cell."""


class _RatingsFile(TypedDict):
    """Mapping norm -> word type -> rating."""

    ratings: dict[str, dict[str, Real]]


def keep_ratings(folder: RunFolder, norms: Sequence[Norm]) -> None:
    """Write the ratings of the attributed words, which all cells share.

    Raises:
        StoreError: the first cell is damaged.
    """
    first = read_cell(folder, places(folder)[0][0])
    words = [] if first is None else list(first["words"]["full"])
    rated = {
        norm.name: {word: value for word, value in zip(words, norm.of(words), strict=True) if not math.isnan(value)}
        for norm in norms
    }
    folder.write_file(RATINGS, {"ratings": rated})


def read_ratings(folder: RunFolder, command: str) -> dict[str, dict[str, float]]:
    """Return norm -> word type -> rating.

    Args:
        command: command that adds the ratings.

    Raises:
        NoRatings: the folder holds no ratings.
        StoreError: the file is damaged.
    """
    content = folder.read_file(RATINGS, _RatingsFile, PLAIN)
    if content is None:
        raise NoRatings(f"'{folder.path}' has no ratings of its words ({RATINGS}); add them with: {command}")
    return content["ratings"]
