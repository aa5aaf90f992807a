"""Cheap detection of data defects that spoil measurements: a picture with two names, a text of both kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from interp.data.images import UNREADABLE
from interp.data.pairs import Pair, PairSet, normal_text
from interp.drawing.markup import plural
from interp.errors import quoted


def with_one_group_for_each_picture(pairs: PairSet) -> PairSet:
    """Return the pairs with one group for all pairs that show the same picture, even under several names, and a note.

    Groups that share a picture become one group, named after the first. Each image file is read once.
    """
    keys = {pair.id: pairs.image_key(pair) for pair in pairs.pairs}
    names: dict[str, str] = {}  # group -> the group that it was merged into
    first: dict[str, Pair] = {}
    alike: list[tuple[Pair, Pair]] = []

    def merged_group(group: str) -> str:
        while names.get(group, group) != group:
            group = names[group]
        return group

    for pair in pairs.pairs:
        key = keys[pair.id]
        other = first.setdefault(key, pair)
        if other is pair or key == UNREADABLE:
            continue
        if merged_group(pair.group) != merged_group(other.group):
            alike.append((other, pair))
            names[merged_group(pair.group)] = merged_group(other.group)
    keyed = replace(pairs, image_key=lambda pair: keys.get(pair.id) or pairs.image_key(pair))
    if not alike:
        return keyed
    original, copy = alike[0]
    note = (
        f"{plural(len(alike), 'picture')} with several names (first: {quoted(original.id)} and {quoted(copy.id)}): "
        "pairs of the same picture are in one group"
    )
    merged = tuple(replace(pair, group=merged_group(pair.group)) for pair in pairs.pairs)
    return replace(keyed, pairs=merged, notes=(*pairs.notes, note))


def texts_of_both_kinds(pairs: Sequence[Pair]) -> list[str]:
    """Return a note on texts that have the positive kind in one pair and the negative kind in another pair."""
    kinds = defaultdict[str, list[set[str]]](lambda: [set(), set()])
    for pair in pairs:
        for number, text in enumerate((pair.positive, pair.negative)):
            kinds[normal_text(text)][number].add(pair.id)
    both = [text for text, (positive, negative) in kinds.items() if positive and negative and positive != negative]
    if not both:
        return []
    count = f"{len(both)} text{'s have' if len(both) > 1 else ' has'}"
    return [f"{count} one kind in a pair and the other kind in another pair (first: {quoted(both[0])})"]
