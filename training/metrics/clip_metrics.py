"""Metrics of a CLIP: its score, its score in context, and its score with a neutral Z."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional

from interp.clip.model import Clip, are_cut, contextual_scores, embed_texts, scores
from interp.clip.tensors import Embeddings, Float, Streams, Tensor
from interp.data.pairs import Pair, digest
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.pairs import push_all
from interp.subspaces.subspace import Subspace
from training.metrics.items import Item
from training.metrics.metrics import Metric

_AT_ONCE = 512  # maximum number of texts in one clean run, for memory
_REFERENCE = 2048  # number of pairs that determine a neutral Z, drawn at random


class _Texts:
    """Embeddings of texts by one model, each computed once."""

    def __init__(self, embed: Callable[[list[str]], Embeddings], prefix: str) -> None:
        self._embed, self._prefix = embed, prefix
        self._cache: dict[str, Tensor] = {}

    def __call__(self, texts: Sequence[str]) -> Embeddings:
        missing = [text for text in dict.fromkeys(texts) if text not in self._cache]
        if missing:
            embeddings = self._embed([self._prefix + text for text in missing])
            self._cache |= dict(zip(missing, embeddings, strict=True))
        return torch.stack([self._cache[text] for text in texts])


def metrics_of_clip(
    clip: Clip,
    name: str,
    images: Embeddings,
    *,
    prefix: str = "",
    contextual: bool = False,
    subspace: Subspace | None = None,
    neutral: Float[Tensor, " d"] | None = None,
) -> list[Metric]:
    """Return the metrics of one model.

    Args:
        clip: model.
        name: name of the model.
        images: unit-norm embeddings of all images of the items, shape (n, embed).
        prefix: text put before each text.
        contextual: True to add the contextual score of Kreiss et al. 2022, which is NaN for an item without context.
        subspace, neutral: Z, and a stream at the site, shape (d,). Both add the score with the Z of each text set to
            its value in this stream.
    """
    key = f"{clip.fingerprint} {prefix!r}"
    raw = _Texts(lambda texts: embed_texts(clip, texts, unit=False), prefix)
    contexts = _Texts(lambda texts: embed_texts(clip, texts, unit=False), "")

    def of_images(items: Sequence[Item]) -> Embeddings:
        return images[[item.image for item in items]]

    def plain(_part: str, items: Sequence[Item]) -> np.ndarray:
        texts = functional.normalize(raw([item.text for item in items]), dim=-1)
        return _numbers(scores(of_images(items), texts))

    def in_context(_part: str, items: Sequence[Item]) -> np.ndarray:
        texts, around = raw([item.text for item in items]), contexts([item.context for item in items])
        values = _numbers(contextual_scores(of_images(items), texts, around))
        return np.where([bool(item.context) for item in items], values, np.nan)

    marks: dict[str, bool] = {}

    def cut(items: Sequence[Item]) -> np.ndarray:
        if missing := [text for text in dict.fromkeys(item.text for item in items) if text not in marks]:
            cuts = are_cut(clip, [prefix + text for text in missing])
            marks.update(zip(missing, cuts.tolist(), strict=True))
        return np.array([marks[item.text] for item in items])

    reads = frozenset({"text", "image"})
    metrics = [Metric(name, key, plain, reads, cut=cut)]
    if contextual:
        metrics.append(Metric(f"{name}, in context", f"{key} context", in_context, reads | {"context"}, name, cut))
    if subspace is not None and neutral is not None:
        without = _Texts(lambda texts: _neutral(clip, texts, subspace, neutral), prefix)
        value = digest([neutral.cpu().numpy().tobytes().hex()])
        metrics.append(
            Metric(
                f"{name}, Z neutral",
                f"{key} {subspace.fingerprint} {value}",
                lambda _part, items: _numbers(scores(of_images(items), without([item.text for item in items]))),
                reads,
                name,
                cut,
            )
        )
    return metrics


def neutral_stream(clip: Clip, subspace: Subspace, pairs: Sequence[Pair], prefix: str) -> Float[Tensor, " d"]:
    """Return the stream halfway between the mean streams of both kinds of text at the site of Z, float64, shape (d,).

    Args:
        clip: model.
        subspace: Z.
        pairs: pairs of both kinds of text; at most 2048 of them are used, drawn at random.
        prefix: text put before each text.
    """
    drawn = np.random.default_rng(0).permutation(len(pairs))[:_REFERENCE]
    means = []
    for texts in ([pairs[i].positive for i in drawn], [pairs[i].negative for i in drawn]):
        parts = [_streams(clip, [prefix + text for text in batch], subspace) for batch in _batches(texts)]
        means.append(torch.cat(parts).double().mean(0))
    return (means[0] + means[1]) / 2


def _batches(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE)]


def _streams(clip: Clip, texts: Sequence[str], subspace: Subspace) -> Streams:
    return clean_texts(clip, texts, [subspace.site]).stream(subspace.site)


def _numbers(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()


@torch.inference_mode()
def _neutral(clip: Clip, texts: Sequence[str], subspace: Subspace, value: Tensor) -> Embeddings:
    """Embed texts with a neutral Z, in batches."""
    parts = []
    for batch in _batches(texts):
        run = clean_texts(clip, batch, [subspace.site])
        parts.append(push_all(run, subspace.site, subspace.neutral(run.stream(subspace.site), value)))
    return torch.cat(parts)
