"""Forms of a study: order, sides and rated texts are balanced over groups of participants. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.studies.design import CHECK, ITEM, REPEAT, Form, Screen

_SIDES = ((0, 0), (0, 1), (1, 1), (1, 0))  # text at the first place, and rated text
_LETTERS = "ACDEFHJKMNPRTUVWXY3479"  # letters of codes; all look different in print


def make_forms(
    items: Sequence[str], people: int, *, each: int, checks: int, repeats: int, rng: np.random.Generator
) -> list[Form]:
    """Return forms for all participants.

    Items are distributed at random over blocks of at most `each` items. A block has four forms, or two or one if it has
    fewer people. Four forms are a Latin square: each begins at another quarter of the block, and each item has the four
    combinations of first text and rated text. Within a form, all combinations are equally frequent, in random order.
    Repeats come at the end, and checks at even distances.

    Args:
        items: keys of items.
        people: number of participants, at least 1 for each block.
        each: maximum number of items that a participant compares.
        checks: number of attention checks in each form.
        repeats: number of items of each form that come twice.

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
    used: set[str] = set()
    for person in range(people):
        block, turn = names[person % len(names)]
        codes[block, turn].append(_code(_form_name(block, turn), used, rng))
    out = []
    for block in range(blocks):
        part = order[block::blocks]
        labels = rng.permutation(np.arange(len(part)) % len(_SIDES))
        for turn in range(turns):
            screens = _screens(part, labels, turn, turns, checks=checks, repeats=repeats)
            out.append(Form(_form_name(block, turn), tuple(codes[block, turn]), tuple(screens)))
    return out


def turns_of(people: int, blocks: int) -> int:
    """Return the number of forms of a block: 4, or 2 or 1 if the block has fewer people.

    >>> turns_of(24, 2), turns_of(7, 2), turns_of(3, 3)
    (4, 2, 1)
    """
    return 4 if people >= 4 * blocks else 2 if people >= 2 * blocks else 1


def _screens(
    part: Sequence[str], labels: np.ndarray, turn: int, turns: int, *, checks: int, repeats: int
) -> list[Screen]:
    """Return the screens of one form of a block."""
    start = turn * len(part) // turns
    shift = turn * (len(_SIDES) // turns)  # two forms exchange both sides of each other
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
    """Return the name of a form: letters for its block, and a number for its place in the Latin square.

    >>> _form_name(0, 0), _form_name(27, 3)
    ('A1', 'AB4')
    """
    letters = ""
    number = block + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{turn + 1}"


def _code(form: str, used: set[str], rng: np.random.Generator) -> str:
    """Return a new code, and add it to `used`."""
    while True:
        code = f"{form}-{''.join(rng.choice(list(_LETTERS), 4))}"
        if code not in used:
            used.add(code)
            return code
