"""Benchmark run: prepare items and metrics, score each check, and store the scores."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from typing_extensions import TypedDict

from interp.cli import slug
from interp.cli.progress import Bar
from interp.clip.bases import named_models
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.clip.tensors import Embeddings
from interp.data.blv import RatedTexts
from interp.data.pairs import PairSet, digest
from interp.errors import UserError
from interp.runs.content import Real, to_json
from interp.runs.files import StoreError, write_atomic
from interp.runs.folder import RunFolder, open_run, write_table
from interp.runs.versions import VERSIONS
from interp.subspaces.kinds import load_subspace
from interp.subspaces.subspace import Subspace
from training.evaluation.tasks.blv import rated_images
from training.loop import ROTATION
from training.metrics.checks import variants_of
from training.metrics.clip_metrics import metrics_of_clip, neutral_stream
from training.metrics.items import Item, Variants, item_key
from training.metrics.metrics import RATED, Metric
from training.metrics.numbers import COLUMNS, MetricNumber, MetricScores, numbers_of

_ITEMS = "items.jsonl"
_PLAIN = "unchanged"


@dataclass(frozen=True)
class Material:
    """Pairs, their items, and rated texts, on which metrics are compared.

    Attributes:
        pairs: pairs whose positive text is checked; None to compare metrics with readers only.
        items: one item for each pair.
        variants: items of each check.
        rated: texts with ratings; None without readers.
        rated_items: one item for each rated text.
        seed: seed of random choices in checks.
    """

    pairs: PairSet | None
    items: tuple[Item, ...]
    variants: tuple[Variants, ...]
    rated: RatedTexts | None
    rated_items: tuple[Item, ...]
    seed: int

    @cached_property
    def parts(self) -> dict[str, tuple[Item, ...]]:
        """Items of each part; the items of a part are scored together."""
        parts = {_PLAIN: self.items} if self.items else {}
        parts |= {variants.name: variants.items for variants in self.variants if len(variants)}
        return parts | ({RATED: self.rated_items} if self.rated_items else {})

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the run folder, which do not include the checks."""
        return {
            "kind": "metrics",
            "version": VERSIONS["metrics"],
            "data": None if self.pairs is None else self.pairs.fingerprint,
            "ratings": None if self.rated is None else self.rated.fingerprint,
            "seed": self.seed,
        }


class _Scores(TypedDict):
    metric: str
    scores: list[Real]


def material_of(pairs: PairSet | None, rated: RatedTexts | None, checks: Sequence[str], seed: int) -> Material:
    """Make items of pairs and of rated texts, and change them by checks."""
    chosen = () if pairs is None else pairs.pairs
    first: dict[str, int] = {}
    images = [] if pairs is None else [first.setdefault(_picture(pairs, row), row) for row in range(len(chosen))]
    items = tuple(
        Item(pair.id, image, pair.positive, pair.context, pair.group)
        for pair, image in zip(chosen, images, strict=True)
    )
    texts = () if rated is None else rated.texts
    rated_items = tuple(
        Item(f"{RATED} {row}", len(items) + row, text.description, text.article, text.image)
        for row, text in enumerate(texts)
    )
    return Material(pairs, items, tuple(variants_of(items, checks, seed)), rated, rated_items, seed)


def _picture(pairs: PairSet, row: int) -> str:
    """Return the identity of a picture; without images each pair has its own."""
    return pairs.image_key(pairs.pairs[row]) if pairs.has_images else str(row)


def _write_items(material: Material, path: Path) -> None:
    """Write all items as JSON lines, for metrics that the user computes."""
    names = [item.name for item in material.items]
    names += [text.image for text in (material.rated.texts if material.rated else ())]
    lines = [
        {
            "item": item_key(part, item),
            "check": part,
            "pair": item.name,
            "image_of": names[item.image],
            "text": item.text,
            "context": item.context,
        }
        for part, items in material.parts.items()
        for item in items
    ]
    write_atomic(path, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))


