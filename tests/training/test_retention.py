"""The retention term of a fine-tuning: what it is, and what it keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import embed_texts
from interp.data import load_pairs
from interp.subspaces.losses import contrastive_loss
from tests.training.finetuning import interrupted, run, weights
from training import loop, objectives
from training.retention import mean_retention, retention_loss

FEW = ["--objective", "behavioral", "--limit", "300", "--max-steps", "40", "--look-every", "20"]
RETAIN = 2.0


def unit(rows: int, generator: torch.Generator) -> Tensor:
    return functional.normalize(torch.randn(rows, 16, generator=generator, dtype=torch.float64), dim=-1)


def plain(images: Tensor, texts: Tensor, scale: float) -> float:
    """Return the mean over images and texts of both kinds of choosing the own partner among all."""
    own, chosen = torch.arange(len(images)), []
    for half in texts.chunk(2):
        logits = scale * images @ half.T
        chosen += [functional.cross_entropy(logits, own), functional.cross_entropy(logits.T, own)]
    return float(sum(chosen)) / 4


def test_a_contrastive_loss_is_the_mean_of_both_cross_entropies(generator: torch.Generator):
    logits = torch.randn(3, 2, 5, 5, generator=generator, dtype=torch.float64)
    found = contrastive_loss(logits)
    assert found.shape == (3, 2)
    own = torch.arange(5)
    for i in range(3):
        for j in range(2):
            each = functional.cross_entropy(logits[i, j], own), functional.cross_entropy(logits[i, j].T, own)
            torch.testing.assert_close(found[i, j], sum(each) / 2)
    right = 9 * torch.eye(4)
    assert float(contrastive_loss(right)) < 1e-2 < 3 < float(contrastive_loss(right.roll(1, 0)))


def test_pairs_of_val_compete_in_batches_of_256(generator: torch.Generator):
    images, texts = unit(300, generator), unit(600, generator)
    parts = [
        (rows, plain(images[rows], texts[torch.cat([rows, rows + 300])], 3.0)) for rows in torch.arange(300).split(256)
    ]
    wanted = sum(len(rows) * loss for rows, loss in parts) / 300
    assert mean_retention(images, texts, 3.0) == pytest.approx(wanted, rel=1e-12)
    assert plain(images, texts, 3.0) != pytest.approx(wanted, rel=1e-3)


def test_logits_are_not_rounded_to_half_precision(generator: torch.Generator):
    images, texts = unit(8, generator).float(), unit(16, generator).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = retention_loss(images, texts, 100.0)
    assert float(found) == pytest.approx(plain(images, texts.float(), 100.0), rel=1e-5)


@pytest.mark.slow
def test_a_fine_tuning_with_retention_keeps_more_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The weights are those of the look with the lowest sum of both losses; a run goes on to the same bits."""
    retained = [*FEW, "--retain", str(RETAIN)]
    assert run("--out", str(tmp_path / "retained"), *retained) == 0
    with monkeypatch.context() as patcher:
        patcher.setattr(loop, "_step", interrupted(loop._step, 25))
        assert run("--out", str(tmp_path / "again"), *retained) == 130
    assert run("--out", str(tmp_path / "again"), *retained, "--resume") == 0
    assert weights(tmp_path / "again") == weights(tmp_path / "retained")
    for module, name in ((objectives, "retention_loss"), (loop, "mean_retention")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("a weight of 0 computes no retention"))
    assert run("--out", str(tmp_path / "free"), *FEW) == 0
    lost, val = {}, load_pairs("toy", limit=300).split("val")
    for name, weight in (("retained", RETAIN), ("free", 0.0)):
        clip = load_clip(str(tmp_path / name), trust=True)
        images, texts = image_features(clip, val).embeddings, embed_texts(clip, val.texts)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert manifest["settings"]["retain"] == weight
        result, history = manifest["result"], pd.read_csv(tmp_path / name / "history.csv")
        lost[name] = plain(images, texts, clip.logit_scale)
        positive, negative = (images.repeat(2, 1) * texts).sum(-1).mul(clip.logit_scale).chunk(2)
        behavioral = float(functional.softplus(negative - positive).mean())
        assert result["val_loss"] == pytest.approx(behavioral + weight * lost[name], rel=1e-4)
        assert ("retention" in history) == (name == "retained")
        assert history["preference"].iloc[-1] > history["preference"][0] + 0.1
    assert lost["retained"] < lost["free"] - 0.05
    assert json.loads((tmp_path / "retained" / "manifest.json").read_text())["result"]["retention"] == pytest.approx(
        lost["retained"], rel=1e-4
    )
