"""Measures of the toy's base: preference, retrieval and zero-shot naming on pictures of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from interp.clip.model import unit_images, unit_texts
from interp.data.toy import pairs as toy
from interp.data.toy.writing import KINDS
from training.pretrain_worlds import SCENES, World

_ALIKE_IN_LENGTH = 32  # number of texts that are run together, sorted by length to compute little padding


def embed_texts(model: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Return unit-norm embeddings of texts, shape (n, embed), with their graph; longer texts are truncated."""
    # The tower is causal and EOT comes last: padding has no effect, so there is no mask.
    ids = tokenizer(list(texts), truncation=True)["input_ids"]
    order = torch.tensor([len(row) for row in ids]).argsort(stable=True)
    parts = [
        unit_texts(model, pad_sequence([torch.tensor(ids[i]) for i in rows], True, tokenizer.eos_token_id))
        for rows in order.split(_ALIKE_IN_LENGTH)
    ]
    return torch.cat(parts)[order.argsort()]


@torch.inference_mode()
def measure(
    model: Any, tokenizer: Any, split: str, *, n: int, rounds: int, seed: int, world: World = SCENES
) -> dict[str, float]:
    """Measure preference, retrieval and zero-shot naming of a base model on pictures of one split of a world.

    Args:
        n: pairs for the preference and the zero-shot tasks.
        rounds: sets of 64 distinct pictures for retrieval.

    Returns:
        Shares from 0 to 1: preference, retrieval per kind of text, zero-shot accuracy per attribute; and the mean and
        standard deviation of the description's score minus the caption's score (`gap_mean`, `gap_sd`).
    """
    model.eval()
    rng = np.random.default_rng([seed, 7])
    contents = world.sample(split, n, rng)
    images = torch.cat([unit_images(model, world.pixels(contents[i : i + 128], rng)) for i in range(0, n, 128)])
    texts = zip(*(world.write_pair(content, rng) for content in contents), strict=True)
    described, captioned = (
        (images * embed_texts(model, tokenizer, [text.text for text in kind])).sum(-1) for kind in texts
    )
    gap = described - captioned
    out = {"preference": (gap > 0).float().mean().item(), "gap_mean": gap.mean().item(), "gap_sd": gap.std().item()}
    hits = dict.fromkeys(KINDS, 0.0)
    for _ in range(rounds):
        sets = toy.distinct(lambda: world.sample(split, 1, rng)[0], lambda content: world.write_pair(content, rng), 64)
        chosen, written = zip(*sets, strict=True)
        image = unit_images(model, world.pixels(list(chosen), rng))
        for kind, of_kind in zip(KINDS, zip(*written, strict=True), strict=True):
            text = embed_texts(model, tokenizer, [text.text for text in of_kind])
            hits[kind] += ((image @ text.T).argmax(1) == torch.arange(64)).float().mean().item() / rounds
    out |= {f"retrieval_{kind}": share for kind, share in hits.items()}
    for name in world.prompts:
        out[f"zeroshot_{name}"] = _zero_shot(model, tokenizer, world, contents, images, name)
    model.train()
    return out


def _zero_shot(model: Any, tokenizer: Any, world: World, contents: list[Any], images: Tensor, name: str) -> float:
    """Return the accuracy of naming one attribute of pictures by its prompts."""
    prompts = world.prompts[name]
    classes = [embed_texts(model, tokenizer, texts).mean(0) for texts in prompts.values()]
    guessed = (images @ functional.normalize(torch.stack(classes), dim=-1).T).argmax(1)
    truth = torch.tensor([list(prompts).index(world.value(content, name)) for content in contents])
    return (guessed == truth).float().mean().item()
