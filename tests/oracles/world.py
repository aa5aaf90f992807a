"""A model and its data, and interventions on them: whole forward passes of transformers in float64, hooks, loops."""

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
FIELD = {"description": "positive", "caption": "negative", "group": "group"}  # of a pair
SUFFIX = {"caption": "c2d", "description": "d2c"}  # by the kind of the base
SIGN = {"caption": 1, "description": -1}  # of the rise that is predicted, by the kind of the base
SOURCE_DRAWS = 2

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class World:
    """A model in float64, and the pairs and image embeddings of each split."""

    clip: Any
    pairs: Mapping[str, Sequence[Any]]
    images: Mapping[str, Tensor]

    def all(self, split: str, field: str) -> list[str]:
        """The `description`, `caption` or `group` (article) of each pair of a split."""
        return [getattr(pair, FIELD[field]) for pair in self.pairs[split]]


def load_world(model: str, data: str) -> World:
    """Load a model and data, and embed one image after another."""
    clip, loaded = interp.load_clip(model, dtype=torch.float64), interp.load_pairs(data)
    pairs = {name: [pair for pair in loaded.pairs if pair.split == name] for name in ("train", "val", "test")}
    images = {}
    for name, some in pairs.items():
        pixels = [clip.processor([loaded.open_image(pair)], return_tensors="pt")["pixel_values"] for pair in some]
        embedded = [clip.model.get_image_features(pixel_values=one.double()).pooler_output for one in pixels]
        images[name] = functional.normalize(torch.cat(embedded), dim=-1)
    return World(clip, pairs, images)


def embed(world: World, texts: Sequence[str], layer: int, change: Change | None = None) -> tuple[Tensor, Tensor]:
    """Unit-norm embeddings of texts, and the streams at EOT after a block, before `change` alters them.

    The texts are padded behind their EOT, where no token before it can see.
    """
    ids = [world.clip.tokenizer(text)["input_ids"] for text in texts]
    longest, rows, eot = max(map(len, ids)), torch.arange(len(ids)), torch.tensor([len(one) - 1 for one in ids])
    padded = torch.tensor([one + [world.clip.eot] * (longest - len(one)) for one in ids])
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
    """Scores of texts for the images beside them, and the streams that `embed` gives."""
    embedded, streams = embed(world, texts, layer, change)
    return (embedded * images).sum(-1), streams


@cache
def clean(world: World, split: str, kind: str, layer: int) -> tuple[Tensor, Tensor]:
    """Scores and streams of the unchanged texts of a split."""
    return score(world, world.all(split, kind), world.images[split], layer)


def kind_means(world: World, layer: int) -> tuple[Tensor, Tensor]:
    """Return the mean streams of the descriptions and of the captions of train."""
    described, captioned = (clean(world, "train", kind, layer)[1] for kind in ("description", "caption"))
    return described.mean(0), captioned.mean(0)


def gaps(world: World, split: str, layer: int) -> list[float]:
    """Of each pair the score of its description minus that of its caption."""
    described, captioned = (clean(world, split, kind, layer)[0] for kind in ("description", "caption"))
    return (described - captioned).tolist()


def exchange(basis: Tensor, given: Tensor) -> Change:
    """Streams with Z of the streams given."""
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
    """Scores of the texts of one kind of some pairs, given Z from the texts of the other kind of their source pairs;
    or of the same kind, if within it."""
    given = clean(world, split, kind if within else OTHER[kind], layer)[1][[source[i] for i in rows]]
    texts, images = world.all(split, kind), world.images[split][rows]
    return score(world, [texts[i] for i in rows], images, layer, exchange(basis, given))[0]


def draw_sources(articles: Sequence[str], generator: torch.Generator) -> list[int]:
    """The source of each of n pairs: in a random ring of all, the one before it.

    Then one pair after another whose source is of its own article changes sources with one drawn at random from those
    with whom both have a source of another article afterwards. If there is none, it shares a source drawn at random
    from all of other articles, if there are others.
    """
    n = len(articles)
    ring = torch.randperm(n, generator=generator).tolist()
    source = {ring[place]: ring[place - 1] for place in range(n)}

    def one_of(some: list[int]) -> int:
        return some[int(torch.randint(len(some), (), generator=generator))]

    for i in range(n):
        if articles[source[i]] == articles[i]:
            able = [j for j in range(n) if articles[source[j]] != articles[i] and articles[source[i]] != articles[j]]
            others = [j for j in range(n) if articles[j] != articles[i]]
            if able:
                j = one_of(able)
                source[i], source[j] = source[j], source[i]
            elif others:
                source[i] = one_of(others)
    return [source[i] for i in range(n)]


class Done(NamedTuple):
    """Outcome of one intervention.

    Attributes:
        base, source: articles.
        hit: 1 for a hit.
        rise: change of the score.
        pair, source_pair: numbers in the split.
    """

    base: str
    source: str
    hit: float
    rise: float
    pair: int
    source_pair: int


def won(difference: float) -> float:
    """Return 1 for a score that is the higher one, 0 for the lower one, 1/2 if rounding in float32 may decide."""
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
    """All interventions of each draw and pair.

    Args:
        seed: of the sources; None for those of the same pair, which are drawn once.
        within: sources of the kind of the base.
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
    """Normal vectors, each made orthogonal to those before it; rounded to float32, as a search starts from them."""
    drawn = torch.randn(width, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    columns: list[Tensor] = []
    for one in drawn.T:
        for other in columns:
            one = one - (one @ other) * other
        columns.append(one / one.norm())
    return torch.stack(columns, dim=1).float().double()
