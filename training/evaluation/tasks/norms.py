"""Task `norms`: relations of word attributions to human word norms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from interp.attribution.baselines import default_baselines
from interp.attribution.deletion import deletion_areas
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.norm_relations import correlations, relations
from interp.attribution.result import TOLERANCE, Attributions, Route
from interp.attribution.sampling import attributed_pairs
from interp.attribution.statistics import content_correlations, convergence, coverage
from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip, Tokens
from interp.clip.tensors import Tensor
from interp.data.contrast import Contrast
from interp.data.norms import Norm, load_norms
from interp.measures import MEASURED
from interp.measures.attributions import WITH_COVARIATES, attributions, is_word_count
from interp.measures.schema import CORRELATION, SCORE, Unit
from interp.stats import mean_of_means
from interp.subspaces.subspace import Subspace
from training.config import EvaluateConfig
from training.evaluation.loaded_model import EvaluatedPairs
from training.evaluation.numbers import Number, measured
from training.evaluation.tasks.task import Job, Task, TaskResult

_ATTRIBUTIONS = "attributions"  # entry of the column `of` for numbers without a norm
_AREAS = {"deletion": "deletion", "insertion": "insertion", "random": "random order"}  # `DeletionAreas` -> title


def word_attributions(
    clip: Clip,
    features: EmbeddedPairs,
    subspace: Subspace | None,
    start: Callable[[Clip, Tokens], Tensor] = default_baselines,
    *,
    n_steps: int,
    routes: Sequence[Route] = MEASURED,
) -> Attributions:
    """Return attributions of both texts of pairs: in full without a subspace, by route with a subspace.

    Args:
        clip: model.
        features: pairs, with their images.
        subspace: Z; None for attributions in full.
        start: function that returns the start of the path integral.
        n_steps: initial number of points; texts that have not converged get more.
        routes: routes to compute if there is a subspace; each costs a backward pass.
    """
    attributor = MediatedIntegratedGradients(clip, subspace, routes=("full",) if subspace is None else routes)
    images = features.embeddings.repeat(2, 1)
    tokens = features.tokens_for(clip)
    return attributor.attribute(tokens, images, baselines=start(clip, tokens), n_steps=n_steps, tolerance=TOLERANCE)


def norms(
    clip: Clip, features: EmbeddedPairs, subspace: Subspace | None, chosen: Sequence[Norm], *, n_steps: int
) -> tuple[list[Number], dict[Route, dict[str, float]]]:
    """Relate the mean attribution of word types to each norm, as a sweep does: in full, and with a subspace by route.

    The convergence of attributions and the areas of deletion and insertion are also measured.

    Args:
        clip: model.
        features: pairs, with their images.
        subspace: Z, if there is one.
        chosen: norms.
        n_steps: initial number of points of the path integral.

    Returns:
        Measures, with their names in a sweep; the norm is in the column `of`. And route -> word type -> mean
        attribution.
    """
    features = features.tokenized(clip)
    by_word = word_attributions(clip, features, subspace, n_steps=n_steps)
    articles = features.groups
    numbers = correlations(by_word, chosen, articles) | content_correlations(by_word, chosen, articles)
    numbers |= relations(by_word, chosen, articles) | coverage(by_word, chosen) | convergence(by_word)
    rows = [
        measured("norms", key.norm or _ATTRIBUTIONS, replace(key, norm="").column(), number)
        for key, number in numbers.items()
        if not is_word_count(key)  # each row has its own n
    ]
    areas = deletion_areas(clip, features.tokens_for(clip), features.embeddings.repeat(2, 1), by_word)
    for name, each in asdict(areas).items():
        value = mean_of_means([(each, np.array([*features.groups, *features.groups]))])
        rows.append(measured("norms", _ATTRIBUTIONS, f"area, {_AREAS[name]}", value))
    words = {route: {word: mean for word, (mean, _) in by_word.by_type(route).items()} for route in by_word.tokens}
    return rows, words


def _load(config: EvaluateConfig, _data: str) -> list[Norm]:
    return list(load_norms(config.norms))


def _job(on: EvaluatedPairs, chosen: Sequence[Norm]) -> Job:
    config = on.config

    def compute() -> TaskResult:
        held_out = on.features.take(on.held_out)
        drawn, notes = attributed_pairs(on.clip, held_out, chosen, config.attributed, config.seed)
        rows, words = norms(on.clip, held_out.take(drawn), on.subspace, chosen, n_steps=config.n_steps)
        types = words["full"]
        ratings = {norm.name: dict(zip(types, norm.of(types).tolist(), strict=True)) for norm in chosen}
        return TaskResult(rows, notes, {"words": words, "ratings": ratings})

    numbers = {"attributed": config.attributed, "n_steps": config.n_steps}
    return Job("norms", {**on.settings, "norms": {norm.name: norm.fingerprint for norm in chosen}, **numbers}, compute)


def _units(contrast: Contrast) -> Mapping[str, Unit]:
    several = ["", WITH_COVARIATES]  # stands for all norms, whose names are in the rows
    units = {measure.key.column(): measure.unit for measure in attributions(contrast, several)}
    finer = replace(CORRELATION, form="+.3f")
    areas = dict.fromkeys((f"area, {order}" for order in _AREAS.values()), SCORE)
    return {name: finer if unit == CORRELATION else unit for name, unit in units.items()} | areas


TASK = Task(_job, _units, _load)
