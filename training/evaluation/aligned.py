"""What an alignment does in a model that is evaluated: IIA on any split, and all the evidence on held-out pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.data.contrast import DIRECTIONS, Contrast
from interp.evidence.gather import Interventions, gather
from interp.evidence.traits import traits_of
from interp.evidence.verdict import Answer, Judged, verdict
from interp.measures import CONTROLLED, evidence_names
from interp.subspaces.methods import METHODS
from interp.subspaces.methods.method import controls_of
from interp.subspaces.outcomes import Outcomes, align, mean_iia
from interp.subspaces.pairs import PairsAtSite, Sources, pair_run
from interp.subspaces.search import SearchConfig
from interp.subspaces.subspace import Subspace
from training.evaluation.measures import Number, measured

# other subspaces at the same site, none of which takes a search
CONTROLS = [method for method in METHODS.values() if not method.searched]
SETS = "all sets"  # of zero-shot classification


@dataclass(frozen=True, eq=False)
class Aligned:
    """A subspace that is measured in a model.

    Attributes:
        sources, seed: sources of the interventions, and their seed.
        reference: train pairs, with their images, that say what the gap is, the kinds' means and the gradient of the
            score; None where no evidence is wanted, or there are none.
    """

    subspace: Subspace
    sources: Sources
    seed: int
    reference: EmbeddedPairs | None = None

    def part(self, clip: Clip, features: EmbeddedPairs) -> PairsAtSite:
        """Return some pairs at the site of the subspace."""
        site = self.subspace.site
        return PairsAtSite(pair_run(clip, features, [site]), site)

    def iias(self, part: PairsAtSite, split: str, contrast: Contrast) -> list[Number]:
        """Return IIA and shift in each direction, and the IIA of random subspaces."""
        found = align(part, self.subspace, sources=self.sources, seed=self.seed)
        out = _iias("iia", split, contrast, [found])
        for direction in DIRECTIONS:
            name = f"shift {contrast.short(direction)}"
            out.append(Number("concadia", split, name, found.shift(direction), found.pairs))
        drawn = METHODS["random"].controls(part, part, self.subspace.size, self._settings)
        random = [align(part, other, sources=self.sources, seed=self.seed) for other in drawn]
        return [*out, *_iias("iia, random subspace", split, contrast, random)]

    def evidence(
        self, clip: Clip, part: PairsAtSite, texts: Sequence[str], split: str, contrast: Contrast
    ) -> list[Number]:
        """Return the evidence that a sweep gathers of the subspace of a cell (`interp.evidence`); nothing without a
        reference.

        Args:
            texts: positive texts of the part, then negative ones.
        """
        if self.reference is None:
            return []
        train, how = self.part(clip, self.reference), Interventions(self.sources, self.seed)
        controls = controls_of(CONTROLS, train, self.subspace.size, self._settings)
        found = gather(train, part, self.subspace, controls, how, contrast, traits_of(texts)).measures
        if "converged" in self.subspace.facts:
            found["converged"] = float(self.subspace.facts["converged"])
        names = {name: key for key, name in evidence_names(contrast).items() if key in found}
        out = [_number(split, name, found, key, len(part)) for name, key in names.items()]
        for method in CONTROLS:
            of = f"{split}, {method.name.title}"
            keys = {name: stem.format(method.name.column) for stem, name in CONTROLLED.items()}
            out += [_number(of, name, found, key, len(part)) for name, key in keys.items()]
        return out

    @property
    def _settings(self) -> SearchConfig:
        return SearchConfig(sources=self.sources, seed=self.seed)


def _number(of: str, name: str, found: Mapping[str, float], key: str, n: int) -> Number:
    ends = (found.get(f"{key}_{end}", math.nan) for end in ("low", "high"))
    return Number("concadia", of, name, found[key], n, *ends)


def _iias(name: str, split: str, contrast: Contrast, found: Sequence[Outcomes]) -> list[Number]:
    """Return IIA in each direction, the mean over subspaces."""
    return [
        measured("concadia", split, f"{name} {contrast.short(direction)}", mean_iia(found, direction))
        for direction in DIRECTIONS
    ]


def verdict_of(rows: Sequence[Number], contrast: Contrast) -> list[Answer]:
    """The verdict on an alignment whose evidence is among the rows of an evaluation; else no answer."""
    splits = [row.of for row in rows if row.measure == "r2"]
    if not splits:
        return []
    (split,) = splits
    keys = {(of, name): key for key, name in evidence_names(contrast).items() for of in (split, SETS)}
    keys |= {(split, "preference"): "preference"}
    for method in CONTROLS:
        of = f"{split}, {method.name.title}"
        keys |= {(of, name): stem.format(method.name.column) for stem, name in CONTROLLED.items()}
    row: dict[str, float] = {}
    for one in rows:
        if key := keys.get((one.of, one.measure)):
            row |= {key: one.value, f"{key}_low": one.low, f"{key}_high": one.high}
    return verdict(Judged(row, contrast, [method.name for method in CONTROLS]))
