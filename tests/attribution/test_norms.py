"""What attributions have to do with norms, on made-up attributions of real words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from interp.attribution.norms import correlations, relations
from interp.attribution.result import Attributions
from interp.data.norms import Norm, load_norms
from interp.data.words import log_frequency
from interp.measures import MEASURED
from interp.measures import attributions as declared
from interp.schema import Schema
from tests.oracles import norm_statistics as oracle

WORDS = (
    "a", "the", "of", "red", "blue", "circle", "square", "harbour", "freedom", "star", "wedding", "brididek", "left",
    "right", "street", "dog", "cat", "house", "justice", "tree", "mountain", "idea", "river", "theory", "window", ",",
    "chair", "table", "lamp", "thought",
)  # fmt: skip
ARTICLES = ("north", "east", "north", "west", "south", "east", "up", "down", "up")
NORMS = load_norms("imageability,concreteness")


def made_up(seed: int, articles: Sequence[str] = ARTICLES) -> Attributions:
    """Texts of 4 to 12 words, each of one or two tokens."""
    rng, words, owners = np.random.default_rng(seed), [], []
    for _ in range(2 * len(articles)):
        words.append(tuple(str(word) for word in rng.choice(WORDS, rng.integers(4, 13))))
        pieces = np.repeat(np.arange(len(words[-1])), rng.integers(1, 3, len(words[-1])))
        owners.append(np.concatenate([[-1], pieces, np.full(26 - len(pieces), -1)]))
    inside = np.array(owners) >= 0
    tokens = {route: rng.normal(size=inside.shape) * inside for route in MEASURED}
    nothing = np.zeros(len(words))
    return Attributions(tuple(words), np.array(owners), tokens, nothing, nothing, nothing.astype(int))


@pytest.mark.slow
def test_relations_are_those_of_samples_written_out():
    found = made_up(0)
    values = {route: [list(one) for one in found.by_word(route)] for route in MEASURED}
    wanted = oracle.relations(found.words, values, ARTICLES, {norm.name: norm.ratings for norm in NORMS})
    got = relations(found, NORMS, ARTICLES)
    assert got.keys() == wanted.keys()
    for key, value in wanted.items():
        assert got[key] == pytest.approx(value, abs=1e-9, nan_ok=True), key
    plain = correlations(found, NORMS)
    for norm in NORMS:
        for route in MEASURED:
            assert got[f"r_articles_{norm.name}_{route}"] == pytest.approx(plain[f"r_{norm.name}_{route}"], abs=1e-12)
            for stem in declared.RELATIONS:
                key = f"{stem}_articles_{norm.name}_{route}"
                assert got[f"{key}_low"] < got[f"{key}_high"]
                if stem != "r":
                    assert got[f"{stem}_{norm.name}_{route}"] == pytest.approx(got[key], abs=1e-12)
                    assert got[f"{stem}_{norm.name}_{route}_low"] != pytest.approx(got[f"{key}_low"], abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_every_relation_is_declared(count: int):
    chosen = NORMS[:count]
    known = Schema(tuple(declared.relations([norm.name for norm in chosen])))
    assert known.columns == relations(made_up(0), chosen, ARTICLES).keys()


@pytest.mark.parametrize("reason", ["frequency", "length", "kind"])
def test_what_a_norm_owes_to_frequency_length_and_kind_is_not_in_the_partial_correlation(reason: str):
    articles, rng = [str(number) for number in range(40)], np.random.default_rng(0)
    found = made_up(3, articles)
    counts = {word: [sum(text.count(word) for text in some) for some in halves(found.words)] for word in WORDS}
    of = {
        "frequency": {word: log_frequency(word) for word in WORDS},
        "length": {word: float(len(word)) for word in WORDS},
        "kind": {word: 10 * many / (many + few) for word, (many, few) in counts.items()},
    }[reason]
    tokens = np.zeros(found.word_of.shape)
    for text, words in enumerate(found.words):
        for place, word in enumerate(words):
            tokens[text, np.flatnonzero(found.word_of[text] == place)[0]] = of[word] + rng.normal(0, 0.3)
    norm = Norm("rated", "made up", {word: value + rng.normal(0, 0.3) for word, value in of.items()})
    made = replace(found, tokens={"through": tokens})
    got = relations(made, [norm], articles)
    assert correlations(made, [norm])["r_rated_through"] > 0.7
    assert got["r_articles_rated_through_low"] > 0.5
    assert got["partial_rated_through_low"] < 0 < got["partial_rated_through_high"]
    assert abs(got["partial_rated_through"]) < 0.45


def halves(texts: Sequence[Sequence[str]]) -> tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]]:
    return texts[: len(texts) // 2], texts[len(texts) // 2 :]


def test_a_norm_that_rates_no_word_has_no_number():
    nothing = Norm("nothing", "made up", {"unheard": 1.0})
    got = relations(made_up(0), [NORMS[0], nothing], ARTICLES)
    assert got["n_every_norm"] == 0
    for key, value in got.items():
        if "nothing" in key or key.startswith("beta"):
            assert math.isnan(value), key
        elif key != "n_every_norm":
            assert math.isfinite(value), key
    assert correlations(made_up(0), [nothing])["n_nothing"] == 0


def test_articles_are_those_of_the_pairs():
    with pytest.raises(ValueError, match="articles must be those of 9 pairs, got 8"):
        relations(made_up(0), NORMS, ARTICLES[:-1])


def test_one_article_has_no_interval_over_articles():
    got = relations(made_up(0), NORMS, ["one"] * len(ARTICLES))
    assert math.isfinite(got["partial_articles_concreteness_through"])
    assert math.isnan(got["partial_articles_concreteness_through_low"])
    assert math.isfinite(got["partial_concreteness_through_low"])