@dataclass(frozen=True)
class ModelSource:
    """Names of models, and the options for loading them."""

    names: tuple[str, ...]
    device: str
    trust: bool
    prefix: str

    def metrics(self, material: Material, train: PairSet | None) -> tuple[list[Metric], list[str]]:
        """Load each model, embed the images, and return the metrics and notes.

        Args:
            material: items to score.
            train: pairs that determine a neutral Z; None to omit metrics with a neutral Z.
        """
        metrics: list[Metric] = []
        notes: list[str] = []
        contexts = Counter(bool(item.context) for items in material.parts.values() for item in items)
        if contexts[True] and contexts[False]:
            total = sum(contexts.values())
            notes.append(f"{contexts[False]} of {total} items have no context and thus no contextual score")
        for name, trust in named_models(self.names, trust=self.trust):
            clip = load_clip(name, device=self.device, trust=trust)
            images, more = self._images(clip, material)
            subspace, reasons = _text_subspace(name, train)
            notes += [*clip.notes, *more, *reasons]
            neutral = None
            if subspace is not None and train is not None:
                neutral = neutral_stream(clip, subspace, train.pairs, self.prefix)
            metrics += metrics_of_clip(
                clip,
                name,
                images,
                prefix=self.prefix,
                contextual=contexts[True] > 0,
                subspace=subspace,
                neutral=neutral,
            )
        return metrics, notes

    def _images(self, clip: Clip, material: Material) -> tuple[Embeddings, list[str]]:
        parts: list[Embeddings] = []
        notes: list[str] = []
        if material.pairs is not None:
            with Bar(total=len(material.pairs), desc="images", unit="image") as bar:
                features = image_features(clip, material.pairs, on_image=bar.update)
            parts.append(features.embeddings)
            notes += features.notes
        if material.rated is not None:
            parts.append(rated_images(clip, material.rated))
        return torch.cat(parts), notes


def _text_subspace(name: str, train: PairSet | None) -> tuple[Subspace | None, list[str]]:
    """Return the subspace in a run folder, and a note if it cannot be neutralized."""
    path = Path(name) / ROTATION
    subspace = load_subspace(path) if path.is_file() else None
    if subspace is None:
        return None, []
    if subspace.site.tower != "text":
        return None, [f"Z of '{name}' is in the {subspace.site.tower} tower: its texts have no neutral Z"]
    if train is None:
        return None, [f"a neutral Z of '{name}' needs train pairs; add --data with a train split"]
    return subspace, []


def compare_metrics(material: Material, metrics: Sequence[Metric], out: Path, **facts: Any) -> list[MetricNumber]:
    """Score the items that have no scores in the folder yet, and write the tables.

    Raises:
        UserError: two metrics have the same name.
        StoreError: the folder holds another run, or cannot be written.
    """
    check_names(metrics)
    parts = material.parts
    with open_run(out, material.settings, **facts) as folder:
        _write_items(material, out / _ITEMS)
        with Bar(total=len(metrics) * len(parts), desc="scores", unit="check") as bar:
            scored = []
            for metric in metrics:
                by_part = {}
                for part, items in parts.items():
                    if part == RATED or not metric.only_rated:
                        by_part[part] = _scores(folder, metric, part, items)
                    bar.update()
                scored.append(_scored(metric, by_part, material))
        numbers = numbers_of(scored, material.items, material.variants, material.rated)
        rows = [number.row() for number in numbers]
        write_table(pd.DataFrame(rows, columns=list(COLUMNS)), out, "results")
        write_atomic(out / "results.json", to_json(rows))
    return numbers


def check_names(metrics: Sequence[Metric]) -> None:
    """Raise `UserError` if two metrics have the same name."""
    names = [metric.name for metric in metrics]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two metrics have the name {twice[0]}; name each model once, or rename a file with scores")


def _scored(metric: Metric, by_part: dict[str, np.ndarray], material: Material) -> MetricScores:
    changed = {variants.name: by_part[variants.name] for variants in material.variants if variants.name in by_part}
    cut = (
        {}
        if metric.cut is None
        else {name: metric.cut(material.parts[name]) for name in (_PLAIN, *changed) if name in by_part}
    )
    return MetricScores(metric, by_part.get(_PLAIN), changed, by_part.get(RATED), cut.pop(_PLAIN, None), cut)


def _scores(folder: RunFolder, metric: Metric, part: str, items: Sequence[Item]) -> np.ndarray:
    """Return the scores of a part by a metric, from the folder or newly computed."""
    name = f"{slug(metric.name)}-{digest([metric.name])[:6]}-{slug(part)}"
    key = digest([metric.key, *(item_key(part, item) for item in items)])
    try:
        stored = folder.read(name, _Scores)
    except StoreError as error:
        print(f"note: {error.fault}; these scores are computed again")
        stored = None
    if stored is None or stored["metric"] != key:
        stored = {"metric": key, "scores": metric.score(part, items).tolist()}
        folder.write(name, {**stored})
    return np.array(stored["scores"], dtype=float)
