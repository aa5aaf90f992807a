"""The benchmark: items and metrics are made ready, scored a check at a time, and what is done is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from typing_extensions import TypedDict

from interp.cli import slug
from interp.cli.progress import Bar
from interp.clip.bases import named_models
from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.clip.tensors import Embeddings
from interp.data.blv import RatedTexts
from interp.data.pairs import PairSet, digest
from interp.data.scores import read_text_scores
from interp.data.tables import read_table
from interp.errors import UserError
from interp.runs.content import Real, to_json
from interp.runs.files import StoreError, write_atomic
from interp.runs.folder import RunFolder, open_run, write_table
from interp.runs.spreadsheet import csv_text
from interp.runs.versions import VERSIONS
from interp.subspaces.kinds import load_subspace
from interp.subspaces.pairs import pairs_at
from training.evaluation.tasks.blv import rated_images
from training.loop import ROTATION
from training.metrics.checks import variants_of
from training.metrics.items import Item, Variants
from training.metrics.metrics import Metric, concreteness_metric, file_metric, length_metric, text_only
from training.metrics.numbers import COLUMNS, MetricNumber, Scored, numbers_of
from training.metrics.of_clip import metrics_of_clip

ITEMS = "items.csv"
_PLAIN, _RATED = "unchanged", "rated"


@dataclass(frozen=True)
class Material:
    """What metrics are compared on.

    Attributes:
        pairs: pairs whose positive text is checked; none where only readers are asked.
        items: one for each pair.
        variants: items of each check.
        rated: texts with ratings, if there are any, and their items.
        rated_items: one for each rated text.
        seed: of random choices in checks.
    """

    pairs: PairSet | None
    items: tuple[Item, ...]
    variants: tuple[Variants, ...]
    rated: RatedTexts | None
    rated_items: tuple[Item, ...]
    seed: int

    @property
    def parts(self) -> dict[str, tuple[Item, ...]]:
        """Items of each part that is scored at once."""
        parts = {_PLAIN: self.items} if self.items else {}
        parts |= {variants.name: variants.items for variants in self.variants if len(variants)}
        return parts | ({_RATED: self.rated_items} if self.rated_items else {})

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the run folder; other checks may be made in it later."""
        return {
            "kind": "metrics",
            "version": VERSIONS["metrics"],
            "data": None if self.pairs is None else self.pairs.fingerprint,
            "contexts": digest(item.context for item in (*self.items, *self.rated_items)),
            "ratings": None if self.rated is None else self.rated.fingerprint,
            "seed": self.seed,
        }


class _Scores(TypedDict):
    metric: str
    scores: list[Real]


def material_of(pairs: PairSet | None, rated: RatedTexts | None, checks: Sequence[str], seed: int) -> Material:
    """Make items of pairs and of rated texts, and change them by checks."""
    chosen = () if pairs is None else pairs.pairs
    items = tuple(Item(pair.id, row, pair.positive, pair.context, pair.group) for row, pair in enumerate(chosen))
    texts = () if rated is None else rated.texts
    rated_items = tuple(
        Item(f"{_RATED}/{row}", len(items) + row, text.description, text.article, text.image)
        for row, text in enumerate(texts)
    )
    return Material(pairs, items, tuple(variants_of(items, checks, seed)), rated, rated_items, seed)


def write_items(material: Material, path: Path) -> None:
    """Write all items as a table, to be scored by metrics of one's own."""
    rows = [
        {
            "item": item.name,
            "part": part,
            "image": _image_name(material, item.image),
            "text": item.text,
            "context": item.context,
        }
        for part, items in material.parts.items()
        for item in items
    ]
    write_atomic(path, csv_text(pd.DataFrame(rows)))


def _image_name(material: Material, number: int) -> str:
    if number < len(material.items):
        return material.items[number].name
    return "" if material.rated is None else material.rated.texts[number - len(material.items)].image


def baselines() -> list[Metric]:
    """Return the metrics that read no image: what a metric must exceed."""
    return [length_metric(), concreteness_metric()]


def given_metric(path: str) -> Metric:
    """Return the metric of a file of scores: of items, or of rated texts alone.

    Raises:
        DataError: the file cannot be read, or has columns of neither kind.
    """
    if "item" in read_table(path).columns:
        return file_metric(path)
    return text_only(read_text_scores(path), Path(path).stem)


