"""Design of a study: items, the order of screens in each form, and the file that stores the design. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from interp.data.pairs import digest
from interp.runs.content import is_intact, parse, sealed, to_json
from interp.runs.files import StoreError, read_bytes, write_atomic
from interp.runs.versions import VERSIONS
from interp.stats import settled

FILE = "study.json"
IMAGES = "images"
Kind = Literal["item", "repeat", "check"]
ITEM: Kind = "item"
REPEAT: Kind = "repeat"
CHECK: Kind = "check"
Place = Literal["first", "second"]
PLACES: tuple[Place, Place] = ("first", "second")
_REMEDY = "make the study again with clip-descriptions study make"


@dataclass(frozen=True)
class StudyItem:
    """Two texts of one image that participants compare.

    Attributes:
        key: name of the item in answer files.
        pair: id of the pair in the data.
        group: article of the pair, the cluster for intervals.
        context: text of the article; empty if the data have no context.
        texts: positive and negative text.
        image: file name of the image in the folder `images`, without suffix.
        stratum: part of the data from which the item was drawn.
        weight: number of pairs of the data that the item stands for.
        scores: model -> scores of both texts.
    """

    key: str
    pair: str
    group: str
    context: str
    texts: tuple[str, str]
    image: str
    stratum: str
    weight: float
    scores: Mapping[str, tuple[float, float]]

    def choice(self, model: str) -> float:
        """Return 0 if the model prefers the positive text, 1 if it prefers the negative text, 1/2 for a tie.

        Scores that differ only by rounding are a tie (`interp.stats.settled`).
        """
        positive, negative = self.scores[model]
        return (1 - float(np.sign(settled(np.array(positive - negative))))) / 2

    @property
    def longer(self) -> float:
        """Number of the text with more characters, as for `choice`."""
        positive, negative = map(len, self.texts)
        return 0.0 if positive > negative else 1.0 if negative > positive else 0.5


@dataclass(frozen=True)
class Screen:
    """One screen of a form.

    Attributes:
        kind: item, repeat of an item with its texts exchanged, or check, which asks for one of two places.
        item: key of the item; empty for a check.
        first: text at the first place, 0 for the positive text; for a check, the requested place.
        rated: rated text, 0 for the positive text; None for a screen without questions.
    """

    kind: Kind
    item: str
    first: int
    rated: int | None = None


@dataclass(frozen=True)
class Form:
    """Screens of one group of participants, and the codes of these participants."""

    name: str
    codes: tuple[str, ...]
    screens: tuple[Screen, ...]


@dataclass(frozen=True)
class Study:
    """All facts that the analysis of answers needs.

    Attributes:
        data: name of the data.
        kinds: names of the two kinds of text, the positive kind first.
        models: names of the models.
        concordance: mean product of two models' signs over all pairs of the data, shape (models, models). A sign is 1
            if the model prefers the positive text, -1 if it prefers the negative text, and 0 for a tie.
        pairs: number of pairs of the data, from which items were drawn.
        seed: seed of the random draws.
        words: digest of the words of the page: consent, questions, and the languages.
        items: items to compare.
        forms: screens of each group of participants.
        version: version of the file format.
        id: digest of the design, which answer files quote.
    """

    data: str
    kinds: tuple[str, str]
    models: tuple[str, ...]
    concordance: tuple[tuple[float, ...], ...]
    pairs: int
    seed: int
    items: tuple[StudyItem, ...]
    forms: tuple[Form, ...]
    words: str = ""
    version: int = VERSIONS["study"]
    id: str = ""

    @cached_property
    def by_key(self) -> dict[str, StudyItem]:
        """Items by their keys."""
        return {item.key: item for item in self.items}

    @cached_property
    def form_of(self) -> dict[str, Form]:
        """Forms by the codes of their participants."""
        return {code: form for form in self.forms for code in form.codes}

    @property
    def people(self) -> int:
        """Number of participants with a code."""
        return len(self.form_of)

    def named(self) -> Study:
        """Return the study with its id, which changes with every other field."""
        return replace(self, id=digest([to_json(asdict(replace(self, id="")))]))

    def save(self, folder: Path) -> Path:
        """Write the file and return its path."""
        path = folder / FILE
        write_atomic(path, sealed(asdict(self)))
        return path


@dataclass(frozen=True)
class _Version:
    version: int


def load_study(folder: Path) -> Study:
    """Read a study.

    Raises:
        StoreError: the folder has no study, or the file is damaged or has another version.
    """
    path = folder / FILE
    data = read_bytes(path)
    if data is None:
        raise StoreError(f"'{folder}' is not a study folder: it has no {FILE}; {_REMEDY}")
    version = parse(data, _Version, path, _REMEDY).version
    if version != VERSIONS["study"]:
        raise StoreError(f"'{path}' has version {version}, not version {VERSIONS['study']}; {_REMEDY}")
    study = parse(data, Study, path, _REMEDY)
    if not is_intact(data) or study.named().id != study.id:
        raise StoreError(f"'{path}' has been changed since it was written: its checksum does not match; {_REMEDY}")
    return study
