"""Pairs that an evaluation attributes, keeps as examples and refers to."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interp.attribution.sampling import attributed_pairs
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_images
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.norms import load_norms
from interp.runs.examples import EXAMPLES, picture_path, read_examples
from interp.runs.folder import RunFolder
from interp.subspaces.rotation import Rotation, random_basis
from tests.oracles.plain_forward import (
    embed_one_by_one,
)
from tests.run_folders import FIELDS, kept
from tests.training.evaluation.evaluating import of_test, run, run_rotation, table
from training.config import EvaluateConfig
from training.evaluation import model_evaluation
from training.evaluation.aligned_subspace import AlignedSubspace
from training.evaluation.evaluated_model import EvaluatedModel
from training.evaluation.loaded_model import EvaluatedPairs
from training.evaluation.tasks.norms import norms as task_norms

pytestmark = pytest.mark.slow


def test_the_pairs_that_are_attributed_are_drawn(lora: Path, done: Path, tmp_path: Path):
    """Pairs with rated words in both texts are drawn by the seed; they are not the first pairs."""
    tuned, held_out, norms = load_clip(str(lora), trust=True), of_test(lora), load_norms("imageability,concreteness")
    drawn, _ = attributed_pairs(tuned, held_out, norms, 4, 0)
    assert drawn != list(range(4))
    _, words = task_norms(tuned, held_out.take(drawn), run_rotation(lora), norms, n_steps=3)
    there = kept(RunFolder(done).cell_path("norms"))["details"]["words"]
    assert there["full"].keys() == words["full"].keys()
    assert there["through"] == pytest.approx(words["through"], abs=1e-6)
    assert run("--model", str(lora), "--tasks", "norms", "--seed", "1", "--out", str(tmp_path / "out")) == 0
    assert (
        kept(RunFolder(tmp_path / "out").cell_path("norms"))["details"]["words"]["full"].keys() != words["full"].keys()
    )


def test_attributions_are_of_the_last_split_that_was_asked_for(model: str, concadia: Path, tmp_path: Path):
    data = ["--data", f"concadia:{concadia}", "--split", "val"]
    pairs = load_pairs(f"concadia:{concadia}", split="val")
    rated = {word for norm in load_norms("imageability,concreteness") for word in norm.ratings}
    counts = {
        name: sum(
            all(rated & set(text.split()) for text in (pair.positive, pair.negative))
            for pair in pairs.split(name).pairs
        )
        for name in ("train", "val", "test")
    }
    assert len(set(counts.values())) > 1
    for splits, last in (("val,train", "val"), ("train", "train"), ("test,val", "test")):
        out = tmp_path / splits
        arguments = ["--model", model, *data, "--tasks", "norms", "--attributed", "99", "--splits", splits]
        assert run(*arguments, "--out", str(out)) == 0
        assert table(out).loc["norms", "attributions", "attribution_delta"]["n"] == 2 * counts[last]


def test_examples_are_the_first_held_out_pairs_with_their_scores(lora: Path, done: Path):
    folder = RunFolder(done)
    shown = read_examples(folder)
    test = load_pairs("toy", limit=60).split("test").pairs[:EXAMPLES]
    assert [(example.id, example.negative) for example in shown] == [(pair.id, pair.negative) for pair in test]
    scored = kept(folder.cell_path("preference"))["details"]["examples"]
    assert [example["id"] for example in scored] == [pair.id for pair in test]
    tuned = load_clip(str(lora), trust=True)
    images = embed_images(tuned, [load_pairs("toy").open_image(pair) for pair in test])
    for kind in ("description", "caption"):
        expected = (images * embed_one_by_one(tuned, [getattr(pair, FIELDS[kind]) for pair in test])).sum(-1)
        np.testing.assert_allclose([example[FIELDS[kind]] for example in scored], expected.numpy(), atol=1e-5)
    pictures = [Image.open(io.BytesIO(picture_path(folder, example).read_bytes())) for example in shown]
    assert [picture.size for picture in pictures] == [(64, 64)] * EXAMPLES


def test_the_pairs_that_evidence_refers_to_are_drawn_at_random(small: Clip, monkeypatch: pytest.MonkeyPatch):
    every = load_pairs("toy", limit=60)
    features = image_features(small, every)
    rotation = Rotation(random_basis(24, 7, torch.Generator().manual_seed(0)), Site("text", 3))
    train = [pair.id for pair in every.pairs if pair.split == "train"]

    def drawn(seed: int, most: int) -> list[str]:
        monkeypatch.setattr(model_evaluation, "REFERENCE", most)
        config, aligned = EvaluateConfig(seed=seed), AlignedSubspace(rotation, "random", seed)
        on = EvaluatedPairs(config, EvaluatedModel("toy", {}, {}), small, "toy", features, aligned)
        reference, notes = model_evaluation._reference(on, every)
        assert reference is not None
        assert notes == []
        torch.testing.assert_close(
            reference.embeddings, features.take([every.pairs.index(p) for p in reference.pairs]).embeddings
        )
        return [pair.id for pair in reference.pairs]

    assert drawn(0, len(train)) == drawn(1, 2048) == train
    chosen = drawn(0, 10)
    assert chosen == drawn(0, 10) == [name for name in train if name in chosen]
    assert len(set(chosen)) == 10
    assert len({tuple(names) for names in (chosen, drawn(1, 10), train[:10])}) == 3
