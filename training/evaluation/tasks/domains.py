"""Task `domains`: transfer of a preference from the first data set to others, compared with words alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.model import Clip, are_cut
from interp.data import data_labels, data_sets, load_pairs
from interp.data.contrast import Contrast
from interp.data.pairs import Pair, PairSet, digest, held_out, without_equal_texts
from interp.data.word_rules import bayes_hits, concreteness_hits, longer_hits, own_bayes_hits
from interp.errors import UserError
from interp.evidence.measurement import MeasurementSettings
from interp.evidence.necessity import necessity, neutralize
from interp.measures import Key
from interp.measures.schema import SHARE, Unit
from interp.stats import Estimate, clustered_mean, clustered_share, independent_difference, preference
from interp.subspaces.outcomes import DRAWS
from interp.subspaces.search import SearchConfig
from training.config import EvaluateConfig
from training.evaluation.aligned_subspace import evidence_units
from training.evaluation.domain_measures import (
    BEYOND,
    CONCRETE,
    LONGER,
    NO_TEMPLATES,
    OWN,
    RULES,
    WORDS_OF_FIRST,
)
from training.evaluation.loaded_model import EvaluatedPairs
from training.evaluation.numbers import Number, measured
from training.evaluation.retrieval import retrieved
from training.evaluation.tasks.preference import pair_scores
from training.evaluation.tasks.task import Job, Task, TaskResult

_PREFERENCE, _LOSS = "preference", "loss"
_UNCUT = ", nothing cut"
_OF_Z = ("iia", "r2_own", "neutral_preference")  # measures of Z, by their keys


@dataclass(frozen=True)
class _Domain:
    """Data set.

    Attributes:
        label: short name.
        spec: name in the option --data.
        pairs: pairs that are measured.
    """

    label: str
    spec: str
    pairs: PairSet


@dataclass(frozen=True)
class _Domains:
    """All pairs of the first data set, from which words are learned, and the other data sets."""

    label: str
    first: PairSet
    others: tuple[_Domain, ...]


def _load_domains(config: EvaluateConfig, data: str) -> _Domains:
    """Load the first data set, with all its pairs, and the other data sets.

    A data set with test pairs is measured on its test pairs. Any other data set is measured on all its pairs.

    Raises:
        DataError: a data set cannot be loaded.
        UserError: there is only one data set, a data set occurs twice, or the kinds of text differ from those of the
            first.
    """
    specs = data_sets(config.data or data)
    if len(specs) < 2:
        raise UserError("the task domains compares data sets: name two or more with --data FIRST,OTHER")
    if twice := [spec for spec in specs if specs.count(spec) > 1]:
        raise UserError(f"--data names {twice[0]} twice; name each data set once")
    labels = data_labels(specs)
    kinds = [config.kinds if spec.startswith(("csv:", "hf:")) else None for spec in specs]
    first, *others = (
        without_equal_texts(load_pairs(spec, kinds=kind, as_published=True, limit=config.limit))
        for spec, kind in zip(specs, kinds, strict=True)
    )
    for spec, pairs in zip(specs[1:], others, strict=True):
        if not pairs.contrast.agrees(first.contrast):
            raise UserError(f"{spec} has the kinds of text {pairs.contrast}, but {specs[0]} has {first.contrast}")
    named = zip(labels[1:], specs[1:], others, strict=True)
    return _Domains(labels[0], first, tuple(_Domain(label, spec, held_out(pairs)) for label, spec, pairs in named))


@dataclass(frozen=True)
class _OnDomain:
    """Rows of one data set, notes, and the model's preference if there are images."""

    rows: list[Number]
    notes: list[str]
    preferred: Mapping[str, Estimate] = field(default_factory=dict)


def _job(on: EvaluatedPairs, domains: _Domains) -> Job:
    def compute() -> TaskResult:
        evaluated = on.features.take(on.held_out)
        groups = set(evaluated.groups)
        learnt = [pair for pair in domains.first.pairs if pair.group not in groups]
        parts = [_measure_pairs(on.clip, domains.label, evaluated.data, evaluated, learnt)]
        first, notes = _abilities(on, on.data, evaluated)
        parts.append(_OnDomain(_numbers(domains.label, first), notes))
        for domain in domains.others:
            features = image_features(on.clip, domain.pairs) if domain.pairs.has_images else None
            other = _measure_pairs(on.clip, domain.label, domain.pairs, features, domains.first.pairs)
            parts.append(other)
            if features is not None:
                numbers, notes = _abilities(on, domain.spec, features)
                losses = _losses({**first, **parts[0].preferred}, {**numbers, **other.preferred})
                parts.append(_OnDomain(_numbers(domain.label, numbers | losses), notes))
        return TaskResult([row for each in parts for row in each.rows], [note for each in parts for note in each.notes])

    words = digest(text for pair in domains.first.pairs for text in (pair.positive, pair.negative))
    settings = {
        "domains": {domain.label: domain.pairs.fingerprint for domain in domains.others},
        "words": words,
        "sources": None if on.aligned is None else on.aligned.sources,
    }
    return Job("domains", {**on.settings, **settings, **on.referred}, compute)


