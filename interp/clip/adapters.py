"""LoRA adapters as peft writes them: what is read of their settings, and how they are merged into a base."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from interp.clip.parts import is_layers_pattern
from interp.models.errors import ModelError
from interp.models.files import read_json

if TYPE_CHECKING:
    from transformers import CLIPModel

# what peft notes of a base that it was given with no task; nothing is imported by it
AUTO_MAPPING = {"base_model_class": "CLIPModel", "parent_library": "transformers.models.clip.modeling_clip"}
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # peft's names


@dataclass(frozen=True)
class AdapterSettings:
    """All that is taken from an adapter's configuration.

    Attributes:
        base_model_name_or_path: the model that the adapter belongs to.
        target_modules: names of linear layers, or the pattern that `layers_pattern` gives.
    """

    peft_type: Literal["LORA"]
    r: Annotated[int, Field(ge=1, le=2**20)]
    lora_alpha: Annotated[int, Field(ge=1, le=2**20)]
    target_modules: str | list[str]
    base_model_name_or_path: str | None = None
    use_rslora: bool = False
    # of no consequence once the weights are there
    init_lora_weights: bool | Literal["gaussian"] = True
    lora_dropout: float | None = None
    inference_mode: bool = False
    task_type: str | None = None
    peft_version: str | None = None
    revision: Literal["main"] | None = None


def read_adapter(folder: Path) -> AdapterSettings:
    """The settings of the adapter in a folder.

    Raises:
        ModelError: they are damaged, or ask for what is not known here, such as code.
    """
    from peft import LoraConfig

    path = folder / ADAPTER_CONFIG
    given: dict[str, Any] = read_json(path, dict[str, Any])
    usual = {**LoraConfig().to_dict(), "auto_mapping": AUTO_MAPPING}
    known = {one.name for one in fields(AdapterSettings)}
    for key, value in given.items():
        if key not in known and value not in (None, False, [], {}, "", usual.get(key)):
            raise ModelError(f"'{path}' sets {key[:80]}, which is not known here; only plain LoRA adapters are read")
    settings = read_json(path, AdapterSettings)
    names = settings.target_modules
    plain = is_layers_pattern(names) if isinstance(names, str) else all(re.fullmatch(r"[\w.]+", name) for name in names)
    if not names or not plain:
        raise ModelError(
            f"'{path}' sets target_modules to {str(names)[:80]!r}; known is a list of names of linear layers"
        )
    return settings


def merged(base: CLIPModel, folder: Path) -> CLIPModel:
    """A model, which is changed, with the adapter of a folder merged into its weights: all of them and no others.

    Raises:
        ModelError: the settings cannot be read, or the weights are not those of the settings.
    """
    from peft import LoraConfig, PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    settings = read_adapter(folder)
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
        shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
    for key, shape in shapes.items():  # before any memory is taken for a rank that is not there
        if ".lora_A." in key and shape[:1] != [settings.r]:
            raise ModelError(f"size mismatch for {key}: its rank is {shape[0] if shape else 0}, r is {settings.r}")
    config = LoraConfig(
        r=settings.r, lora_alpha=settings.lora_alpha, target_modules=settings.target_modules,
        use_rslora=settings.use_rslora,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's words on missing weights are an error below
        adapted: Any = PeftModel.from_pretrained(base, str(folder), config=config, torch_device=str(base.device))
        wanted = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    if wrong := sorted(wanted ^ shapes.keys()):
        raise ModelError(f"{wrong[0]} is {'missing' if wrong[0] in wanted else 'no weight of it'} ({len(wrong)} such)")
    return adapted.merge_and_unload().eval().requires_grad_(False)
