"""Checks of a metric: each makes a text, its image or its context worse, and a good metric gives a lower score.

Most checks come from ContextRef (Kreiss et al. 2024, section 5), with rules instead of language models. To add a check,
write a function and add it to `CHECKS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from interp.data.pairs import digest
from training.metrics.items import Item, Variants, of_same_group
from training.metrics.words import COLOUR_WORDS, ERRORS, OBJECTS

_Change = Callable[["_Material", int, np.random.Generator], Item | None]
# Words that begin with a letter, after a word or a comma and thus not after a full stop; `_names` requires capitals.
_CAPITAL = r"(?![a-z])[^\W\d_][\w'’-]+"
_NAME = re.compile(rf"(?<=[\w,;] ){_CAPITAL}(?: {_CAPITAL})*")
_WORD = re.compile(r"\w+")
_SENTENCES = (
    "The bus to the station leaves at nine every morning.",
    "The recipe needs two eggs and a pinch of salt.",
    "The library is closed on public holidays.",
    "The invoice was paid by cheque last week.",
    "The committee will meet again in spring.",
)
_TRIES = 100


@dataclass(frozen=True)
class _Material:
    """Items of a benchmark, with tables for the checks."""

    items: Sequence[Item]

    @cached_property
    def near(self) -> list[list[int]]:
        """Numbers of the other items of each item's group."""
        return of_same_group(self.items)

    @cached_property
    def names(self) -> list[str]:
        """Names that occur in texts, sorted."""
        return sorted({name for item in self.items for name in _names(item.text)})

    def elsewhere(self, row: int, rng: np.random.Generator, differs: Callable[[Item, Item], bool]) -> Item | None:
        """Return a random item of another group that satisfies `differs`; None after too many draws."""
        item = self.items[row]
        for _ in range(_TRIES):
            other = self.items[int(rng.integers(len(self.items)))]
            if other.group != item.group and differs(other, item):
                return other
        return None


def _other_text(other: Item, item: Item) -> bool:
    return other.text != item.text


def _text_nearby(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
    item = material.items[row]
    others = [text for number in material.near[row] if (text := material.items[number].text) != item.text]
    return replace(item, text=others[int(rng.integers(len(others)))]) if others else None


def _text_elsewhere(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
    other = material.elsewhere(row, rng, _other_text)
    return None if other is None else replace(material.items[row], text=other.text)


def _shuffled(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
    words = material.items[row].text.split()
    for _ in range(_TRIES if len(set(words)) > 1 else 0):
        shuffled = [words[i] for i in rng.permutation(len(words))]
        if shuffled != words:
            return replace(material.items[row], text=" ".join(shuffled))
    return None


def _names(text: str) -> list[str]:
    """Return the names of a text: runs of capitalized words that do not begin a sentence."""
    return [match[0] for match in _NAME.finditer(text) if all(word[0].isupper() for word in match[0].split())]


def _renamed(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
    text = material.items[row].text
    replaced = list(dict.fromkeys(_names(text)))
    others = [name for name in material.names if name not in replaced]
    if not replaced or len(others) < len(replaced):
        return None
    drawn = dict(zip(replaced, (others[i] for i in rng.permutation(len(others))), strict=False))
    return replace(material.items[row], text=_NAME.sub(lambda match: drawn.get(match[0], match[0]), text))


def _replaced(table: Mapping[str, Sequence[str]]) -> _Change:
    """Return a check that replaces each word of a table by a random counterpart from the table."""

    def change(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
        def replacement(match: re.Match[str]) -> str:
            words = table.get(match[0].lower())
            if not words:
                return match[0]
            word = words[int(rng.integers(len(words)))]
            return word.capitalize() if match[0][0].isupper() else word

        text = _WORD.sub(replacement, material.items[row].text)
        return None if text == material.items[row].text else replace(material.items[row], text=text)

    return change


def _last_sentence(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
    return replace(
        material.items[row], text=_with(material.items[row].text, _SENTENCES[int(rng.integers(len(_SENTENCES)))])
    )


def _continued(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
    other = material.elsewhere(row, rng, _other_text)
    return None if other is None else replace(material.items[row], text=_with(material.items[row].text, other.text))


def _repeated(material: _Material, row: int, _: np.random.Generator) -> Item | None:
    text = material.items[row].text
    return replace(material.items[row], text=_with(text, text))


def _image_elsewhere(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
    other = material.elsewhere(row, rng, lambda other, item: other.image != item.image)
    return None if other is None else replace(material.items[row], image=other.image)


def _context_elsewhere(material: _Material, row: int, rng: np.random.Generator) -> Item | None:
    original = material.items[row]
    if not original.context:
        return None
    other = material.elsewhere(row, rng, lambda other, item: other.context not in ("", item.context))
    return None if other is None else replace(original, context=other.context)


def _with(text: str, sentence: str) -> str:
    """Return two texts as sentences, one after the other."""
    return f"{text}{'' if text.rstrip()[-1:] in ('.', '!', '?') else '.'} {sentence}"


@dataclass(frozen=True)
class Check:
    """Check of a metric.

    Attributes:
        about: description of the change, for help and page.
        change: function that returns the changed item, or None if the check cannot change it.
        part: changed part of an item: ``text``, ``image`` or ``context``. A metric that does not read it is not
            checked.
    """

    about: str
    change: _Change
    part: str = "text"


CHECKS = {
    "text of another image": Check("a text of the same article, of another image", _text_nearby),
    "text of another article": Check("a text of another article", _text_elsewhere),
    "shuffled words": Check("the words in random order", _shuffled),
    "other names": Check("each name replaced by a name from another text", _renamed),
    "other objects": Check(
        "words for things replaced by words for other things (words of the toy)", _replaced(OBJECTS)
    ),
    "other colours": Check(
        "words for colours replaced by words for other colours (words of the toy)", _replaced(COLOUR_WORDS)
    ),
    "frequent errors": Check("sex, age, number, place, colour or clothes wrong (67 pairs of words)", _replaced(ERRORS)),
    "irrelevant sentence": Check("an irrelevant sentence at the end", _last_sentence),
    "continued elsewhere": Check("a text of another article at the end", _continued),
    "exact repetition": Check("the text twice", _repeated),
    "image of another article": Check("the text with an image of another article", _image_elsewhere, "image"),
    "context of another article": Check("the text in the context of another article", _context_elsewhere, "context"),
}


def variants_of(items: Sequence[Item], names: Sequence[str], seed: int) -> list[Variants]:
    """Change items by checks.

    Args:
        items: unchanged items.
        names: keys of `CHECKS`.
        seed: seed of random choices; the choices for an item do not depend on other checks.

    Returns:
        Items of each check, in the order of the names; empty for a check that changes no item.
    """
    material, numbers = _Material(items), list(CHECKS)
    out = []
    for name in names:
        changed = {}
        for row, item in enumerate(items):
            rng = np.random.default_rng([seed, numbers.index(name), int(digest([item.name]), 16)])
            if (change := CHECKS[name].change(material, row, rng)) is not None:
                changed[row] = change
        out.append(Variants(name, tuple(changed), tuple(changed.values())))
    return out
