"""Differences of correlations with readers: people and images are resampled."""

from __future__ import annotations

import math

import numpy as np
import pytest

from interp.stats import independent_difference, pearson, student, wilson
from interp.stats.two_way import two_way_difference, two_way_jackknife


def world(rng: np.random.Generator, images: int = 18, people: int = 16, readers: int = 4):
    """Crossed design with the variances that the published ratings have: people .144, texts .455, rest 1.104."""
    groups = np.repeat(np.arange(images), 4)
    n = len(groups)
    quality = np.sqrt(0.2275) * (rng.normal(size=images)[groups] + rng.normal(size=n))
    leniency = np.sqrt(0.144) * rng.normal(size=people)
    standard = quality / np.sqrt(0.455)
    x, other = (weight * standard + np.sqrt(1 - weight**2) * rng.normal(size=n) for weight in (0.5, 0.2))
    chosen = [rng.choice(people, readers, replace=False) for _ in range(n)]
    ratings = [
        (quality[i] + leniency[own] + np.sqrt(1.104) * rng.normal(size=readers)).tolist()
        for i, own in enumerate(chosen)
    ]
    return x, other, ratings, [[str(reader) for reader in own] for own in chosen], [str(group) for group in groups]


@pytest.mark.slow
def test_intervals_hold_the_difference_that_other_people_and_images_would_show():
    """Seen with 300 worlds: 98 %. The interval is known to be rather too wide (Owen 2007)."""
    rng = np.random.default_rng(0)
    x, other, ratings, _, _ = world(rng, images=8000, people=200)
    means = [np.mean(values) for values in ratings]
    truth = pearson(x, means) - pearson(other, means)
    found = [two_way_difference(*world(rng), draws=150, seed=number) for number in range(120)]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.93
    spread = np.std([one.value for one in found])
    assert np.mean([one.high - one.low for one in found]) < 2 * 3.2 * spread  # yet not so wide that they say nothing


def test_the_value_is_the_plain_difference_and_a_metric_does_not_differ_from_itself():
    x, other, ratings, people, images = world(np.random.default_rng(1))
    means = [np.mean(values) for values in ratings]
    found = two_way_difference(x, other, ratings, people, images, draws=50)
    assert found.value == pytest.approx(pearson(x, means) - pearson(other, means), abs=1e-12)
    assert (found.n, found.low < found.value < found.high) == (72, True)
    same = two_way_difference(x, x, ratings, people, images, draws=50)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_a_third_variable_is_held():
    x, other, ratings, people, images = world(np.random.default_rng(2))
    means = np.array([np.mean(values) for values in ratings])
    third = np.random.default_rng(3).normal(size=len(x))
    design = np.stack([np.ones(len(third)), third], 1)
    kept = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (x, other, means)]
    held = two_way_difference(x, other, ratings, people, images, given=third, draws=50)
    assert held.value == pytest.approx(pearson(kept[0], kept[2]) - pearson(kept[1], kept[2]), abs=1e-9)


def test_few_people_give_no_interval_and_missing_ratings_are_left_out():
    x, other, ratings, people, images = world(np.random.default_rng(4), people=6)
    assert math.isnan(two_way_difference(x, other, ratings, people, images).low)
    x, other, ratings, people, images = world(np.random.default_rng(5))
    ratings[0] = [math.nan] * 4
    assert two_way_difference(x, other, ratings, people, images, draws=50).n == 71
    with pytest.raises(ValueError, match="one length"):
        two_way_difference(x[1:], other, ratings, people, images)


def test_a_difference_of_two_samples_has_the_published_interval():
    """Newcombe 1998, table II (a): 56 of 70 against 48 of 80, method 10 gives .0524 to .3339."""
    found = independent_difference(wilson(56, 70), wilson(48, 80))
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)


def test_the_jackknife_of_a_mean_is_the_two_way_formula():
    rng = np.random.default_rng(0)
    people, items = (np.repeat(np.arange(9), 12), np.tile(np.arange(12), 9))
    values = rng.normal(size=108) + rng.normal(size=9)[people] + rng.normal(size=12)[items]

    def mean(weights: np.ndarray) -> np.ndarray:
        return np.array([weights @ values / weights.sum()])

    (found,) = two_way_jackknife(mean, [f"p{one}" for one in people], [f"i{one}" for one in items])
    left = values - values.mean()
    sums = [np.bincount(codes, left) / 108 for codes in (people, items)]
    # leaving out one of G equal groups moves the mean by G / (G - 1) times its sum
    variance = sum(len(each) / (len(each) - 1) * each @ each for each in sums) - 108 / 107 * (left @ left) / 108**2
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.value == pytest.approx(student(8) * np.sqrt(variance))


def test_few_people_give_the_jackknife_no_interval():
    (found,) = two_way_jackknife(
        lambda weights: np.array([weights.sum()]), ["a", "b"] * 20, [str(i) for i in range(40)]
    )
    assert (found.value, math.isnan(found.low)) == (40.0, True)
    with pytest.raises(ValueError, match="one length"):
        two_way_jackknife(lambda weights: weights, ["a"], [])
