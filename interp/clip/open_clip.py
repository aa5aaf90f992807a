"""Conversion of open_clip's checkpoints to transformers' CLIP and back, by renaming weights.

The architectures are those of open_clip 3.3 (`open_clip/model_configs`) whose towers are CLIP's own: a causal text
tower that is read at EOT, and a vision tower that is read at CLS. CLIPA, SigLIP, CoCa, ResNets, timm towers and
multilingual towers are different. https://github.com/mlfoundations/open_clip
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from typing_extensions import TypedDict

from interp.clip.errors import ModelError
from interp.clip.files import loading_fault, read_json
from interp.clip.tensors import Tensor
from interp.drawing.markup import plural

if TYPE_CHECKING:
    from transformers import CLIPConfig, CLIPModel

CONFIG = "open_clip_config.json"  # next to the weights of models that open_clip has put on the hub
HEAD = 64  # width of a head, except in vision towers of the widths below
WIDE_HEADS = {1280: 80, 1408: 88, 1664: 104, 1792: 112}
# Vision width and blocks, text width and blocks.
SIZES = {
    "S": (384, 12, 384, 12),
    "M": (512, 12, 512, 12),
    "B": (768, 12, 512, 12),
    "L": (1024, 24, 768, 12),
    "H": (1280, 32, 1024, 24),
    "g": (1408, 40, 1024, 24),
    "bigG": (1664, 48, 1280, 32),
    "e": (1792, 56, 1280, 36),
    "B-plus": (896, 12, 640, 12),
    "S-alt": (384, 12, 256, 10),
    "M-alt": (512, 12, 384, 12),
}
KNOWN = (
    "S-32",
    "S-16",
    "S-32-alt",
    "S-16-alt",
    "M-32",
    "M-16",
    "M-32-alt",
    "B-32",
    "B-32-256",
    "B-32-plus-256",
    "B-16",
    "B-16-plus",
    "B-16-plus-240",
    "L-16",
    "L-16-320",
    "L-14",
    "L-14-280",
    "L-14-336",
    "H-16",
    "H-14",
    "H-14-378",
    "g-14",
    "bigG-14",
    "e-14",
)
QUICK = "-quickgelu"

# open_clip's name -> transformers' name, in a tower's block and elsewhere; `_TRANSPOSED` lists transposed weights.
BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_REST = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "text_projection": "text_projection.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "visual.proj": "visual_projection.weight",
    "logit_scale": "logit_scale",
}
_TRANSPOSED = ("text_projection", "visual.proj")
TOWERS = {"text_model": "", "vision_model": "visual."}  # transformers' tower -> prefix of open_clip's names


@dataclass(frozen=True)
class Architecture:
    """Facts that the name of an architecture states.

    Attributes:
        sizes: vision width and blocks, text width and blocks.
        patch: side of a patch in pixels.
        image: side of an image in pixels.
        activation: name of the activation in transformers.
    """

    sizes: tuple[int, int, int, int]
    patch: int
    image: int
    activation: str


def architecture(name: str) -> Architecture:
    """Parse the name of an architecture.

    >>> architecture("ViT-L-14-336-quickgelu")
    Architecture(sizes=(1024, 24, 768, 12), patch=14, image=336, activation='quick_gelu')

    Raises:
        ModelError: the architecture does not exist, or is not CLIP's.
    """
    plain = name.removesuffix(QUICK).removeprefix("ViT-")
    if plain not in KNOWN or not name.startswith("ViT-"):
        names = ", ViT-".join(KNOWN)
        raise ModelError(f"unknown architecture '{name}' of open_clip; known: ViT-{names}, each also with {QUICK}")
    size, patch, *rest = plain.split("-")
    variant = "-".join([size, *(part for part in rest if not part.isdigit())])
    image = next((int(part) for part in rest if part.isdigit()), 224)
    return Architecture(SIZES[variant], int(patch), image, "quick_gelu" if name.endswith(QUICK) else "gelu")


def read_open_clip(name: str, arch: str, path: Path, dtype: torch.dtype) -> CLIPModel:
    """Load the model of a checkpoint, with transformers' names of weights.

    Args:
        name: name that the user gave the model, for messages.
        arch: open_clip's name of the architecture.
        path: a .safetensors file.

    Raises:
        ModelError: the architecture is unknown, or weights are missing, of another architecture or not CLIP's.
    """
    from safetensors.torch import load_file
    from transformers import CLIPModel

    expected = architecture(arch)
    try:
        weights = load_file(path)
    except Exception as error:
        raise ModelError(f"cannot read the weights of '{name}': {error}") from error
    try:
        state = to_transformers(weights, name)
        config = _config(state, expected, name)
        loaded: Any = CLIPModel.from_pretrained(
            None, config=config, state_dict=state, dtype=dtype, output_loading_info=True
        )
    except ModelError:
        raise
    except Exception as error:  # the weights can have any shape
        raise ModelError(f"the weights of '{name}' do not fit: {loading_fault(error)}") from error
    model: CLIPModel = loaded[0]
    if absent := sorted(key for kind in ("missing_keys", "mismatched_keys") for key in map(str, loaded[1][kind])):
        raise ModelError(f"the weights of '{name}' do not fit: {len(absent)} are missing, the first is {absent[0]}")
    return model.eval().requires_grad_(False)


def to_transformers(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return open_clip's weights under transformers' names.

    Raises:
        ModelError: some weights are not CLIP's.
    """
    if any(key.startswith("text.") for key in state):  # the text tower is a separate module with the same weights
        state = {key.removeprefix("text."): value for key, value in state.items()}
    out, unknown = {}, []
    for key, value in state.items():
        block = re.fullmatch(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+?)\.?(weight|bias)", key)
        if key in _REST:
            out[_REST[key]] = value.T.contiguous() if key in _TRANSPOSED else value
        elif block is not None and block[3] in BLOCK:
            out[f"{_blocks(block[1])}.{block[2]}.{BLOCK[block[3]]}.{block[4]}"] = value
        elif block is not None and block[3] == "attn.in_proj_":
            for part, third in zip("qkv", value.chunk(3), strict=True):
                out[f"{_blocks(block[1])}.{block[2]}.self_attn.{part}_proj.{block[4]}"] = third.contiguous()
        elif key != "attn_mask":
            unknown.append(key)
    if unknown:
        raise ModelError(
            f"'{name}' has another architecture: {plural(len(unknown), 'weight')} that CLIP does not have, such as "
            f"{sorted(unknown)[0][:80]}"
        )
    return out


