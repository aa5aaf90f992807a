"""Metrics: baselines, files of scores, and a CLIP with context and with a neutral Z."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from interp.clip.image_features import image_features
from interp.clip.model import Clip, contextual_scores, embed_texts
from interp.clip.sites import Site
from interp.data import DataError, load_pairs
from interp.evidence.necessity import neutralize
from interp.subspaces.pairs import pairs_at
from interp.subspaces.rotation import Rotation, random_basis
from tests.agreement import agree
from tests.wording import raises
from training.metrics.checks import CHECKS, variants_of
from training.metrics.items import Item
from training.metrics.metrics import concreteness_metric, file_metric, length_metric, text_only
from training.metrics.numbers import CHECKED, Scored, numbers_of
from training.metrics.of_clip import metrics_of_clip


def toy_items(n: int) -> list[Item]:
    pairs = load_pairs("toy").split("test").pairs[:n]
    return [Item(pair.id, row, pair.positive, pair.context, pair.group) for row, pair in enumerate(pairs)]


def test_a_score_that_knows_no_order_stays_the_same_under_shuffling_and_longer_is_better_to_length():
    items = toy_items(60)
    variants = variants_of(items, list(CHECKS), 0)
    scored = [
        Scored(metric, metric.score(items), {one.name: metric.score(one.items) for one in variants}, None)
        for metric in (length_metric(), concreteness_metric())
    ]
    rows = {(row.of, row.metric, row.measure): row for row in numbers_of(scored, items, variants, None)}
    for metric in ("length", "concreteness"):
        assert rows["shuffled words", metric, "same"].value == 1.0
    assert rows["exact repetition", "length", "better"].value == 1.0
    assert rows["exact repetition", "concreteness", "same"].value == 1.0
    assert rows["irrelevant sentence", "length", "worse"].value == 0.0
    assert not any(of == "image of another article" for of, _, _ in rows)  # neither reads an image
    for (of, metric, measure), row in rows.items():
        if measure == "worse" and " − " not in metric:
            total = sum(rows[of, metric, outcome].value for outcome in ("worse", "same", "better"))
            assert total == pytest.approx(1.0)
            assert row.part == CHECKED


def test_a_metric_does_not_differ_from_itself_and_identical_texts_change_nothing(small: Clip):
    items, metric = toy_items(20), length_metric()
    variants = variants_of(items, ["shuffled words"], 0)
    twins = [
        Scored(each, metric.score(items), {"shuffled words": metric.score(variants[0].items)}, None)
        for each in (metric, text_only({}, "twin"))
    ]
    (difference,) = (row for row in numbers_of(twins, items, variants, None) if " − " in row.metric)
    assert difference.value == 0.0
    images = torch.nn.functional.normalize(torch.randn(20, small.embed_dim), dim=1)
    for each in metrics_of_clip(small, "small", images, contextual=True):
        assert (each.score(items) - each.score(list(items))).tolist() == [0.0] * 20


def test_the_contextual_score_is_that_of_its_formula(generator: torch.Generator):
    """|c| cos(t, c) + |t| (cos(t, i) − cos(t, c)), in float64 (Kreiss et al. 2022; ContextRef, 2024)."""
    image, text, context = (3 * torch.randn(50, 16, generator=generator, dtype=torch.float64) for _ in range(3))
    i, t, c = (each.numpy() for each in (image, text, context))

    def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    size = [np.linalg.norm(each, axis=1) for each in (t, c)]
    expected = size[1] * cosine(t, c) + size[0] * (cosine(t, i) - cosine(t, c))
    agree("contextual score", contextual_scores(image, text, context).numpy(), expected)
    unchanged = contextual_scores(image, text, text)  # a context that says the same adds nothing but its length
    np.testing.assert_allclose(unchanged.numpy(), size[0] * cosine(t, i), atol=1e-12)


def test_the_score_of_a_clip_with_context_and_with_a_neutral_subspace(small: Clip):
    pairs = load_pairs("toy", limit=60).split("test")
    features = image_features(small, pairs)
    items = [Item(pair.id, row, pair.positive, pair.context, pair.group) for row, pair in enumerate(pairs.pairs)]
    site = Site("text", 3)
    rotation = Rotation(random_basis(small.width("text"), 4, torch.Generator().manual_seed(0)), site)
    part = pairs_at(small, features, site)
    plain, context, neutral = metrics_of_clip(
        small, "small", features.embeddings, contextual=True, subspace=rotation, neutral=part.midpoint
    )
    n = len(items)
    expected = part.clean.reshape(2, -1)[1].double().numpy()
    np.testing.assert_allclose(plain.score(items), expected, atol=1e-6)
    np.testing.assert_allclose(neutral.score(items), neutralize(part, rotation, part.midpoint).positive, atol=1e-6)
    assert np.abs(neutral.score(items) - expected).max() > 1e-4
    texts, around = (
        embed_texts(small, each, unit=False) for each in ([i.text for i in items], [i.context for i in items])
    )
    found = contextual_scores(features.embeddings, texts, around)
    np.testing.assert_allclose(context.score(items), found.double().numpy(), atol=1e-6)
    assert len({plain.key, context.key, neutral.key}) == 3
    assert (context.versus, neutral.versus, "context" in context.reads, "context" in plain.reads) == (
        "small",
        "small",
        True,
        False,
    )
    assert n == len(pairs)


def test_a_file_of_scores(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text("item,score\n3.jpg,0.5\nshuffled words/3.jpg,0.25\n")
    metric = file_metric(path)
    items = [Item("3.jpg", 0, "a", "", "g"), Item("4.jpg", 1, "b", "", "g")]
    np.testing.assert_array_equal(metric.score(items), [0.5, np.nan])
    assert metric.name == "mine"
    path.write_text("item,score\n3.jpg,0.5\n3.jpg,0.7\n")
    with raises(DataError, "3.jpg", "3"):
        file_metric(path)
    path.write_text("item,score\n")
    with raises(DataError, path):
        file_metric(path)
    path.write_text("item,score\n3.jpg,much\n")
    with raises(DataError, "much"):
        file_metric(path)
