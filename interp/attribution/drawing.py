"""Choice of the pairs that are attributed, at random from those whose two texts both hold words that a norm rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.data.norms import Norm


def attributed_pairs(
    clip: Clip, held_out: EmbeddedPairs, norms: Sequence[Norm], count: int, seed: int = 0
) -> tuple[list[int], list[str]]:
    """Draw the pairs whose texts are attributed, as in Zur et al. 2024.

    Args:
        held_out: the n pairs to draw from.
        norms: a word counts as rated if one of them rates it.
        count: pairs that are wanted.
        seed: of the drawing.

    Returns:
        Numbers of pairs, in ascending order; and sentences the user should read.
    """
    return draw_rated(held_out.tokens_for(clip).words, norms, count, seed)


def draw_rated(
    words: Sequence[Sequence[str]], norms: Sequence[Norm], count: int, seed: int
) -> tuple[list[int], list[str]]:
    """`attributed_pairs` of texts that have been split into words.

    Without any pair that has rated words on both sides, all pairs are drawn from, and a sentence says so.

    Args:
        words: of all positive texts, then of all negative ones, lower case; length 2 n.
    """
    known = set().union(*(norm.ratings for norm in norms))
    rated = [not known.isdisjoint(text) for text in words]
    n = len(words) // 2
    both = [i for i in range(n) if rated[i] and rated[n + i]]
    notes = []
    if not both:
        notes.append(f"no pair of {n} has a word with a norm in each of its texts, so attributed pairs are any")
        both = list(range(n))
    elif len(both) < min(count, n):
        notes.append(f"only {len(both)} of {n} pairs have a word with a norm in each text; no other is attributed")
    return sorted(np.random.default_rng(seed).permutation(both)[:count].tolist()), notes
