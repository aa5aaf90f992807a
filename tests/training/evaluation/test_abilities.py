"""Tests of abilities that are made ready once, against those that an evaluation does for each model."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.clip.blocks import embed_tokens
from interp.clip.image_features import image_features
from interp.clip.model import Clip, embed_texts, tokenize
from interp.data import load_pairs
from interp.data.transfer import TOY_TASKS, load_transfer
from tests.oracles.plain_forward import embed_one_by_one, random_texts
from training.evaluation import tasks
from training.evaluation.abilities import AbilityTests, Classified, ability_tests


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
    """Of the base that the tests were made with, and, sent elsewhere, of a model whose text tower is another."""
    other = replace(small, model=copy.deepcopy(small.model))
    with torch.no_grad():
        for weight in other.model.text_model.parameters():
            weight.mul_(1.2)
    sets, held_out = load_transfer("toy", limit=50), image_features(small, load_pairs("toy", limit=60)).split("test")
    tests = ability_tests(small, sets, "toy", held_out)
    tests = pickle.loads(pickle.dumps(tests))
    found, known = [], []
    for clip in (small, other):
        hits = tests.of(clip)
        able = {key: of.mean() for key, of in hits.items()}
        known.append(hits)
        rows, _ = tasks.transfer(clip, sets)
        shares, _ = tasks.retrieved(clip, "toy", held_out, seed=0)
        expected = {("accuracy", row.of): row.value for row in rows if row.measure == "accuracy"}
        expected |= {("retrieval", kind): share.value for kind, share in shares.items()}
        assert able.keys() == expected.keys()
        np.testing.assert_allclose([able[key] for key in expected], list(expected.values()), atol=1e-12)
        found.append(list(able.values()))
    assert len(found[0]) == len(TOY_TASKS) + 2
    assert found[0] != found[1]
    for kind, values in (("accuracy", slice(0, -2)), ("retrieval", slice(-2, None))):
        drop = tests.drop(kind, *known)
        assert drop.value == pytest.approx(np.mean(found[0][values]) - np.mean(found[1][values]), abs=1e-12)
        assert drop.low < drop.value < drop.high
        none = tests.drop(kind, known[0], known[0])
        assert (none.value, none.low, none.high) == (0, 0, 0)


def test_images_that_two_sets_share_are_resampled_together(small: Clip):
    """The same images twice tell no more than once; other ones do."""
    pairs = image_features(small, load_pairs("toy", limit=4))  # of which nothing is asked
    drawn = np.random.default_rng(0)
    base, tuned = ({("accuracy", of): drawn.random(80) < share for of in "abc"} for share in (0.8, 0.5))
    for able in (base, tuned):
        able["accuracy", "b"] = able["accuracy", "a"]

    def interval(*samples: str) -> float:
        sets = tuple(
            Classified(name, (1,), np.zeros(80), torch.zeros(80, 2), sample)
            for name, sample in zip("abc", samples, strict=False)
        )
        tests = AbilityTests(tokenize(small, []), sets, pairs, ())
        of = {("accuracy", one.name) for one in sets}
        drop = tests.drop("accuracy", *({key: able[key] for key in of} for able in (base, tuned)))
        return drop.high - drop.low

    assert interval("x", "x") == interval("x")
    assert interval("x", "y") < 0.9 * interval("x")
    assert interval("x", "x", "y") > 0
