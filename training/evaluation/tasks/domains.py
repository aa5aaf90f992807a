"""The task `domains`: does what a model has learnt on the first data set hold on others, and for more than words?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.model import Clip, embed_texts, scores
from interp.data import data_labels, data_sets, load_pairs
from interp.data.contrast import Contrast
from interp.data.pairs import Pair, PairSet, digest, without_equal_texts
from interp.data.word_rules import bayes_hits, concreteness_hits, longer_hits, own_bayes_hits
from interp.errors import UserError
from interp.evidence.measuring import How
from interp.evidence.necessity import necessity, neutralize
from interp.measures import Key
from interp.measures.schema import SHARE, Unit
from interp.stats import Estimate, clustered_mean, clustered_share, independent_difference, preference
from interp.subspaces.outcomes import DRAWS
from interp.subspaces.search import SearchConfig
from training.config import EvaluateConfig
from training.evaluation.aligned import evidence_units
from training.evaluation.domain_measures import BEYOND, WORDS_OF_FIRST
from training.evaluation.evaluated import EvaluatedPairs
from training.evaluation.measures import Number, measured
from training.evaluation.retrieval import retrieved
from training.evaluation.tasks.task import Job, Task, TaskResult

_PREFERENCE, _LOSS = "preference", "loss"
_LONGER, _CONCRETE = "longer text", "more concrete text"
_OWN, _NO_TEMPLATES = "own words", "own words, no templates"
_UNCUT = ", nothing cut"
_OF_Z = ("iia", "r2_own", "neutral_preference")  # measures of Z, by their keys


@dataclass(frozen=True)
class _Domain:
    """One data set.

    Attributes:
        label: short name.
        spec: name as the user wrote it.
        pairs: pairs that are measured.
    """

    label: str
    spec: str
    pairs: PairSet


@dataclass(frozen=True)
class _Domains:
    """All pairs of the first data set, which words are learnt from, and the other data sets."""

    label: str
    first: PairSet
    others: tuple[_Domain, ...]


def load_domains(config: EvaluateConfig, data: str) -> _Domains:
    """Load the first data set again, with all its pairs, and the others.

    Data with test pairs are measured on these, and all pairs of other data.

    Raises:
        DataError: a data set cannot be loaded.
        UserError: no other data set is named.
    """
    specs = data_sets(config.data or data)
    if len(specs) < 2:
        raise UserError("the task domains compares data sets: name them with --data FIRST,OTHER")
    labels = data_labels(specs)
    kinds = [config.kinds if spec.startswith(("csv:", "hf:")) else None for spec in specs]
    first, *others = (
        without_equal_texts(load_pairs(spec, kinds=kind, as_published=True, limit=config.limit))
        for spec, kind in zip(specs, kinds, strict=True)
    )
    measured_on = zip(labels[1:], specs[1:], others, strict=True)
    return _Domains(
        labels[0], first, tuple(_Domain(label, spec, _held_out(pairs)) for label, spec, pairs in measured_on)
    )


def _held_out(pairs: PairSet) -> PairSet:
    splits = {pair.split for pair in pairs.pairs}
    return pairs.split("test") if {"train", "test"} <= splits else pairs


@dataclass(frozen=True)
class _OnDomain:
    """What was measured on one data set: rows, and sentences on what the numbers show."""

    rows: list[Number]
    notes: list[str]


def _job(on: EvaluatedPairs, domains: _Domains) -> Job:
    def compute() -> TaskResult:
        held_out = on.features.take(on.held_out)
        chosen = {pair.id for pair in held_out.pairs}
        learnt = [pair for pair in domains.first.pairs if pair.id not in chosen]
        own = _of_pairs(on.clip, domains.label, held_out.data, held_out, learnt, None)
        found = [own]
        preferred = next(row for row in own.rows if row.measure == _PREFERENCE)
        first = Estimate(preferred.value, preferred.n, preferred.low, preferred.high)
        for domain in domains.others:
            features = image_features(on.clip, domain.pairs) if domain.pairs.has_images else None
            found.append(_of_pairs(on.clip, domain.label, domain.pairs, features, domains.first.pairs, first))
            if features is not None:
                found.append(_abilities(on, domain, features))
        rows = [row for each in found for row in each.rows]
        return TaskResult(rows, [note for each in found for note in each.notes])

    settings = {domain.label: domain.pairs.fingerprint for domain in domains.others}
    words = digest(text for pair in domains.first.pairs for text in (pair.positive, pair.negative))
    return Job("domains", {**on.settings, "domains": settings, "words": words, **on.referred}, compute)


def _of_pairs(
    clip: Clip,
    label: str,
    pairs: PairSet,
    features: EmbeddedPairs | None,
    learnt: Sequence[Pair],
    first: Estimate | None,
) -> _OnDomain:
    """Measure the preference of a model and of words alone on some pairs.

    Args:
        features: the pairs with their images; None where there are none.
        learnt: pairs of the first data set that words are learnt from.
        first: preference on the first data set; None for these data themselves.
    """
    chosen = pairs.pairs if features is None else features.pairs
    groups = np.array([pair.group for pair in chosen])
    rules = {
        _LONGER: longer_hits(chosen),
        _CONCRETE: concreteness_hits(chosen),
        WORDS_OF_FIRST: bayes_hits(learnt, chosen),
        _OWN: own_bayes_hits(chosen),
        _NO_TEMPLATES: own_bayes_hits(chosen, without_templates=True),
    }
    rows = [
        _number(label, name, clustered_share(hits, groups)) for name, hits in rules.items() if np.isfinite(hits).all()
    ]
    cut = [_cut(clip, texts) for texts in ([pair.positive for pair in chosen], [pair.negative for pair in chosen])]
    for kind, marks in zip(pairs.contrast.kinds, cut, strict=True):
        rows.append(_number(label, f"{kind} cut", clustered_share(marks.astype(float), groups)))
    if features is None:
        return _OnDomain(rows, [f"{label} has no images here: words alone are measured"])
    hits = _model_hits(clip, features)
    preferred = clustered_share(hits, groups)
    beyond = clustered_mean(hits - rules[WORDS_OF_FIRST], groups)
    rows = [_number(label, _PREFERENCE, preferred), *rows, _number(label, BEYOND, beyond)]
    if first is not None:
        rows.insert(1, _number(label, _LOSS, independent_difference(first, preferred)))
    whole = ~(cut[0] | cut[1])
    if 0 < whole.sum() < len(whole):
        rows.append(_number(label, _PREFERENCE + _UNCUT, clustered_share(hits[whole], groups[whole])))
        rows.append(
            _number(label, WORDS_OF_FIRST + _UNCUT, clustered_share(rules[WORDS_OF_FIRST][whole], groups[whole]))
        )
        more = clustered_mean((hits - rules[WORDS_OF_FIRST])[whole], groups[whole])
        rows.append(_number(label, BEYOND + _UNCUT, more))
    return _OnDomain(rows, [_sentence(label, preferred, beyond, rules[WORDS_OF_FIRST])])


def _sentence(label: str, preferred: Estimate, beyond: Estimate, words: np.ndarray) -> str:
    """Return what a preference shows, next to that of words alone."""
    both = f"{label}: {100 * preferred.value:.1f} % preferred, by words of the first data {100 * words.mean():.1f} %"
    if beyond.low > 0:
        return f"{both}: more than those words tell"
    if beyond.high < 0:
        return f"{both}: less than those words tell, so the preference shows nothing about images"
    return f"{both}: not more than those words tell, so the preference shows nothing about images"


def _model_hits(clip: Clip, features: EmbeddedPairs) -> np.ndarray:
    embedded = embed_texts(clip, features.texts)
    positive, negative = scores(features.embeddings.repeat(2, 1), embedded).cpu().numpy().reshape(2, -1)
    return preference(positive, negative)


def _cut(clip: Clip, texts: Sequence[str]) -> np.ndarray:
    """Return marks of texts that are longer than the model reads."""
    ids = clip.tokenizer(list(texts), split_special_tokens=True, verbose=False)["input_ids"]
    return np.array([len(each) > clip.context for each in ids])


def _abilities(on: EvaluatedPairs, domain: _Domain, features: EmbeddedPairs) -> _OnDomain:
    """Measure retrieval on another data set, and Z, which was learnt on the first one.

    A neutral Z has its value half way between the kinds of the first data set.
    """
    shares, _ = retrieved(on.clip, domain.spec, features, seed=on.config.seed)
    rows = [_number(domain.label, f"retrieval {kind}", share) for kind, share in shares.items()]
    if on.aligned is None or len(features) < 2:
        return _OnDomain(rows, [])
    part = on.aligned.part(on.clip, features.tokenized(on.clip))
    numbers = dict(on.aligned.iias(part))
    (swapped,) = How(SearchConfig(sources=on.aligned.sources, seed=on.aligned.seed)).swap(
        part, [on.aligned.subspace], DRAWS
    )
    numbers[Key("r2_own")] = swapped.own.r2()
    if on.reference is not None:
        middle = on.aligned.part(on.clip, on.reference).midpoint
        numbers |= necessity(part, neutralize(part, on.aligned.subspace, middle))
    return _OnDomain(rows + [_of_z(domain, key, number) for key, number in numbers.items() if key.measure in _OF_Z], [])


def _of_z(domain: _Domain, key: Key, number: Estimate) -> Number:
    return _number(domain.label, key.column(domain.pairs.contrast), number)


def _number(label: str, measure: str, found: Estimate) -> Number:
    return measured("domains", label, measure, found)


def _units(contrast: Contrast) -> Mapping[str, Unit]:
    rules = (_PREFERENCE, _LONGER, _CONCRETE, WORDS_OF_FIRST, _OWN, _NO_TEMPLATES)
    kinds = [*(f"{kind} cut" for kind in contrast.kinds), *(f"retrieval {kind}" for kind in contrast.kinds)]
    shares = [*rules, _PREFERENCE + _UNCUT, WORDS_OF_FIRST + _UNCUT, *kinds]
    points = replace(SHARE, form="+.1f", sign="points")
    differences = dict.fromkeys((_LOSS, BEYOND, BEYOND + _UNCUT), points)
    return evidence_units(contrast) | dict.fromkeys(shares, SHARE) | differences


TASK = Task(_job, _units, load_domains, evidence=True)
