"""Trainable weights and their files: all weights of a tower, or LoRA adapters in it (peft)."""

from __future__ import annotations

from pathlib import Path

import torch

from interp.clip.adapters import ADAPTER_WEIGHTS
from interp.clip.families.family import Tower
from interp.clip.model import Clip
from interp.clip.parts import layers_pattern, linear_layers, tower_parts
from interp.clip.trust import name_for
from interp.errors import UserError
from interp.runs.files import write_atomic
from training.config import FinetuneConfig

FULL_WEIGHTS = "model.safetensors"


def prepare(clip: Clip, config: FinetuneConfig) -> None:
    """Make a model trainable: set requires_grad, and for LoRA put adapters into its blocks.

    Adapters have alpha = rank, so that their scale is 1, and no dropout. The temperature stays fixed, since it would
    lower every loss without changing any preference.

    Raises:
        UserError: the model has no layer with the name of a LoRA target.
    """
    towers: tuple[Tower, ...] = ("text", "vision") if config.tower == "both" else (config.tower,)
    if config.tuning == "full":
        for tower in towers:
            for part in tower_parts(clip, tower):
                part.requires_grad_(True)
        return
    from peft import LoraConfig, inject_adapter_in_model

    targets = [target.strip() for target in config.lora_targets.split(",")]
    for tower in towers:
        layers = linear_layers(clip, tower)
        if unknown := [target for target in targets if target not in layers]:
            raise UserError(f"CLIP's blocks have no linear layer '{unknown[0]}' for LoRA; known: {', '.join(layers)}")
    adapters = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_rank,
        lora_dropout=0.0,
        target_modules=layers_pattern(clip.family, towers, targets),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # peft draws from the global generator
        inject_adapter_in_model(adapters, clip.model)


def save_settings(clip: Clip, config: FinetuneConfig, folder: Path) -> None:
    """Write the files that a loader needs in addition to the weights.

    For LoRA these are peft's settings with the name of the base, otherwise CLIP's own configuration.
    """
    if config.tuning == "lora":
        adapters = clip.model.peft_config["default"]
        adapters.base_model_name_or_path = name_for(folder, config.model)
        adapters.save_pretrained(str(folder))
    else:
        for part in (clip.model.config, clip.tokenizer, clip.processor):
            part.save_pretrained(folder)


def save_weights(clip: Clip, tuning: str, folder: Path) -> None:
    """Write the weights of a prepared model atomically: an adapter under peft's name, or the full model."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    model = clip.model
    if tuning == "full":
        state, name = model.state_dict(), FULL_WEIGHTS
    else:
        # by default peft looks for the base on the hub, to compare its vocabulary
        adapter = get_peft_model_state_dict(model, save_embedding_layers=False)
        state, name = {f"base_model.model.{key}": value for key, value in adapter.items()}, ADAPTER_WEIGHTS
    flat = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    write_atomic(folder / name, save(flat, metadata={"format": "pt"}))
