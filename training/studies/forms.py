"""Forms of a study: order, sides and rated texts are balanced over groups of participants. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.studies.design import CHECK, ITEM, REPEAT, Form, Screen

_SIDES = ((0, 0), (0, 1), (1, 1), (1, 0))  # text that comes first, and text that is rated
_LETTERS = "ACDEFHJKMNPRTUVWXY3479"  # letters of codes; none looks like another one in print


def make_forms(
    items: Sequence[str], people: int, *, each: int, checks: int, repeats: int, rng: np.random.Generator
) -> list[Form]:
    """Return forms for all participants.

    Items are dealt out at random to blocks of at most `each` items. A block has four forms, or two or one if there are
    fewer people for it. Four forms are a Latin square: each begins at another quarter of the block, and each item comes
    with its four combinations of the text that comes first and the text that is rated. Within a form, all combinations
    are equally frequent, in random order. Repeats come at the end, checks at even distances.

    Args:
        items: keys of items.
        people: number of participants, at least one for each block.
        each: most items that one participant compares.
        checks: attention checks in each form.
        repeats: items of each form that come twice.

    Raises:
        ValueError: there are fewer people than blocks.
    """
    blocks = -(-len(items) // each)
    if people < blocks:
        raise ValueError(f"{len(items)} items in blocks of {each} need {blocks} people, not {people}")
    order = [items[i] for i in rng.permutation(len(items))]
    turns = turns_of(people, blocks)
    names = [(block, turn) for turn in range(turns) for block in range(blocks)]
    codes: dict[tuple[int, int], list[str]] = {name: [] for name in names}
    known: set[str] = set()
    for person in range(people):
        block, turn = names[person % len(names)]
        codes[block, turn].append(_code(_form_name(block, turn), known, rng))
    out = []
    for block in range(blocks):
        part = order[block::blocks]
        labels = rng.permutation(np.arange(len(part)) % len(_SIDES))
        for turn in range(turns):
            screens = _screens(part, labels, turn, turns, checks=checks, repeats=repeats)
            out.append(Form(_form_name(block, turn), tuple(codes[block, turn]), tuple(screens)))
    return out


def turns_of(people: int, blocks: int) -> int:
    """Return the number of forms of a block: four, or two or one if there are fewer people for it.

    >>> turns_of(24, 2), turns_of(7, 2), turns_of(3, 3)
    (4, 2, 1)
    """
    return 4 if people >= 4 * blocks else 2 if people >= 2 * blocks else 1


def _screens(
    part: Sequence[str], labels: np.ndarray, turn: int, turns: int, *, checks: int, repeats: int
) -> list[Screen]:
    """Return the screens of one form of a block."""
    start = turn * len(part) // turns
    shift = turn * (len(_SIDES) // turns)  # of two forms, each exchanges both sides of the other
    seen = [
        Screen(ITEM, part[i], *_SIDES[(int(labels[i]) + shift) % len(_SIDES)])
        for i in [*range(start, len(part)), *range(start)]
    ]
    again = [Screen(REPEAT, screen.item, 1 - screen.first) for screen in seen[: min(repeats, len(seen) // 2)]]
    screens = [*seen, *again]
    for number in range(checks):
        place = round((number + 1) * (len(seen) + len(again)) / (checks + 1)) + number
        screens.insert(place, Screen(CHECK, "", (number + turn) % 2))
    return screens


def _form_name(block: int, turn: int) -> str:
    """Return the name of a form: a letter (or more) for its block, a number for its place in the Latin square.

    >>> _form_name(0, 0), _form_name(27, 3)
    ('A1', 'AB4')
    """
    letters = ""
    number = block + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{turn + 1}"


def _code(form: str, known: set[str], rng: np.random.Generator) -> str:
    """Return a code that no other participant has."""
    while True:
        code = f"{form}-{''.join(rng.choice(list(_LETTERS), 4))}"
        if code not in known:
            known.add(code)
            return code
