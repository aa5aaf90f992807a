"""Data sets and norms: everything becomes a `PairSet` or a `Norm`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from interp.data.pairs import SPLITS, DataError, Pair, PairSet, divide

__all__ = ["DataError", "Pair", "PairSet", "load_pairs"]


def load_pairs(
    spec: str,
    *,
    kinds: str | None = None,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    as_published: bool = False,
) -> PairSet:
    """Load a data set by name, with splits train, val and test. Data of one split are divided, with a note.

    Args:
        spec: ``toy``, or ``concadia:FOLDER``.
        split: use this split alone, divided anew by article into train, val and test.
        as_published: divide nothing; there may then be only some of the splits, and `split` just selects.
        limit: keep about this many pairs, drawn at random, in the proportions of the splits.
        seed: of the division, of the drawing, and of the toy world's scenes.

    Raises:
        DataError: unknown name, unusable data, or a split that is not there.
    """
    kind, _, where = spec.partition(":")
    if spec == "toy":
        from interp.data.toy import load_toy

        pairs = load_toy(seed=seed)
    elif kind == "concadia" and where:
        from interp.data.concadia import load_concadia

        pairs = load_concadia(where)
    else:
        raise DataError(f"unknown data '{spec}'; known: toy, concadia:FOLDER")
    if kinds is not None:
        raise DataError("kinds are those of a CSV file")
    notes = list(pairs.notes)
    there = sorted({pair.split for pair in pairs.pairs})
    if split is None and len(there) == 1 and not as_published:
        split = there[0]
    if split is not None:
        pairs = pairs.split(split)
    elif not as_published and (missing := [name for name in SPLITS if name not in there]):
        raise DataError(
            f"{spec} has no split '{missing[0]}', only {', '.join(there)}; "
            f"add --split {there[0]} to divide that one by article"
        )
    if split is not None and not as_published:
        pairs = replace(pairs, pairs=divide(pairs.pairs, seed=seed))
        counts = ", ".join(f"{sum(pair.split == name for pair in pairs.pairs)} {name}" for name in SPLITS)
        notes.append(f"split '{split}' alone was divided by article: {counts}")
    if limit is not None and limit < len(pairs):  # after the division, which must not depend on it
        notes.append(f"{limit} of {len(pairs)} pairs are used (--limit)")
        pairs = replace(pairs, pairs=_limit(pairs.pairs, limit, seed))
    return replace(pairs, notes=tuple(notes))


def _limit(pairs: tuple[Pair, ...], limit: int, seed: int) -> tuple[Pair, ...]:
    """About `limit` pairs, the same share of every split, in their old order."""
    rng = np.random.default_rng(seed)
    kept: list[int] = []
    for name in dict.fromkeys(pair.split for pair in pairs):
        rows = [i for i, pair in enumerate(pairs) if pair.split == name]
        kept += rng.permutation(rows)[: max(1, round(limit * len(rows) / len(pairs)))].tolist()
    return tuple(pairs[i] for i in sorted(kept))