def to_open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return transformers' weights under open_clip's names; the inverse of `to_transformers`."""
    rest, block = ({ours: theirs for theirs, ours in table.items()} for table in (_REST, BLOCK))
    out: dict[str, Tensor] = {}
    for key, value in state.items():
        if key in rest:
            out[rest[key]] = value.T.contiguous() if rest[key] in _TRANSPOSED else value
            continue
        tower, _, _, number, *path, kind = key.split(".")
        start = f"{TOWERS[tower]}transformer.resblocks.{number}"
        module = ".".join(path)
        if module in block:
            out[f"{start}.{block[module]}.{kind}"] = value
        elif module == "self_attn.q_proj":
            parts = [state[key.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            out[f"{start}.attn.in_proj_{kind}"] = torch.cat(parts)
    return out


def _blocks(visual: str | None) -> str:
    return f"{'vision' if visual else 'text'}_model.encoder.layers"


def _config(state: Mapping[str, Tensor], expected: Architecture, name: str) -> CLIPConfig:
    """Return the configuration that follows from the shapes of the weights and from the architecture.

    Raises:
        ModelError: the shapes and the architecture disagree, or a weight is missing.
    """
    from transformers import CLIPConfig

    try:
        patch_embedding = state["vision_model.embeddings.patch_embedding.weight"]
        vocabulary, text = state["text_model.embeddings.token_embedding.weight"].shape
        positions = len(state["vision_model.embeddings.position_embedding.weight"])
        context = len(state["text_model.embeddings.position_embedding.weight"])
        wide = {t: len(state[f"{t}_model.encoder.layers.0.mlp.fc1.weight"]) for t in ("text", "vision")}
        shared = len(state["text_projection.weight"])
    except KeyError as error:
        raise ModelError(f"the weights of '{name}' do not fit: {error.args[0]} is missing") from error
    vision, patch = patch_embedding.shape[0], patch_embedding.shape[-1]
    depth = {
        t: sum(re.fullmatch(rf"{t}_model\.encoder\.layers\.\d+\.layer_norm1\.bias", key) is not None for key in state)
        for t in ("text", "vision")
    }
    side = patch * round((positions - 1) ** 0.5)
    sizes = (vision, depth["vision"], text, depth["text"])
    if (sizes, patch, side) != (expected.sizes, expected.patch, expected.image):
        raise ModelError(
            f"the weights of '{name}' have another architecture: {_sizes_text(sizes, patch, side)}; expected "
            f"{_sizes_text(expected.sizes, expected.patch, expected.image)}"
        )
    head = WIDE_HEADS.get(vision, HEAD)
    return CLIPConfig(
        text_config={
            "hidden_size": text,
            "intermediate_size": wide["text"],
            "num_hidden_layers": depth["text"],
            "num_attention_heads": text // HEAD,
            "vocab_size": vocabulary,
            "max_position_embeddings": context,
            "hidden_act": expected.activation,
            "projection_dim": shared,
            "bos_token_id": vocabulary - 2,
            "eos_token_id": 2,
            "pad_token_id": vocabulary - 1,  # eos 2: read at the highest id, as open_clip does
        },
        vision_config={
            "hidden_size": vision,
            "intermediate_size": wide["vision"],
            "num_hidden_layers": depth["vision"],
            "num_attention_heads": vision // head,
            "image_size": side,
            "patch_size": patch,
            "hidden_act": expected.activation,
            "projection_dim": shared,
        },
        projection_dim=shared,
    )


def _sizes_text(sizes: tuple[int, ...], patch: int, side: int) -> str:
    towers = f"vision width {sizes[0]}, {sizes[1]} vision blocks, text width {sizes[2]}, {sizes[3]} text blocks"
    return f"{towers}, patches of {patch} pixels, images of {side} pixels"


class _Model(TypedDict, total=False):
    quick_gelu: bool


class _Preprocessing(TypedDict, total=False):
    mean: list[float]
    std: list[float]
    interpolation: str
    resize_mode: str


class _File(TypedDict, total=False):
    model_cfg: _Model
    preprocess_cfg: _Preprocessing


def read_config(path: Path) -> tuple[bool | None, dict[str, Any]]:
    """Read `open_clip_config.json` next to the weights: use of QuickGELU, and settings of the image processing.

    Raises:
        ModelError: the file cannot be read, or requests something that CLIP's preprocessing does not do.
    """
    file = path.parent / CONFIG
    if not file.is_file():
        return None, {}
    content = read_json(file, _File)
    given = content.get("preprocess_cfg", {})
    if given.get("resize_mode", "shortest") != "shortest":
        raise ModelError(f"'{file}' has the unknown resize_mode '{given['resize_mode'][:80]}'; known: shortest")
    resample = {"bicubic": 3, "bilinear": 2}
    if (interpolation := given.get("interpolation", "bicubic")) not in resample:
        raise ModelError(f"'{file}' has the unknown interpolation '{interpolation[:80]}'; known: {', '.join(resample)}")
    settings: dict[str, Any] = {"resample": resample[interpolation]}
    settings |= {f"image_{key}": given[key] for key in ("mean", "std") if key in given}
    return content.get("model_cfg", {}).get("quick_gelu", False), settings
