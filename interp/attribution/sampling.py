"""Random choice of the pairs that are attributed, among pairs whose two texts both contain words that a norm rates."""

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
        clip: model whose tokenizer splits the texts into words.
        held_out: n pairs to draw from.
        norms: norms; a word counts as rated if any of them rates it.
        count: number of pairs to draw.
        seed: seed of the random choice.

    Returns:
        Numbers of the drawn pairs in ascending order, and notes for the user.
    """
    return draw_rated(held_out.tokens_for(clip).words, norms, count, seed)


def draw_rated(
    words: Sequence[Sequence[str]], norms: Sequence[Norm], count: int, seed: int
) -> tuple[list[int], list[str]]:
    """Draw pairs as `attributed_pairs` does, from texts that are already split into words.

    If no pair has rated words in both texts, pairs are drawn from all pairs, and a note reports this.

    Args:
        words: words of all positive texts, then of all negative texts, in lower case; length 2 n.
        norms, count, seed: see `attributed_pairs`.
    """
    rated_words = set().union(*(norm.ratings for norm in norms))
    rated = [not rated_words.isdisjoint(text) for text in words]
    n = len(words) // 2
    both = [i for i in range(n) if rated[i] and rated[n + i]]
    notes = []
    if not both:
        notes.append(f"none of {n} pairs has a rated word in each text, so attributed pairs are drawn from all pairs")
        both = list(range(n))
    elif len(both) < min(count, n):
        notes.append(f"only {len(both)} of {n} pairs have a rated word in each text; no other pair is attributed")
    return sorted(np.random.default_rng(seed).permutation(both)[:count].tolist()), notes
