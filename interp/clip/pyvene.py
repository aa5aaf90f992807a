"""Entries for CLIP in pyvene's tables of models, which pyvene 0.1.8 lacks: components, their modules and widths.

>>> from interp.clip.loading import load_clip
>>> from interp.clip.pyvene import register
>>> register()
>>> import pyvene as pv
>>> model = load_clip("toy").model
>>> intervenable = pv.IntervenableModel([pv.RepresentationConfig(9, "block_output")], model=model)
>>> {int(part.embed_dim) for part in intervenable.interventions.values()} == {model.config.text_config.hidden_size}
True

pyvene counts blocks from 0: its layer 9 is the block whose output is our layer 10. Each of its forward passes removes
all hooks of the model, including the hooks by which transformers records hidden states. Afterwards,
``output_hidden_states=True`` returns too few states. Pass a copy (`copy.deepcopy`) if you need the model later.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any

from interp.clip.families import FAMILIES

# Component -> module of a block ("" is the block itself), its input or its output, True if split into heads.
# The inputs of attention and MLP are the outputs of the layer norms before them.
COMPONENTS = {
    "block_input": ("", "input", False),
    "block_output": ("", "output", False),
    "attention_input": ("layer_norm1", "output", False),
    "attention_value_output": ("self_attn.out_proj", "input", False),
    "head_attention_value_output": ("self_attn.out_proj", "input", True),
    "attention_output": ("self_attn.out_proj", "output", False),
    "query_output": ("self_attn.q_proj", "output", False),
    "key_output": ("self_attn.k_proj", "output", False),
    "value_output": ("self_attn.v_proj", "output", False),
    "head_query_output": ("self_attn.q_proj", "output", True),
    "head_key_output": ("self_attn.k_proj", "output", True),
    "head_value_output": ("self_attn.v_proj", "output", True),
    "mlp_input": ("layer_norm2", "output", False),
    "mlp_activation": ("mlp.activation_fn", "output", False),
    "mlp_output": ("mlp", "output", False),
}


def import_pyvene(module: str = "pyvene") -> Any:
    """Import pyvene, or one of its modules, and suppress its printed advice on optional packages."""
    with contextlib.redirect_stdout(io.StringIO()):
        return importlib.import_module(module)


def register() -> None:
    """Register CLIP's models in pyvene, so that `pyvene.RepresentationConfig(9, "block_output")` works on them.

    The models of one tower, with and without its projection, have the components of `COMPONENTS`. In `CLIPModel`, these
    names refer to the text tower. The components of either tower are also registered with the tower's name as a prefix,
    as in ``vision_block_output``. The units ``h`` and ``h.pos`` select heads. A repeated call changes nothing.
    """
    card = import_pyvene("pyvene.models.intervenable_modelcard")
    models = {kind: parts for family in FAMILIES.values() for kind, parts in family.for_pyvene().items()}
    for model_type, parts in models.items():
        for name, path, config in parts:
            card.type_to_module_mapping.setdefault(model_type, {}).update(_modules(name, path))
            card.type_to_dimension_mapping.setdefault(model_type, {}).update(_widths(name, config))


def _modules(name: str, path: str) -> dict[str, tuple[Any, ...]]:
    from pyvene.models.constants import CONST_INPUT_HOOK, CONST_OUTPUT_HOOK, split_head_and_permute

    hooks = {"input": CONST_INPUT_HOOK, "output": CONST_OUTPUT_HOOK}
    return {
        name + component: (
            f"{path}[%s]" + (f".{module}" if module else ""),
            hooks[side],
            *([(split_head_and_permute, f"{name}n_head")] if heads else []),
        )
        for component, (module, side, heads) in COMPONENTS.items()
    }


def _widths(name: str, config: str) -> dict[str, tuple[str, ...]]:
    width, heads = f"{config}hidden_size", f"{config}num_attention_heads"
    widths = {component: f"{width}/{heads}" if split else width for component, (_, _, split) in COMPONENTS.items()}
    widths |= {"mlp_activation": f"{config}intermediate_size", "n_head": heads}
    return {name + component: (place,) for component, place in widths.items()}
