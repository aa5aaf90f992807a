"""Three made-up networks for which it is known whether there is a preference, and whether a subspace holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from interp.clip.sites import Site
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.rotation import random_basis

Kind = Literal["carries", "dormant", "neither"]

CONTENT, WIDTH = 8, 16  # numbers of directions that encode the image, and of all directions
CAUSE, MARK, DORMANT = range(CONTENT, CONTENT + 3)  # numbers of single directions in `axes`
SITE = Site("text", 1)
COUNTS = (300, 150, 300)  # pairs of train, val and test
EACH = 3  # pairs of an article


@dataclass(frozen=True, eq=False)
class Network:
    """Clean run of a frozen network, given by its streams.

    A value along `CAUSE` increases the weight of the text's content in its embedding. The score with the text's own
    image then rises, but not the scores with other images. `DORMANT` adds the same amount to the scores with all
    images. Nothing reads `MARK`.

    Attributes:
        h: streams, shape (n, d).
        axes: orthonormal columns, shape (d, d).
        slope, reach: parameters of the content's factor 1/2 + reach * tanh(slope * c), for a value c along `CAUSE`.
        wakes: parameter of the term 0.27 * tanh(wakes * v) of scores, for a value v along `DORMANT`, which is about 0
            in all texts.
    """

    h: Tensor
    axes: Tensor
    slope: float
    reach: float
    wakes: float

    def __len__(self) -> int:
        return len(self.h)

    def take(self, rows: Tensor) -> Network:
        """Return the run of the texts in the given rows."""
        return replace(self, h=self.h[rows])

    def stream(self, site: Site) -> Tensor:
        """Return all streams; there is only one site."""
        return self.h

    def push(self, site: Site, h: Tensor) -> Tensor:
        """Return unit-norm embeddings."""
        at = h @ self.axes
        weight = 0.5 + self.reach * torch.tanh(self.slope * at[..., CAUSE : CAUSE + 1])
        common = 0.45 * torch.tanh(self.wakes * at[..., DORMANT : DORMANT + 1])
        content = weight * functional.normalize(at[..., :CONTENT], dim=-1)
        return torch.cat([content, common, (1 - weight**2 - common**2).sqrt()], dim=-1)

    def batches(self, size: int) -> list[Tensor]:
        """Return rows in order."""
        return list(torch.arange(len(self)).split(size))


def planted(kind: Kind) -> tuple[PairsAtSite, PairsAtSite, PairsAtSite]:
    """Return train, val and test pairs of a network, in articles of three.

    ``carries``: the kinds differ along `CAUSE`, at 1 and -1, and the score depends on it. `CAUSE` alone holds the
    preference.

    ``dormant``: the preference comes from `CAUSE`, along which the kinds overlap, at 1/2 and -1/2 with as much noise.
    `MARK` separates the kinds far better, at 3 and -3, but nothing reads it. `DORMANT` is 0 in all texts, up to little
    noise, so it has no effect. But a swap of a subspace that mixes it with `MARK` moves scores further than texts ever
    differ (Makelov, Lange & Nanda 2023). This mixed subspace does not hold the preference.

    ``neither``: like ``dormant``, but the kinds do not differ along `CAUSE`, so there is no preference.
    """
    apart, noise, mark = {"carries": (1.0, 0.35, 0.0), "dormant": (0.5, 0.5, 3.0), "neither": (0.0, 0.5, 3.0)}[kind]
    how = (0.7, 0.2, 0.0) if kind == "carries" else (1.0, 0.15, 1.0)
    axes = random_basis(WIDTH, WIDTH, torch.Generator().manual_seed(1))
    parts = []
    for seed, n in enumerate(COUNTS):
        draw = torch.Generator().manual_seed(seed)
        content = functional.normalize(torch.randn(n, CONTENT, generator=draw), dim=-1)
        texts = []
        for sign in (1.0, -1.0):
            at = 0.3 * torch.randn(n, WIDTH, generator=draw)
            at[:, :CONTENT] = content + at[:, :CONTENT] / 4
            at[:, CAUSE] = sign * apart + noise / 0.3 * at[:, CAUSE]
            at[:, MARK] += sign * mark
            at[:, DORMANT] /= 100
            texts.append(at @ axes.T)
        images = torch.cat([0.8 * content, torch.full((n, 1), 0.6), torch.zeros(n, 1)], dim=1)
        run = PairRun(Network(torch.cat(texts), axes, *how), images, 20.0, tuple(f"{i // EACH}" for i in range(n)))
        parts.append(PairsAtSite(run, SITE))
    train, val, test = parts
    return train, val, test


def axis(part: PairsAtSite, number: int) -> Tensor:
    """Return one of the planted directions, shape (d, 1)."""
    assert isinstance(part.pairs.run, Network)
    return part.pairs.run.axes[:, number : number + 1]
