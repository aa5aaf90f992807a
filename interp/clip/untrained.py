"""Model with a random text tower, as a control: a result of a search in this model is no evidence."""

from __future__ import annotations

from dataclasses import replace

import torch

from interp.clip.model import Clip
from interp.clip.parts import tower_parts


def untrained(clip: Clip, seed: int = 0) -> Clip:
    """Return a model of the same architecture with random weights in the text tower and its projection.

    The model's class draws the weights. The vision tower and the temperature keep their weights, so
    images keep their embeddings.

    Args:
        clip: model to copy, which stays as it is.
        seed: seed of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # weights are drawn from the global generator
        model = type(clip.model)(clip.model.config)
    torch.nn.Module.to(model, device=clip.device, dtype=clip.model.dtype).eval().requires_grad_(False)
    fingerprint = f"{clip.fingerprint}-untrained-{seed}"
    fresh = replace(clip, name=f"{clip.name} with random weights", model=model, fingerprint=fingerprint)
    with torch.no_grad():
        for new, old in zip(tower_parts(fresh, "vision"), tower_parts(clip, "vision"), strict=True):
            new.load_state_dict(old.state_dict())
        model.logit_scale.copy_(clip.model.logit_scale)
    return fresh