@dataclass(frozen=True)
class ModelSource:
    """Models that are named, and how they are loaded."""

    names: tuple[str, ...]
    device: str
    trust: bool
    prefix: str

    def metrics(self, material: Material, train: PairSet | None) -> tuple[list[Metric], list[str]]:
        """Load each model, embed the images, and return its metrics, and notes.

        Args:
            train: pairs that say what a neutral Z is; without them, the pairs that are checked.
        """
        metrics: list[Metric] = []
        notes: list[str] = []
        for name, trust in named_models(self.names, trust=self.trust):
            clip = load_clip(name, device=self.device, trust=trust)
            images, more = self._images(clip, material)
            notes += [*clip.notes, *more]
            metrics += self._of_one(clip, name, images, material, train)
        return metrics, notes

    def _images(self, clip: Clip, material: Material) -> tuple[Embeddings, list[str]]:
        parts: list[Embeddings] = []
        notes: list[str] = []
        if material.pairs is not None:
            features = _features(clip, material.pairs)
            parts.append(features.embeddings)
            notes += features.notes
        if material.rated is not None:
            parts.append(rated_images(clip, material.rated))
        return torch.cat(parts), notes

    def _of_one(
        self, clip: Clip, name: str, images: Embeddings, material: Material, train: PairSet | None
    ) -> list[Metric]:
        contextual = any(item.context for items in material.parts.values() for item in items)
        beside = Path(name) / ROTATION
        subspace = load_subspace(beside) if beside.is_file() else None
        reference = train if train is not None else material.pairs
        neutral = None
        if subspace is not None and subspace.site.tower == "text" and reference is not None:
            neutral = pairs_at(clip, _features(clip, reference), subspace.site).midpoint
        return metrics_of_clip(
            clip, name, images, prefix=self.prefix, contextual=contextual, subspace=subspace, neutral=neutral
        )


def _features(clip: Clip, pairs: PairSet) -> EmbeddedPairs:
    with Bar(total=len(pairs), desc="images", unit="image") as bar:
        return image_features(clip, pairs, on_image=bar.update)


def compare_metrics(material: Material, metrics: Sequence[Metric], out: Path, **facts: Any) -> list[MetricNumber]:
    """Score what has no scores in the folder yet, and write the tables.

    Raises:
        UserError: two metrics have one name.
        StoreError: the folder holds another run, or cannot be written.
    """
    names = [metric.name for metric in metrics]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two metrics are called {twice[0]}; rename one of the files")
    parts = material.parts
    with open_run(out, material.settings, **facts) as folder:
        write_items(material, out / ITEMS)
        with Bar(total=len(metrics) * len(parts), desc="scores", unit="check") as bar:
            scored = []
            for metric in metrics:
                found = {}
                for part, items in parts.items():
                    found[part] = _scores(folder, metric, part, items)
                    bar.update()
                plain = found.get(_PLAIN, np.empty(0))
                changed = {variants.name: found[variants.name] for variants in material.variants if len(variants)}
                scored.append(Scored(metric, plain, changed, found.get(_RATED)))
        numbers = numbers_of(scored, material.items, material.variants, material.rated)
        rows = [number.row() for number in numbers]
        write_table(pd.DataFrame(rows, columns=list(COLUMNS)), out, "results")
        write_atomic(out / "results.json", to_json(rows))
    return numbers


def _scores(folder: RunFolder, metric: Metric, part: str, items: Sequence[Item]) -> np.ndarray:
    """Return the scores of a part by a metric: those that are kept, or new ones."""
    name = f"{slug(metric.name)}-{digest([metric.name])[:6]}-{slug(part)}"
    key = digest([metric.key, *(f"{item.name} {item.image} {item.text} {item.context}" for item in items)])
    try:
        known = folder.read(name, _Scores)
    except StoreError as error:
        print(f"note: {error.fault}; these scores are computed again")
        known = None
    if known is None or known["metric"] != key:
        known = {"metric": key, "scores": metric.score(items).tolist()}
        folder.write(name, {**known})
    return np.array(known["scores"], dtype=float)
