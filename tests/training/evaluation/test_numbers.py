"""Numbers of an evaluation, against plain loops, hooks and scipy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from scipy import stats as scipy_stats
from sklearn.metrics import f1_score

from interp import stats
from interp.clip.image_features import image_features
from interp.clip.model import Clip, embed_images, embed_texts
from interp.clip.sites import Site
from interp.data.blv import QUESTIONS, RatedTexts, load_blv
from interp.data.contrast import PAPER
from interp.data.toy.pairs import load_distinct
from interp.data.transfer import load_transfer
from interp.subspaces.rotation import Rotation, random_basis
from tests.oracles.plain_forward import (
    embed_one_by_one,
    interchange_by_hook,
    residuals,
)
from tests.run_folders import FIELDS
from tests.training.evaluation.evaluating import by_key, some_pairs, with_images
from training.evaluation.aligned_subspace import AlignedSubspace
from training.evaluation.preferences import given_preferences, preferences
from training.evaluation.readers import agreement_with_readers
from training.evaluation.tasks.blv import rated_scores
from training.evaluation.tasks.preference import measure_preference
from training.evaluation.tasks.transfer import retrievals, transfer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("splits", [("test",), ("val", "test"), ("val", "test", "train")])
def test_preferences_are_those_of_a_loop(splits: tuple[str, ...]):
    pairs = some_pairs(31, splits)
    pairs[4] = replace(pairs[4], negative=pairs[4].positive)  # neither is longer
    descriptions, captions = np.random.default_rng(0).normal(size=(2, 31)).round(1)
    captions[5] = descriptions[5]  # a tie counts half
    captions[6], captions[7] = descriptions[6] - 0.1, descriptions[7] + 0.1
    numbers = by_key(preferences(pairs, PAPER, descriptions, captions))
    names = [*splits, "all"] if len(splits) > 1 else list(splits)
    assert [key[1] for key in numbers][:: len(numbers) // len(names)] == names
    for name in names:
        counts: dict[str, list[float]] = {"": [], ", description longer": [], ", caption longer": []}
        groups: dict[str, list[str]] = {kind: [] for kind in counts}
        sums = [0.0, 0.0]
        for pair, description, caption in zip(pairs, descriptions, captions, strict=True):
            if name in (pair.split, "all"):
                kinds = [""]
                kinds += [", description longer"] if len(pair.positive) > len(pair.negative) else []
                kinds += [", caption longer"] if len(pair.negative) > len(pair.positive) else []
                for kind in kinds:
                    counts[kind].append(float(description > caption) + 0.5 * float(description == caption))
                    groups[kind].append(pair.group)
                sums = [sums[0] + description, sums[1] + caption]
        for kind, hits in counts.items():
            row = numbers["preference", name, f"preference{kind}"]
            assert (row.value, row.n) == (pytest.approx(fmean(hits)), len(hits))
            clustered, alone = (stats.clustered_share(hits, each) for each in (groups[kind], range(len(hits))))
            assert (row.low, row.high) == pytest.approx((clustered.low, clustered.high), abs=0, nan_ok=True)
            assert kind or name != names[-1] or (row.low, row.high) != (alone.low, alone.high)
        for kind, total in zip(("description", "caption"), sums, strict=True):
            row = numbers["preference", name, f"mean {kind} score"]
            assert row.value == pytest.approx(total / len(counts[""]), abs=1e-12)
            assert row.n == len(counts[""])
    alone = by_key(given_preferences(PAPER, descriptions, captions))
    whole = names[-1]
    for measure in ("preference", "mean description score", "mean caption score"):
        expected = numbers["preference", whole, measure]
        if measure == "preference":  # articles of given scores are unknown
            expected = replace(
                expected, **{end: getattr(alone["preference", "all", measure], end) for end in ("low", "high")}
            )
        assert alone["preference", "all", measure] == replace(expected, of="all")


def test_a_tie_counts_half():
    pairs = some_pairs(30, ("test",))
    ties = by_key(preferences(pairs, PAPER, np.ones(30), np.ones(30)))["preference", "test", "preference"]
    wins = by_key(preferences(pairs, PAPER, np.ones(30) + 1.1e-6, np.ones(30)))["preference", "test", "preference"]
    assert (ties.value, ties.low + ties.high) == (0.5, pytest.approx(1.0))
    assert (wins.value, wins.high) == (1.0, 1.0)


def test_a_model_prefers_as_its_scores_say(small: Clip, world):
    pairs, images = world
    texts = {kind: [getattr(pair, FIELDS[kind]) for pair in pairs] for kind in ("description", "caption")}
    first, second = ((images * embed_one_by_one(small, each)).sum(-1).numpy() for each in texts.values())
    assert np.abs(first - second).min() > 1e-4  # no tie for rounding to decide
    expected = by_key(preferences(pairs, PAPER, first, second))
    rotation = Rotation(random_basis(24, 5, torch.Generator().manual_seed(0)), Site("text", 3))
    for aligned in (None, AlignedSubspace(rotation, "random", 0)):
        rows, both = measure_preference(small, with_images(pairs, images), aligned)
        numbers = by_key(rows)
        np.testing.assert_allclose(both, [first, second], atol=1e-5)  # in the order of the pairs, whatever their splits
        for key, row in expected.items():
            assert numbers[key].value == pytest.approx(row.value, abs=1e-5, nan_ok=row.n == 0)
            assert numbers[key].n == row.n
        assert (len(numbers) == len(expected)) == (aligned is None)
    swapped = [replace(pair, positive=pair.negative, negative=pair.positive) for pair in pairs]
    reverse = by_key(measure_preference(small, with_images(swapped, images), None)[0])
    key = ("preference", "test", "preference")
    assert reverse[key].value == pytest.approx(1 - expected[key].value)
    assert reverse[key].value != expected[key].value


def test_interventions_are_those_of_a_hook(small: Clip, world):
    pairs, images = world
    rotation = Rotation(random_basis(24, 8, torch.Generator().manual_seed(0)), Site("text", 3))
    numbers = by_key(measure_preference(small, with_images(pairs, images), AlignedSubspace(rotation, "paired", 0))[0])
    assert numbers != by_key(
        measure_preference(small, with_images(pairs, images), AlignedSubspace(rotation, "random", 0))[0]
    )
    for split in ("val", "test"):
        rows = [i for i, pair in enumerate(pairs) if pair.split == split]
        descriptions, captions = (
            [getattr(pairs[i], FIELDS[kind]) for i in rows] for kind in ("description", "caption")
        )
        for short, base, source in (("c2d", captions, descriptions), ("d2c", descriptions, captions)):
            clean = (images[rows] * embed_one_by_one(small, base)).sum(-1)
            swapped = interchange_by_hook(small, base, source, Site("text", 3), rotation.basis)
            gain = (images[rows] * swapped).sum(-1) - clean
            hits = gain > 0 if short == "c2d" else gain < 0
            assert gain.abs().min() > 1e-6
            assert numbers["preference", split, f"iia_{short}"].value == pytest.approx(hits.float().mean().item())
            assert numbers["preference", split, f"iia_{short}"].n == len(rows)
            shift = numbers["preference", split, f"shift_{short}"].value
            assert shift == pytest.approx(gain.mean().item(), abs=1e-6)
            assert abs(shift) > 1e-4


def test_zero_shot_classes_are_those_of_a_loop(small: Clip):
    sets = load_transfer("toy", limit=30)
    rows, _, notes = transfer(small, sets)
    numbers = by_key(rows)
    assert len(numbers) == 2 * len(sets) == 8
    assert set(notes) == {"30 of the 1024 images of toy are used"}
    shares = set()
    for each in sets:
        means = [embed_one_by_one(small, list(texts)).mean(0) for texts in each.texts]
        classes = [mean / mean.norm() for mean in means]
        images = embed_images(small, [each.open_image(i) for i in range(len(each))])
        guess = [int(np.argmax([float(image @ class_embedding) for class_embedding in classes])) for image in images]
        hits = sum(g == label for g, label in zip(guess, each.labels, strict=True))
        row = numbers["transfer", each.name, "accuracy"]
        assert (row.value, row.n) == (hits / 30, 30)
        expected = f1_score(list(each.labels), guess, average="macro", zero_division=0.0)
        assert numbers["transfer", each.name, "macro_f1"].value == pytest.approx(expected)
        shares.add(row.value)
    assert len(shares) > 1


def best_of_its_set(images: torch.Tensor, texts: torch.Tensor, sets: list[list[int]]) -> float:
    """Return the share of images whose own text scores higher than every other text of the set."""
    hits = 0
    for members in sets:
        for i in members:
            matching = float(images[i] @ texts[i])
            hits += all(matching > float(images[i] @ texts[j]) for j in members if j != i)
    return hits / sum(map(len, sets))


def test_retrieval_in_the_toy_world_is_that_of_a_loop(small: Clip, world):
    pairs, images = world
    rows, notes = retrievals(small, "toy", with_images(pairs, images), seed=0)
    drawn = load_distinct(size=64, seed=0)
    seen = image_features(small, drawn).embeddings
    sets = [[i for i, pair in enumerate(drawn.pairs) if pair.group == str(number)] for number in range(16)]
    assert {len(members) for members in sets} == {64}
    for kind in ("description", "caption"):
        texts = embed_texts(small, [getattr(pair, FIELDS[kind]) for pair in drawn.pairs])
        row = by_key(rows)["transfer", "retrieval", f"retrieval {kind}"]
        assert (row.value, row.n) == (pytest.approx(best_of_its_set(seen, texts, sets)), 1024)
        assert 0 < row.low < row.value < row.high
    assert notes == []
    assert rows[0].value != rows[1].value


@pytest.mark.parametrize(("count", "used"), [(130, 128), (64, 64), (40, 40)])
def test_retrieval_among_other_pairs_is_that_of_a_loop(small: Clip, count: int, used: int):
    pairs = some_pairs(count, ("test",), seed=5)
    kinds = ("description", "caption")
    texts = {kind: embed_texts(small, [getattr(pair, FIELDS[kind]) for pair in pairs]) for kind in kinds}
    noise = torch.randn(count, 16, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.normalize(texts["description"] + 0.02 * noise, dim=-1)
    rows, notes = retrievals(small, "concadia:x", with_images(pairs, images), seed=2)
    order = np.random.default_rng(2).permutation(count)[:used].tolist()
    sets = [order[start : start + 64] for start in range(0, used, 64)]
    numbers = by_key(rows)
    for kind, embedded in texts.items():
        row = numbers["transfer", "retrieval", f"retrieval {kind}"]
        assert (row.value, row.n) == (pytest.approx(best_of_its_set(images, embedded, sets)), used)
    assert numbers["transfer", "retrieval", "retrieval description"].value > 0.2
    assert numbers["transfer", "retrieval", "retrieval caption"].value < 0.1
    assert notes == ([] if count >= 64 else ["retrieval is among all 40 held-out pairs"])


def test_rated_texts_are_scored_with_their_image(small: Clip, ratings: Path):
    rated = load_blv(ratings)
    images = {text.image: embed_images(small, [rated.open_image(text.image)])[0] for text in rated.texts}
    by_prefix = {}
    for prefix in ("", "a picture of "):
        texts = embed_one_by_one(small, [prefix + text.description for text in rated.texts])
        expected = [float(row @ images[text.image]) for row, text in zip(texts, rated.texts, strict=True)]
        by_prefix[prefix] = rated_scores(small, rated, prefix)
        np.testing.assert_allclose(by_prefix[prefix], expected, atol=1e-5)
    assert np.abs(np.subtract(*by_prefix.values())).min() > 1e-4


def test_correlations_with_readers_are_those_of_scipy(ratings: Path):
    rated = load_blv(ratings)
    texts = [replace(text, image=f"image {number % 9}") for number, text in enumerate(rated.texts)]
    rated = RatedTexts(
        rated.name,
        (*texts[:-1], replace(texts[-1], ratings={**texts[-1].ratings, "overall": float("nan")})),
        rated.open_image,
        rated.image_key,
    )
    scores, rival = np.random.default_rng(0).normal(size=(2, len(rated)))
    numbers = by_key(agreement_with_readers(rated, scores, rival))
    alone = by_key(agreement_with_readers(rated, scores))
    assert alone == {key: row for key, row in numbers.items() if "other" not in key[2]}
    assert len(numbers) == 9 * 4
    length = np.array([len(text.description) for text in rated.texts], dtype=float)
    for question in QUESTIONS:
        y = np.array([text.ratings[question] for text in rated.texts])
        kept = ~np.isnan(y)
        assert kept.sum() == len(rated) - (question == "overall")

        def ranked(values: np.ndarray, kept: np.ndarray = kept) -> np.ndarray:
            return scipy_stats.rankdata(values[kept])

        def plain(values: np.ndarray, kept: np.ndarray = kept) -> np.ndarray:
            return values[kept]

        for method, transform in (("pearson", plain), ("spearman", ranked)):
            first, second, ratings_, given = transform(scores), transform(rival), transform(y), transform(length)
            r = np.corrcoef(first, ratings_)[0, 1]
            assert r == pytest.approx(getattr(scipy_stats, f"{method}r")(scores[kept], y[kept]).statistic)
            partial = np.corrcoef(residuals(first, given), residuals(ratings_, given))[0, 1]
            expected = {method: r, f"{method} given length": partial}
            expected[f"{method} more than the other"] = r - np.corrcoef(second, ratings_)[0, 1]
            for name, value in expected.items():
                row = numbers["blv", question, name]
                assert (row.value, row.n) == (pytest.approx(value, abs=1e-9), kept.sum())
                assert row.low < row.value < row.high
            assert abs(r - partial) > 1e-6
        expected_length = scipy_stats.pearsonr(length[kept], y[kept]).statistic
        assert numbers["blv", question, "pearson of length"].value == pytest.approx(expected_length)
