"""Tests of the published results that the page quotes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.scoring import reliability
from interp.stats import rater_variances


def test_correlations_and_order_are_those_of_the_published_ratings(published: Path):
    folder = published / "blv"
    ratings = pd.read_csv(folder / "blv_ratings.csv")
    scores = pd.read_csv(folder / "reference_clipscores.csv").set_index("description")["clipscore"]
    means = ratings.groupby(["description", "context", "imgstem"])["q_overall"].mean().reset_index()
    assert (len(means), means["imgstem"].nunique()) == (reliability.DESCRIPTIONS, reliability.IMAGES)
    clipscores = scores[means["description"]].to_numpy()
    assert np.corrcoef(clipscores, means["q_overall"])[0, 1] == pytest.approx(reliability.BY_CLIPSCORE, abs=6e-4)
    lengths = means["description"].str.len()
    assert np.corrcoef(lengths, means["q_overall"])[0, 1] == pytest.approx(reliability.BY_LENGTH, abs=6e-4)
    pairs = [
        (clipscores[i] - clipscores[j]) * (means["q_overall"][i] - means["q_overall"][j])
        for i, j in combinations(range(len(means)), 2)
        if means["imgstem"][i] == means["imgstem"][j] and means["q_overall"][i] != means["q_overall"][j]
    ]
    assert len(pairs) == reliability.PAIRS
    assert np.mean(np.array(pairs) > 0) == pytest.approx(reliability.ORDER, abs=6e-4)


def test_the_ceiling_is_the_root_of_the_reliability_of_four_readers(published: Path):
    ratings = pd.read_csv(published / "blv" / "blv_ratings.csv")
    texts = [" / ".join(row) for row in ratings[["description", "context", "imgstem"]].itertuples(index=False)]
    variances = rater_variances(ratings["q_overall"].to_numpy(), ratings["participant"].tolist(), texts)
    assert variances.ceiling(4) == pytest.approx(reliability.CEILING, abs=0.005)


def test_sentences_hold_the_numbers():
    text = " ".join(reliability.PARAGRAPHS)
    for number in ("0.075", "0.573", "0.77", "53.8 %", "16", "68", "18"):
        assert number in text
    assert "0.075" in reliability.BRIEFLY
