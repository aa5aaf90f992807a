"""The world of charts: its pictures, its texts, and a comparison of its texts with those of a textbook."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interp.data import DataError, load_pairs
from interp.data.statistics import rules, text_statistics
from interp.data.toy import texts as scene_texts
from interp.data.toy.charts import words
from interp.data.toy.charts.charts import (
    ARTICLE_FIELDS,
    SERIES_FIELDS,
    VALUES,
    Chart,
    alike_charts,
    chart_combinations,
    sample_charts,
)
from interp.data.toy.charts.pictures import ChartPicture, render_chart
from interp.data.toy.charts.texts import chart_prompts, write_chart, write_chart_pair
from interp.data.toy.pairs import distinct
from tests.wording import raises


def charts(n: int, split: str = "train", seed: int = 0) -> list[Chart]:
    return sample_charts(split, n, np.random.default_rng(seed))


@pytest.mark.parametrize("names", [SERIES_FIELDS, ARTICLE_FIELDS])
def test_combinations_are_divided_between_splits(names):
    parts = [set(chart_combinations(split, names)) for split in ("train", "val", "test")]
    assert len(set.union(*parts)) == sum(map(len, parts)) == np.prod([len(VALUES[name]) for name in names])
    for split, part in zip(("train", "val", "test"), parts, strict=True):
        assert {tuple(getattr(chart, name) for name in names) for chart in charts(50, split)} <= part


def test_alike_charts_differ_in_two_attributes_at_most():
    every = alike_charts("train", 24, 8, np.random.default_rng(0))
    for number, chart in enumerate(every):
        first = every[number // 8 * 8]
        assert sum(getattr(chart, name) != getattr(first, name) for name in VALUES) <= 2


@pytest.mark.parametrize("name", [name for name in VALUES if name != "colours"])
def test_each_attribute_can_be_seen(name):
    """Another value changes pixels by more than the noise."""
    chart = charts(1)[0]
    drawn = {
        value: render_chart(replace(chart, **{name: value}), np.random.default_rng(0)).astype(int)
        for value in VALUES[name]
    }
    for value, picture in drawn.items():
        assert picture.shape == (64, 64, 3)
        for other, rival in drawn.items():
            assert value == other or np.abs(picture - rival).max() > 15


def test_texts_say_what_is_drawn():
    """Colours, trends, years and events of a text are those of its chart."""
    rng = np.random.default_rng(1)
    goods = {word for synonyms in words.GOODS.values() for word in synonyms}
    shown = {word: colour for colour, synonyms in words.COLOURS.items() for word in synonyms if word not in goods}
    events = {word: event for event, synonyms in words.EVENTS.items() for word in synonyms}
    for chart in charts(60):
        for text in (text.text for text in write_chart_pair(chart, rng)):
            tokens = re.findall(r"[\w-]+", text)
            colours = {shown[token.lower()] for token in tokens if token.lower() in shown}
            assert colours <= {chart.first, chart.second, chart.third}
            assert {country for country in words.COUNTRIES.values() if country in text} <= {
                words.COUNTRIES[colour] for colour in (chart.first, chart.second, chart.third) if colour
            }
            assert {token for token in tokens if re.fullmatch(r"\d{4}s?", token)} <= {
                chart.decade,
                f"{chart.decade}s",
                str(int(chart.decade) + 10),
            }
            assert {events[token.lower()] for token in tokens if token.lower() in events} <= {chart.event}
            assert "{" not in text
            assert text[0].isupper()
            assert text.endswith(".")


def test_told_attributes_decide_whether_a_text_fits():
    rng = np.random.default_rng(2)
    chart = charts(1)[0]
    other = replace(chart, event=next(event for event in words.EVENTS if event != chart.event))
    texts = [write_chart("caption", chart, rng) for _ in range(40)]
    stating = [text for text in texts if "event" in text.stated]
    assert stating
    assert not any(text.fits(chart, other) for text in stating)
    assert all(text.fits(chart, other) for text in texts if "event" not in text.stated)


def test_a_single_sentence_and_few_words_if_asked():
    rng = np.random.default_rng(3)
    for chart in charts(20):
        text = write_chart("description", chart, rng, partial=True, reach=1).text
        assert text.count(". ") == 0
    with pytest.raises(KeyError):
        chart_prompts("trend")
    assert set(chart_prompts("event")) == set(words.EVENTS)


def test_vocabulary_is_its_own():
    """Charts share colours and function words with scenes, and few other words."""
    vocabulary = {
        word
        for table in (words.MEASURES, words.EVENTS, words.TRENDS, words.ANY)
        for synonyms in table.values()
        for phrase in synonyms
        for word in re.findall(r"[a-z]{4,}", phrase)
    }
    assert len(vocabulary & set(scene_texts.vocabulary())) <= 0.15 * len(vocabulary)


def test_pairs_are_of_their_splits_and_open():
    pairs = load_pairs("toy:charts")
    assert [sum(pair.split == split for pair in pairs.pairs) for split in ("train", "val", "test")] == [1024, 192, 256]
    assert load_pairs("toy:charts").fingerprint == pairs.fingerprint != load_pairs("toy:charts", seed=1).fingerprint
    groups = {pair.group: pair.split for pair in pairs.pairs}
    assert all(groups[pair.group] == pair.split for pair in pairs.pairs)
    assert pairs.open_image(pairs.pairs[0]).size == (64, 64)
    assert pairs.pairs[0].context
    first, second = (ChartPicture(charts(1)[0], noise) for noise in (0, 1))
    assert first.key != second.key
    with raises(DataError, "'toy:graphs'", "toy:charts"):
        load_pairs("toy:graphs")


def test_distinct_charts_fit_one_text_each():
    rng = np.random.default_rng(5)
    sets = distinct(lambda: sample_charts("test", 1, rng)[0], lambda chart: write_chart_pair(chart, rng), 12)
    for chart, texts in sets:
        for other, _ in sets:
            assert other is chart or not any(text.fits(chart, other) for text in texts)


@pytest.mark.slow
def test_texts_resemble_those_of_a_textbook(published: Path):
    """Lengths, naive Bayes and the longer text are those of the economics textbook; its words are more varied."""
    book = load_pairs(f"csv:{published / 'domains/economics/pairs.csv'}", as_published=True).pairs
    ours = [pair for pair in load_pairs("toy:charts").pairs if pair.split == "test"][:80]
    measured, expected = text_statistics(ours), text_statistics(book)
    for key, within in (("words", 8), ("bayes", 0.08), ("longer", 0.15), ("own", 0.12), ("function", 0.06)):
        np.testing.assert_allclose(measured[key], expected[key], atol=within, err_msg=key)
    assert rules(ours, None)["own"] == pytest.approx(rules(book, None)["own"], abs=0.1)
