"""Three made-up networks of which it is known whether a preference is there, and whether a subspace holds it."""

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

CONTENT, WIDTH = 8, 16  # directions that say which image it is, and all
CAUSE, MARK, DORMANT = range(CONTENT, CONTENT + 3)  # single directions, of those that `axes` holds
SITE = Site("text", 1)
COUNTS = (300, 150, 300)  # pairs of train, val and test
EACH = 3  # pairs of an article


@dataclass(frozen=True, eq=False)
class Network:
    """Streams, and how a frozen network embeds them.

    The text's content enters its embedding the more the further it is along `CAUSE`: the score with its own image
    rises, with others it does not. `DORMANT` adds the same to the scores with all images. Nothing reads `MARK`.

    Attributes:
        h: streams, shape (n, d).
        axes: orthonormal columns, shape (d, d).
        slope, reach: w = 1/2 + reach * tanh(slope * what is along `CAUSE`) is what multiplies the content.
        wakes: what is along `DORMANT` adds 0.27 * tanh of this many times it to scores, at 0 for texts as they are.
    """

    h: Tensor
    axes: Tensor
    slope: float
    reach: float
    wakes: float

    def __len__(self) -> int:
        return len(self.h)

    def take(self, rows: Tensor) -> Network:
        """The streams of some texts."""
        return replace(self, h=self.h[rows])

    def stream(self, site: Site) -> Tensor:
        """All streams: there is but one site."""
        return self.h

    def push(self, site: Site, h: Tensor) -> Tensor:
        """Unit-norm embeddings."""
        at = h @ self.axes
        weight = 0.5 + self.reach * torch.tanh(self.slope * at[..., CAUSE : CAUSE + 1])
        common = 0.45 * torch.tanh(self.wakes * at[..., DORMANT : DORMANT + 1])
        content = weight * functional.normalize(at[..., :CONTENT], dim=-1)
        return torch.cat([content, common, (1 - weight**2 - common**2).sqrt()], dim=-1)

    def batches(self, size: int) -> list[Tensor]:
        """Rows in order."""
        return list(torch.arange(len(self)).split(size))


def planted(kind: Kind) -> tuple[PairsAtSite, PairsAtSite, PairsAtSite]:
    """Train, val and test pairs of a network, in articles of three.

    ``carries``: the kinds differ along `CAUSE`, at 1 and -1, and the score depends on it. This is all there is to find,
    and `CAUSE` alone holds the preference.

    ``dormant``: the preference comes from `CAUSE`, along which the kinds overlap, at 1/2 and -1/2 with as much noise.
    They are told apart far better by `MARK`, at 3 and -3, which nothing reads. `DORMANT` is 0 in all texts, up to
    little noise, and so has no effect; but a subspace that mixes it with `MARK` steers scores when it is swapped, by
    more than texts ever differ (Makelov, Lange & Nanda 2023). Such a subspace does not hold the preference.

    ``neither``: the same, but along `CAUSE` the kinds do not differ, so that there is no preference.
    """
    apart, noise, mark = {"carries": (1.0, 0.35, 0.0), "dormant": (0.5, 0.5, 3.0), "neither": (0.0, 0.5, 3.0)}[kind]
    how = (0.7, 0.2, 0.0) if kind == "carries" else (1.0, 0.15, 1.0)
    axes = random_basis(WIDTH, WIDTH, torch.Generator().manual_seed(1))
    found = []
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
        found.append(PairsAtSite(run, SITE))
    train, val, test = found
    return train, val, test


def axis(part: PairsAtSite, number: int) -> Tensor:
    """One of the directions that were planted, shape (d, 1)."""
    assert isinstance(part.pairs.run, Network)
    return part.pairs.run.axes[:, number : number + 1]
