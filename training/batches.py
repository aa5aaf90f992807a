"""Pairs prepared for training, and their order, which is a function of seed and step alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip, Tokens, embed_images, pixel_values
from interp.clip.tensors import Embeddings, Int, Tensor
from interp.data.contrast import PAPER, Contrast
from interp.data.pairs import Pair
from training.config import FinetuneConfig

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class Examples:
    """Pairs of one split.

    Attributes:
        pairs: n pairs.
        tokens: tokens of all positive texts, then of all negative texts.
        embeddings: unit-norm embeddings of the images, shape (n, embed); None if the vision tower is trained.
        open_image: function that opens the image of a pair.
        contrast: the two kinds of text.
    """

    pairs: tuple[Pair, ...]
    tokens: Tokens
    embeddings: Embeddings | None
    open_image: Callable[[Pair], Image]
    contrast: Contrast = PAPER

    def __len__(self) -> int:
        return len(self.pairs)

    def images(self, clip: Clip, rows: Int[Tensor, " b"]) -> Tensor:
        """Return the images of the pairs in the given rows: embeddings, or pixel values, as in `Learner.forward`."""
        if self.embeddings is not None:
            return self.embeddings[rows.to(self.embeddings.device)]
        return pixel_values(clip, [self.open_image(self.pairs[i]) for i in rows.tolist()])

    def all_embeddings(self, clip: Clip) -> Embeddings:
        """Return the embeddings of all images by the current model."""
        if self.embeddings is not None:
            return self.embeddings
        return embed_images(clip, map(self.open_image, self.pairs)).to(clip.device)


def examples(clip: Clip, features: EmbeddedPairs, split: str, *, frozen: bool, most: int | None = None) -> Examples:
    """Return the pairs of a split, prepared for training.

    Args:
        clip: model.
        features: pairs of all splits.
        split: name of the split.
        frozen: True if the vision tower is not trained, so that the embeddings do not change.
        most: largest number of pairs; the pairs are taken in a fixed random order.
    """
    rows = features.rows(split)
    if most is not None and most < len(rows):
        rows = np.random.default_rng(0).permutation(rows)[:most].tolist()
    chosen = features.take(rows)
    tokens, embeddings = chosen.tokens_for(clip), chosen.embeddings if frozen else None
    return Examples(chosen.pairs, tokens, embeddings, chosen.data.open_image, chosen.contrast)


def generator(*numbers: int) -> torch.Generator:
    """Return a random generator for one purpose, independent of the generators of other numbers."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


@dataclass(frozen=True)
class Order:
    """Assignment of pairs to steps.

    Attributes:
        n: number of pairs.
        batch_size: pairs of a step; at most `n`.
        samples: pairs of the sample, which is drawn once for all epochs; None for each pair once. Pairs that do not
            fill a batch are left for another epoch.
        seed: seed of the order.
        replace: True if the sample may hold a pair more than once; otherwise it has at most `n` pairs.
    """

    n: int
    batch_size: int
    samples: int | None
    seed: int
    replace: bool = True

    @classmethod
    def of(cls, config: FinetuneConfig, n: int) -> Order:
        """Return the order of a run over n pairs."""
        behavioral = config.objective == "behavioral"
        return cls(n, config.pairs_per_step, config.sampled_pairs, config.seed, replace=not behavioral)

    @cached_property
    def sample(self) -> Int[Tensor, " s"]:
        """Numbers of the pairs that every epoch takes."""
        if self.samples is None:
            return torch.arange(self.n)
        draw = generator(self.seed, 3)
        if self.replace:
            return torch.randint(self.n, (self.samples,), generator=draw)
        return torch.randperm(self.n, generator=draw)[: self.samples]

    @property
    def per_epoch(self) -> int:
        """Number of steps of an epoch."""
        return max(1, len(self.sample) // min(self.batch_size, self.n))

    def epoch(self, number: int) -> list[Tensor]:
        """Return the pairs of each step of an epoch, counted from 0; each epoch has its own order of the sample."""
        rows = self.sample[torch.randperm(len(self.sample), generator=generator(self.seed, 0, number))]
        return list(rows.split(min(self.batch_size, self.n))[: self.per_epoch])
