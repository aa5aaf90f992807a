"""Traits of texts that may explain a preference between kinds: length, number of names, and frequency of the words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from interp.clip.tensors import Float
from interp.data.contrast import DIRECTIONS
from interp.data.words import log_frequency
from interp.evidence.calibration import moves_nothing
from interp.measures import Key
from interp.stats import Estimate, clustered_mean, ratio
from interp.subspaces.outcomes import Outcomes

_TRAITS = ("words", "names", "frequency")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?:]\s*$|^\s*$")
CLOSE = 0.1  # difference in length that is ignored, as a share of the mean length; one word is always ignored


def traits_of(texts: Sequence[str]) -> Float[np.ndarray, "m 3"]:
    """Return the `_TRAITS` of texts: the number of words, the number of names, and the mean log frequency of the words.

    A name is a word that begins with a capital letter and does not begin a sentence. The frequency is on the Zipf
    scale; a text without words gets 0.
    """
    return np.array([_traits(text) for text in texts], dtype=np.float64).reshape(-1, len(_TRAITS))


def _traits(text: str) -> tuple[float, float, float]:
    matches = list(_WORD.finditer(text))
    names = sum(word.group()[0].isupper() and not _SENTENCE_END.search(text[: word.start()]) for word in matches)
    frequencies = [_frequency(word.group().casefold()) for word in matches]
    return float(len(matches)), float(names), float(np.mean(frequencies)) if frequencies else 0.0


@lru_cache(maxsize=100_000)
def _frequency(word: str) -> float:
    return log_frequency(word)


def rival(within: Outcomes, traits: Float[np.ndarray, "m 3"]) -> dict[Key, Estimate]:
    """Return the share of Z's effects that traits of texts explain, and the gap of pairs with equally long texts.

    Args:
        within: outcomes of swaps within a kind, where the kind itself explains nothing.
        traits: `traits_of` the positive texts of the pairs, then of the negative ones; the first trait is the length.

    Returns:
        ``traits_r2``: the part of the squared effects of these swaps that is explained by a linear function of the
        trait differences between source and base. The fit is by least squares over both kinds together, without a
        constant, since a swap between texts with equal traits should do nothing. ``equal_gap``: the gap of the pairs
        whose texts are equally long, within `CLOSE`.
    """
    by_kind = traits.reshape(2, within.pairs, -1)  # positive, negative
    lengths = by_kind[..., 0]
    equal = np.abs(lengths[0] - lengths[1]) <= np.maximum(1.0, CLOSE * lengths.mean(0))
    gap = clustered_mean(within.gaps()[equal].astype(np.float64), within.groups[: within.pairs][equal])
    return {Key("traits_r2"): explained(within, by_kind), Key("equal_gap"): gap}


def explained(within: Outcomes, traits: Float[np.ndarray, "2 n c"]) -> Estimate:
    """Return the part of the squared effects of swaps within a kind that differences of traits explain.

    Args:
        within: outcomes of swaps within a kind.
        traits: traits of the positive texts, then of the negative texts.
    """
    if moves_nothing(within):
        return Estimate(float("nan"), within.pairs)
    bases = np.tile(np.arange(within.pairs), len(within.groups) // within.pairs)
    by_direction = {"up": traits[1], "down": traits[0]}  # the kind of the base determines the direction
    apart = [by_direction[way][within.sources] - by_direction[way][bases] for way in DIRECTIONS]
    moves = [within.moves(way) for way in DIRECTIONS]
    spread = np.sqrt(np.mean(np.square(apart), axis=(0, 1)))
    scaled = [each / np.where(spread > 0, spread, 1.0) for each in apart]
    weights = np.linalg.lstsq(np.concatenate(scaled), np.concatenate(moves), rcond=None)[0]
    missed = np.mean([(move - each @ weights) ** 2 for move, each in zip(moves, scaled, strict=True)], axis=0)
    squares = np.mean(np.square(moves), axis=0)
    return ratio(missed, squares, within.groups, within.source_groups).complement()
