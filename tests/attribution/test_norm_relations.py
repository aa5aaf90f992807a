"""Tests of relations between attributions and norms, on made-up attributions of real words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from interp.attribution.norm_relations import AttributedWords, correlations, relations
from interp.attribution.result import Attributions
from interp.attribution.statistics import content_correlations
from interp.data.contrast import PAPER
from interp.data.norms import Norm, load_norms
from interp.data.words import is_content, log_frequency
from interp.measures import MEASURED, Key
from interp.measures import attributions as declared
from tests.oracles import norm_statistics as oracle
from tests.wide import wide
from tests.wording import raises

WORDS = (
    "a",
    "the",
    "of",
    "red",
    "blue",
    "circle",
    "square",
    "harbour",
    "freedom",
    "star",
    "wedding",
    "brididek",
    "left",
    "right",
    "street",
    "dog",
    "cat",
    "house",
    "justice",
    "tree",
    "mountain",
    "idea",
    "river",
    "theory",
    "window",
    ",",
    "chair",
    "table",
    "lamp",
    "thought",
)
ARTICLES = ("north", "east", "north", "west", "south", "east", "up", "down", "up")
NORMS = load_norms("imageability,concreteness")


def made_up(seed: int, articles: Sequence[str] = ARTICLES) -> Attributions:
    """Return attributions of texts with 4 to 12 words, each of one or two tokens."""
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
    attributions = made_up(0)
    values = {route: [list(occurrences) for occurrences in attributions.by_word(route)] for route in MEASURED}
    wanted = oracle.relations(attributions.words, values, ARTICLES, {norm.name: norm.ratings for norm in NORMS})
    got = wide(relations(attributions, NORMS, ARTICLES) | correlations(attributions, NORMS, ARTICLES))
    assert set(wanted) <= set(got)
    for key, value in wanted.items():
        assert got[key] == pytest.approx(value, abs=1e-8, nan_ok=True), key
    for norm in NORMS:
        for route in MEASURED:
            for stem in declared.relations([norm.name for norm in NORMS]):
                key = f"{stem}_{norm.name}_{route}"
                assert stem == "disattenuated" or got[f"{key}_low"] < got[key] < got[f"{key}_high"]


def test_noise_is_not_in_expected_attributions():
    """Independent noise at each occurrence draws the plain correlation toward 0, but not the disattenuated one."""
    articles, rng = [str(number) for number in range(60)], np.random.default_rng(0)
    attributions = made_up(3, articles)
    norm = Norm("rated", "made up", {word: rng.normal() for word in WORDS})
    expected = {word: 0.6 * norm.ratings[word] + 0.8 * rng.normal() for word in WORDS}
    tokens = np.zeros(attributions.word_of.shape)
    for text, words in enumerate(attributions.words):
        for place, word in enumerate(words):
            tokens[text, np.flatnonzero(attributions.word_of[text] == place)[0]] = expected[word] + rng.normal(0, 3)
    made = replace(attributions, tokens={"through": tokens})
    got = wide(relations(made, [norm], articles) | correlations(made, [norm], articles))
    assert got["n_repeated_rated"] == got["n_rated"] == len(WORDS)
    reliability = got["reliability_rated_through"]
    assert 0.5 < reliability < 0.95
    # all types occur in several articles, so both correlations use the same types
    stepped_up = got["r_rated_through"] / np.sqrt(reliability)
    assert got["disattenuated_rated_through"] == pytest.approx(stepped_up, abs=0.02)
    truth = np.corrcoef([[expected[word], norm.ratings[word]] for word in WORDS], rowvar=False)[0, 1]
    assert got["disattenuated_rated_through_low"] < truth < got["disattenuated_rated_through_high"]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_every_relation_is_declared(count: int):
    chosen = NORMS[:count]
    names = [norm.name for norm in chosen]
    declared_keys = {measure.key for measure in (*declared.attributions(PAPER, names), *declared.word_counts(names))}
    every = (*declared.RELATIONS, "reliability", "n_repeated", "n_every_norm")
    keys = relations(made_up(0), chosen, ARTICLES).keys() | correlations(made_up(0), chosen, ARTICLES).keys()
    assert {key for key in declared_keys if key.measure in every and not key.words} == {
        key for key in keys if key.measure != "n"
    }


@pytest.mark.parametrize("reason", ["frequency", "length", "kind"])
def test_what_a_norm_owes_to_frequency_length_and_kind_is_not_in_the_partial_correlation(reason: str):
    articles, rng = [str(number) for number in range(40)], np.random.default_rng(0)
    attributions = made_up(3, articles)
    counts = {word: [sum(text.count(word) for text in texts) for texts in halves(attributions.words)] for word in WORDS}
    causes = {
        "frequency": {word: log_frequency(word) for word in WORDS},
        "length": {word: float(len(word)) for word in WORDS},
        "kind": {word: 10 * many / (many + few) for word, (many, few) in counts.items()},
    }[reason]
    tokens = np.zeros(attributions.word_of.shape)
    for text, words in enumerate(attributions.words):
        for place, word in enumerate(words):
            tokens[text, np.flatnonzero(attributions.word_of[text] == place)[0]] = causes[word] + rng.normal(0, 0.3)
    norm = Norm("rated", "made up", {word: value + rng.normal(0, 0.3) for word, value in causes.items()})
    made = replace(attributions, tokens={"through": tokens})
    got = wide(relations(made, [norm], articles) | correlations(made, [norm], articles))
    assert got["r_rated_through"] > 0.7
    assert got["r_rated_through_low"] > 0.5
    assert got["partial_rated_through_low"] < 0 < got["partial_rated_through_high"]
    assert abs(got["partial_rated_through"]) < 0.45


def halves(texts: Sequence[Sequence[str]]) -> tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]]:
    return texts[: len(texts) // 2], texts[len(texts) // 2 :]


def test_a_norm_that_rates_no_word_has_no_number():
    nothing = Norm("nothing", "made up", {"unheard": 1.0})
    got = relations(made_up(0), [NORMS[0], nothing], ARTICLES)
    for key, number in got.items():
        if key in (Key("n_every_norm"), Key("n_repeated", norm="nothing")):
            assert number.value == 0
        elif key.norm == "nothing" or key.measure == "beta":
            assert math.isnan(number.value), key
        elif key.measure not in ("disattenuated", "n_repeated", "reliability"):
            assert math.isfinite(number.value + number.low + number.high), key
        else:
            assert key.measure == "disattenuated" or math.isfinite(number.value), key
    assert correlations(made_up(0), [nothing], ARTICLES)[Key("n", norm="nothing")].value == 0


def test_articles_are_those_of_the_pairs():
    with raises(ValueError, "articles", 9, 8):
        relations(made_up(0), NORMS, ARTICLES[:-1])


def test_one_article_has_no_interval():
    single_article = ["one"] * len(ARTICLES)
    got = wide(relations(made_up(0), NORMS, single_article) | correlations(made_up(0), NORMS, single_article))
    for stem in ("r", "rho", "partial", "beta"):
        assert math.isfinite(got[f"{stem}_concreteness_through"])
        assert math.isnan(got[f"{stem}_concreteness_through_low"])
    assert got["n_repeated_concreteness"] == 0
    assert math.isnan(got["disattenuated_concreteness_through"])


def test_words_are_numbered_with_their_articles():
    attributions = made_up(0)
    words = AttributedWords.of(attributions, ARTICLES)
    names = sorted(set(ARTICLES))
    wanted: dict[str, list[int]] = {}
    for text, text_words in enumerate(attributions.words):
        for word in text_words:
            wanted.setdefault(word, []).append(names.index(ARTICLES[text % len(ARTICLES)]))
    assert words.articles() == wanted
    assert list(words.words) == sorted(wanted)
    assert {word: len(numbers) for word, numbers in wanted.items()} == {
        word: count for word, (_, count) in attributions.by_type("full").items()
    }
    for number, word in enumerate(words.words):
        mean, _ = attributions.by_type("full")[word]
        assert words.at.means(attributions.by_occurrence("full"))[number] == pytest.approx(mean)


def test_content_words_alone():
    got = content_correlations(made_up(0), NORMS, ARTICLES)
    content = replace_ratings(is_content)
    wanted = correlations(made_up(0), content, ARTICLES)
    assert wide(got) == wide({replace(key, words="content"): value for key, value in wanted.items()})
    rated = Key("n", norm="imageability")
    assert got[replace(rated, words="content")].value < correlations(made_up(0), NORMS, ARTICLES)[rated].value


def replace_ratings(wanted: Callable[[str], bool]) -> list[Norm]:
    kept = [{word: rating for word, rating in norm.ratings.items() if wanted(word)} for norm in NORMS]
    return [replace(norm, ratings=ratings) for norm, ratings in zip(NORMS, kept, strict=True)]


def suffixed(key: str) -> str:
    for end in ("_low", "_high"):
        if key.endswith(end):
            return f"{key.removesuffix(end)}_content{end}"
    return f"{key}_content"


def test_familiarity_and_age_of_acquisition_are_held_where_a_norm_brings_them():
    """The correlation is that of residuals of type means on frequency, letters, kind and both covariates.

    Types that the covariates do not rate are left out.
    """
    made, rng = made_up(0), np.random.default_rng(1)
    rated_words = [word for word in WORDS if word not in (",", "river")]
    covariates = tuple(
        Norm(name, "made up", {word: rng.normal() for word in rated_words}) for name in ("age", "familiar")
    )
    chosen = [Norm("glasgow-imageability", "made up", NORMS[0].ratings, covariates), NORMS[1]]
    got = relations(made, chosen, ARTICLES)
    words = AttributedWords.of(made, ARTICLES)
    kept = [i for i, word in enumerate(words.words) if word in rated_words and word in NORMS[1].ratings]
    names = [words.words[i] for i in kept]

    def mean(values: np.ndarray) -> np.ndarray:
        return np.array([values[words.at.words == i].mean() for i in kept])

    design = np.stack(
        [
            np.ones(len(kept)),
            [log_frequency(word) for word in names],
            [len(word) for word in names],
            mean(words.positive),
            *(norm.of(names) for norm in covariates),
        ],
        axis=1,
    )
    for route in MEASURED:
        pair = np.stack([mean(made.by_occurrence(route)), NORMS[1].of(names)], 1)
        left = pair - design @ np.linalg.lstsq(design, pair, rcond=None)[0]
        number = got[Key("held", norm=NORMS[1].name, route=route)]
        assert number.value == pytest.approx(np.corrcoef(left.T)[0, 1], abs=1e-9)
        assert number.value != got[Key("partial", norm=NORMS[1].name, route=route)].value
    assert got[Key("n_held", norm=NORMS[1].name)].value == len(kept)
    assert not any(key.measure in ("held", "n_held") for key in relations(made, NORMS, ARTICLES))
    names_of = [norm.name for norm in chosen]
    measures = (*declared.attributions(PAPER, names_of), *declared.word_counts(names_of))
    assert {key.measure for key in got} <= {measure.key.measure for measure in measures}
    assert chosen[0].fingerprint != replace(chosen[0], covariates=()).fingerprint
