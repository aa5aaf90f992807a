"""Tests of abilities that are prepared once, against the measurements of an evaluation of each model."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.clip.blocks import embed_tokens
from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.model import Clip, embed_texts, tokenize
from interp.clip.sites import Site
from interp.clip.swap import swap
from interp.data import load_pairs
from interp.data.contrast import PAPER
from interp.data.pairs import Pair, PairSet
from interp.data.transfer import TOY_TASKS, load_transfer
from interp.stats import Estimate
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.pairs import PairsAtSite, pair_run
from interp.subspaces.rotation import Rotation, nothing, random_basis
from tests.oracles.dyads import mean_by_pairs
from tests.oracles.plain_forward import embed_one_by_one, random_texts
from tests.oracles.small_tuned import with_draws
from training.evaluation.abilities import AbilityTests, Able, EmbeddedSet, _half_width, _widened, ability_tests
from training.evaluation.retrieval import retrieved
from training.evaluation.tasks.transfer import transfer
from training.evaluation.zeroshot import classify

KINDS = PAPER.kinds


def test_shared_beginnings_change_no_embedding(small: Clip):
    texts = [*random_texts(30, 0), *(f"a large red {word}" for word in ("circle", "star", "star", "moon"))]
    tokens = tokenize(small, texts)
    expected = embed_one_by_one(small, texts)
    torch.testing.assert_close(embed_tokens(small, tokens), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(embed_tokens(small, tokens, batch_size=5), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(embed_texts(small, texts), expected, atol=1e-5, rtol=1e-4)
    assert embed_tokens(small, tokenize(small, [])).shape == (0, 16)


@pytest.mark.slow
def test_abilities_are_those_of_an_evaluation(small: Clip):
    """The models are the base that the tests were made with, and, after pickling, a model with another text tower."""
    other = replace(small, model=copy.deepcopy(small.model))
    with torch.no_grad():
        for weight in other.model.text_model.parameters():
            weight.mul_(1.2)
    sets, held_out = load_transfer("toy", limit=50), image_features(small, load_pairs("toy", limit=60)).split("test")
    tests = ability_tests(small, sets, "toy", held_out)
    tests = pickle.loads(pickle.dumps(tests))
    means, all_hits = [], []
    for clip in (small, other):
        hits = tests.of(clip)
        able = {key: marks.mean() for key, marks in hits.items()}
        all_hits.append(hits)
        rows, evaluated, _ = transfer(clip, sets)
        assert all((hits["accuracy", name] == marks).all() for name, marks in evaluated.items())
        shares, _ = retrieved(clip, "toy", held_out, seed=0)
        expected = {("accuracy", row.of): row.value for row in rows if row.measure == "accuracy"}
        expected |= {("retrieval", kind): share.value for kind, share in shares.items()}
        assert able.keys() == expected.keys()
        np.testing.assert_allclose([able[key] for key in expected], list(expected.values()), atol=1e-12)
        means.append(list(able.values()))
    assert len(means[0]) == len(TOY_TASKS) + 2
    assert means[0] != means[1]
    for kind, values in (("accuracy", slice(0, -2)), ("retrieval", slice(-2, None))):
        drop = tests.drop(kind, *all_hits)
        assert drop.value == pytest.approx(np.mean(means[0][values]) - np.mean(means[1][values]), abs=1e-12)
        assert drop.low < drop.value < drop.high
        none = tests.drop(kind, all_hits[0], all_hits[0])
        assert none.value == 0
        end = 0 if kind == "accuracy" else np.nan  # pairs without any loss show nothing about the variance of others
        np.testing.assert_array_equal([none.low, none.high], [end, end])
    lost = np.mean([all_hits[0]["retrieval", kind] - all_hits[1]["retrieval", kind] for kind in KINDS], axis=0).tolist()
    drop = tests.drop("retrieval", *all_hits)
    sets_of = tests.retrieved.groups
    assert (drop.n, len(set(sets_of))) == (16 * 64, 16)
    assert (drop.value, drop.low, drop.high) == pytest.approx(mean_by_pairs(lost, sets_of, sets_of), abs=1e-12)


def test_pairs_of_retrieval_depend_on_each_other_by_their_set_and_by_their_article(small: Clip):
    """For data other than the toy, sets are drawn at random, without regard to articles."""
    drawn, n = np.random.default_rng(0), 60
    articles = tuple(str(i) for i in drawn.integers(0, 12, n))
    pairs = tuple(Pair(str(i), "a star", "a moon", "test", article) for i, article in enumerate(articles))
    features = EmbeddedPairs(PairSet("some", pairs), torch.zeros(n, 2))
    able = [{("retrieval", kind): (drawn.random(n) < share) * 1.0 for kind in KINDS} for share in (0.9, 0.5)]
    lost = np.mean([able[0]["retrieval", kind] - able[1]["retrieval", kind] for kind in KINDS], axis=0).tolist()

    def drop(sets: list[int]) -> tuple[float, float, float]:
        lost_share = AbilityTests(tokenize(small, []), (), features, tuple(map(str, sets))).drop("retrieval", *able)
        return lost_share.value, lost_share.low, lost_share.high

    for count in (6, 9):
        sets = [i * count // n for i in range(n)]
        expected = mean_by_pairs(lost, [f"set {number}" for number in sets], articles)
        assert drop(sets) == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert np.isnan(expected[1]) == (count == 6)


@pytest.fixture
def swaps(small: Clip) -> tuple[AbilityTests, PairsAtSite, dict[tuple[str, str], np.ndarray]]:
    """Return sets of images, pairs that prompts take Z from, and the hits of images with unchanged prompts."""
    held_out = image_features(small, load_pairs("toy", limit=60)).split("test")
    tests = ability_tests(small, load_transfer("toy", limit=200)[:1], "toy", held_out)
    site = Site("text", 2)
    part = PairsAtSite(pair_run(small, held_out, [site]), site)
    return tests, part, {key: hits for key, hits in tests.of(small).items() if key[0] == "accuracy"}


@pytest.mark.slow
def test_draws_of_sources_that_all_agree_leave_the_interval_of_images(small: Clip, swaps):
    tests, part, able = swaps
    still = tests.swap_lost(small, able, part, nothing(24, part.site), 0)
    assert (still.value, still.low, still.high) == (0, 0, 0)
    single = replace(part, pairs=part.pairs.take(torch.tensor([3])))  # the only pair that can be drawn
    basis = random_basis(24, 12, torch.Generator().manual_seed(0))
    site = Site("text", 2)
    estimate = tests.swap_lost(small, able, single, Rotation(basis, site), 0)
    assert estimate == tests.swap_lost(small, able, single, Rotation(basis, site), 1)
    run = clean_texts(small, tests.tokens.take(torch.arange(sum(map(sum, prompts_of(tests))))), [site])
    hits: dict[tuple[str, str], list[np.ndarray]] = {}
    for row in (0, 1):
        texts = run.push(site, swap(run.stream(site), single.streams[row].expand(len(run), -1), basis))
        for each, embedded in zip(
            tests.classified, texts.split([sum(counts) for counts in prompts_of(tests)]), strict=True
        ):
            guess = classify(each.images, embedded, each.prompts)
            hits.setdefault(("accuracy", each.name), []).append(guess == each.labels)
    images = tests.drop("accuracy", able, {key: np.mean(both, axis=0) for key, both in hits.items()})
    assert images.low < images.value < images.high
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        (images.value, images.low, images.high), abs=1e-12
    )


@pytest.mark.slow
def test_the_interval_holds_the_mean_of_many_draws(small: Clip, swaps):
    """Each seed has its own draws, and values vary between seeds as much as the error predicts. The interval of draws
    alone covers the mean of all draws for nearly every seed. The interval that also covers images is wider."""
    tests, part, able = swaps
    rotation = Rotation(random_basis(24, 12, torch.Generator().manual_seed(0)), part.site)
    these_images = OfTheseImages(**vars(tests))
    estimates = [these_images.swap_lost(small, able, part, rotation, seed) for seed in range(60)]
    values, reach = np.array([(estimate.value, estimate.high - estimate.value) for estimate in estimates]).T
    error = np.sqrt(np.mean((reach / 2.365) ** 2))  # t of 7 degrees of freedom
    assert values.std(ddof=1) == pytest.approx(error, rel=0.25)
    assert (np.abs(values - values.mean()) <= reach).mean() >= 0.85
    for seed in range(2):
        wider = tests.swap_lost(small, able, part, rotation, seed)
        assert wider.value == estimates[seed].value
        assert wider.low < estimates[seed].low < estimates[seed].high < wider.high


class OfTheseImages(AbilityTests):
    """Tests whose intervals treat the images as fixed."""

    def drop(self, kind: str, base: Able, tuned: Able) -> Estimate:
        value = super().drop(kind, base, tuned).value
        return Estimate(value, 1, value, value)


def prompts_of(tests: AbilityTests) -> list[tuple[int, ...]]:
    return [task.prompts for task in tests.classified]


@pytest.mark.parametrize("reach", [0.0, 0.03])
def test_an_interval_that_holds_two_errors_is_that_of_the_oracle(reach: float):
    drops = 0.1 + reach * np.array([-1, 0.5, 1, -0.5, 0.25, -0.25, 2, -2])
    estimate = _widened(Estimate(0.1, 9, 0.07, 0.15), _half_width(drops.tolist()))
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
        with_draws((0.1, 0.07, 0.15), drops), abs=1e-12
    )


def test_images_that_two_sets_share_are_resampled_together(small: Clip):
    """Two sets with the same images narrow the interval no more than one set; other images do."""
    pairs = image_features(small, load_pairs("toy", limit=4))  # not used for accuracy
    drawn = np.random.default_rng(0)
    base, tuned = ({("accuracy", name): drawn.random(80) < share for name in "abc"} for share in (0.8, 0.5))
    for able in (base, tuned):
        able["accuracy", "b"] = able["accuracy", "a"]

    def interval(*samples: str) -> float:
        sets = tuple(
            EmbeddedSet(name, (1,), np.zeros(80), torch.zeros(80, 2), sample)
            for name, sample in zip("abc", samples, strict=False)
        )
        tests = AbilityTests(tokenize(small, []), sets, pairs, ())
        keys = {("accuracy", task.name) for task in sets}
        drop = tests.drop("accuracy", *({key: able[key] for key in keys} for able in (base, tuned)))
        return drop.high - drop.low

    assert interval("x", "x") == interval("x")
    assert interval("x", "y") < 0.9 * interval("x")
    assert interval("x", "x", "y") > 0
