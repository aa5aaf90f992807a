"""Retention term of a fine-tuning: its equation and its effect."""

from __future__ import annotations

import json
import math
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
from interp.errors import UserError
from interp.subspaces.losses import contrastive_loss
from tests.training.finetuning import interrupted, run, weights
from tests.wording import raises
from training import loop, losses
from training.config import FinetuneConfig, check
from training.retention import mean_retention, retention_loss

RETAIN = 3.0


def unit(rows: int, generator: torch.Generator) -> Tensor:
    return functional.normalize(torch.randn(rows, 16, generator=generator, dtype=torch.float64), dim=-1)


def plain(images: Tensor, texts: Tensor, scale: float) -> float:
    """Return the mean cross-entropy of choosing the partner among all, over images and texts of both kinds."""
    partners, chosen = torch.arange(len(images)), []
    for half in texts.chunk(2):
        logits = scale * images @ half.T
        chosen += [functional.cross_entropy(logits, partners), functional.cross_entropy(logits.T, partners)]
    return float(sum(chosen)) / 4


def test_a_contrastive_loss_is_the_mean_of_both_cross_entropies(generator: torch.Generator):
    logits = torch.randn(3, 2, 5, 5, generator=generator, dtype=torch.float64)
    loss = contrastive_loss(logits)
    assert loss.shape == (3, 2)
    partners = torch.arange(5)
    for i in range(3):
        for j in range(2):
            each = functional.cross_entropy(logits[i, j], partners), functional.cross_entropy(logits[i, j].T, partners)
            torch.testing.assert_close(loss[i, j], sum(each) / 2)
    right = 9 * torch.eye(4)
    assert float(contrastive_loss(right)) < 1e-2 < 3 < float(contrastive_loss(right.roll(1, 0)))


def test_a_weight_is_finite_and_not_negative():
    for weight in (math.inf, math.nan, -1.0):
        with raises(UserError, "--retain", weight):
            check(FinetuneConfig(retain=weight))
    for weight in (None, 0.0, 2.5):
        check(FinetuneConfig(retain=weight))


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
        loss = retention_loss(images, texts, 100.0)
    assert float(loss) == pytest.approx(plain(images, texts.float(), 100.0), rel=1e-5)


@pytest.mark.slow
@pytest.mark.thorough
def test_a_fine_tuning_with_retention_keeps_more_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The loss on val, which selects the weights, includes the term. With a weight of 0 the term is not computed."""
    few = ["--objective", "behavioral", "--limit", "400", "--batch-size", "80", "--lr", "4e-3", "--max-steps", "15"]
    few += ["--look-every", "15"]
    assert run("--out", str(tmp_path / "retained"), *few, "--retain", str(RETAIN)) == 0
    for module, name in ((losses, "retention_loss"), (loop, "mean_retention")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("a weight of 0 computes no retention"))
    assert run("--out", str(tmp_path / "free"), *few) == 0
    lost, val = {}, load_pairs("toy", limit=400).split("val")
    for name, weight in (("retained", RETAIN), ("free", 0.0)):
        clip = load_clip(str(tmp_path / name), trust=True)
        images, texts = image_features(clip, val).embeddings, embed_texts(clip, val.texts)
        positive, negative = (images.repeat(2, 1) * texts).sum(-1).mul(clip.logit_scale).chunk(2)
        behavioral = float(functional.softplus(negative - positive).mean())
        lost[name] = plain(images, texts, clip.logit_scale)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        history = pd.read_csv(tmp_path / name / "history.csv")
        assert manifest["settings"]["retain"] == weight
        assert manifest["result"]["val_loss"] == pytest.approx(behavioral + weight * lost[name], rel=1e-4)
        assert history["preference"][1] > history["preference"][0] + 0.2
        assert manifest["result"]["kept_step"] == 15
        assert ("retention" in history) == (name == "retained")
        assert manifest["result"].get("retention", lost[name]) == pytest.approx(lost[name], rel=1e-4)
    start = pd.read_csv(tmp_path / "retained" / "history.csv")["retention"][0]
    assert lost["retained"] - start < 0.8 * (lost["free"] - start)


@pytest.mark.slow
def test_a_run_with_retention_goes_on_as_if_never_stopped(model: str, tmp_path: Path):
    arguments = ["--model", model, "--retain", str(RETAIN), "--tower", "both", "--max-steps", "6", "--look-every", "3"]
    arguments += ["--checkpoint-every", "2"]
    assert run(*arguments, "--out", str(tmp_path / "whole")) == 0
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(loop, "_step", interrupted(loop._step, 5))
        assert run(*arguments, "--out", str(tmp_path / "again")) == 130
    assert run(*arguments, "--out", str(tmp_path / "again"), "--resume") == 0
    assert weights(tmp_path / "again") == weights(tmp_path / "whole")
    assert run(*arguments, "--out", str(tmp_path / "other"), "--retain", "1") == 0
    assert weights(tmp_path / "other") != weights(tmp_path / "whole")
