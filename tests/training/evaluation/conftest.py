"""Models, runs, ratings and pairs that tests of evaluations share."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interp.clip.image_features import image_features
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.blv import QUESTIONS
from interp.data.pairs import Pair
from interp.subspaces.rotation import Rotation, random_basis
from tests.oracles.plain_forward import (
    random_texts,
)
from tests.training.evaluation.evaluating import run, tune


@pytest.fixture(autouse=True)
def shared_cache(own_cache: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Share one cache among the tests, to save time; cached files are found by their content."""
    monkeypatch.setenv("CLIP_DESCRIPTIONS_CACHE", str(tmp_path_factory.getbasetemp() / "images"))


@pytest.fixture(scope="session")
def model(small: Clip) -> str:
    return small.name


@pytest.fixture(scope="session")
def lora(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train an IIT-DAS run on 60 pairs of the toy world."""
    return tune(model, tmp_path_factory.mktemp("lora") / "run", "--limit", "60", "--seed", "1")


@pytest.fixture(scope="session")
def full(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a behavioral run of all weights."""
    out = tmp_path_factory.mktemp("full") / "run"
    return tune(model, out, "--limit", "60", "--objective", "behavioral", "--tuning", "full")


@pytest.fixture(scope="session")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write ratings of 15 texts of 5 images by 3 people each, in the published format, with missing ratings."""
    folder, rng = tmp_path_factory.mktemp("blv"), np.random.default_rng(0)
    (folder / "images").mkdir()
    for i in range(5):
        picture = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(picture).resize((80, 70)).save(folder / "images" / f"image {i}.png")
    rows = [["context", "description", "imgstem", *QUESTIONS.values()]]
    for number, text in enumerate(random_texts(15, seed=3)):
        for _ in range(3):
            answers = [str(rating) if rng.random() < 0.9 else "NA" for rating in rng.integers(1, 6, 4)]
            rows.append([f"Article {number % 3}", f"{number}: {text}", f"image {number % 5}", *answers])
    with (folder / "blv_ratings.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="session")
def concadia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 48 pairs in 24 articles, all of one split, like the published sample."""
    folder, rng = tmp_path_factory.mktemp("concadia"), np.random.default_rng(0)
    (folder / "resized").mkdir()
    items = []
    for i, (description, caption) in enumerate(zip(random_texts(48, seed=1), random_texts(48, seed=2), strict=True)):
        Image.fromarray(rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)).save(folder / "resized" / f"{i}.jpg")
        texts = {"description": {"raw": description}, "caption": {"raw": caption}}
        items.append({"article_id": f"A{i // 2}", "filename": f"{i}.jpg", "split": "val", **texts})
    (folder / "wiki_split.json").write_text(json.dumps({"images": items}))
    return folder


@pytest.fixture(scope="session")
def done(lora: Path, ratings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluate the LoRA run on the default tasks."""
    out = tmp_path_factory.mktemp("evaluation") / "lora"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert run("--model", str(lora), "--blv", str(ratings), "--out", str(out)) == 0
    return out


@pytest.fixture(scope="session")
def rotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("rotations"), torch.Generator().manual_seed(0)
    for name, width, site in (
        ("wide", 32, Site("text", 3)),
        ("deep", 24, Site("text", 9)),
        ("seen", 32, Site("vision", 2)),
        ("mlp", 24, Site("text", 3, "mlp")),
    ):
        Rotation(random_basis(width, 4, draw), site).save(folder / f"{name}.safetensors")
    Rotation(random_basis(24, 4, draw), Site("text", 3)).save(folder / "right.safetensors")
    return folder


@pytest.fixture(scope="session")
def world(small: Clip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Pair], torch.Tensor]]:
    """Yield held-out toy pairs and the embeddings of their images."""
    pairs = load_pairs("toy", limit=60)
    kept = replace(pairs, pairs=tuple(pair for pair in pairs.pairs if pair.split != "train"))
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(tmp_path_factory.mktemp("world")))
        yield list(kept.pairs), image_features(small, kept).embeddings
