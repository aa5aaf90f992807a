"""Draws of a fine-tuning, and their counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interp.clip.image_features import image_features
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.subspaces import losses
from interp.subspaces.rotation import random_basis
from training.batches import Order, examples
from training.config import FinetuneConfig, preset
from training.losses import Learner

pytestmark = pytest.mark.slow


def test_order_is_a_function_of_seed_and_epoch():
    once = Order(n=20, batch_size=6, samples=None, seed=0)
    assert once.per_epoch == 3
    rows = torch.cat(once.epoch(4))
    assert len(set(rows.tolist())) == 18
    assert torch.equal(rows, torch.cat(once.epoch(4)))
    assert not torch.equal(rows, torch.cat(once.epoch(5)))
    assert not torch.equal(rows, torch.cat(Order(20, 6, None, 1).epoch(4)))
    few = Order(n=4, batch_size=6, samples=None, seed=0)
    assert [len(batch) for batch in few.epoch(0)] == [4]


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 9), st.integers(0, 3), st.booleans())
def test_a_sample_is_drawn_once_for_all_epochs(n: int, samples: int, size: int, seed: int, replace: bool):
    order = Order(n, size, samples, seed, replace=replace)
    sample = order.sample.tolist()
    assert len(sample) == (samples if replace else min(samples, n))  # without replacement at most n
    assert set(sample) <= set(range(n))
    if not replace:
        assert len(set(sample)) == len(sample)
    step = min(size, n)
    for number in range(3):
        batches = order.epoch(number)
        assert len(batches) == order.per_epoch == max(1, len(sample) // step)
        taken, left = Counter(torch.cat(batches).tolist()), Counter(sample)
        assert taken <= left  # only pairs of the sample, and none more often
        assert sum(taken.values()) == min(len(sample), order.per_epoch * step)


def test_what_is_drawn_depends_on_the_objective_and_the_seed():
    config = FinetuneConfig(batch_size=12, samples=80, seed=0)
    drawn = Order.of(config, 30)
    assert (drawn.batch_size, len(drawn.sample), drawn.per_epoch) == (6, 40, 6)  # two rows for each pair
    assert max(Counter(drawn.sample.tolist()).values()) > 1
    assert not torch.equal(torch.cat(drawn.epoch(0)), torch.cat(drawn.epoch(1)))
    assert not torch.equal(drawn.sample, Order.of(replace(config, seed=1), 30).sample)
    once = Order.of(replace(config, objective="behavioral"), 30)
    assert sorted(once.sample.tolist()) == list(range(30))
    assert sorted(Order.of(replace(config, samples=None), 30).sample.tolist()) == list(range(30))


def test_a_step_takes_as_many_interventions_as_the_batch_has_rows(small: Clip, monkeypatch: pytest.MonkeyPatch):
    """A batch of 12 has 12 interventions, half in each direction, or the 12 texts of 6 pairs."""
    config = FinetuneConfig(**preset(FinetuneConfig(preset="paper")))
    pairs = load_pairs("toy", limit=60)
    train = examples(small, image_features(small, pairs), "train", frozen=True)
    (rows, *_) = Order.of(config, len(train)).epoch(0)
    seen: list[int] = []
    whole = losses.counterfactual_loss

    def counted(base: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
        seen.append(len(changed))
        return whole(base, changed)

    monkeypatch.setattr(losses, "counterfactual_loss", counted)
    learner = Learner(small, "iit-das", Site("text", 4), random_basis(24, 6, torch.Generator()), 0.5)
    tokens = train.tokens.take(torch.cat([rows, rows + len(train)]))
    assert len(tokens) == 12
    learner(tokens.ids, tokens.eot, train.images(small, rows), torch.arange(len(rows)))
    assert seen == [12]
