"""Design of a study: what is compared, which form shows what in which order, and the file that keeps it. No torch."""

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
_MEND = "make the study again with clip-descriptions study make"


@dataclass(frozen=True)
class StudyItem:
    """Two texts of one image that participants compare.

    Attributes:
        key: name of the item in files of answers.
        pair: id of the pair in the data.
        group: article of the pair, which intervals are clustered by.
        context: text of the article; empty if the data have none.
        texts: positive and negative text.
        image: name of the image in the folder `images`, without suffix.
        stratum: part of the data that the item was drawn from.
        weight: pairs of the data that the item stands for.
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
        """Return 0 if the model prefers the positive text, 1 for the negative one, 1/2 for a tie.

        Scores that differ by rounding tie (`interp.stats.settled`).
        """
        positive, negative = self.scores[model]
        return (1 - float(np.sign(settled(np.array(positive - negative))))) / 2

    @property
    def longer(self) -> float:
        """Number of the text with more letters, as for `choice`."""
        positive, negative = map(len, self.texts)
        return 0.0 if positive > negative else 1.0 if negative > positive else 0.5


@dataclass(frozen=True)
class Screen:
    """One screen of a form.

    Attributes:
        kind: item; repeat of an item with its texts exchanged; check, which asks for one of two places.
        item: key of the item; empty for a check.
        first: text that comes first, 0 for the positive one; of a check, the place that it asks for.
        rated: text that the questions are about; None for a screen without questions.
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
    """Everything that analysing answers needs.

    Attributes:
        data: name of the data.
        kinds: names of the two kinds of text, the positive one first.
        models: names of the models.
        concordance: mean over all pairs of the data of the product of two models' signs, which are 1 for the positive
            text, -1 for the negative one and 0 for a tie; models x models.
        pairs: pairs of the data that items were drawn from.
        seed: seed of the drawing.
        words: digest of what participants read on the page: consent, questions, and the languages.
        items: what is compared.
        forms: what each group of participants sees.
        version: version of the file.
        id: digest of the design, which files of answers name.
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
        """Number of participants that have a code."""
        return len(self.form_of)

    def named(self) -> Study:
        """Return the study with its id, which changes whenever anything else in it does."""
        return replace(self, id=digest([to_json(asdict(replace(self, id="")))]))

    def save(self, folder: Path) -> Path:
        """Write the file; return its path."""
        path = folder / FILE
        write_atomic(path, sealed(asdict(self)))
        return path


@dataclass(frozen=True)
class _Version:
    version: int


def load_study(folder: Path) -> Study:
    """Read a study.

    Raises:
        StoreError: there is none, it is damaged or of another version.
    """
    path = folder / FILE
    data = read_bytes(path)
    if data is None:
        raise StoreError(f"'{folder}' is not the folder of a study: it has no {FILE}; {_MEND}")
    found = parse(data, _Version, path, _MEND).version
    if found != VERSIONS["study"]:
        raise StoreError(f"'{path}' is of version {found}, and only version {VERSIONS['study']} is read; {_MEND}")
    study = parse(data, Study, path, _MEND)
    if not is_intact(data) or study.named().id != study.id:
        raise StoreError(f"'{path}' was changed since it was written: its checksum does not fit; {_MEND}")
    return study
