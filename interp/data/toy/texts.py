"""Writing of descriptions and captions of the toy world, with the statistics of Concadia.

Descriptions mostly state the appearance of a picture, and captions mostly its subject, but each kind also does what the
other kind does. `python -m interp.data.statistics` compares the shares with those of real texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from interp.data.toy import words
from interp.data.toy.scenes import VALUES, Scene
from interp.data.toy.writing import KINDS, Kind, Template, Text, cumulative, leaning

_TEMPLATES = (
    Template(3, 0.2, "{det} {size} {colour} {shape} {arrangement} {on} the {background} {backdrop}"),
    Template(3, 0.2, "{photo} of {det} {size} {colour} {shape} {near} a {place}"),
    Template(3, 0.2, "{background} {backdrop} with {det} {size} {colour} {shape} {arrangement}"),
    Template(1.2, 0.2, "{det} {era} {colour} {shape} {near} a {place}, {title} of {Town}"),
    Template(0.8, 0.2, "{size} {colour} {title}, {det} {shape} {arrangement}, {near} a {place}"),
    Template(2, 0.3, "{det} {colour} {shape} {arrangement} {near} the {place} in {Town}"),
    Template(1.5, 0.2, "the {Family} {shape}, {size}, {colour}, {near} a {background} {place}"),
    Template(1.2, 0.3, "the {place} at {Town} with {det} {size} {colour} {shape}"),
    Template(1, 1.5, "{colour} {shape} of {Family} at the {Town} {Place}"),
    Template(1, 1.5, "{photo} of the {Event} in {Town} with {det} {colour} {shape}"),
    Template(0.5, 2, "{era} {title} of {role} {Family} in {Town} {Place}"),
    Template(0.5, 3, "{Family}, {role} of the {year} {Event} in {Town}"),
    Template(0.4, 2, "{era} {Town} {Place} {when} a {event}"),
    Template(0.4, 2, "{Town} {Place} {when} the {Event} of {year}"),
    Template(0.5, 2, "{role} {Family} with a {title} {when} the {Town} {Event}"),
    Template(0.4, 2, "{det} {shape} of {role} {Family} {arrangement} at the {Event}"),
    Template(0.4, 2.5, "{Family} {shape}, {era} {title} of the {Event} in {Town}"),
    Template(0.3, 2, "{photo} of the {Family} {role} {near} {Town} {Place}"),
)
# Shorter texts, used in pre-training only, so that prompts with one attribute are familiar to the model.
_PARTIAL = (
    Template(3, 0, "{det} {shape}"),
    Template(2, 0, "{det} {colour} {shape}"),
    Template(1, 0, "{det} {size} {shape}"),
    Template(2, 0, "{det} {colour} {shape} {arrangement}"),
    Template(1, 0, "a {background} {backdrop}"),
    Template(1, 0, "{photo} of {det} {shape}"),
    Template(1, 0, "{photo} of {det} {size} {colour} {shape}"),
    Template(0, 2, "the {place}"),
    Template(0, 1, "the {event}"),
    Template(0, 1, "the {event} at {Town}"),
    Template(0, 1, "{photo} of a {place}"),
    Template(0, 1, "{photo} of the {event}"),
    Template(0, 1, "{Town} {Place}"),
    Template(0, 1, "{role} {Family}"),
    Template(0, 1, "{era} {place} in {Town}"),
    Template(0, 1, "{Family} in {year}"),
)
_FREE = {  # words that do not depend on the picture
    "on": ("on", "on", "before", "at"),
    "near": ("by", "before", "at", "in"),
    "when": ("at", "before", "by", "for"),
}
_DETERMINERS = {True: ("", "", "", "two"), False: ("a", "a", "the", "the")}  # for two things, and for one
_STATED = {  # slot -> attributes of a scene that it states; other slots state the attribute with their name
    "det": ("paired",),
    "shape": ("shape", "paired"),
    "Family": ("shape", "colour", "arrangement"),
    "year": ("shape", "colour"),
    "Town": ("flag",),
    "Place": ("place",),
    "Event": ("event",),
    "role": ("event",),
    **dict.fromkeys((*_FREE, *words.ANY), ()),
}
_REUSE = 0.2  # probability that a caption takes the description's word for the same thing


def write(
    kind: Kind, scene: Scene, rng: np.random.Generator, *, partial: bool = False, reach: int | None = None
) -> Text:
    """Write one text about a scene, with template and words drawn at random with `rng`.

    Args:
        partial: use one of the `_PARTIAL` templates.
        reach: number of words of each list that may be used, the commonest first; by default all.
    """
    return _fill(_template(kind, partial, rng), scene, _draw_words(kind, scene, rng, reach), rng)


def write_pair(scene: Scene, rng: np.random.Generator) -> tuple[Text, Text]:
    """Write a description and a caption of a scene, which sometimes use the same word for the same thing."""
    description, caption = (_draw_words(kind, scene, rng) for kind in KINDS)
    caption = {slot: description[slot] if rng.random() < _REUSE else word for slot, word in caption.items()}
    first = _fill(_template("description", False, rng), scene, description, rng)
    return first, _fill(_template("caption", False, rng), scene, caption, rng)


def vocabulary() -> list[str]:
    """Return every word that a text of this world can hold, except names, years and plurals, in lower case, sorted."""
    tables = (*VALUES.values(), words.ROLES, words.ERAS, words.ANY)
    phrases = [
        phrase for table in tables if table is not words.FLAGS for synonyms in table.values() for phrase in synonyms
    ]
    phrases += [re.sub(r"\{\w+\}|,", " ", template.text) for template in (*_TEMPLATES, *_PARTIAL)]
    phrases += [word for choices in (*_FREE.values(), *_DETERMINERS.values()) for word in choices]
    return sorted({word.lower() for phrase in phrases for word in phrase.split()} | {"an"})


def _template(kind: Kind, partial: bool, rng: np.random.Generator) -> str:
    templates = _PARTIAL if partial else _TEMPLATES
    return templates[int(np.searchsorted(cumulative(kind, templates), rng.random(), side="right"))].text


def _draw_words(kind: Kind, scene: Scene, rng: np.random.Generator, reach: int | None = None) -> dict[str, str]:
    """Return a word for each slot that has its own list of words."""
    lists = {
        "shape": words.SHAPES[scene.shape],
        "colour": words.COLOURS[scene.colour],
        "size": words.SIZES[scene.size],
        "background": words.BACKGROUNDS[scene.background],
        "arrangement": words.ARRANGEMENTS[scene.arrangement],
        "place": words.PLACES[scene.place],
        "event": words.EVENTS[scene.event],
        "role": words.ROLES[scene.event],
        "era": words.ERAS[scene.era],
        **words.ANY,
    }
    drawn = rng.random(len(lists))
    return {
        slot: synonyms[int(np.searchsorted(leaning(kind, len(synonyms), reach), number, side="right"))]
        for (slot, synonyms), number in zip(lists.items(), drawn, strict=True)
    }


def _fill(template: str, scene: Scene, chosen: Mapping[str, str], rng: np.random.Generator) -> Text:
    slots = dict(chosen) | {name: choices[int(rng.integers(len(choices)))] for name, choices in _FREE.items()}
    determiners = _DETERMINERS[scene.paired]
    slots |= {
        "det": determiners[int(rng.integers(len(determiners)))],
        "Town": words.FLAGS[scene.flag][0],
        "Family": words.family(scene.shape, scene.colour, scene.arrangement),
        "year": words.year(scene.shape, scene.colour),
        "Place": slots["place"].capitalize(),
        "Event": slots["event"].capitalize(),
    }
    if scene.paired:
        slots["shape"] = words.plural(slots["shape"])
    text = re.sub(r" +", " ", template.format(**slots)).strip()
    text = re.sub(r"\ba (?=(\w+))", lambda match: f"{words.article(match[1])} ", text)
    stated = {name for slot in re.findall(r"\{(\w+)\}", template) for name in _STATED.get(slot, (slot,))}
    return Text(text[0].upper() + text[1:], frozenset(stated))
