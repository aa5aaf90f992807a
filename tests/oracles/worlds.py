"""Made-up networks with anisotropic streams, in which the direction that carries a preference is known."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from interp.clip.sites import Site
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.rotation import random_basis

Kind = Literal["one", "bypass", "half", "redundant", "xor", "image", "words"]

SITE = Site("text", 1)
CONTENT = 8  # directions that encode the image
PLANTED = 2  # directions that the score can depend on, behind the content directions
COUNTS = (600, 200, 300)  # pairs of train, val and test
EACH = 3  # pairs of an article
SPREAD = 7.4  # standard deviation of a coordinate of the stream, as in the toy's last layer
NOISE = 0.35  # standard deviation along planted directions, in units of half the distance of the kinds
APART = 1.2  # Mahalanobis distance of the kinds in directions that nothing reads
BOTH = ("bypass", "redundant", "xor")  # worlds in which the kinds also differ along the second planted direction
LENGTH, STEP = 11.0, 3.0  # mean number of words, and half the distance of the kinds
EQUAL = 0.04  # share of pairs whose texts are of about the same length


@dataclass(frozen=True, eq=False)
class World:
    """Clean run of a frozen network, given by its streams.

    A higher purpose of a text increases the weight of its content in its embedding, so the score with its own image
    rises.

    Attributes:
        h: streams, shape (n, d).
        past: purpose at earlier positions, which no intervention reaches, shape (n,).
        axes: orthonormal columns, shape (d, d): content, planted directions, the rest.
        scale: half the distance of the kinds along planted directions.
    """

    h: Tensor
    past: Tensor
    axes: Tensor
    scale: float
    kind: Kind

    def __len__(self) -> int:
        return len(self.h)

    def take(self, rows: Tensor) -> World:
        """Return the run of the texts in the given rows."""
        return replace(self, h=self.h[rows], past=self.past[rows])

    def stream(self, site: Site) -> Tensor:
        """Return all streams; there is only one site."""
        return self.h

    def push(self, site: Site, h: Tensor) -> Tensor:
        """Return unit-norm embeddings."""
        at = h @ self.axes[:, : CONTENT + PLANTED]
        content = functional.normalize(at[..., :CONTENT], dim=-1)
        weight = (0.5 + 0.2 * self.gain(content) * torch.tanh(0.7 * self.purpose(at)))[..., None]
        return torch.cat([weight * content, torch.zeros_like(weight), (1 - weight**2).sqrt()], dim=-1)

    def purpose(self, at: Tensor) -> Tensor:
        """Return the purpose that the score rises with, 1 or -1 for typical texts of the kinds."""
        past = self.past.view(-1, *[1] * (at.ndim - 2)).expand(at.shape[:-1])
        a, b = at[..., CONTENT] / self.scale, at[..., CONTENT + 1] / self.scale
        return {
            "bypass": past,
            "half": (a + past) / 2,
            "redundant": ((a + b) / 2) ** 3,
            "xor": a * b,
        }.get(self.kind, a)

    def gain(self, content: Tensor) -> Tensor:
        """Return how strongly the purpose counts, which may depend on the image."""
        high = (content[..., 0] > 0).to(content)
        return 0.2 + 1.6 * high if self.kind == "image" else torch.ones_like(high)

    def batches(self, size: int) -> list[Tensor]:
        """Return rows in order."""
        return list(torch.arange(len(self)).split(size))


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pairs of train, val and test in one world.

    Attributes:
        truth: planted directions, shape (d, 2); most kinds read the preference from the first direction.
        traits: traits of the test texts.
    """

    train: PairsAtSite
    val: PairsAtSite
    test: PairsAtSite
    truth: Tensor
    traits: np.ndarray
    width: int
    scale: float


def drawn(kind: Kind, seed: int) -> Drawn:
    """Draw a world with a width from 32 to 256 and a planted scale from 0.3 to 3, compared with `SPREAD`.

    ``one``: one direction carries the preference. ``bypass``: no direction does. The kinds differ along the planted
    directions, but the score reads earlier positions. ``half``: half of the purpose comes from earlier positions.
    ``redundant``: each of two directions alone preserves the preference. ``xor``: the product of two directions counts,
    and neither direction alone carries information. ``image``: the gap is nine times as large for some images as for
    others. ``words``: the purpose is the number of words.
    """
    draw = random.Random(f"{kind} {seed}")
    width = draw.choice([32, 48, 64, 96, 128, 192, 256])
    return world(kind, width, math.exp(draw.uniform(math.log(0.3), math.log(3))), seed)


def world(
    kind: Kind, width: int, scale: float, seed: int, real: Sequence[tuple[Tensor, Tensor]] | None = None
) -> Drawn:
    """Make a world; see `drawn`.

    Args:
        real: streams of positive and of negative texts of train, val and test, shape (n, width - 10), which replace the
            directions that nothing reads.
    """
    draw = torch.Generator().manual_seed(1000 + seed)
    axes = random_basis(width, width, draw)
    rest = width - CONTENT - PLANTED
    # Half of the other directions are large and half are small, as in the toy.
    large = rest // 2
    spread = torch.cat([torch.logspace(0.2, -0.2, large), torch.logspace(-1.3, -1.8, rest - large)])
    spread = spread * SPREAD * math.sqrt(rest / float(spread.square().sum()))
    between = torch.randn(rest, generator=draw)
    between = between / between.norm() * APART * spread
    parts, traits = [], np.empty(0)
    counts = COUNTS if real is None else [len(positive) for positive, _ in real]
    for number, n in enumerate(counts):
        draw = torch.Generator().manual_seed(17 * seed + number + 1)
        content = functional.normalize(torch.randn(n, CONTENT, generator=draw), dim=-1)
        topic = torch.randn(n, rest, generator=draw)
        streams, past, words = [], [], []
        coins = torch.where(torch.rand(2, n, generator=draw) < 0.5, 1.0, -1.0)
        unequal = (torch.rand(n, generator=draw) > (EQUAL if kind == "words" else 0.3)).float()
        for half, (coin, sign) in enumerate(zip(coins, (1.0, -1.0), strict=True)):
            a, b, c, d = torch.randn(4, n, generator=draw) * NOISE
            a, b, earlier = sign + a, sign * (kind in BOTH) + b, sign + c
            words.append(torch.round(LENGTH + STEP * (sign * unequal + d)).clamp(min=1))
            if kind == "xor":
                a, b = a - sign + coin, b - sign + sign * coin
            if kind == "words":
                a = (words[-1] - LENGTH) / STEP
            at = torch.cat(
                [
                    SPREAD * (math.sqrt(CONTENT) * content + 0.3 * torch.randn(n, CONTENT, generator=draw)),
                    torch.stack([a, b], dim=1) * scale,
                    (topic + torch.randn(n, rest, generator=draw)) / math.sqrt(2) * spread + sign * between / 2
                    if real is None
                    else real[number][half],
                ],
                dim=1,
            )
            streams.append(at @ axes.T)
            past.append(earlier)
        images = torch.cat([0.8 * content, torch.full((n, 1), 0.6), torch.zeros(n, 1)], dim=1)
        run = World(torch.cat(streams), torch.cat(past), axes, scale, kind)
        groups = tuple(f"{i // EACH}" for i in range(n))
        parts.append(PairsAtSite(PairRun(run, images, 45.0, groups), SITE))
        others = torch.randn(2 * n, 2, generator=draw).abs()
        traits = torch.cat([torch.cat(words)[:, None], others], dim=1).double().numpy()
    train, val, test = parts
    return Drawn(train, val, test, axes[:, CONTENT : CONTENT + PLANTED], traits, width, scale)
