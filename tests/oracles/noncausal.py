"""Example of a dual encoder of another family: small, random, plain torch, and not causal.

This file resembles a user's family: it holds the modules, with other names and arithmetic than CLIP, and the family.
`registered` adds its line to the registry for the duration of a test.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from torch import Tensor, nn

from interp.clip.families import FAMILIES
from interp.clip.families.family import AttentionParts, BlockParts, Family, MlpParts, Names
from interp.clip.model import Clip

WIDTHS, HEADS, EMBED, CONTEXT, SIDE, PATCH = {"text": 24, "vision": 16}, 2, 12, 77, 64, 32
DEPTH = 3


class Attention(nn.Module):
    """Attention of each position to all visible positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.merge = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        split = (*x.shape[:2], HEADS, -1)
        q, k, v = (layer(x).view(split) for layer in (self.query, self.key, self.value))
        logits = torch.einsum("nihd,njhd->nhij", q, k) / math.sqrt(q.shape[-1])
        weights = logits.masked_fill(~seen[:, None, None], -math.inf).softmax(-1)
        return self.merge(torch.einsum("nhij,njhd->nihd", weights, v).flatten(2))


class Mlp(nn.Module):
    """MLP with two layers and an activation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.bend, self.down = nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.bend(self.up(x)))


class Block(nn.Module):
    """Block of either tower."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.mix, self.second, self.dense = (
            nn.LayerNorm(width),
            Attention(width),
            nn.LayerNorm(width),
            Mlp(width),
        )

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        x = x + self.mix(self.first(x), seen)
        return x + self.dense(self.second(x))


class Table(nn.Module):
    """Token embeddings plus position embeddings."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(tokens, width), nn.Embedding(CONTEXT, width)

    def forward(self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None) -> Tensor:
        x = self.words(input_ids) if inputs_embeds is None else inputs_embeds
        return x + self.places.weight[: x.shape[1]]


class Tower(nn.Module):
    """Tower with blocks and a last norm."""

    def __init__(self, width: int, first: nn.Module) -> None:
        super().__init__()
        self.first, self.last = first, nn.LayerNorm(width)
        self.stack = nn.ModuleList(Block(width) for _ in range(DEPTH))

    def forward(self, x: Tensor, seen: Tensor, ends: Tensor) -> Tensor:
        for block in self.stack:
            x = block(x, seen)
        return self.last(x)[torch.arange(len(x)), ends]


class Patches(nn.Module):
    """Embeddings of CLS and patches with their positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cut = nn.Conv2d(3, width, PATCH, PATCH)
        self.cls, self.places = nn.Parameter(torch.randn(width)), nn.Parameter(torch.randn(5, width))

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.cut(pixels).flatten(2).transpose(1, 2)
        return torch.cat([self.cls.expand(len(pixels), 1, -1), patches], 1) + self.places


class TwoWay(nn.Module):
    """Dual encoder; `eot` ends its texts, and tokens behind a text's first `eot` are invisible padding."""

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        self.config, self.eot = config, config.eot
        self.reader = Tower(WIDTHS["text"], Table(config.tokens, WIDTHS["text"]))
        self.viewer = Tower(WIDTHS["vision"], Patches(WIDTHS["vision"]))
        self.read_out, self.view_out = (nn.Linear(width, EMBED, bias=False) for width in WIDTHS.values())
        self.logit_scale = nn.Parameter(torch.tensor(2.0))

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.logit_scale.device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the weights."""
        return self.logit_scale.dtype

    def read(self, ids: Tensor) -> Tensor:
        """Embed texts."""
        ends = (ids == self.eot).int().argmax(1)
        seen = torch.arange(ids.shape[1]) <= ends[:, None]
        return self.read_out(self.reader(self.reader.first(ids), seen, ends))

    def view(self, pixels: Tensor) -> Tensor:
        """Embed images."""
        x = self.viewer.first(pixels)
        return self.view_out(self.viewer(x, torch.ones(x.shape[:2], dtype=torch.bool), torch.zeros(len(x)).long()))


class _TwoWayFamily(Family):
    """Family of `TwoWay`."""

    name, model = "TwoWay", "TwoWay"
    towers: ClassVar = {
        "text": Names(("reader", "read_out"), "reader.stack", "reader.last", causal=False),
        "vision": Names(("viewer", "view_out"), "viewer.stack", "viewer.last", causal=False),
    }
    embeddings, tokens = "reader.first", "reader.first.words"

    def parts(self, block: Any) -> Any:
        mix, dense = block.mix, block.dense
        head = mix.merge.out_features // HEADS
        attention = AttentionParts(mix.query, mix.key, mix.value, mix.merge, HEADS, head, head**-0.5)
        return BlockParts(block.first, attention, block.second, MlpParts(dense.up, dense.bend, dense.down))

    def context(self, model: Any) -> int:
        return CONTEXT

    def side(self, model: Any) -> int:
        return SIDE

    def embed_patches(self, model: Any, pixels: Tensor) -> Tensor:
        return model.viewer.first(pixels)

    def text_features(self, model: Any, ids: Tensor) -> Tensor:
        return model.read(ids)

    def image_features(self, model: Any, pixels: Tensor) -> Tensor:
        return model.view(pixels)


FAMILY = _TwoWayFamily()


@contextmanager
def registered() -> Iterator[None]:
    """Register the family in the package during the body."""
    with patch.dict(FAMILIES, {FAMILY.model: FAMILY}):
        yield


def two_way(toy: Clip, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Clip:
    """Return a model with random weights, large enough to matter, with the toy's tokenizer and image processor."""
    torch.manual_seed(seed)
    model = TwoWay(SimpleNamespace(tokens=len(toy.tokenizer), eot=toy.eot))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(3.0)
    model.to(dtype).eval().requires_grad_(False)
    return replace(toy, name="two-way", model=model, fingerprint="two-way", image_fingerprint=f"two-way-{seed}")
