"""The four tasks of an evaluation: functions of a model, or of given scores, that return measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from interp.attribution.baselines import default_baselines
from interp.attribution.deletion import deletion_areas
from interp.attribution.measures import content_correlations, convergence, coverage
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.norms import correlations, relations
from interp.attribution.result import TOLERANCE, Attributions, Route
from interp.clip.image_features import EmbeddedPairs, embed_cached, image_features
from interp.clip.model import Clip, Tokens, embed_texts, scores, tokenize
from interp.clip.tensors import Tensor
from interp.data.blv import QUESTIONS, RatedTexts
from interp.data.norms import Norm
from interp.data.toy.pairs import load_distinct
from interp.data.transfer import LabelledImages
from interp.measures import MEASURED
from interp.stats import (
    CorrelationMethod,
    Estimate,
    clustered_share,
    correlate,
    difference,
    macro_f1,
    mean_of_means,
    wilson,
)
from interp.subspaces.subspace import Subspace
from training.evaluation.aligned import Aligned
from training.evaluation.measures import Number, measured
from training.evaluation.preferences import preferences
from training.evaluation.zeroshot import retrieval, zero_shot

_CORRELATIONS: tuple[CorrelationMethod, ...] = ("pearson", "spearman")
_RETRIEVED_AMONG = 64
_NORM_STATISTICS = (  # of norms and routes: beginning and end of a measure's key, and its name in an evaluation
    ("r", "", "pearson {}"),
    ("r", "_content", "pearson {}, content words"),
    ("rho", "", "spearman {}"),
    ("partial", "", "partial {}"),
    ("disattenuated", "", "disattenuated {}"),
)
_AREAS = {"deletion": "deletion", "insertion": "insertion", "random": "random order"}  # of `DeletionAreas`
_CONVERGENCE = {  # measure of an evaluation -> of `convergence`
    "largest delta": "attribution_delta",
    "largest relative delta": "attribution_delta_relative",
    "texts not converged": "attribution_unconverged",
    "most points": "attribution_points",
}


def concadia(clip: Clip, features: EmbeddedPairs, aligned: Aligned | None) -> tuple[list[Number], np.ndarray]:
    """Preferences of a model; with an alignment also its IIA on each split, and its evidence on the last one.

    Returns:
        The measures; and the scores of each pair's positive and negative text, shape (2, pairs).
    """
    pairs, images, contrast = features.pairs, features.embeddings, features.contrast
    if aligned is None:
        both = scores(images.repeat(2, 1), embed_texts(clip, features.texts)).cpu().numpy().reshape(2, -1)
        return preferences(pairs, contrast, *both), both
    both = np.zeros((2, len(pairs)))
    out: list[Number] = []
    *_, held_out = dict.fromkeys(pair.split for pair in pairs)
    for split in dict.fromkeys(pair.split for pair in pairs):  # one at a time: a clean run takes memory
        part = aligned.part(clip, features.split(split))
        negative, positive = part.clean.cpu().numpy().reshape(2, -1)
        both[:, features.rows(split)] = positive, negative
        out += aligned.iias(part, split, contrast)
        if split == held_out:
            out += aligned.evidence(clip, part, features.split(split).texts, split, contrast)
    return [*preferences(pairs, contrast, *both), *out], both


def transfer(
    clip: Clip, tasks: Sequence[LabelledImages], on_image: Callable[[], object] = lambda: None
) -> tuple[list[Number], dict[str, np.ndarray], list[str]]:
    """Zero-shot accuracy and macro-F1 on each task; by task whether each image is a hit; and sentences the user should
    read."""
    out, hits, notes = [], {}, []
    for task in tasks:
        guess, labels, some = _classified(clip, task, on_image)
        hits[task.name] = guess == labels
        out.append(measured("transfer", task.name, "accuracy", wilson(int(hits[task.name].sum()), len(labels))))
        out.append(Number("transfer", task.name, "macro_f1", macro_f1(labels, guess, len(task.classes)), len(labels)))
        notes += [*task.notes, *some]
    return out, hits, notes


def _classified(
    clip: Clip, task: LabelledImages, on_image: Callable[[], object]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    images, notes = embed_cached(clip, task.keys, task.open_image, on_image=on_image)
    return zero_shot(clip, task, images), np.array(task.labels), notes


def random_sets(n: int, seed: int) -> tuple[list[int], list[str]]:
    """Numbers of n pairs in random sets of `_RETRIEVED_AMONG`, without those that fill none; and the set of each."""
    order = np.random.default_rng(seed).permutation(n)[: max(1, n // _RETRIEVED_AMONG) * _RETRIEVED_AMONG].tolist()
    return order, [str(i // _RETRIEVED_AMONG) for i in range(len(order))]


def retrieved(clip: Clip, data: str, features: EmbeddedPairs, *, seed: int) -> tuple[dict[str, Estimate], list[str]]:
    """How often an image's own text scores highest among those of its set, by kind of text; and notes.

    Args:
        data: by its name.
        features: held-out pairs, with their images.
    """
    sets, groups, notes = retrieval_sets(clip, data, features, seed=seed)
    out = {}
    for number, kind in enumerate(features.contrast.kinds):
        texts = sets.texts[number * len(sets) : (number + 1) * len(sets)]
        hits = retrieval(sets.embeddings, embed_texts(clip, texts), groups)
        out[kind] = clustered_share(hits, np.asarray(groups))
    return out, notes


def retrieval_sets(
    clip: Clip, data: str, features: EmbeddedPairs, *, seed: int
) -> tuple[EmbeddedPairs, Sequence[str], list[str]]:
    """Pairs for retrieval, with their images; the set of each; and notes.

    The toy world draws sets of scenes that no text confuses; of other data, the pairs are put into sets at random.

    Args:
        data: by its name.
        features: held-out pairs, with their images.
    """
    notes = []
    if data == "toy":
        sets = image_features(clip, load_distinct(of=_RETRIEVED_AMONG, seed=seed))
        groups: Sequence[str] = sets.groups
    else:
        rows, groups = random_sets(len(features), seed)
        sets = features.take(rows)
        if len(sets) < _RETRIEVED_AMONG:
            notes.append(f"retrieval is among {len(sets)} pairs, all that were held out")
    return sets, groups, notes


def retrievals(clip: Clip, data: str, features: EmbeddedPairs, *, seed: int) -> tuple[list[Number], list[str]]:
    """`retrieved` as measures; and notes."""
    found, notes = retrieved(clip, data, features, seed=seed)
    return [measured("transfer", "retrieval", f"retrieval {kind}", share) for kind, share in found.items()], notes


def rated_scores(clip: Clip, rated: RatedTexts, prefix: str) -> np.ndarray:
    """The score of each rated text with its image."""
    names = sorted({text.image for text in rated.texts})
    keys = [rated.image_key(name) for name in names]
    images, _ = embed_cached(clip, keys, lambda i: rated.open_image(names[i]))
    rows = [names.index(text.image) for text in rated.texts]
    found = scores(images[rows], embed_texts(clip, [prefix + text.description for text in rated.texts]))
    return found.double().cpu().numpy()


def blv(rated: RatedTexts, found: np.ndarray, other: np.ndarray | None = None) -> list[Number]:
    """Correlation of scores with mean ratings; intervals resample images, of which each has several texts.

    Args:
        found: scores of the rated texts.
        other: scores by another model; the difference of both correlations is added, in the same resamples.
    """
    images = [text.image for text in rated.texts]
    length = np.array([len(text.description) for text in rated.texts], dtype=float)
    out = []
    for question in QUESTIONS:
        ratings = [text.ratings[question] for text in rated.texts]
        for method in _CORRELATIONS:
            out.append(measured("blv", question, method, correlate(found, ratings, images, method=method)))
        for method in _CORRELATIONS:
            given = correlate(found, ratings, images, given=length, method=method)
            out.append(measured("blv", question, f"{method} given length", given))
        out.append(measured("blv", question, "pearson of length", correlate(length, ratings, images)))
        if other is not None:
            for method in _CORRELATIONS:
                more = difference(found, other, ratings, images, method=method)
                out.append(measured("blv", question, f"{method} more than the other", more))
    return out


def word_attributions(
    clip: Clip,
    features: EmbeddedPairs,
    subspace: Subspace | None,
    start: Callable[[Clip, Tokens], Tensor] = default_baselines,
    *,
    n_steps: int,
    routes: Sequence[Route] = MEASURED,
) -> Attributions:
    """Return attributions of both texts of some pairs: in full, and with a subspace by route.

    Args:
        start: what the path integral starts from.
        routes: routes that are wanted, if there is a subspace; each costs a backward pass.
        n_steps: its points to begin with; texts that have not converged get more.
    """
    attributor = MediatedIntegratedGradients(clip, subspace, routes=("full",) if subspace is None else routes)
    images = features.embeddings.repeat(2, 1)
    tokens = tokenize(clip, features.texts)
    return attributor.attribute(tokens, images, baselines=start(clip, tokens), n_steps=n_steps, tolerance=TOLERANCE)


def norms(
    clip: Clip, features: EmbeddedPairs, subspace: Subspace | None, chosen: Sequence[Norm], *, n_steps: int
) -> tuple[list[Number], dict[Route, dict[str, float]]]:
    """Correlate mean attribution over word types with each norm: in full, and with a subspace by route; of all
    words and of content words alone, of ranks, and given frequency, length and kind of a word. And the share of
    attribution that falls on rated words, convergence, and the areas of deletion and insertion.

    Args:
        n_steps: points of the path integral to begin with.

    Returns:
        The measures; and route -> word type -> mean attribution.
    """
    found = word_attributions(clip, features, subspace, n_steps=n_steps)
    articles = features.groups
    table = correlations(found, chosen, articles) | content_correlations(found, chosen, articles)
    table |= relations(found, chosen, articles) | coverage(found, chosen)
    out = []
    for norm in chosen:
        for route in found.tokens:
            for stem, suffix, said in _NORM_STATISTICS:
                key = f"{stem}_{norm.name}_{route}{suffix}"
                value, low, high = (table[f"{key}{end}"] for end in ("", "_low", "_high"))
                n = table[f"n_repeated_{norm.name}" if stem == "disattenuated" else f"n_{norm.name}{suffix}"]
                out.append(Number("norms", norm.name, said.format(route), value, n, low, high))
            share = table[f"attribution_coverage_{norm.name}_{route}"]
            out.append(Number("norms", norm.name, f"coverage {route}", share, len(found)))
    converged = convergence(found)
    for name, key in _CONVERGENCE.items():
        out.append(Number("norms", "attributions", name, float(converged[key]), len(found)))
    areas = deletion_areas(clip, tokenize(clip, features.texts), features.embeddings.repeat(2, 1), found)
    for name, each in asdict(areas).items():
        value = mean_of_means([(each, np.array([*features.groups, *features.groups]))])
        out.append(measured("norms", "attributions", f"area, {_AREAS[name]}", value))
    words = {route: {word: mean for word, (mean, _) in found.by_type(route).items()} for route in found.tokens}
    return out, words
