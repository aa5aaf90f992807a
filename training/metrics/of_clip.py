"""Metrics of a CLIP: its score, its score in context, and its score where a subspace Z says nothing of the kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from interp.clip.model import Clip, contextual_scores, embed_texts, scores
from interp.clip.tensors import Embeddings, Float, Tensor
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.pairs import push_all
from interp.subspaces.subspace import Subspace
from training.metrics.items import Item
from training.metrics.metrics import Metric

_AT_ONCE = 512  # texts in one clean run, which takes memory


class _Texts:
    """Embeddings of texts by one model, each computed once."""

    def __init__(self, embed: Callable[[list[str]], Embeddings], prefix: str) -> None:
        self._embed, self._prefix = embed, prefix
        self._known: dict[str, Tensor] = {}

    def __call__(self, texts: Sequence[str]) -> Embeddings:
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            found = self._embed([self._prefix + text for text in missing])
            self._known |= dict(zip(missing, found, strict=True))
        return torch.stack([self._known[text] for text in texts])


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
        images: unit-norm embeddings of all images that items name, shape (n, embed).
        prefix: put before each text.
        contextual: add the contextual score of Kreiss et al. 2022.
        subspace, neutral: add the score with Z of each text set to its value in a stream at the site, shape (d,).
    """
    key = f"{clip.fingerprint} {prefix!r}"
    raw = _Texts(lambda texts: embed_texts(clip, texts, unit=False), prefix)
    contexts = _Texts(lambda texts: embed_texts(clip, texts, unit=False), "")

    def of_images(items: Sequence[Item]) -> Embeddings:
        return images[[item.image for item in items]]

    def plain(items: Sequence[Item]) -> np.ndarray:
        texts = torch.nn.functional.normalize(raw([item.text for item in items]), dim=-1)
        return _numbers(scores(of_images(items), texts))

    def in_context(items: Sequence[Item]) -> np.ndarray:
        texts, around = raw([item.text for item in items]), contexts([item.context for item in items])
        return _numbers(contextual_scores(of_images(items), texts, around))

    reads = frozenset({"text", "image"})
    metrics = [Metric(name, key, plain, reads)]
    if contextual:
        metrics.append(Metric(f"{name}, in context", f"{key} context", in_context, reads | {"context"}, name))
    if subspace is not None and neutral is not None:
        without = _Texts(lambda texts: _neutral(clip, texts, subspace, neutral), prefix)
        metrics.append(
            Metric(
                f"{name}, Z neutral",
                f"{key} {subspace.fingerprint}",
                lambda items: _numbers(scores(of_images(items), without([item.text for item in items]))),
                reads,
                name,
            )
        )
    return metrics


def _numbers(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()


@torch.inference_mode()
def _neutral(clip: Clip, texts: Sequence[str], subspace: Subspace, value: Tensor) -> Embeddings:
    """Embed texts with a neutral Z, a few hundred at a time."""
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        run = clean_texts(clip, texts[start : start + _AT_ONCE], [subspace.site])
        parts.append(push_all(run, subspace.site, subspace.neutral(run.stream(subspace.site), value)))
    return torch.cat(parts)
