"""Words to replace in checks, with wrong replacements: colours and things of the toy, and frequent errors."""

from __future__ import annotations

from interp.data.toy.words import COLOURS, SHAPES

_ERRORS = """
man/woman men/women boy/girl boys/girls father/mother son/daughter husband/wife king/queen gentleman/lady brother/sister
he/she his/her young/old younger/older child/adult children/adults baby/teenager left/right top/bottom upper/lower
inside/outside above/below front/back standing/sitting walking/sleeping smiling/crying open/closed empty/full day/night
morning/evening summer/winter sunny/rainy one/three two/five three/six four/nine shirt/coat hat/scarf dress/trousers
jacket/sweater shoes/gloves glasses/beard black/pink white/purple red/blue green/orange yellow/brown grey/golden
large/small big/tiny tall/short long/short wide/narrow rises/falls increases/decreases higher/lower more/fewer
first/last indoor/outdoor male/female wooden/metal wet/dry hot/cold dog/cat car/boat house/tent tree/lamp
"""


def _both_ways(pairs: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return word -> its wrong replacements, in both directions of the pairs."""
    table: dict[str, tuple[str, ...]] = {}
    for first, second in pairs:
        table[first] = (*table.get(first, ()), second)
        table[second] = (*table.get(second, ()), first)
    return table


def _of_others(table: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return each word of a table -> the most common words of its other values."""
    return {
        word: tuple(words[0] for other, words in table.items() if other != value)
        for value, synonyms in table.items()
        for word in synonyms
    }


ERRORS = _both_ways([(first, second) for first, _, second in (pair.partition("/") for pair in _ERRORS.split())])
OBJECTS = _of_others(SHAPES)
COLOUR_WORDS = _of_others(COLOURS)
