"""Training of edits on clean runs, against plain forward passes in float64, and in a network whose truth is known."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from interp.clip.edits.edit import Edit
from interp.clip.hooks import patch
from interp.clip.image_features import image_features
from interp.clip.model import Clip, embed_texts, tokenize, unit_texts
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.edits.train import EditConfig, chosen, edit_losses, train_edit, train_edits
from interp.stats import preference
from interp.subspaces.pairs import PairsAtSite, pairs_at
from interp.subspaces.rotation import orthonormal
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
    """Every text runs whole, with a hook; losses are written out pair by pair."""
    site, pairs = Site("text", 9), load_pairs("toy", limit=40)
    features = image_features(double, pairs).to("cpu")
    features = replace(features, embeddings=features.embeddings.double())
    part, rows = pairs_at(double, features.split("train"), site), torch.tensor([4, 0, 7, 2, 9])
    free, weight, bias = leaves(double.width("text"))

    def change(h: Tensor) -> Tensor:
        return h + (h @ weight.T + bias) @ orthonormal(free).T

    ours = edit_losses(part, [change, lambda h: h], rows)
    taken = [features.split("train").pairs[row] for row in rows.tolist()]
    images, scale = part.pairs.targets[rows], double.logit_scale
    embedded = {}
    for kind in ("positive", "negative"):
        tokens = tokenize(double, [getattr(pair, kind) for pair in taken])
        with patch(double, site, tokens.eot, change):
            embedded[kind] = unit_texts(double.model, tokens.ids)
    behavioral, retention = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for i, image in enumerate(images):
        both = torch.stack([scale * image @ embedded[kind][i] for kind in ("negative", "positive")])
        behavioral = behavioral - both.log_softmax(0)[1] / len(rows)
        for texts in embedded.values():
            retention = retention - (scale * texts @ image).log_softmax(0)[i] / 4 / len(rows)
            retention = retention - (scale * images @ texts[i]).log_softmax(0)[i] / 4 / len(rows)
    for got, wanted in ((ours.behavioral[0], behavioral), (ours.retention[0], retention)):
        torch.testing.assert_close(got, wanted, atol=1e-10, rtol=0)
        each, plain = (torch.autograd.grad(one, (free, weight, bias), retain_graph=True) for one in (got, wanted))
        for mine, theirs in zip(each, plain, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-10, rtol=1e-8)
            assert theirs.abs().max() > 1e-5
    assert ours.behavioral[1] != ours.behavioral[0]


def won(part: PairsAtSite, edit: Edit) -> float:
    embedded = part.pairs.run.push(part.site, edit(part.streams))
    positive, negative = (embedded * part.pairs.targets).sum(-1).reshape(2, -1)
    return float(preference(positive.numpy(), negative.numpy()).mean())


@pytest.mark.slow
def test_an_edit_makes_a_preference_where_the_kinds_can_be_told():
    """Nothing reads the mark that tells the kinds, until the edit writes it where the score is read."""
    train, val, test = planted("neither")
    nothing = Edit(
        "direft", train.site, {"rows": torch.eye(16)[:1], "weight": torch.zeros(1, 16), "bias": torch.zeros(1)}
    )
    assert won(test, nothing) == pytest.approx(0.5, abs=0.06)
    edit = train_edit(train, val, 1, config=EditConfig(max_steps=400))
    assert won(test, edit) >= 0.95
    assert isinstance(train.pairs.run, Network)
    moved = (edit(test.streams) - test.streams) @ train.pairs.run.axes
    assert moved[:, CAUSE].abs().mean() > 5 * moved[:, :CONTENT].abs().mean()


@pytest.mark.slow
def test_several_edits_side_by_side_are_those_of_each_alone(small: Clip):
    pairs = image_features(small, load_pairs("toy", limit=120))
    train, val = (pairs_at(small, pairs.split(name), Site("text", LAYER)) for name in ("train", "val"))
    weights = (0.0, 1.0)
    found = train_edits(train, val, [1, SIZE], retain=weights, config=FAST)
    assert [(edit.size, edit.facts["retain"]) for edit in found] == [(k, w) for k in (1, SIZE) for w in weights]
    for edit in found:
        (alone,) = train_edits(train, val, [edit.size], retain=[edit.facts["retain"]], config=FAST)
        torch.testing.assert_close(alone(val.streams), edit(val.streams), atol=2e-4, rtol=0)
    assert train_edits(train, val, [1, SIZE], retain=weights, config=FAST)[3].fingerprint == found[3].fingerprint
    assert max(edit.facts["step"] for edit in found) > 0
    assert chosen(found) is min(found, key=lambda one: one.facts["val_behavioral"] + one.facts["val_retention_rise"])
    model = chosen(found).apply(small)
    embedded = embed_texts(model, pairs.split("val").texts)
    clean = val.pairs.run.push(val.site, chosen(found)(val.streams))
    torch.testing.assert_close(embedded, clean, atol=1e-6, rtol=0)  # what was trained is what the model does
    (still,) = train_edits(train, val, [SIZE], retain=[0.0], config=replace(FAST, max_steps=0))
    torch.testing.assert_close(still(val.streams), val.streams, atol=1e-5, rtol=0)
    assert still.facts["val_retention_rise"] == pytest.approx(0, abs=1e-6)


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
    assert train_edits(train, val, [1], retain=[1.0], config=FAST)[0].size == 1
