"""Task `domains`: preferences on further data sets, compared with words alone."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import embed_texts, scores
from interp.data import load_pairs
from interp.data.word_rules import bayes_hits
from interp.stats import Estimate, preference
from tests.training.evaluation.evaluating import run, table
from tests.wording import refused
from training.evaluation.tasks import domains

SEVERAL = "toy,toy:charts"
SMALL = ("--limit", "60", "--out")


def write(path: Path) -> Path:
    """Write pairs; every third pair has a description that is longer than the context of a model."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "description", "caption", "group"])
        for i in range(24):
            description = f"an image of thing number {i}" + " of the market and the town" * (20 if i % 3 == 0 else 1)
            writer.writerow([f"{i}.png", description, f"story {i} as told", f"group {i // 2}"])
    return path


@pytest.fixture(scope="module")
def texts_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pairs of texts without images."""
    return write(tmp_path_factory.mktemp("texts") / "unseen.csv")


@pytest.fixture(scope="module")
def with_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the same pairs with images."""
    folder, rng = tmp_path_factory.mktemp("seen"), np.random.default_rng(0)
    for i in range(24):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return write(folder / "seen.csv")


@pytest.fixture(scope="module")
def evaluation(lora: Path, texts_only: Path, with_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("domains") / "out"
    data = f"{SEVERAL},csv:{texts_only},csv:{with_images}"
    assert run("--model", str(lora), "--tasks", "preference,domains", "--data", data, *SMALL, str(out)) == 0
    return out


def rows(folder: Path) -> pd.DataFrame:
    return table(folder).loc["domains"]


def test_preferences_are_those_of_the_scores_and_words_are_learnt_on_the_first_data(evaluation: Path, lora: Path):
    clip, frame = load_clip(str(lora), trust=True), rows(evaluation)
    pairs = load_pairs("toy:charts", limit=60).split("test")
    features = image_features(clip, pairs)
    positive, negative = scores(features.embeddings.repeat(2, 1), embed_texts(clip, features.texts)).reshape(2, -1)
    hits = preference(positive.numpy(), negative.numpy())
    words = bayes_hits(load_pairs("toy", limit=60).pairs, pairs.pairs)
    assert frame.loc[("toy:charts", "preference"), "value"] == hits.mean()
    assert frame.loc[("toy:charts", "words of the first data"), "value"] == words.mean()
    beyond = frame.loc[("toy:charts", "beyond words of the first data")]
    assert beyond["value"] == pytest.approx((hits - words).mean())
    first = frame.loc[("toy", "preference"), "value"]
    assert first == table(evaluation).loc[("preference", "test", "preference"), "value"]
    loss = frame.loc[("toy:charts", "loss")]
    assert loss["value"] == pytest.approx(first - hits.mean())
    assert ("toy", "loss") not in frame.index


def test_the_first_data_are_not_judged_by_words_of_their_own_test_pairs(evaluation: Path):
    pairs = load_pairs("toy", limit=60)
    test = pairs.split("test").pairs
    groups = {pair.group for pair in test}
    learnt = [pair for pair in pairs.pairs if pair.group not in groups]
    expected = bayes_hits(learnt, test).mean()
    assert rows(evaluation).loc[("toy", "words of the first data"), "value"] == expected


def test_z_of_the_first_data_is_used_on_the_others(evaluation: Path):
    charts = rows(evaluation).loc["toy:charts"]
    assert {"iia_c2d", "iia_d2c", "iia_random_c2d", "r2_own", "neutral_preference"} <= set(charts.index)
    assert charts.loc["iia_c2d", "value"] != charts.loc["iia_random_c2d", "value"]
    first = rows(evaluation).loc["toy"]
    for name in ("iia_c2d", "r2_own", "neutral_preference", "retrieval caption"):
        lost = first.loc[name, "value"] - charts.loc[name, "value"]
        assert charts.loc[f"loss of {name}", "value"] == pytest.approx(lost)
    assert {"retrieval description", "retrieval caption"} <= set(charts.index)


def test_texts_without_images_are_compared_by_words(evaluation: Path, texts_only: Path):
    frame = rows(evaluation)
    name = next(label for label in frame.index.get_level_values("of").unique() if label.endswith(texts_only.name))
    alone = frame.loc[name]
    assert not {"preference", "loss", "retrieval caption", "iia_c2d"} & set(alone.index)
    assert alone.loc["description cut", "value"] == pytest.approx(8 / 24)
    assert alone.loc["caption cut", "value"] == 0.0
    assert alone.loc["own words", "value"] == 1.0
    assert alone.loc["own words, no templates", "value"] < 1.0
    assert alone.loc["longer text", "value"] == 1.0


def test_pairs_that_are_read_whole_are_compared_again(evaluation: Path):
    frame = rows(evaluation)
    (name,) = (label for label in frame.index.get_level_values("of").unique() if label.endswith("/seen.csv"))
    seen = frame.loc[name]
    assert (seen.loc["preference", "n"], seen.loc["preference, nothing cut", "n"]) == (24, 16)
    value = seen.loc["preference, nothing cut", "value"] - seen.loc["words of the first data, nothing cut", "value"]
    assert seen.loc["beyond words of the first data, nothing cut", "value"] == pytest.approx(value)


def test_models_stand_side_by_side(evaluation: Path, model: str, tmp_path: Path, capsys):
    base = tmp_path / "base"
    assert run("--model", model, "--tasks", "preference,domains", "--data", SEVERAL, *SMALL, str(base)) == 0
    capsys.readouterr()
    assert run("--compare", str(base), "--out", str(tmp_path / "tables")) == 0
    assert "table4" in capsys.readouterr().out
    frame = pd.read_csv(tmp_path / "tables" / "table4.csv")
    assert {"toy", "toy:charts", "toy:charts loss", "toy:charts beyond words"} <= set(frame.columns)
    assert frame["toy:charts"].iloc[0] == rows(base).loc[("toy:charts", "preference"), "value"]
    named = frame.set_index("model")["toy:charts"]
    for rule in ("longer text", "words of the first data", "own words, no templates"):
        assert named[rule] == rows(base).loc[("toy:charts", rule), "value"]


def test_a_sentence_says_what_a_preference_shows(lora: Path, tmp_path: Path, capsys):
    out = str(tmp_path / "out")
    assert run("--model", str(lora), "--tasks", "domains", "--data", SEVERAL, *SMALL, out) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: toy:charts:")]
    assert len([line for line in lines if "words" in line]) == 1
    words = np.array([1.0, 0.0])
    sentences = {
        end: domains._sentence("x", Estimate(0.6, 9), Estimate(0.1, 9, *ends), words)
        for end, ends in {
            "the preference exceeds these words": (0.05, 0.15),
            "shows nothing about images": (-0.05, 0.25),
            "too few articles to tell whether the preference exceeds these words": (math.nan, math.nan),
        }.items()
    }
    assert all(sentence.endswith(end) for end, sentence in sentences.items())
    start = "x: preference 60.0 %, by words of the first data 50.0 %"
    assert all(sentence.startswith(start) for sentence in sentences.values())


def test_what_cannot_be_compared_is_one_line(model: str, capsys, tmp_path: Path):
    out = ("--out", str(tmp_path / "out"))
    refused(run("--model", model, "--tasks", "domains", "--data", "toy", *out), capsys, "--data")
    refused(run("--model", model, "--data", "toy,csv:none.csv", *out), capsys, "none.csv")
    refused(run("--model", model, "--data", "toy,charts", *out), capsys, "toy,charts")
    refused(run("--model", model, "--data", "toy,toy", "--tasks", "domains", *out), capsys, "toy")
    kinds = ("--kinds", "good,bad")
    table = tmp_path / "ab.csv"
    table.write_text("image,good,bad\n1.png,a,b\n2.png,c,d\n3.png,e,f\n4.png,g,h\n")
    refused(run("--model", model, "--data", f"csv:{table},toy", *kinds, "--tasks", "domains", *out), capsys, "toy")
    assert not (tmp_path / "out").exists()
