"""Interventions on a model and its data by whole forward passes of transformers in float64, hooks and loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

import interp

KINDS = ("caption", "description")
OTHER = {"caption": "description", "description": "caption"}
FIELD = {"description": "positive", "caption": "negative", "group": "group"}  # fields of a pair
SUFFIX = {"caption": "c2d", "description": "d2c"}  # by the kind of the base
SIGN = {"caption": 1, "description": -1}  # sign of the predicted rise, by the kind of the base
SOURCE_DRAWS = 2

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class World:
    """Model in float64, with the pairs and image embeddings of each split."""

    clip: Any
    pairs: Mapping[str, Sequence[Any]]
    images: Mapping[str, Tensor]

    def all(self, split: str, field: str) -> list[str]:
        """Return the `description`, `caption` or `group` (article) of each pair of a split."""
        return [getattr(pair, FIELD[field]) for pair in self.pairs[split]]


def load_world(model: str, data: str) -> World:
    """Load a model and data, and embed each image separately."""
    clip, loaded = interp.load_clip(model, dtype=torch.float64), interp.load_pairs(data)
    pairs = {name: [pair for pair in loaded.pairs if pair.split == name] for name in ("train", "val", "test")}
    images = {}
    for name, members in pairs.items():
        pixels = [clip.processor([loaded.open_image(pair)], return_tensors="pt")["pixel_values"] for pair in members]
        embedded = [clip.model.get_image_features(pixel_values=image.double()).pooler_output for image in pixels]
        images[name] = functional.normalize(torch.cat(embedded), dim=-1)
    return World(clip, pairs, images)


def embed(world: World, texts: Sequence[str], layer: int, change: Change | None = None) -> tuple[Tensor, Tensor]:
    """Return unit-norm embeddings of texts, and the streams at EOT after a block, before `change` alters them.

    Texts are padded behind their EOT, which earlier tokens cannot attend to.
    """
    ids = [world.clip.tokenizer(text)["input_ids"] for text in texts]
    longest, rows, eot = max(map(len, ids)), torch.arange(len(ids)), torch.tensor([len(tokens) - 1 for tokens in ids])
    padded = torch.tensor([tokens + [world.clip.eot] * (longest - len(tokens)) for tokens in ids])
    seen = []

    def hook(module: Any, inputs: Any, output: Tensor) -> Tensor:
        seen.append(output[rows, eot])
        output = output.clone()
        output[rows, eot] = seen[0] if change is None else change(seen[0])
        return output

    handle = world.clip.model.text_model.encoder.layers[layer - 1].register_forward_hook(hook)
    features = world.clip.model.get_text_features(input_ids=padded).pooler_output
    handle.remove()
    return functional.normalize(features, dim=-1), seen[0]


def score(
    world: World, texts: Sequence[str], images: Tensor, layer: int, change: Change | None = None
) -> tuple[Tensor, Tensor]:
    """Return the scores of texts for the images of the same rows, and the streams from `embed`."""
    embedded, streams = embed(world, texts, layer, change)
    return (embedded * images).sum(-1), streams


@cache
def clean(world: World, split: str, kind: str, layer: int) -> tuple[Tensor, Tensor]:
    """Return scores and streams of the unchanged texts of a split."""
    return score(world, world.all(split, kind), world.images[split], layer)


def kind_means(world: World, layer: int) -> tuple[Tensor, Tensor]:
    """Return the mean streams of the descriptions and of the captions of train."""
    described, captioned = (clean(world, "train", kind, layer)[1] for kind in ("description", "caption"))
    return described.mean(0), captioned.mean(0)


def gaps(world: World, split: str, layer: int) -> list[float]:
    """Return for each pair the score of its description minus the score of its caption."""
    described, captioned = (clean(world, split, kind, layer)[0] for kind in ("description", "caption"))
    return (described - captioned).tolist()


def exchange(basis: Tensor, given: Tensor) -> Change:
    """Return the change that gives streams the Z of the given streams."""
    projector = basis @ basis.T
    return lambda h: h + (given - h) @ projector


def changed_scores(
    world: World,
    split: str,
    kind: str,
    layer: int,
    basis: Tensor,
    source: Sequence[int],
    rows: Sequence[int],
    *,
    within: bool = False,
) -> Tensor:
    """Return the scores of the texts of one kind with Z of the source pairs' texts.

    Args:
        rows: pairs whose texts are scored.
        within: True to take Z from texts of the same kind; False to take it from texts of the other kind.
    """
    given = clean(world, split, kind if within else OTHER[kind], layer)[1][[source[i] for i in rows]]
    texts, images = world.all(split, kind), world.images[split][rows]
    return score(world, [texts[i] for i in rows], images, layer, exchange(basis, given))[0]


def draw_sources(articles: Sequence[str], generator: torch.Generator) -> list[int]:
    """Return the source of each of n pairs: the previous pair in a random ring of all pairs.

    Then each pair whose source is of its own article exchanges sources with a random pair, chosen so that both have a
    source of another article afterwards. If there is no such partner, the pair gets a random source from the pairs of
    other articles, if there are any.
    """
    n = len(articles)
    ring = torch.randperm(n, generator=generator).tolist()
    source = {ring[place]: ring[place - 1] for place in range(n)}

    def pick(candidates: list[int]) -> int:
        return candidates[int(torch.randint(len(candidates), (), generator=generator))]

    for i in range(n):
        if articles[source[i]] == articles[i]:
            able = [j for j in range(n) if articles[source[j]] != articles[i] and articles[source[i]] != articles[j]]
            others = [j for j in range(n) if articles[j] != articles[i]]
            if able:
                j = pick(able)
                source[i], source[j] = source[j], source[i]
            elif others:
                source[i] = pick(others)
    return [source[i] for i in range(n)]


class Done(NamedTuple):
    """Outcome of one intervention.

    Attributes:
        base, source: articles of base and source.
        hit: 1 for a hit.
        rise: change of the score.
        pair, source_pair: numbers of the pairs in the split.
    """

    base: str
    source: str
    hit: float
    rise: float
    pair: int
    source_pair: int


def won(difference: float) -> float:
    """Return 1 for a positive difference, 0 for a negative one, and 1/2 if rounding in float32 may decide."""
    return 0.5 if abs(difference) < 1e-6 else float(difference > 0)


Interventions = Mapping[str, list[Done]]  # by the kind of the base


def interventions(
    world: World,
    split: str,
    layer: int,
    basis: Tensor,
    seed: int | None,
    *,
    draws: int = SOURCE_DRAWS,
    within: bool = False,
) -> Interventions:
    """Return all interventions of each draw and pair.

    Args:
        seed: seed of the sources; None to take the other text of the same pair, once.
        within: True to take sources of the kind of the base.
    """
    generator, articles = torch.Generator().manual_seed(seed or 0), world.all(split, "group")
    out: dict[str, list[Done]] = {kind: [] for kind in KINDS}
    for _ in range(1 if seed is None else draws):
        source = list(range(len(articles))) if seed is None else draw_sources(articles, generator)
        for kind, done in out.items():
            before = clean(world, split, kind, layer)[0].tolist()
            rows = range(len(articles))
            after = changed_scores(world, split, kind, layer, basis, source, rows, within=within).tolist()
            for i in rows:
                rise = after[i] - before[i]
                hit = won(SIGN[kind] * rise)
                done.append(Done(articles[i], articles[source[i]], hit, rise, i, source[i]))
    return out


def random_subspace(width: int, size: int, seed: int) -> Tensor:
    """Return normal vectors, orthogonalized one by one, and rounded to float32 like the start of a search."""
    drawn = torch.randn(width, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    columns: list[Tensor] = []
    for column in drawn.T:
        for earlier in columns:
            column = column - (column @ earlier) * earlier
        columns.append(column / column.norm())
    return torch.stack(columns, dim=1).float().double()
