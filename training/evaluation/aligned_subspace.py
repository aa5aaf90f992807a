"""Measures of a subspace in an evaluated model: IIA on any split, and all evidence on held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.data.contrast import Contrast
from interp.evidence.measurement import MeasurementSettings, measure_subspace
from interp.evidence.traits import traits_of
from interp.evidence.verdict import Answer, VerdictMeasures, verdict
from interp.measures import Key, Numbers, sweep_schema
from interp.measures.schema import Schema, Unit
from interp.stats import Estimate
from interp.subspaces.methods import METHODS
from interp.subspaces.outcomes import align_all, iias
from interp.subspaces.pairs import PairsAtSite, Sources, pairs_at
from interp.subspaces.search import SearchConfig
from interp.subspaces.subspace import Subspace
from training.evaluation.numbers import Number, measured

# methods for other subspaces at the same site, none of which needs a search
CONTROLS = [method for method in METHODS.values() if not method.searched]
SETS = "all sets"  # all sets of zero-shot classification
_JUDGED = ("preference", "transfer")  # tasks that hold evidence of the held-out pairs
_RANDOM = METHODS["random"]


@dataclass(frozen=True, eq=False)
class AlignedSubspace:
    """Subspace that is measured in a model.

    Attributes:
        subspace: Z.
        sources, seed: sources of the interventions, and their seed.
        reference: train pairs, with their images, which determine the gap, the means of the kinds and the gradient of
            the score; None if no evidence is measured, or if there are no train pairs.
    """

    subspace: Subspace
    sources: Sources
    seed: int
    reference: EmbeddedPairs | None = None

    def part(self, clip: Clip, features: EmbeddedPairs) -> PairsAtSite:
        """Return pairs at the site of the subspace."""
        return pairs_at(clip, features, self.subspace.site)

    def iias(self, part: PairsAtSite) -> Numbers:
        """Return IIA and shift in each direction, and IIA of random subspaces with the first source of each text."""
        plain = measure_subspace({"test": part}, self.subspace, MeasurementSettings(self._search)).numbers
        drawn = _RANDOM.controls(part, part, self.subspace.size, self._search)
        swapped = align_all(part, drawn, sources=self.sources, seed=self.seed, draws=1)
        return plain | iias(swapped, _RANDOM.name.column)

    def evidence(self, clip: Clip, part: PairsAtSite, texts: Sequence[str]) -> Numbers:
        """Return the evidence that a sweep gathers for the subspace of a cell (`interp.evidence`).

        Args:
            clip: model.
            part: held-out pairs at the site.
            texts: positive texts of the part, then negative ones.

        Raises:
            ValueError: there are no reference pairs.
        """
        if self.reference is None:
            raise ValueError("evidence needs reference pairs")
        parts = {"train": self.part(clip, self.reference), "test": part}
        numbers = measure_subspace(
            parts, self.subspace, MeasurementSettings(self._search, CONTROLS), traits_of(texts)
        ).numbers
        if "converged" in self.subspace.facts:
            numbers[Key("converged")] = Estimate(float(self.subspace.facts["converged"]), 1)
        return numbers

    @property
    def _search(self) -> SearchConfig:
        return SearchConfig(sources=self.sources, seed=self.seed)


def _evidence_schema(contrast: Contrast) -> Schema:
    """Return the measures of a sweep that an evaluation also has."""
    return sweep_schema(contrast, [_RANDOM.name, *(method.name for method in CONTROLS)], ())


def evidence_units(contrast: Contrast) -> dict[str, Unit]:
    """Return the units of the measures of a sweep that an evaluation also has, by column."""
    schema = _evidence_schema(contrast)
    return {schema.column(measure.key): measure.unit for measure in schema}


def rows_of(numbers: Numbers, split: str, contrast: Contrast, pairs: int) -> list[Number]:
    """Return numbers of a subspace as rows of an evaluation, under the names that they have in a sweep.

    Args:
        numbers: numbers of the subspace.
        split: split of the measured pairs.
        contrast: the two kinds of text.
        pairs: number of measured pairs.
    """
    schema = _evidence_schema(contrast)
    # The rows already have the preference of each split, with or without a subspace.
    kept = {key: number for key, number in numbers.items() if key != Key("preference")}
    return [measured("preference", split, schema.column(key), replace(number, n=pairs)) for key, number in kept.items()]


def verdict_of(rows: Sequence[Number], contrast: Contrast) -> list[Answer]:
    """Return the verdict on a subspace whose evidence is among the rows of an evaluation; empty without evidence."""
    rows = [row for row in rows if row.task in _JUDGED]
    splits = [row.of for row in rows if row.measure == Key("r2_own").column(contrast)]
    if not splits:
        return []
    (split,) = splits
    wide: dict[str, float] = {}
    for row in rows:
        if row.of in (split, SETS):
            wide |= {row.measure: row.value, f"{row.measure}_low": row.low, f"{row.measure}_high": row.high}
    return verdict(
        VerdictMeasures(_evidence_schema(contrast).read(wide), contrast, [method.name for method in CONTROLS])
    )
