"""What the toy's base is judged by: preference, retrieval and zero-shot naming on scenes of a split."""

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
from interp.data.toy.pictures import render
from interp.data.toy.scenes import Scene, sample_scene, sample_scenes
from interp.data.toy.texts import write_pair
from interp.data.toy.writing import KINDS

NAMED = ("shape", "colour", "arrangement", "place", "event")  # attributes whose naming is measured
_ALIKE_IN_LENGTH = 64  # texts that are run together, so that little padding is computed


def pixels(scenes: list[Scene], rng: np.random.Generator) -> Tensor:
    """Rendered scenes as the image processor would give them: float32, (n, 3, 64, 64), -1 to 1."""
    stacked = np.stack([render(scene, rng) for scene in scenes])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def embed_texts(model: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Unit-norm embeddings of texts, shape (n, embed), with their graph."""
    # The tower is causal and EOT comes last: what the padding holds cannot matter, so there is no mask.
    ids = tokenizer(list(texts))["input_ids"]
    order = torch.tensor([len(row) for row in ids]).argsort(stable=True)
    parts = [
        unit_texts(model, pad_sequence([torch.tensor(ids[i]) for i in rows], True, tokenizer.eos_token_id))
        for rows in order.split(_ALIKE_IN_LENGTH)
    ]
    return torch.cat(parts)[order.argsort()]


@torch.inference_mode()
def measure(model: Any, tokenizer: Any, split: str, *, n: int, rounds: int, seed: int) -> dict[str, float]:
    """What a base model is judged by, on scenes of one split.

    Args:
        n: pairs for the preference and the zero-shot tasks.
        rounds: sets of 64 distinct scenes for retrieval.

    Returns:
        Shares from 0 to 1: preference, retrieval per kind of text, zero-shot accuracy per attribute; and the mean and
        standard deviation of description's score minus caption's (`gap_mean`, `gap_sd`).
    """
    model.eval()
    rng = np.random.default_rng([seed, 7])
    scenes = sample_scenes(split, n, rng)
    images = torch.cat([unit_images(model, pixels(scenes[i : i + 128], rng)) for i in range(0, n, 128)])
    texts = zip(*(write_pair(scene, rng) for scene in scenes), strict=True)
    described, captioned = ((images * embed_texts(model, tokenizer, [t.text for t in of])).sum(-1) for of in texts)
    gap = described - captioned
    out = {"preference": (gap > 0).float().mean().item(), "gap_mean": gap.mean().item(), "gap_sd": gap.std().item()}
    hits = dict.fromkeys(KINDS, 0.0)
    for _ in range(rounds):
        chosen, written = zip(
            *toy.distinct(lambda: sample_scene(split, rng), lambda scene: write_pair(scene, rng), 64), strict=True
        )
        image = unit_images(model, pixels(list(chosen), rng))
        for kind, of in zip(KINDS, zip(*written, strict=True), strict=True):
            text = embed_texts(model, tokenizer, [t.text for t in of])
            hits[kind] += ((image @ text.T).argmax(1) == torch.arange(64)).float().mean().item() / rounds
    out |= {f"retrieval_{kind}": share for kind, share in hits.items()}
    for name in NAMED:
        out[f"zeroshot_{name}"] = zero_shot(model, tokenizer, scenes, images, name)
    model.train()
    return out


def zero_shot(model: Any, tokenizer: Any, scenes: list[Scene], images: Tensor, name: str) -> float:
    """Accuracy of naming one attribute of pictures by its prompts."""
    prompts = toy.prompts(name)
    classes = [embed_texts(model, tokenizer, texts).mean(0) for texts in prompts.values()]
    guessed = (images @ functional.normalize(torch.stack(classes), dim=-1).T).argmax(1)
    truth = torch.tensor([list(prompts).index(getattr(scene, name)) for scene in scenes])
    return (guessed == truth).float().mean().item()
