"""Number of a run as a record: a key that identifies the number, and its estimate. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from interp.data.contrast import Contrast, Direction
from interp.measures.names import Route
from interp.stats import Estimate

# frozen model; model trained at a cell, the topic of the sweep; edited model, if it differs from the trained model
Model = Literal["", "tuned", "edited"]
WordsOf = Literal["", "content", "content_baseline"]  # all words; content words; content words from the second baseline


@dataclass(frozen=True, slots=True)
class Key:
    """Identity of a number.

    Attributes:
        measure: name of the measured quantity.
        subspace: key of the control that is measured or compared with Z; empty for Z.
        model, norm, route, words, direction: further properties that distinguish numbers of the same measure; empty if
            they do not apply.
    """

    measure: str
    subspace: str = ""
    model: Model = ""
    norm: str = ""
    route: Route | Literal[""] = ""
    words: WordsOf = ""
    direction: Direction | Literal[""] = ""

    def column(self, contrast: Contrast | None = None) -> str:
        """Return the name of the number's column in results.csv.

        Args:
            contrast: the two kinds of text; None for a key without a direction.
        Raises:
            ValueError: the key has a direction, but `contrast` is None.

        >>> Key("iia", subspace="random", direction="up").column(Contrast())
        'iia_random_c2d'
        >>> Key("r", model="tuned", norm="imageability", route="through", words="content").column(Contrast())
        'tuned_r_imageability_through_content'
        """
        if self.direction and contrast is None:
            raise ValueError(f"{self} has a direction: give the contrast that names its column")
        way = contrast.short(self.direction) if contrast is not None and self.direction else ""
        parts = (self.model, self.measure, self.norm, self.route, self.words, self.subspace, way)
        return "_".join(part for part in parts if part)


Numbers = Mapping[Key, Estimate]


def without_model(numbers: Numbers, model: Model) -> dict[Key, Estimate]:
    """Return the numbers of one model from a table of several models, under keys without a model."""
    return {replace(key, model=""): number for key, number in numbers.items() if key.model == model}
