"""Preferences from words alone, without an image."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from interp.data import data_labels, load_pairs
from interp.data.norms import load_norm
from interp.data.pairs import Pair
from interp.data.statistics import main, rules
from interp.data.word_rules import bayes_hits, concreteness_hits, longer_hits, own_bayes_hits
from interp.data.words import concreteness

# Shared data's README: longer, Brysbaert, naive Bayes of Concadia, own naive Bayes, in %.
EXPECTED = {
    "wikipedia": (192, 47.9, 68.0, 79.9, 81.5),
    "anatomy": (80, 36.2, 72.5, 66.2, 93.8),
    "economics": (80, 46.9, 82.5, 66.2, 92.5),
    "history": (60, 42.5, 90.0, 95.0, 98.3),
    "hci-papers": (1771, 74.2, 65.8, 70.2, 85.0),
}


def pair(positive: str, negative: str, group: str = "a") -> Pair:
    return Pair(f"{positive}/{negative}", positive, negative, "test", group)


@pytest.mark.slow
@pytest.mark.parametrize("domain", EXPECTED)
def test_published_domains(published: Path, domain: str):
    first = load_pairs(f"concadia:{published / 'concadia-sample'}", as_published=True).pairs
    pairs = load_pairs(f"csv:{published / 'domains' / domain / 'pairs.csv'}", as_published=True)
    shares = rules(pairs.pairs, first)
    shown = tuple(round(100 * shares[key], 1) for key in ("longer", "concrete", "first", "own"))
    assert (len(pairs), *shown) == EXPECTED[domain]
    assert pairs.has_images == (domain != "hci-papers")
    assert pairs.has_images or "only texts can be used" in pairs.notes[-1]


def test_published_levels(published: Path):
    """Levels of Lundgard & Satyanarayan in the alt texts of HCI papers: highest level, and number of levels above 0."""
    lines = (published / "domains/hci-papers/hci-alt-text-dataset-20220915.jsonl").read_text().splitlines()
    sentences = [levels for line in lines if (levels := json.loads(line)["levels"]) is not None]
    every = [{level for sentence in entry for level in sentence} for entry in sentences]
    levels = [entry for entry in every if max(entry) >= 0]  # -1: the sentence has no level
    highest, several = Counter(map(max, levels)), Counter(sum(level > 0 for level in entry) for entry in levels)
    assert [highest[level] for level in range(5)] == [5, 181, 169, 149, 8]
    assert [several[count] for count in range(5)] == [5, 194, 239, 71, 3]


def test_longer_and_more_concrete():
    pairs = [pair("a red cat", "a cat"), pair("truth", "red cats sleep"), pair("one two", "two one")]
    assert longer_hits(pairs).tolist() == [1.0, 0.0, 0.5]
    pairs = [pair("cat", "truth"), pair("truth", "cat"), pair("cat dog", "dog cat"), pair("xyzzy", "cat")]
    assert concreteness_hits(pairs).tolist() == [1.0, 0.0, 0.5, 0.5]
    norm = load_norm("concreteness")
    assert concreteness("The cat, the dog!", norm) == pytest.approx(norm.of(["cat", "dog"]).mean())
    assert np.isnan(concreteness("the of", norm))


def test_naive_bayes_learns_words_and_templates_can_be_left_out():
    train = [pair(f"image of a thing{i}", f"story about it{i}", str(i)) for i in range(20)]
    tests = [pair("image of a dog", "story about cats"), pair("story about", "image of"), pair("x", "y")]
    assert bayes_hits(train, tests).tolist() == [1.0, 0.0, 0.5]
    assert bayes_hits(train, tests, without_templates=True).tolist()[2] == 0.5
    assert own_bayes_hits(train).mean() == 1.0
    assert own_bayes_hits(train, without_templates=True).mean() == 0.5  # nothing else tells the kinds apart
    assert np.isnan(own_bayes_hits(train[:1])).all()


def test_the_command_shows_rules_for_each_data_set(capsys):
    assert main(["--data", "toy", "toy:charts", "--pairs", "20", "--draws", "1"]) == 0
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if line.startswith("naive Bayes of the first data set"))
    assert row.split()[-2] == "-"  # on its own data, the rule would only repeat its training texts
    assert 50 < float(row.split()[-1]) < 100
    assert data_labels(["csv:a/x.csv", "csv:b/a/x.csv"]) == ["csv:a/x.csv", "csv:b/a/x.csv"]
