"""Checksums of a model's weights, tokenizer and image processing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from interp.clip.families import family_of
from interp.clip.tensors import bytes_of

if TYPE_CHECKING:
    from transformers import CLIPModel


def fingerprints(model: CLIPModel, tokenizer: Any, processor: Any) -> tuple[str, str]:
    """Return the fingerprints of the whole model, and of the part that embeds images."""
    whole, images = hashlib.sha256(), hashlib.sha256()
    vision = tuple(f"{part}." for part in family_of(model).towers["vision"].whole)
    for key, value in sorted(model.state_dict().items()):
        content = bytes_of(value)
        for state in (whole, images) if key.startswith(vision) else (whole,):
            state.update(key.encode())
            state.update(content)
    settings = {key: value for key, value in processor.to_dict().items() if not key.startswith("_")}
    for state in (whole, images):
        state.update(json.dumps(settings, sort_keys=True, default=str).encode())
    whole.update(tokenizer.backend_tokenizer.to_str().encode())
    return whole.hexdigest()[:16], images.hexdigest()[:16]
