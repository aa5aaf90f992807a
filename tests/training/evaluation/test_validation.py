"""Measures that choose cells, against loops over pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from interp.clip.image_features import image_features
from interp.clip.model import Clip
from interp.data import load_pairs
from interp.measures import Key
from interp.stats import standard_error
from tests.oracles.plain_forward import embed_one_by_one
from training.evaluation.retrieval import retrieval_losses
from training.evaluation.validation import measure_on_val


@pytest.mark.slow
@pytest.mark.parametrize("limit", [120, 700])  # fewer than 64 val pairs; and two sets of 64 with a remainder
def test_preference_and_retrieval_on_val_are_those_of_a_loop(small: Clip, limit: int):
    pairs = load_pairs("toy", limit=limit).split("val")
    features = image_features(small, pairs)
    texts = {
        kind: embed_one_by_one(small, [getattr(pair, kind) for pair in pairs.pairs])
        for kind in (
            "positive",
            "negative",
        )
    }
    numbers, loss = measure_on_val(small, features, seed=3)
    image = features.embeddings
    hits = [float(image[i] @ texts["positive"][i] > image[i] @ texts["negative"][i]) for i in range(len(pairs))]
    assert numbers[Key("preference_val")].value == pytest.approx(np.mean(hits))
    assert numbers[Key("preference_val_se")].value == pytest.approx(
        standard_error(hits, np.array([pair.group for pair in pairs.pairs]))
    )
    order = np.random.default_rng(3).permutation(len(pairs)).tolist()
    sets = [order[i : i + 64] for i in range(0, len(order), 64)]
    sets = [members for members in sets if len(members) == 64] or sets
    losses = []
    for kind in texts:
        for members in sets:
            for i in members:
                logits = [small.logit_scale * float(image[i] @ texts[kind][j]) for j in members]
                losses.append(math.log(sum(math.exp(logit - logits[members.index(i)]) for logit in logits)))
    assert loss.value == pytest.approx(np.mean(losses), abs=1e-4)
    assert len(losses) == 2 * sum(map(len, sets))


def test_a_perfect_model_loses_nothing_and_a_blind_one_what_chance_costs():
    embeddings = torch.eye(4)
    assert retrieval_losses(embeddings, embeddings, ["a", "a", "b", "b"], 1000.0).tolist() == pytest.approx([0.0] * 4)
    blind = torch.ones(4, 2) / math.sqrt(2)
    expected = [math.log(3)] * 3 + [0.0]
    assert retrieval_losses(blind, blind, ["a", "a", "a", "b"], 50.0).tolist() == pytest.approx(expected, abs=1e-6)
