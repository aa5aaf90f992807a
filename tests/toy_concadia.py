"""Pairs of the toy world in Concadia's format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import cycle, zip_longest
from pathlib import Path

import interp

COUNTS = {"train": 70, "val": 16, "test": 24}  # train has more pairs than one minibatch


def write_concadia(folder: Path, counts: Mapping[str, int] = COUNTS) -> None:
    """Write pairs of the toy world in Concadia's format: articles of two to four pairs, splits interleaved.

    The last article of a split may be cut short. The names of articles sort in another order than that in which they
    come, so that the choice of an article matters.
    """
    toy, lengths, columns = interp.load_pairs("toy"), cycle((3, 2, 4)), []
    (folder / "resized").mkdir(parents=True)
    for split, count in counts.items():
        articles: list[str] = []
        while len(articles) < count:
            articles += [f"{split}-{97 - len(articles)}"] * next(lengths)
        chosen = [pair for pair in toy.pairs if pair.split == split][:count]
        columns.append(list(zip(articles, chosen, strict=False)))
    items = []
    for article, pair in (item for row in zip_longest(*columns) for item in row if item is not None):
        toy.open_image(pair).save(folder / "resized" / f"{pair.id}.jpg", quality=95)
        texts = {"description": {"raw": pair.positive}, "caption": {"raw": pair.negative}}
        items.append({"filename": f"{pair.id}.jpg", "split": pair.split, "article_id": article, **texts})
    (folder / "wiki_split.json").write_text(json.dumps({"images": items}))
