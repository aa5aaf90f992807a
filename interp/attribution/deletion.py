"""Deletion and insertion: a test of whether removing the words with high attributions lowers the score.

After Petsiuk, Das & Saenko 2018 (RISE, section 4.3), with words replaced by padding instead of pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from interp.attribution.baselines import default_baselines
from interp.attribution.integral import path_scores
from interp.attribution.result import Attributions, Route
from interp.clip.blocks import embed_ids
from interp.clip.model import Clip, Tokens
from interp.clip.tensors import Embeddings, Int, Tensor

TEXTS_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class DeletionAreas:
    """Areas under curves of a text's score over the share of its words that is deleted, or inserted, from 0 to 1.

    An area is the mean score along the curve, so it has the unit of the score. An attribution is good if its deletion
    area is lower, and its insertion area higher, than `random`.

    Attributes:
        deletion: area as words are deleted, the highest attribution first; shape (n,).
        insertion: area as words are inserted into the baseline, the highest attribution first; shape (n,).
        random: mean area over random orders; shape (n,). A deletion in an order is an insertion in the reverse order,
            so deletion and insertion share one control.
    """

    deletion: np.ndarray
    insertion: np.ndarray
    random: np.ndarray


def deletion_areas(
    clip: Clip,
    tokens: Tokens,
    images: Embeddings,
    attributions: Attributions,
    *,
    route: Route = "full",
    draws: int = 10,
    seed: int = 0,
) -> DeletionAreas:
    """Delete and insert the words of each text in the order of their attributions.

    Each token of a deleted word is replaced by padding. Words with equal attributions are taken from left to right. For
    a text without words, each area is the score of the text.

    Args:
        clip: model.
        tokens: tokens of n texts.
        images: unit-norm embeddings, one for each text, shape (n, embed).
        attributions: attributions of the same texts.
        route: route whose attributions order the words.
        draws: number of random orders for each text.
        seed: seed of the random orders.

    Raises:
        ValueError: the counts differ, or `draws` is below 1.
    """
    if not len(tokens) == len(images) == len(attributions):
        raise ValueError(
            f"each text needs an image and an attribution, got {len(tokens)} texts, {len(images)} images and "
            f"{len(attributions)} attributions"
        )
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    draw, orders = np.random.default_rng(seed), []
    for values in attributions.by_word(route):
        falling = np.argsort(-values, kind="stable")
        orders.append([falling, falling[::-1], *(draw.permutation(len(values)) for _ in range(draws))])
    areas = np.array([_areas(curves) for curves in _curves(clip, tokens, images, orders)]).reshape(len(tokens), -1)
    return DeletionAreas(areas[:, 0], areas[:, 1], areas[:, 2:].mean(1))


def _areas(curves: np.ndarray) -> np.ndarray:
    """Return areas by the trapezoidal rule, shape (orders,), from curves of shape (orders, words + 1)."""
    if curves.shape[1] == 1:
        return curves[:, 0]
    return (curves[:, 1:] + curves[:, :-1]).mean(1) / 2


def _curves(
    clip: Clip, tokens: Tokens, images: Embeddings, orders: Sequence[Sequence[np.ndarray]]
) -> Iterator[np.ndarray]:
    """Yield the scores of each text while its words are deleted in several orders; shape (orders, words + 1)."""
    padded = default_baselines(clip, tokens)
    for text, text_orders in enumerate(orders):
        words = len(tokens.words[text])
        owners, shape = tokens.word_of[text], (len(text_orders), words + 1)
        rank = torch.tensor(np.array([np.argsort(order) for order in text_orders])).view(len(text_orders), words)
        gone = torch.zeros(*shape, len(owners), dtype=torch.bool)
        inside = owners >= 0
        gone[..., inside] = rank[:, None, owners[inside]] < torch.arange(words + 1)[None, :, None]
        ids = torch.where(gone.flatten(0, 1), padded[text], tokens.ids[text])
        yield _scores(clip, ids, tokens.eot[text], images[text]).view(shape).numpy()


@torch.no_grad()
def _scores(clip: Clip, ids: Int[Tensor, "m t"], eot: Int[Tensor, ""], image: Tensor) -> Tensor:
    """Return the scores of m versions of a text, float64, on the CPU, shape (m,). Equal versions are run once."""
    unique, inverse = torch.unique(ids[:, : int(eot) + 1], dim=0, return_inverse=True)
    image, out = image.to(clip.device, clip.model.dtype), torch.empty(len(unique), dtype=torch.float64)
    for rows in torch.arange(len(unique)).split(TEXTS_AT_ONCE):
        embedded = embed_ids(clip, unique[rows].to(clip.device))
        scores = path_scores(clip, embedded, eot.repeat(len(rows)), image.expand(len(rows), -1))
        out[rows] = scores.double().cpu()
    return out[inverse]
