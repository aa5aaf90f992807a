"""Data sets and norms: every source becomes a `PairSet` or a `Norm`. Importing this package is cheap."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath

from interp.data.contrast import Contrast
from interp.data.defects import texts_of_both_kinds
from interp.data.errors import DataError
from interp.data.pairs import SPLITS, WHOLE, Pair, PairSet, divide, without_equal_texts
from interp.errors import quoted

__all__ = ["DATA_HELP", "DATA_SETS", "DataError", "Pair", "PairSet", "data_labels", "data_sets", "is_toy", "load_pairs"]

_Loader = Callable[[str, int, Contrast | None], PairSet]


def _toy(_where: str, seed: int, _contrast: Contrast | None) -> PairSet:
    from interp.data.toy.pairs import load_toy

    return load_toy(seed=seed)


def _charts(_where: str, seed: int, _contrast: Contrast | None) -> PairSet:
    from interp.data.toy.charts.pairs import load_charts

    return load_charts(seed=seed)


def _concadia(where: str, _seed: int, _contrast: Contrast | None) -> PairSet:
    from interp.data.concadia import load_concadia

    return load_concadia(where)


def _csv(where: str, _seed: int, contrast: Contrast | None) -> PairSet:
    from interp.data.csv_pairs import load_csv

    return load_csv(where, contrast)


def _hub(where: str, _seed: int, contrast: Contrast | None) -> PairSet:
    from interp.data.hub_pairs import load_hub_pairs

    return load_hub_pairs(where, contrast)


# Form of a data set's name -> its loader, which takes the part after the colon, the seed, and the requested contrast.
# Capitals after the colon stand for a name. To add a data set, write its loader into a new file and list it here.
DATA_SETS: dict[str, _Loader] = {
    "toy": _toy,
    "toy:charts": _charts,
    "concadia:FOLDER": _concadia,
    "csv:FILE": _csv,
    "hf:OWNER/NAME": _hub,
}
DATA_HELP = ", ".join(DATA_SETS)  # for the help texts of options


def load_pairs(
    spec: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    as_published: bool = False,
    kinds: str | None = None,
) -> PairSet:
    """Load a data set by name, with splits train, val and test.

    Data with one split, or without splits, are divided by group. Pairs whose two texts differ only in case and spaces
    are left out, since they carry no information on the two kinds.

    Args:
        spec: ``toy``; ``toy:charts``; ``concadia:FOLDER``, see `interp.data.concadia`; ``csv:FILE``, see
            `interp.data.csv_pairs`; or ``hf:OWNER/NAME``, see `interp.data.hub_pairs`.
        split: use this split alone, divided again by group into train, val and test.
        limit: keep about this many pairs, drawn at random, in the proportions of the splits.
        seed: seed of the division, of the drawing, and of the toy world's scenes.
        as_published: divide nothing, and leave out no pair for its texts. Some splits may then be missing, and `split`
            only selects.
        kinds: names of the two kinds of text, the preferred kind first, as in ``text_a,text_b``. For
            ``csv:FILE`` and ``hf:OWNER/NAME``, the names are two columns of the data. Other data sets have fixed kinds.

    Returns:
        Pairs in the order of the data; a note reports any division and any pairs that were left out.

    Raises:
        DataError: unknown name or kinds, unusable data, or a missing split.
    """
    contrast = None if kinds is None else Contrast.parse(kinds)
    load, where = _find(spec)
    pairs = load(where, seed, contrast)
    if contrast is not None and not contrast.agrees(pairs.contrast):
        raise DataError(f"{spec} has texts of the kinds {pairs.contrast}, not {contrast}; leave kinds out")
    present = sorted({pair.split for pair in pairs.pairs})
    if split is None and len(present) == 1 and not as_published:
        split = present[0]
    if split is not None:
        pairs = pairs.split(split)
    elif not as_published and (missing := [name for name in SPLITS if name not in present]):
        raise DataError(
            f"{spec} has no split '{missing[0]}', only {', '.join(present)}; "
            f"choose a split, such as '{present[0]}', which is then divided by group"
        )
    if not as_published:
        pairs = without_equal_texts(pairs)
    notes = [*pairs.notes, *texts_of_both_kinds(pairs.pairs)]
    if split is not None and not as_published:
        pairs = replace(pairs, pairs=divide(pairs.pairs, seed=seed))
        counts = ", ".join(f"{sum(pair.split == name for pair in pairs.pairs)} {name}" for name in SPLITS)
        subject = "the data have no splits and were" if split == WHOLE else f"split '{split}' alone was"
        notes.append(f"{subject} divided by group: {counts}")
    if limit is not None and limit < len(pairs):  # after the division, which must not depend on the limit
        kept = _limit(pairs.pairs, limit, seed)
        notes.append(f"{len(kept)} of {len(pairs)} pairs are used, drawn at random")
        pairs = replace(pairs, pairs=kept)
    return replace(pairs, notes=tuple(notes))


def _find(spec: str) -> tuple[_Loader, str]:
    """Return the loader of a data set, and the part of its name after the colon."""
    prefix, colon, where = spec.partition(":")
    for form, load in DATA_SETS.items():
        name, needs, place = form.partition(":")
        if spec == form or (place.isupper() and where and (name, needs) == (prefix, colon)):
            return load, where
    raise DataError(f"unknown data {quoted(spec)}; known: {DATA_HELP}")


def data_sets(names: str) -> list[str]:
    """Return the data sets of a list; a comma within a path is not a separator.

    >>> data_sets("toy,toy:charts,csv:a,b.csv")
    ['toy', 'toy:charts', 'csv:a,b.csv']
    """
    starts = "|".join(sorted({re.escape(form.partition(":")[0]) for form in DATA_SETS}))
    return [name.strip() for name in re.split(rf",\s*(?=(?:{starts})(?::|,|$))", names)]


def data_labels(names: Sequence[str]) -> list[str]:
    """Return short names of data sets, with at most two parts of a path; full names if short names are ambiguous.

    >>> data_labels(["csv:data/anatomy/pairs.csv", "toy:charts"])
    ['anatomy/pairs.csv', 'toy:charts']
    """
    paths = [(name, *name.partition(":")) for name in names]
    labels = [name if kind == "toy" else "/".join(PurePath(where).parts[-2:]) for name, kind, _, where in paths]
    return labels if len(set(labels)) == len(labels) else list(names)


def is_toy(name: str) -> bool:
    """Return whether a data set is one of the embedded toy worlds."""
    return name.partition(":")[0] == "toy" and name in DATA_SETS


def _limit(pairs: tuple[Pair, ...], limit: int, seed: int) -> tuple[Pair, ...]:
    """Return about `limit` pairs, the same share of every split, in their original order."""
    import numpy as np  # here, so that a command's help need not load it

    rng = np.random.default_rng(seed)
    kept: list[int] = []
    for name in dict.fromkeys(pair.split for pair in pairs):
        rows = [i for i, pair in enumerate(pairs) if pair.split == name]
        kept += rng.permutation(rows)[: max(1, round(limit * len(rows) / len(pairs)))].tolist()
    return tuple(pairs[i] for i in sorted(kept))
