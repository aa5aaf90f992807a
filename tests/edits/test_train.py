"""Tests of edit training on clean runs, against plain forward passes in float64 and in planted networks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from interp.clip.edits.edit import Edit
from interp.clip.hooks import capture, patch
from interp.clip.image_features import image_features
from interp.clip.model import Clip, embed_texts, tokenize, unit_texts
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.edits.edited_runs import edited_part
from interp.edits.losses import Batch, Change, edit_losses
from interp.edits.train import EditConfig, chosen, train_edit, train_edits
from interp.stats import preference
from interp.subspaces.calibrated_loss import SwappedLogits, calibration_loss
from interp.subspaces.losses import Objective
from interp.subspaces.outcomes import align
from interp.subspaces.pairs import PairsAtSite, pairs_at
from interp.subspaces.rotation import orthonormal
from tests.agreement import agree
from tests.oracles.planted import CAUSE, CONTENT, Network, planted
from tests.wording import raises

LAYER, SIZE = 2, 3
FAST = EditConfig(max_steps=12, batch_size=16, look_every=4)


@pytest.fixture(scope="module")
def double(toy: Clip) -> Clip:
    return replace(toy, model=copy.deepcopy(toy.model).double())


def leaves(width: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    shapes = ((width, SIZE), (SIZE, width), (SIZE,))
    free, weight, bias = (torch.randn(shape, generator=draw, dtype=torch.float64) / 5 for shape in shapes)
    return free.requires_grad_(), weight.requires_grad_(), bias.requires_grad_()


def test_losses_and_gradients_are_those_of_plain_forward_passes(double: Clip):
    """The oracle runs every text as a whole, with a hook, and computes losses pair by pair."""
    site, pairs = Site("text", 9), load_pairs("toy", limit=40)
    features = image_features(double, pairs).to("cpu")
    features = replace(features, embeddings=features.embeddings.double())
    part, rows = pairs_at(double, features.split("train"), site), torch.tensor([4, 0, 7, 2, 9])
    source, within = torch.tensor([0, 7, 2, 9, 4]), torch.tensor([9, 4, 0, 7, 2])
    free, weight, bias = leaves(double.width("text"))

    def change(h: Tensor) -> Tensor:
        return h + (h @ weight.T + bias) @ orthonormal(free).T

    basis = orthonormal(free)
    batch, nothing = Batch(rows, source, within), Change(lambda h: h, basis.detach())
    ours = edit_losses(part, [Change(change, basis), nothing], batch)
    images, scale, train = part.pairs.targets[rows], double.logit_scale, features.split("train")

    def streams(texts: list[str]) -> Tensor:
        tokens = tokenize(double, texts)
        with capture(double, [site]) as kept:
            unit_texts(double.model, tokens.ids)
        return kept[site][torch.arange(len(texts)), tokens.eot]

    def embedded(texts: list[str], by: Callable[[Tensor], Tensor]) -> Tensor:
        tokens = tokenize(double, texts)
        with patch(double, site, tokens.eot, by):
            return unit_texts(double.model, tokens.ids)

    def logits(kind: str, z: Tensor | None = None) -> Tensor:
        """Return the logits of edited texts, with Z of other edited streams if these are given."""

        def by(h: Tensor) -> Tensor:
            return change(h) if z is None else change(h) + (change(z) - change(h)) @ basis @ basis.T

        return scale * (embedded(texts(kind, rows), by) * images).sum(-1)

    def texts(kind: str, pair_rows: Tensor) -> list[str]:
        return [getattr(train.pairs[row], kind) for row in pair_rows.tolist()]

    clean = {kind: logits(kind) for kind in ("negative", "positive")}
    other = {"negative": "positive", "positive": "negative"}
    across = {kind: logits(kind, streams(texts(other[kind], source))) for kind in clean}
    alike = {kind: logits(kind, streams(texts(kind, within))) for kind in clean}
    middle = torch.stack([streams(texts(kind, rows)).mean(0) for kind in clean]).mean(0)
    empty = {kind: logits(kind, middle.expand(len(rows), -1)) for kind in clean}

    def mean(terms: list[Tensor]) -> Tensor:
        return torch.stack(terms).mean()

    numbers = range(len(rows))
    behavioral = mean([-torch.stack([clean[k][i] for k in clean]).log_softmax(0)[1] for i in numbers])
    picks = {kind: scale * embedded(texts(kind, rows), change) @ images.T for kind in clean}
    retention = mean([-picks[k].log_softmax(way)[i, i] for k in clean for way in (0, 1) for i in numbers])
    winner = {"negative": 1, "positive": 0}  # index into [base, counterfactual]
    iit_das = mean(
        [-torch.stack([clean[k][i], across[k][i]]).log_softmax(0)[winner[k]] for k in clean for i in numbers]
    )
    order = ("negative", "positive")
    tables = [torch.cat([each[kind] for kind in order]) for each in (clean, across, alike, empty)]
    calibration = calibration_loss(SwappedLogits(*tables))
    assert ours.iit_das is not None
    assert ours.calibration is not None
    totals = {
        "behavioral": behavioral,
        "iit-das": iit_das,
        "joint": 0.3 * iit_das + 0.7 * behavioral,
        "iit-das-calibrated": behavioral + iit_das + 0.3 * calibration,
    }
    compared = [(ours.retention[0], retention), (ours.calibration[0], calibration)]
    compared += [(ours.total(name, 0.3)[0], wanted) for name, wanted in totals.items()]  # type: ignore[arg-type]
    for got, wanted in compared:
        agree("edits, training", got, wanted, over=max(1.0, wanted.item()))
        each, plain = (
            torch.autograd.grad(loss, (free, weight, bias), retain_graph=True, allow_unused=True)
            for loss in (got, wanted)
        )
        for mine, theirs in zip(each, plain, strict=True):
            agree("edits, training", mine, theirs, over=max(1.0, theirs.abs().max().item()))
            assert theirs.abs().max() > 1e-5
    won = [(clean["positive"][i] > clean["negative"][i]).float() for i in numbers]
    assert float(ours.preference[0]) == pytest.approx(float(mean(won)))
    assert all(ours.total(name, 0.3)[1] != ours.total(name, 0.3)[0] for name in totals)  # type: ignore[arg-type]
    with raises(ValueError, "joint"):
        edit_losses(part, [nothing], Batch(rows)).total("joint", 0.5)


def test_sources_of_a_batch_are_of_other_articles(double: Clip):
    pairs = image_features(double, load_pairs("toy", limit=60))
    part = pairs_at(double, pairs.split("train"), Site("text", 12))
    rows, draw = torch.arange(5, 25), torch.Generator().manual_seed(0)
    assert Batch.draw(part, rows, "behavioral", "random", draw).source is None
    paired = Batch.draw(part, rows, "joint", "paired", draw)
    assert paired.within is None
    assert paired.source is not None
    assert torch.equal(paired.source, rows)
    drawn = Batch.draw(part, rows, "iit-das-calibrated", "random", draw)
    for chosen_rows in (drawn.source, drawn.within):
        assert chosen_rows is not None
        assert sorted(chosen_rows.tolist()) == rows.tolist()
        assert all(part.pairs.groups[i] != part.pairs.groups[j] for i, j in zip(rows, chosen_rows, strict=True))


def won(part: PairsAtSite, edit: Edit) -> float:
    embedded = part.pairs.run.push(part.site, edit(part.streams))
    positive, negative = (embedded * part.pairs.targets).sum(-1).reshape(2, -1)
    return float(preference(positive.numpy(), negative.numpy()).mean())


@pytest.mark.slow
def test_an_edit_makes_a_preference_where_the_kinds_can_be_told():
    """The network does not read the mark of the kinds until the edit writes it where the score is read."""
    train, val, test = planted("neither")
    nothing = Edit(
        "direft", train.site, {"rows": torch.eye(16)[:1], "weight": torch.zeros(1, 16), "bias": torch.zeros(1)}
    )
    assert won(test, nothing) == pytest.approx(0.5, abs=0.06)
    edit = train_edit(train, val, 1, config=EditConfig(max_steps=200))
    assert won(test, edit) >= 0.95
    assert isinstance(train.pairs.run, Network)
    moved = (edit(test.streams) - test.streams) @ train.pairs.run.axes
    assert moved[:, CAUSE].abs().mean() > 5 * moved[:, :CONTENT].abs().mean()


@pytest.mark.slow
def test_several_edits_side_by_side_are_those_of_each_alone(small: Clip):
    pairs = image_features(small, load_pairs("toy", limit=120))
    train, val = (pairs_at(small, pairs.split(name), Site("text", LAYER)) for name in ("train", "val"))
    weights = (0.0, 1.0)
    trained = train_edits(train, val, [1, SIZE], retain=weights, config=FAST)
    edits = [each.edit for each in trained]
    assert [(edit.size, edit.facts["retain"]) for edit in edits] == [(k, w) for k in (1, SIZE) for w in weights]
    for edit in edits:
        (alone,) = train_edits(train, val, [edit.size], retain=[edit.facts["retain"]], config=FAST)
        torch.testing.assert_close(alone.edit(val.streams), edit(val.streams), atol=2e-4, rtol=0)
    again = train_edits(train, val, [1, SIZE], retain=weights, config=FAST)
    assert again[3].edit.fingerprint == edits[3].fingerprint
    assert max(edit.facts["step"] for edit in edits) > 0
    best = chosen(trained)
    costs = [edit.facts["val_loss"] + edit.facts["val_retention_rise"] for edit in edits]
    assert best is trained[costs.index(min(costs))]
    assert [look.step for look in best.history] == [0, 4, 8, 12]
    assert best.look in best.history
    embedded = embed_texts(best.edit.apply(small), pairs.split("val").texts)
    clean = val.pairs.run.push(val.site, best.edit(val.streams))
    torch.testing.assert_close(embedded, clean, atol=1e-6, rtol=0)  # the edited model acts as the trained edit
    positive, negative = (embedded * val.pairs.targets).sum(-1).reshape(2, -1).numpy()
    assert best.look.preference == pytest.approx(preference(positive, negative).mean())
    (still,) = train_edits(train, val, [SIZE], retain=[0.0], config=replace(FAST, max_steps=0))
    torch.testing.assert_close(still.edit(val.streams), val.streams, atol=1e-5, rtol=0)
    assert still.look.retention_rise == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["iit-das", "joint", "iit-das-calibrated"])
def test_other_objectives_teach_a_preference_or_a_z(objective: Objective):
    """Z of the edit carries the planted cause after training with every objective."""
    train, val, test = planted("neither")
    (trained,) = train_edits(train, val, [1], retain=[0.0], config=EditConfig(objective=objective))
    losses = [look.loss for look in trained.history]
    assert trained.look.loss == min(losses) < losses[0] - 0.1
    assert trained.edit.facts["weight"] == (0.5 if objective == "joint" else 0.1)
    after = edited_part(test, trained.edit)
    outcome = align(after, trained.rotation, sources="random", seed=0)
    assert outcome.iia() > 0.9
    if objective != "iit-das":
        assert won(test, trained.edit) >= 0.95


def test_sizes_that_do_not_fit_are_one_line(small: Clip):
    pairs = image_features(small, load_pairs("toy", limit=40))
    part = pairs_at(small, pairs, Site("text", LAYER))
    with raises(ValueError, 25, 24):
        train_edits(part, part, [25])


def test_a_step_runs_no_text_tower(small: Clip, monkeypatch: pytest.MonkeyPatch):
    pairs = image_features(small, load_pairs("toy", limit=60))
    train, val = (pairs_at(small, pairs.split(name), Site("text", LAYER)) for name in ("train", "val"))
    for module in small.model.modules():
        if isinstance(module, nn.Embedding):
            monkeypatch.setattr(module, "forward", lambda *_: pytest.fail("a text was embedded"))
    config = replace(FAST, objective="iit-das-calibrated")
    assert train_edits(train, val, [1], retain=[1.0], config=config)[0].edit.size == 1
