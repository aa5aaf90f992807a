"""Writing of descriptions and captions of charts, with the statistics of a textbook of economics.

Descriptions mostly state the appearance of a chart, and captions mostly its meaning, but each kind also does what the
other kind does. A text has one to seven sentences, so some texts do not fit into 77 tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from interp.data.toy.charts import words
from interp.data.toy.charts.charts import Chart
from interp.data.toy.writing import Kind, Template, Text, cumulative, draw, leaning

_SENTENCES = (
    Template(4, 0.8, "The {graph} {shows} {count} {mark}s, {series}"),
    Template(1.5, 2, "The {graph} {shows} the {goods} {measure} of {countries} from {decade} to {end}"),
    Template(0.7, 1.3, "{Goods} {measure} in {countries}, {decade} to {end}"),
    Template(2, 0.6, "The {vertical} axis {measures} the {goods} {measure} and the {horizontal} axis {shows} years"),
    Template(1.2, 0.3, "The {vertical} axis {measures} the {goods2} {measure}, from 0 to 100, in steps of 10"),
    Template(1, 0.3, "The {horizontal} axis begins at {decade} and ends at {end}"),
    Template(2, 0.7, "The {first} {mark} {first_present}"),
    Template(2, 0.6, "The {second} {mark} {second_present} and is {place} the {first} {mark}"),
    Template(1.5, 0.6, "The {first} {mark} {first_present}, while the {second} {mark} {second_present}"),
    Template(1.5, 1, "The {first} {mark} {represents} {First} and the {second} {mark} {represents} {Second}"),
    Template(1.5, 0.6, "A {shaded} {band} in the middle of the {graph} {marks} the {event}"),
    Template(0.8, 0.2, "{grid}"),
    Template(1.2, 2, "In {First} the {goods} {measure} {first_past} from {decade} to {end}"),
    Template(1, 2, "During the {event} of the {decade}s the {measure} {level} of {Second} {second_past}"),
    Template(0.8, 1.6, "The {measure} {level} {first_past} in {First} and {second_past} in {Second}"),
    Template(0.5, 1.3, "A {strong} {event} changes how {people} {act} in the {goods} and the {goods2} market"),
    Template(0.5, 1.3, "Because of the {event}, {people} had to {act}, and so the {goods2} {measure} {first_past}"),
    Template(0.5, 1.3, "When {people} {act} more, the {goods} {measure} will change, {because} {people2} {act2} less"),
    Template(0.4, 1.3, "This {explains} the {concept} of the {goods} market and the {concept2} of {people}"),
    Template(0.4, 1.2, "If {people} {act} and no {event} comes, the {goods} market stays as it was"),
    Template(0.3, 1, "({Source} of {First}, {end})"),
)
# Probability that a text has one sentence, two sentences, and so on.
_COUNTS = {
    "description": (0.12, 0.17, 0.22, 0.18, 0.13, 0.11, 0.07),
    "caption": (0.09, 0.14, 0.20, 0.19, 0.15, 0.13, 0.10),
}
_REUSE = 0.45  # probability that a caption takes the description's word for the same thing
_STATED = {  # slot -> attributes of the chart that it states; other slots state the attribute with their name
    "mark": ("marks",),
    "series": ("colours", "count"),
    "countries": ("colours", "count"),
    "end": ("decade",),
    **dict.fromkeys(("first", "second", "First", "Second"), ("colours",)),
    **dict.fromkeys(("first_present", "first_past"), ("first_trend",)),
    **dict.fromkeys(("second_present", "second_past"), ("second_trend",)),
    "place": ("level",),
    **dict.fromkeys(("goods", "goods2", "Goods"), ("event",)),
    **dict.fromkeys((*words.ANY, "people2", "act2", "concept2", "Source"), ()),
}


def write_chart(
    kind: Kind, chart: Chart, rng: np.random.Generator, *, partial: bool = False, reach: int | None = None
) -> Text:
    """Write one text about a chart, with sentences and words drawn at random with `rng`.

    Args:
        partial: write a single sentence.
        reach: number of words of each list that may be used, the commonest first; by default all.
    """
    return _compose(kind, 1 if partial else None, chart, _draw_words(kind, chart, rng, reach), rng)


def write_chart_pair(chart: Chart, rng: np.random.Generator) -> tuple[Text, Text]:
    """Write a description and a caption of a chart, which sometimes use the same word for the same thing."""
    description, caption = (_draw_words(kind, chart, rng, None) for kind in ("description", "caption"))
    caption = {slot: description[slot] if rng.random() < _REUSE else word for slot, word in caption.items()}
    return _compose("description", None, chart, description, rng), _compose("caption", None, chart, caption, rng)


def chart_prompts(name: str) -> dict[str, tuple[str, ...]]:
    """Return value of an attribute -> texts that name the value, for ``marks``, ``measure`` and ``event``.

    Raises:
        KeyError: there are no prompts for the attribute.
    """
    forms = {
        "marks": (words.MARKS, ("The graph shows two {}s, one red and one blue.", "The chart shows three {}s.")),
        "measure": (words.MEASURES, ("The vertical axis measures the {} level.", "The {} level.")),
        "event": (words.EVENTS, ("A shaded band marks the {}.", "Because of the {}.")),
    }
    table, texts = forms[name]
    return {
        value: tuple(text.format(word) for word in synonyms[:4] for text in texts) for value, synonyms in table.items()
    }


def _draw_words(kind: Kind, chart: Chart, rng: np.random.Generator, reach: int | None) -> dict[str, str]:
    """Return a word for each thing that has synonyms."""
    other_place = {"above": "below", "below": "above"}[chart.level]  # of the second series, relative to the first
    lists = {
        "mark": words.MARKS[chart.marks],
        "count": words.COUNTS[chart.count],
        "first": words.COLOURS[chart.first],
        "second": words.COLOURS[chart.second],
        "third": words.COLOURS[chart.third or chart.first],
        "first_trend": words.TRENDS[chart.first_trend],
        "second_trend": words.TRENDS[chart.second_trend],
        "place": words.LEVELS[other_place],
        "grid": words.GRIDS[chart.grid],
        "measure": words.MEASURES[chart.measure],
        "event": words.EVENTS[chart.event],
        "goods": words.GOODS[chart.event],
        "goods2": words.GOODS[chart.event],
        **{f"{name}2": words.ANY[name] for name in ("people", "act", "concept")},
        **words.ANY,
    }
    return {
        slot: options[int(np.searchsorted(leaning(kind, len(options), reach), rng.random(), side="right"))]
        for slot, options in lists.items()
    }


def _compose(kind: Kind, count: int | None, chart: Chart, chosen: Mapping[str, str], rng: np.random.Generator) -> Text:
    """Return a text of `count` sentences, or of a number drawn at random, with the chosen words."""
    count = 1 + draw(_COUNTS[kind], rng) if count is None else count
    weights = cumulative(kind, _SENTENCES)
    numbers: set[int] = set()
    while len(numbers) < count:
        numbers.add(int(np.searchsorted(weights, rng.random(), side="right")))
    slots = _slots(chart, chosen)
    templates = [_SENTENCES[number].text for number in sorted(numbers)]
    sentences = [template.format(**slots) for template in templates]
    text = " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
    text = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)
    stated = {name for slot in re.findall(r"\{(\w+)\}", " ".join(templates)) for name in _STATED.get(slot, (slot,))}
    return Text(text, frozenset(stated))


def _slots(chart: Chart, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the content of each slot; hyphens within a chosen word become spaces."""
    spaced = {slot: re.sub(r"-(?=\w)", " ", word) for slot, word in chosen.items()}
    names = [words.COUNTRIES[colour] for colour in (chart.first, chart.second, chart.third) if colour]
    shown = [spaced["first"], spaced["second"], spaced["third"]][: len(names)]
    first, second = spaced["first_trend"].split("|"), spaced["second_trend"].split("|")
    return spaced | {
        "series": _listed([f"one {colour}" for colour in shown]),
        "countries": _listed(names),
        "Goods": spaced["goods"].capitalize(),
        "decade": chart.decade,
        "end": str(int(chart.decade) + 10),
        "First": names[0],
        "Second": names[1],
        "first_present": first[0],
        "first_past": first[1],
        "second_present": second[0],
        "second_past": second[1],
        "Source": spaced["source"].capitalize(),
    }


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
