"""Zero-shot classification (Radford et al. 2021), also with prompts that get Z of other texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional

from interp.clip.model import Clip, Tokens, embed_texts
from interp.clip.tensors import Embeddings, Float, Tensor
from interp.data.transfer import LabelledImages
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.pairs import PairsAtSite, push_all
from interp.subspaces.subspace import Subspace

DRAWS = 8  # number of draws of the pairs that prompts take Z from


def zero_shot(clip: Clip, task: LabelledImages, images: Embeddings) -> np.ndarray:
    """Return the class whose embedding scores highest with each image.

    The embedding of a class is the mean over its prompts, normalized to unit norm.

    Args:
        clip: model.
        task: classification set.
        images: unit-norm embeddings, in the order of the task's labels, shape (n, embed).

    Returns:
        Index into the task's classes for each image, shape (n,).
    """
    texts = embed_texts(clip, [text for texts in task.texts for text in texts])
    return classify(images.to(texts), texts, [len(texts) for texts in task.texts])


def classify(images: Embeddings, texts: Float[Tensor, "m embed"], prompts: Sequence[int]) -> np.ndarray:
    """Return the classes of `zero_shot` for prompts that have been embedded.

    Args:
        images: unit-norm embeddings, shape (n, embed).
        texts: unit-norm embeddings of the prompts of all classes, shape (m, embed).
        prompts: number of prompts of each class.

    Returns:
        Class of each image, shape (n,).
    """
    means = torch.stack([part.mean(0) for part in texts.split(list(prompts))])
    return (images @ functional.normalize(means, dim=-1).T).argmax(1).cpu().numpy()


@torch.inference_mode()
def swapped_prompts(
    clip: Clip, prompts: Tokens, part: PairsAtSite, subspace: Subspace, seed: int
) -> Iterator[tuple[Embeddings, Embeddings]]:
    """Yield embeddings of prompts with Z of unrelated texts; the kind of a prompt should not change an answer.

    Args:
        clip: model.
        prompts: tokens of the prompts.
        part: pairs whose texts Z is taken from, in the same model.
        subspace: Z, at the site of the part.
        seed: seed of the `DRAWS` draws, each of which draws a pair for each prompt independently.

    Yields:
        For each draw, the unit-norm embeddings of all prompts with Z of the positive text of their pair, and with Z of
        the negative text.
    """
    run, site = clean_texts(clip, prompts, [part.site]), part.site
    generator = torch.Generator().manual_seed(seed)
    for _ in range(DRAWS):
        drawn = torch.randint(len(part), (len(prompts),), generator=generator)
        positive, negative = (
            push_all(run, site, subspace.swap(run.stream(site), part.streams[rows]))
            for rows in (drawn, drawn + len(part))
        )
        yield positive, negative
