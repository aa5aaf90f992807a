"""Choice of pairs by a rule, with weights that undo the rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.studies.sampling import LEAST, MOST, STRATA, choose_pairs, disagreement_order, usual_weights


def test_pairs_on_which_models_prefer_different_texts_come_first():
    gaps = np.array([[0.3, -0.1, 0.2, 0.5], [0.3, 0.1, -0.4, 0.1]])  # models x pairs
    order = disagreement_order(np.stack([gaps, np.zeros_like(gaps)], axis=1)).tolist()
    assert order[:2] == [2, 1]  # signs differ; the spread of pair 2 is larger
    assert order[2:] == [3, 0]


@given(st.integers(3, 60), st.integers(3, 120), st.integers(0, 5))
def test_weights_sum_to_the_pairs_and_no_pair_comes_twice(n: int, total: int, seed: int):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(2, 2, total))
    chosen = choose_pairs(scores, n, rng)
    assert len(chosen) == min(n, total) == len({pair.pair for pair in chosen})
    assert sum(pair.weight for pair in chosen) == pytest.approx(total)
    rank = {pair: place for place, pair in enumerate(disagreement_order(scores))}
    outer = max(1, round(total / 4))
    for pair in chosen:
        assert (pair.stratum == MOST) == (rank[pair.pair] < outer)
        assert (pair.stratum == LEAST) == (rank[pair.pair] >= max(outer, total - outer))


def test_a_quarter_goes_to_each_end_and_a_half_to_all():
    rng = np.random.default_rng(0)
    chosen = choose_pairs(rng.normal(size=(3, 2, 400)), 64, rng)
    assert [sum(pair.stratum == name for pair in chosen) for name in STRATA] == [24, 16, 24]
    assert [pair.weight for pair in chosen] == usual_weights(64, 400)
    assert sum(usual_weights(64)) == pytest.approx(6400)


def test_weighted_means_are_unbiased_and_plain_ones_are_not():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(1, 2, 100)) + 0.3 * rng.normal(size=(2, 2, 100))
    differ = np.sign(scores[0, 0] - scores[0, 1]) != np.sign(scores[1, 0] - scores[1, 1])
    weighted, plain = [], []
    for _ in range(400):
        chosen = choose_pairs(scores, 15, rng)
        values = np.array([differ[pair.pair] for pair in chosen], dtype=float)
        weighted.append(np.average(values, weights=[pair.weight for pair in chosen]))
        plain.append(values.mean())
    error = np.std(weighted) / np.sqrt(400)
    assert abs(np.mean(weighted) - differ.mean()) < 4 * error
    assert abs(np.mean(plain) - differ.mean()) > 0.05


def test_fewer_than_three_pairs_are_refused():
    with pytest.raises(ValueError, match="3"):
        choose_pairs(np.zeros((2, 2, 9)), 2, np.random.default_rng(0))
