"""Metrics: baselines, files of scores, and a CLIP with context and with a neutral Z."""

from __future__ import annotations

from dataclasses import replace
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
from training.metrics.clip_metrics import metrics_of_clip
from training.metrics.items import Item, Variants, item_key
from training.metrics.metrics import RATED, baselines, given_metric
from training.metrics.numbers import CHECKED, MetricScores, numbers_of


def toy_items(n: int) -> list[Item]:
    pairs = load_pairs("toy").split("test").pairs[:n]
    return [Item(pair.id, row, pair.positive, pair.context, pair.group) for row, pair in enumerate(pairs)]


def test_a_score_that_knows_no_order_stays_the_same_under_shuffling_and_longer_is_better_to_length():
    items = toy_items(60)
    variants = variants_of(items, list(CHECKS), 0)
    scored = [
        MetricScores(
            metric,
            metric.score("", items),
            {
                variants_of_check.name: metric.score(variants_of_check.name, variants_of_check.items)
                for variants_of_check in variants
            },
            None,
        )
        for metric in baselines()
    ]
    rows = {(row.of, row.metric, row.measure): row for row in numbers_of(scored, items, variants, None)}
    for metric in ("length", "concreteness"):
        assert rows["shuffled words", metric, "same"].value == 1.0
    assert rows["exact repetition", "length", "better"].value == 1.0
    assert rows["exact repetition", "concreteness", "same"].value == 1.0
    assert rows["irrelevant sentence", "length", "worse"].value == 0.0
    assert not any(subject == "image of another article" for subject, _, _ in rows)  # neither metric reads an image
    for (subject, metric, measure), row in rows.items():
        if measure == "worse" and " − " not in metric:
            total = sum(rows[subject, metric, outcome].value for outcome in ("worse", "same", "better"))
            assert total == pytest.approx(1.0)
            assert row.part == CHECKED


def test_a_metric_does_not_differ_from_itself_and_identical_texts_change_nothing(small: Clip):
    items, metric = toy_items(20), baselines()[0]
    variants = variants_of(items, ["shuffled words"], 0)
    twins = [
        MetricScores(each, metric.score("", items), {"shuffled words": metric.score("", variants[0].items)}, None)
        for each in (metric, replace(metric, name="twin"))
    ]
    (difference,) = (row for row in numbers_of(twins, items, variants, None) if " − " in row.metric)
    assert difference.value == 0.0
    images = torch.nn.functional.normalize(torch.randn(20, small.embed_dim), dim=1)
    same = [replace(item, name="copy") for item in items]
    for each in metrics_of_clip(small, "small", images, contextual=True):  # each embeds its texts again
        rival = next(
            metric for metric in metrics_of_clip(small, "small", images, contextual=True) if metric.name == each.name
        )
        left = MetricScores(each, each.score("", items), {"shuffled words": rival.score("", same)}, None)
        numbers = numbers_of([left], items, [Variants("shuffled words", tuple(range(20)), tuple(same))], None)
        assert [(row.measure, row.value) for row in numbers] == [("worse", 0.0), ("same", 1.0), ("better", 0.0)]


def test_the_contextual_score_is_that_of_its_formula(generator: torch.Generator):
    """|c| cos(t, c) + |t| (cos(t, i) − cos(t, c)), in float64 (Kreiss et al. 2022; ContextRef, 2024)."""
    image, text, context = (3 * torch.randn(50, 16, generator=generator, dtype=torch.float64) for _ in range(3))
    i, t, c = (each.numpy() for each in (image, text, context))

    def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    size = [np.linalg.norm(each, axis=1) for each in (t, c)]
    expected = size[1] * cosine(t, c) + size[0] * (cosine(t, i) - cosine(t, c))
    agree("contextual score", contextual_scores(image, text, context).numpy(), expected)
    unchanged = contextual_scores(image, text, text)  # a context with the same text only adds its length
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
    np.testing.assert_allclose(plain.score("", items), expected, atol=1e-6)
    np.testing.assert_allclose(neutral.score("", items), neutralize(part, rotation, part.midpoint).positive, atol=1e-6)
    assert np.abs(neutral.score("", items) - expected).max() > 1e-4
    texts, around = (
        embed_texts(small, each, unit=False) for each in ([i.text for i in items], [i.context for i in items])
    )
    expected = contextual_scores(features.embeddings, texts, around)
    np.testing.assert_allclose(context.score("", items), expected.double().numpy(), atol=1e-6)
    assert len({plain.key, context.key, neutral.key}) == 3
    assert (context.versus, neutral.versus, "context" in context.reads, "context" in plain.reads) == (
        "small",
        "small",
        True,
        False,
    )
    assert n == len(pairs)


def test_an_item_without_context_has_no_contextual_score(small: Clip):
    images = torch.nn.functional.normalize(torch.randn(2, small.embed_dim), dim=1)
    items = [Item("a", 0, "a red star", "", "g"), Item("b", 1, "a red star", "the war", "g")]
    _, context = metrics_of_clip(small, "small", images, contextual=True)
    assert np.isnan(context.score("", items)).tolist() == [True, False]


def test_texts_that_are_not_read_to_the_end_are_counted_and_left_out_once(small: Clip):
    items = [Item(str(i), i, "a red star " * (1 if i % 2 else 30), "", f"g{i}") for i in range(20)]
    images = torch.nn.functional.normalize(torch.randn(20, small.embed_dim), dim=1)
    variants = variants_of(items, ["irrelevant sentence"], 0)
    (metric,) = metrics_of_clip(small, "small", images)
    changed = {changed_items.name: metric.score(changed_items.name, changed_items.items) for changed_items in variants}
    cut = {changed_items.name: metric.cut(changed_items.items) for changed_items in variants}
    scored = MetricScores(metric, metric.score("", items), changed, None, metric.cut(items), cut)
    rows = {row.measure: row for row in numbers_of([scored], items, variants, None)}
    assert (rows["cut"].value, rows["same"].value) == (0.5, 0.5)  # the added text is not read
    assert (rows["same, nothing cut"].value, rows["same, nothing cut"].n) == (0.0, 10)


def test_a_file_of_scores(tmp_path: Path):
    path = tmp_path / "mine.csv"
    items = [Item("3.jpg", 0, "a", "", "g"), Item("4.jpg", 1, "b", "", "g")]
    keys = [item_key("unchanged", item) for item in items]
    path.write_text(f"item,score\n{keys[0]},0.5\n{keys[1]},0.25\n")
    metric = given_metric(str(path), {"unchanged": items})
    assert metric.score("unchanged", items).tolist() == [0.5, 0.25]
    assert metric.name == "mine"
    other = [items[0], replace(items[1], text="another text")]  # the same pair, but not the scored text
    with raises(DataError, path, 1, 2, "'4.jpg'"):
        given_metric(str(path), {"unchanged": other})
    path.write_text("item,score\n3.jpg,0.5\n3.jpg,0.7\n")
    with raises(DataError, "3.jpg", "3"):
        given_metric(str(path), {"unchanged": items})
    path.write_text("item,score\n3.jpg,much\n")
    with raises(DataError, "much"):
        given_metric(str(path), {"unchanged": items})
    path.write_text("description,score\na,0.5\n")
    with raises(DataError, path, "--blv"):
        given_metric(str(path), {"unchanged": items})
    with raises(DataError, path, 1, 2, "b"):
        given_metric(str(path), {RATED: items})
    assert given_metric(str(path), {RATED: items[:1]}).only_rated
