"""Checks for weights and settings that make all numbers meaningless, reported when a model is loaded."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from interp.clip.errors import ModelError

if TYPE_CHECKING:
    from transformers import CLIPModel

# All inputs and outputs of a tower pass these weights.
_BOTTLENECKS = re.compile(r"(token_embedding|patch_embedding|text_projection|visual_projection)\.weight$")
_LAST_NORMS = re.compile(r"(final_layer_norm|post_layernorm|pre_layrnorm)\.weight$")
_MOST_LOGIT_SCALE = 10.0  # of the logarithm; at most 4.6 in CLIP


def check_weights(name: str, model: CLIPModel) -> list[str]:
    """Check each weight, and return sentences on constant weights that still leave a usable tower.

    Biases of 0 and layer norm weights of 1 have their initial values, so they are not reported.

    Raises:
        ModelError: a weight is not finite, a tower's input or output is constant, or the temperature is impossible.
    """
    notes = []
    for key, value in model.state_dict().items():
        if not value.is_floating_point() or value.numel() == 0:
            continue
        low, high = (float(end) for end in torch.aminmax(value.detach()))
        if not (math.isfinite(low) and math.isfinite(high)):  # one NaN makes both NaN
            raise ModelError(f"the weight {key} of '{name}' holds numbers that are not finite; its file is damaged")
        if low < high or value.numel() == 1:
            continue
        if _BOTTLENECKS.search(key) or (_LAST_NORMS.search(key) and low == 0):
            raise ModelError(f"the weight {key} of '{name}' is {low:g} throughout, so that all inputs look alike")
        if value.ndim > 1 or (key.endswith("norm.weight") and low == 0):
            notes.append(f"the weight {key} of '{name}' is {low:g} throughout")
    scale = float(model.logit_scale)
    if abs(scale) > _MOST_LOGIT_SCALE:
        raise ModelError(
            f"the weight logit_scale of '{name}' is {scale:g}, but this logarithm is at most 4.6 in CLIP's own models"
        )
    return notes


def check_preprocessing(name: str, processor: Any) -> None:
    """Raise `ModelError` if the preprocessing of images divides by zero, or makes all images alike."""
    if processor.do_normalize:
        for key, zero in (("image_mean", True), ("image_std", False)):
            if not _usable(getattr(processor, key), zero=zero):
                wanted = "finite" if zero else "finite and above 0"
                raise ModelError(
                    f"the image preprocessing of '{name}' has {key} = {str(getattr(processor, key))[:80]}; "
                    f"all values must be {wanted}"
                )
    if processor.do_rescale and not _usable(processor.rescale_factor, zero=False):
        raise ModelError(
            f"the image preprocessing of '{name}' has rescale_factor = {str(processor.rescale_factor)[:80]}; "
            "it must be finite and above 0"
        )


def _usable(values: Any, *, zero: bool) -> bool:
    parts = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    numbers = all(isinstance(part, (int, float)) and math.isfinite(part) for part in parts)
    return numbers and len(parts) > 0 and (zero or all(part > 0 for part in parts))
