"""The four tasks of an evaluation: functions of a model, or of given scores, that return measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch

from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.result import Attributions, Route
from interp.clip.image_features import ImageFeatures, embed_cached, image_features
from interp.clip.model import Clip, embed_texts, scores
from interp.clip.sites import Site
from interp.data.blv import QUESTIONS, RatedTexts
from interp.data.contrast import DIRECTIONS, Contrast
from interp.data.norms import Norm
from interp.data.pairs import Pair, texts_of
from interp.data.toy import load_distinct
from interp.data.transfer import LabelledImages
from interp.interventions.clean_run import clean_texts
from interp.interventions.rotation import Rotation
from interp.methods.baselines import baseline_basis
from interp.methods.das import PairRun, Sources, clean_scores, evaluate
from interp.stats import Method, clustered_share, correlate, difference, macro_f1, preference, wilson
from interp.sweep.cell import RANDOM_BASES, correlations
from interp.tensors import Basis, Embeddings
from training.evaluation.measures import Measure, measured
from training.evaluation.zeroshot import retrieval, zero_shot

METHODS: tuple[Method, ...] = ("pearson", "spearman")
RETRIEVED_AMONG = 64


def preferences(pairs: Sequence[Pair], contrast: Contrast, positive: np.ndarray, negative: np.ndarray) -> list[Measure]:
    """Preference accuracy by split, and of all where there are several; and by which text is the longer one.

    A model that merely likes long texts does well on one half of that control and badly on the other.

    Args:
        positive, negative: scores of each pair's texts.
    """
    splits = np.array([pair.split for pair in pairs])
    longer = np.sign([len(pair.positive) - len(pair.negative) for pair in pairs])
    hits = preference(positive, negative)
    names = list(dict.fromkeys(splits.tolist()))
    out = []
    for name in [*names, "all"] if len(names) > 1 else names:
        rows = np.full(len(pairs), True) if name == "all" else splits == name
        parts = {
            "preference": rows,
            f"preference, {contrast.positive} longer": rows & (longer > 0),
            f"preference, {contrast.negative} longer": rows & (longer < 0),
        }
        for title, chosen in parts.items():
            out.append(measured("concadia", name, title, wilson(int(hits[chosen].sum()), int(chosen.sum()))))
        for kind, values in zip(contrast.kinds, (positive, negative), strict=True):
            out.append(Measure("concadia", name, f"mean {kind} score", float(values[rows].mean()), int(rows.sum())))
    return out


def given_preferences(contrast: Contrast, positive: np.ndarray, negative: np.ndarray) -> list[Measure]:
    """Preference accuracy of scores alone, of which nothing else is known."""
    hits = preference(positive, negative)
    found = measured("concadia", "all", "preference", wilson(int(hits.sum()), len(hits)))
    means = zip(contrast.kinds, (positive, negative), strict=True)
    return [found, *(Measure("concadia", "all", f"mean {kind} score", float(v.mean()), len(hits)) for kind, v in means)]


def concadia(
    clip: Clip, features: ImageFeatures, rotation: Rotation | None, sources: Sources, seed: int
) -> tuple[list[Measure], np.ndarray]:
    """Preferences of a model; with a rotation also its IIA on each split, beside that of random subspaces.

    Args:
        sources: of the interventions.

    Returns:
        The measures; and the scores of each pair's positive and negative text, shape (2, pairs).
    """
    pairs, images, contrast = features.pairs, features.embeddings, features.contrast
    if rotation is None:
        texts = texts_of(pairs)
        both = scores(images.repeat(2, 1), embed_texts(clip, texts)).cpu().numpy().reshape(2, -1)
        return preferences(pairs, contrast, *both), both
    layer = Site.parse(rotation.site).layer
    both = np.zeros((2, len(pairs)))
    iias: list[Measure] = []
    for split in dict.fromkeys(pair.split for pair in pairs):  # one at a time: a clean run takes memory
        rows = [i for i, pair in enumerate(pairs) if pair.split == split]
        texts = texts_of([pairs[i] for i in rows])
        groups = tuple(pairs[i].group for i in rows)
        run = PairRun(clean_texts(clip, texts, [layer]), images[rows], clip.logit_scale, groups)
        negative, positive = clean_scores(run, layer).cpu().numpy().reshape(2, -1)
        both[:, rows] = positive, negative
        iias += _iia(run, layer, contrast, split, "iia", [rotation.basis.to(images)], sources, seed)
        bases = [baseline_basis("random", run, layer, rotation.size, seed=i) for i in range(RANDOM_BASES)]
        iias += _iia(run, layer, contrast, split, "iia, random subspace", bases, sources, seed)
    return [*preferences(pairs, contrast, *both), *iias], both


def _iia(
    pairs: PairRun,
    layer: int,
    contrast: Contrast,
    split: str,
    name: str,
    bases: Sequence[Basis],
    sources: Sources,
    seed: int,
) -> list[Measure]:
    """IIA in each direction, the mean over bases, and the mean change of the score; n is the number of pairs."""
    found = [evaluate(pairs, layer, basis, sources=sources, seed=seed) for basis in bases]
    out = []
    for direction in DIRECTIONS:
        hits = np.mean([one.hits(direction) for one in found], axis=0)
        share = replace(clustered_share(hits, found[0].groups), n=len(pairs))
        out.append(measured("concadia", split, f"{name} {contrast.short(direction)}", share))
    if len(bases) == 1:
        for direction in DIRECTIONS:
            shift = found[0].shift(direction)
            out.append(Measure("concadia", split, f"shift {contrast.short(direction)}", shift, len(pairs)))
    return out


def transfer(
    clip: Clip, tasks: Sequence[LabelledImages], on_image: Callable[[], object] = lambda: None
) -> tuple[list[Measure], list[str]]:
    """Zero-shot accuracy and macro-F1 on each task; and sentences the user should read."""
    out, notes = [], []
    for task in tasks:
        images, some = embed_cached(clip, task.keys, task.open_image, on_image=on_image)
        guess, labels = zero_shot(clip, task, images), np.array(task.labels)
        out.append(measured("transfer", task.name, "accuracy", wilson(int((guess == labels).sum()), len(labels))))
        out.append(Measure("transfer", task.name, "macro_f1", macro_f1(labels, guess, len(task.classes)), len(labels)))
        notes += [*task.notes, *some]
    return out, notes


def retrievals(
    clip: Clip, data: str, pairs: Sequence[Pair], images: Embeddings, contrast: Contrast, *, seed: int
) -> tuple[list[Measure], list[str]]:
    """How often an image's own text scores highest among those of its set, for each kind of text; and notes.

    The toy world draws sets of scenes that no text confuses; of other data, the pairs are put into sets at random.

    Args:
        data: by its name.
        pairs, images: held-out pairs, and their images, unit-norm.
    """
    notes = []
    if data == "toy":
        sets = load_distinct(of=RETRIEVED_AMONG, seed=seed)
        pairs, images = sets.pairs, image_features(clip, sets).embeddings
        groups = [pair.group for pair in pairs]
    else:
        order = np.random.default_rng(seed).permutation(len(pairs))
        order = order[: max(1, len(order) // RETRIEVED_AMONG) * RETRIEVED_AMONG]
        pairs, images = [pairs[i] for i in order], images[torch.from_numpy(order)]
        groups = [str(i // RETRIEVED_AMONG) for i in range(len(order))]
        if len(order) < RETRIEVED_AMONG:
            notes.append(f"retrieval is among {len(order)} pairs, all that were held out")
    kinds = {contrast.positive: [pair.positive for pair in pairs], contrast.negative: [pair.negative for pair in pairs]}
    out = []
    for kind, texts in kinds.items():
        share = clustered_share(retrieval(images, embed_texts(clip, texts), groups), groups)
        out.append(measured("transfer", "retrieval", f"retrieval {kind}", share))
    return out, notes


def rated_scores(clip: Clip, rated: RatedTexts, prefix: str) -> np.ndarray:
    """The score of each rated text with its image."""
    names = sorted({text.image for text in rated.texts})
    keys = [rated.image_key(name) for name in names]
    images, _ = embed_cached(clip, keys, lambda i: rated.open_image(names[i]))
    rows = torch.tensor([names.index(text.image) for text in rated.texts])
    found = scores(images[rows], embed_texts(clip, [prefix + text.description for text in rated.texts]))
    return found.double().cpu().numpy()


def blv(rated: RatedTexts, found: np.ndarray, other: np.ndarray | None = None) -> list[Measure]:
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
        for method in METHODS:
            out.append(measured("blv", question, method, correlate(found, ratings, images, method=method)))
        for method in METHODS:
            given = correlate(found, ratings, images, given=length, method=method)
            out.append(measured("blv", question, f"{method} given length", given))
        out.append(measured("blv", question, "pearson of length", correlate(length, ratings, images)))
        if other is not None:
            for method in METHODS:
                more = difference(found, other, ratings, images, method=method)
                out.append(measured("blv", question, f"{method} more than the other", more))
    return out


def norms(
    clip: Clip, pairs: Sequence[Pair], images: Embeddings, rotation: Rotation | None, chosen: Sequence[Norm],
    *, n_steps: int,
) -> tuple[list[Measure], dict[str, dict[str, float]]]:  # fmt: skip
    """Correlation over word types of mean attribution with each norm: in full, and with a rotation by route.

    Args:
        images: of the pairs, unit-norm.
        n_steps: points of the path integral.

    Returns:
        The measures; and route -> word type -> mean attribution.
    """
    routes: tuple[Route, ...] = ("full",) if rotation is None else ("through", "around", "full")
    texts = texts_of(pairs)
    attributor = MediatedIntegratedGradients(clip, rotation)
    found = cast(Attributions, attributor.attribute(texts, images.repeat(2, 1), routes=routes, n_steps=n_steps))
    table = correlations(found, chosen)
    out = []
    for norm in chosen:
        for route in routes:
            value, low, high = (table[f"r_{norm.name}_{route}{end}"] for end in ("", "_low", "_high"))
            out.append(Measure("norms", norm.name, f"pearson {route}", value, table[f"n_{norm.name}"], low, high))
    out.append(Measure("norms", "attributions", "largest delta", float(np.abs(found.delta).max()), len(texts)))
    return out, {route: {word: mean for word, (mean, _) in found.by_type(route).items()} for route in routes}
