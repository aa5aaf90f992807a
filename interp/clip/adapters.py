"""LoRA adapters as peft writes them, merged into a base."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.clip.adapter_settings import read_adapter
from interp.clip.errors import ModelError

if TYPE_CHECKING:
    from transformers import CLIPModel

ADAPTER_WEIGHTS = "adapter_model.safetensors"  # peft's name
# Factor A of a module. Its first dimension is the rank, for linear layers, convolutions and embeddings.
_FACTOR = re.compile(r"base_model\.model\.(.+)\.lora_(?:embedding_A|A\.weight)")


def merge_adapter(base: CLIPModel, folder: Path) -> CLIPModel:
    """Merge the adapter of a folder, all of its weights and no others, into a base. Return the base, changed in place.

    Raises:
        ModelError: the settings cannot be read, or the weights do not match the settings.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    settings = read_adapter(folder)
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
        shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
    ranks = {match[1]: (*shape, 0)[0] for key, shape in shapes.items() if (match := _FACTOR.fullmatch(key))}
    for name in settings.modules_to_save or ():
        if not any(re.match(rf"base_model\.model\.(.*\.)?{name}\.", key) for key in shapes):
            raise ModelError(f"modules_to_save names {name[:80]}, but the adapter has no weight of this module")
    names = [name for name, _ in base.named_modules() if name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # missing weights, of which peft warns, are an error below
        config = settings.for_peft(names, ranks)
        adapted: Any = PeftModel.from_pretrained(base, str(folder), config=config, torch_device=str(base.device))
        wanted = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    if wrong := sorted(wanted ^ shapes.keys()):
        fault = "missing" if wrong[0] in wanted else "unexpected"
        raise ModelError(f"the weight {wrong[0]} is {fault} (weights that do not match the settings: {len(wrong)})")
    return adapted.merge_and_unload().eval().requires_grad_(False)