def _losses(first: Mapping[str, Estimate], numbers: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the loss of each number against the first data set, with intervals for two independent samples."""
    return {
        (_LOSS if name == _PREFERENCE else f"{_LOSS} of {name}"): independent_difference(first[name], number)
        for name, number in numbers.items()
        if name in first
    }


def _measure_pairs(
    clip: Clip, label: str, pairs: PairSet, features: EmbeddedPairs | None, learnt: Sequence[Pair]
) -> _OnDomain:
    """Measure the preference of a model and of words alone on pairs of a data set.

    Args:
        clip: model.
        label: short name of the data set.
        pairs: pairs of the data set.
        features: pairs with their images; None if there are no images.
        learnt: pairs of the first data set that words are learned from.
    """
    chosen = pairs.pairs if features is None else features.pairs
    groups = np.array([pair.group for pair in chosen])
    rules = {
        LONGER: longer_hits(chosen),
        CONCRETE: concreteness_hits(chosen),
        WORDS_OF_FIRST: bayes_hits(learnt, chosen),
        OWN: own_bayes_hits(chosen),
        NO_TEMPLATES: own_bayes_hits(chosen, without_templates=True),
    }
    rows = [
        _number(label, name, clustered_share(hits, groups)) for name, hits in rules.items() if np.isfinite(hits).all()
    ]
    cut = [are_cut(clip, texts) for texts in ([pair.positive for pair in chosen], [pair.negative for pair in chosen])]
    for kind, marks in zip(pairs.contrast.kinds, cut, strict=True):
        rows.append(_number(label, f"{kind} cut", clustered_share(marks.astype(float), groups)))
    if features is None:
        return _OnDomain(rows, [f"{label} has no images here, so only words alone are measured"])
    hits = preference(*pair_scores(clip, features))
    preferred = clustered_share(hits, groups)
    beyond = clustered_mean(hits - rules[WORDS_OF_FIRST], groups)
    rows = [_number(label, _PREFERENCE, preferred), *rows, _number(label, BEYOND, beyond)]
    whole = ~(cut[0] | cut[1])
    if 0 < whole.sum() < len(whole):
        model, words = hits[whole], rules[WORDS_OF_FIRST][whole]
        rows.append(_number(label, _PREFERENCE + _UNCUT, clustered_share(model, groups[whole])))
        rows.append(_number(label, WORDS_OF_FIRST + _UNCUT, clustered_share(words, groups[whole])))
        rows.append(_number(label, BEYOND + _UNCUT, clustered_mean(model - words, groups[whole])))
    return _OnDomain(rows, [_sentence(label, preferred, beyond, rules[WORDS_OF_FIRST])], {_PREFERENCE: preferred})


def _sentence(label: str, preferred: Estimate, beyond: Estimate, words: np.ndarray) -> str:
    """Return a sentence on a preference, compared with that of words alone."""
    both = f"{label}: preference {100 * preferred.value:.1f} %, by words of the first data {100 * words.mean():.1f} %"
    if math.isnan(beyond.low):
        return f"{both}: too few articles to tell whether the preference exceeds these words"
    if beyond.low > 0:
        return f"{both}: the preference exceeds these words"
    if beyond.high < 0:
        return f"{both}: the preference is below these words, so it shows nothing about images"
    return f"{both}: the preference does not exceed these words, so it shows nothing about images"


def _abilities(on: EvaluatedPairs, spec: str, features: EmbeddedPairs) -> tuple[dict[str, Estimate], list[str]]:
    """Measure retrieval and Z on a data set, and return notes too; Z was learned on the first data set.

    The value of a neutral Z is halfway between the kinds of the first data set.

    Args:
        on: evaluated model.
        spec: name of the data set.
        features: pairs of the data set, with their images.
    """
    shares, notes = retrieved(on.clip, spec, features, seed=on.config.seed)
    retrieval = {f"retrieval {kind}": share for kind, share in shares.items()}
    if on.aligned is None or len(features) < 2:
        return retrieval, [f"{spec}: {note}" for note in notes]
    part = on.aligned.part(on.clip, features.tokenized(on.clip))
    numbers = dict(on.aligned.iias(part))
    (swapped,) = MeasurementSettings(SearchConfig(sources=on.aligned.sources, seed=on.aligned.seed)).swap(
        part, [on.aligned.subspace], DRAWS
    )
    numbers[Key("r2_own")] = swapped.own.r2()
    if on.reference is not None:
        middle = on.aligned.part(on.clip, on.reference).midpoint
        numbers |= necessity(part, neutralize(part, on.aligned.subspace, middle))
    of_z = {key.column(features.contrast): number for key, number in numbers.items() if key.measure in _OF_Z}
    return retrieval | of_z, [f"{spec}: {note}" for note in notes]


def _numbers(label: str, estimates: Mapping[str, Estimate]) -> list[Number]:
    return [_number(label, name, number) for name, number in estimates.items()]


def _number(label: str, measure: str, estimate: Estimate) -> Number:
    return measured("domains", label, measure, estimate)


def _units(contrast: Contrast) -> Mapping[str, Unit]:
    kinds = [*(f"{kind} cut" for kind in contrast.kinds), *(f"retrieval {kind}" for kind in contrast.kinds)]
    shares = [_PREFERENCE, *RULES, _PREFERENCE + _UNCUT, WORDS_OF_FIRST + _UNCUT, *kinds]
    points = replace(SHARE, form="+.1f", sign="points")
    measured_of_z = evidence_units(contrast)
    units = measured_of_z | dict.fromkeys(shares, SHARE)
    losses = {f"{_LOSS} of {name}": points if unit == SHARE else unit for name, unit in units.items()}
    return units | losses | dict.fromkeys((_LOSS, BEYOND, BEYOND + _UNCUT), points)


TASK = Task(_job, _units, _load_domains, evidence=True)
