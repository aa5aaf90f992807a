"""Evaluation of scores from a file, with published scores among them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from interp.data import load_pairs
from tests.training.evaluation.evaluating import run, table
from tests.wording import refused
from training import evaluate

pytestmark = pytest.mark.slow


def test_the_published_scores_agree_with_readers_as_published(published: Path, tmp_path: Path, capsys):
    """Golden: Kreiss et al. 2022. The correlation of text length with overall ratings is far higher."""
    blv, out = published / "blv", tmp_path / "out"
    arguments = ["--tasks", "blv", "--scores", str(blv / "reference_clipscores.csv"), "--blv", str(blv)]
    assert evaluate.main([*arguments, "--out", str(out)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for question, r in {"overall": 0.075, "imaginability": 0.105, "relevance": 0.085, "irrelevance": 0.089}.items():
        (row,) = [line for line in lines if line[:3] == ["blv", question, "pearson"] and line[3][0] in "+-"]
        assert (float(row[3]), row[-1]) == (r, "68")
        number = table(out).loc["blv", question, "pearson"]
        assert round(number["value"], 3) == r
        assert number["low"] < r < number["high"]
    length = table(out).loc["blv", "overall", "pearson of length"]
    assert (round(length["value"], 2), length["n"]) == (0.57, 68)
    assert "than the other" not in (out / "results.csv").read_text()
    frame = table(out).loc["blv"]
    ceilings = {"overall": 0.770, "imaginability": 0.747, "relevance": 0.699, "irrelevance": 0.437}
    for question, ceiling in ceilings.items():
        assert frame.loc[(question, "ceiling"), "value"] == pytest.approx(ceiling, abs=6e-4)
        assert frame.loc[(question, "reliability"), "value"] == pytest.approx(ceiling**2, abs=1e-3)
    order = {name: frame.loc[("overall", f"order within images{name}")] for name in ("", " of length")}
    assert [(round(row["value"], 3), row["n"]) for row in order.values()] == [(0.538, 91), (0.780, 91)]
    assert evaluate.main(["--compare", str(out)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "overall 0.77, imaginability 0.75, relevance 0.70, irrelevance 0.44" in shown


def test_without_codes_of_the_readers_there_is_no_ceiling(published: Path, tmp_path: Path):
    with (published / "blv" / "blv_ratings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shutil.copytree(published / "blv" / "images", tmp_path / "blv" / "images")
    with (tmp_path / "blv" / "blv_ratings.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "participant"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    arguments = ["--tasks", "blv", "--scores", str(published / "blv" / "reference_clipscores.csv")]
    assert evaluate.main([*arguments, "--blv", str(tmp_path / "blv"), "--out", str(tmp_path / "out")]) == 0
    measures = set(table(tmp_path / "out").loc["blv"].index.get_level_values(1))
    assert "pearson" in measures
    assert not {"ceiling", "reliability"} & measures


@pytest.mark.parametrize("with_data", [True, False])
def test_the_published_scores_prefer_descriptions_as_published(published: Path, tmp_path: Path, capsys, with_data):
    """Golden: vanilla CLIP prefers the description in 104 of the 200 pairs. Four more pairs tie. Three of these pairs
    have two equal texts; they are left out if the texts are known."""
    sample, out = published / "concadia-sample", tmp_path / "out"
    data = ["--data", f"concadia:{sample}"] if with_data else []
    scores = str(sample / "reference_clipscores.csv")
    assert evaluate.main(["--tasks", "preference", "--scores", scores, *data, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    frame = table(out)
    row = frame.loc["preference", "val" if with_data else "all", "preference"]
    assert (row["value"] * row["n"], row["n"]) == ((104.5, 197) if with_data else (106, 200))
    assert row["low"] < 0.5 < row["high"]
    assert "  53.0 %  " in shown
    assert ("3 of 200 pairs are left out" in shown) == with_data
    assert ("splits and lengths are unknown without --data" in shown) != with_data
    parts = frame[frame.index.get_level_values("measure").str.startswith("preference, ")]
    assert len(parts) == (2 if with_data else 0)
    assert not with_data or 0 < parts["n"].sum() <= 200


def test_given_scores_of_pairs_by_hand(concadia: Path, tmp_path: Path, capsys):
    pairs = load_pairs(f"concadia:{concadia}", as_published=True).pairs
    rng = np.random.default_rng(0)
    values = {pair.id: rng.normal(size=2).round(1) for pair in pairs}

    def write(names) -> str:
        with (tmp_path / "scores.csv").open("w", newline="") as file:
            rows = [[name, *values.get(name, (0.0, 0.0))] for name in names]
            csv.writer(file).writerows([["filename", "description_score", "caption_score"], *rows])
        return str(tmp_path / "scores.csv")

    arguments = ["--data", f"concadia:{concadia}", "--tasks", "preference"]
    scores = write([*reversed(values), "another.jpg"])
    assert run(*arguments, "--scores", scores, "--out", str(tmp_path / "out")) == 0
    longer = [pair for pair in pairs if len(pair.negative) > len(pair.positive)]
    hits = [values[pair.id][0] > values[pair.id][1] for pair in longer]
    row = table(tmp_path / "out").loc["preference", "val", "preference, caption longer"]
    assert (row["value"], row["n"]) == (sum(hits) / len(hits), len(longer))
    assert 0 < row["value"] < 1
    refused(run(*arguments, "--scores", write(list(values)[1:]), "--out", str(tmp_path / "part")), capsys, 1, 48)
    assert not (tmp_path / "part").exists()
