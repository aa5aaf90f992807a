"""Retrieval within groups: an image is a hit if its own text scores highest (Radford et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.model import Clip, embed_texts
from interp.clip.tensors import Embeddings
from interp.data.toy.pairs import load_distinct
from interp.stats import Estimate, clustered_share

_AMONG = 64  # number of pairs of a set


def retrieval(images: Embeddings, texts: Embeddings, groups: Sequence[str]) -> np.ndarray:
    """Return 1.0 for each pair whose text scores highest with its image among the texts of its group, else 0.0.

    Ties are misses.

    Args:
        images, texts: unit-norm embeddings, one row for each pair, shape (n, embed).
        groups: group of each pair.

    Returns:
        Hit of each pair, shape (n,).
    """
    hits = np.zeros(len(groups))
    for members in _rows(groups).values():
        scores = images[members] @ texts[members].T
        matching = scores.diagonal().clone()
        hits[members] = (matching > scores.fill_diagonal_(-torch.inf).amax(1)).cpu().numpy()
    return hits


def retrieval_losses(images: Embeddings, texts: Embeddings, groups: Sequence[str], scale: float) -> np.ndarray:
    """Return the cross-entropy of picking an image's own text among the texts of its group.

    Unlike a share of hits, the cross-entropy has no ceiling.

    Args:
        images, texts: unit-norm embeddings, one row for each pair, shape (n, embed).
        groups: group of each pair.
        scale: factor from score to logit.

    Returns:
        Loss of each pair in nats, shape (n,).
    """
    losses = np.zeros(len(groups))
    for members in _rows(groups).values():
        logits = scale * (images[members] @ texts[members].T)
        losses[members] = functional.cross_entropy(
            logits, torch.arange(len(members)).to(logits.device), reduction="none"
        ).cpu()
    return losses


def _rows(groups: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of each group."""
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    return rows


def random_sets(n: int, seed: int) -> tuple[list[int], list[str]]:
    """Return the rows of n pairs in random sets of 64, and the set of each row; incomplete sets are omitted."""
    order = np.random.default_rng(seed).permutation(n)[: max(1, n // _AMONG) * _AMONG].tolist()
    return order, [str(i // _AMONG) for i in range(len(order))]


def retrieved(clip: Clip, data: str, features: EmbeddedPairs, *, seed: int) -> tuple[dict[str, Estimate], list[str]]:
    """Return the share of images whose own text scores highest in its set, by kind of text, and notes.

    Args:
        clip: model.
        data: name of the data.
        features: held-out pairs, with their images.
        seed: seed of the sets.
    """
    sets, groups, notes = retrieval_sets(clip, data, features, seed=seed)
    shares = {}
    for number, kind in enumerate(features.contrast.kinds):
        texts = sets.texts[number * len(sets) : (number + 1) * len(sets)]
        hits = retrieval(sets.embeddings, embed_texts(clip, texts), groups)
        shares[kind] = clustered_share(hits, np.asarray(groups))
    return shares, notes


def retrieval_sets(
    clip: Clip, data: str, features: EmbeddedPairs, *, seed: int
) -> tuple[EmbeddedPairs, Sequence[str], list[str]]:
    """Return pairs for retrieval with their images, the set of each pair, and notes.

    For the toy world, sets of scenes are drawn whose texts are never ambiguous. Other pairs form random sets.

    Args:
        clip: model.
        data: name of the data.
        features: held-out pairs, with their images.
        seed: seed of the sets.
    """
    if data == "toy":
        sets = image_features(clip, load_distinct(size=_AMONG, seed=seed))
        return sets, sets.groups, []
    rows, groups = random_sets(len(features), seed)
    sets = features.take(rows)
    few = [f"retrieval is among all {len(sets)} held-out pairs"] if len(sets) < _AMONG else []
    return sets, groups, few
