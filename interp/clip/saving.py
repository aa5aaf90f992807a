"""CLIP models saved in formats that transformers or open_clip load without this package."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from interp.clip.errors import ModelError
from interp.clip.model import Clip
from interp.clip.open_clip import CONFIG, to_open_clip, to_transformers
from interp.clip.tensors import Tensor
from interp.errors import quoted, shown
from interp.runs.content import to_json
from interp.runs.files import write_atomic

_OPEN_CLIP_WEIGHTS = "open_clip_model.safetensors"
VOCABULARY = 49_408  # size of OpenAI's tokenizer, which is part of open_clip
STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")  # preprocessing steps; open_clip does all
_INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # PIL's filter -> open_clip's name
_INSTEAD = "write the model for transformers instead"
# Settings that may hold words or mappings. Other settings are written only if they are numbers. Anything else may name
# a folder of this machine, since transformers keeps all settings in a model's files, and also the origin of the files.
_TOKENS = tuple(f"{name}_token" for name in ("bos", "eos", "unk", "pad", "sep", "cls", "mask"))
_WORDED = {
    "config.json": ("architectures", "dtype", "hidden_act", "model_type", "transformers_version"),
    "preprocessor_config.json": ("image_processor_type", "resample", "size", "crop_size", "pad_size"),
    "tokenizer_config.json": (
        "tokenizer_class",
        "padding_side",
        "truncation_side",
        "added_tokens_decoder",
        "additional_special_tokens",
        "extra_special_tokens",
        *_TOKENS,
    ),
}
TOWERS, _OF_TOWERS = ("text_config", "vision_config"), ("dtype", "hidden_act", "model_type")


def save_transformers(clip: Clip, folder: Path) -> None:
    """Write weights, configuration, tokenizer and image processing, as `save_pretrained` does.

    Settings that may name a folder of this machine are removed.
    """
    for part in (clip.model, clip.processor):
        part.save_pretrained(folder)
    _save_tokenizer(clip, folder)
    _clear(folder)


def save_open_clip(clip: Clip, folder: Path) -> None:
    """Write the weights under open_clip's names, and `open_clip_config.json` for ``local-dir:FOLDER`` and the hub.

    Raises:
        ModelError: open_clip does not have the model, would give it other pixels, or would not read texts at EOT.
    """
    from safetensors.torch import save

    _check_tokenizer(clip)
    content = {"model_cfg": _model(clip), "preprocess_cfg": _preprocessing(clip)}
    flat = {key: value.cpu().contiguous() for key, value in to_open_clip(clip.model.state_dict()).items()}
    write_atomic(folder / _OPEN_CLIP_WEIGHTS, save(flat, metadata={"format": "pt"}))
    write_atomic(folder / CONFIG, to_json(content))
    _save_tokenizer(clip, folder)
    _clear(folder)


def _save_tokenizer(clip: Clip, folder: Path) -> None:
    # A chat template is then saved as a setting, not as a separate file.
    clip.tokenizer.save_pretrained(folder, save_jinja_files=False)


def _clear(folder: Path) -> None:
    """Remove settings that may name another folder from the files in a folder."""
    for name, worded in _WORDED.items():
        if (path := folder / name).is_file():
            kept = _cleared(json.loads(path.read_text("utf-8")), worded)
            write_atomic(path, json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def _cleared(settings: Mapping[str, Any], worded: Collection[str]) -> dict[str, Any]:
    towers = {key: _cleared(settings[key], _OF_TOWERS) for key in TOWERS if isinstance(settings.get(key), Mapping)}
    numbers = {key for key, value in settings.items() if key.isidentifier() and _is_number(value)}
    return {key: value for key, value in settings.items() if key in worded or key in numbers} | towers


def _is_number(value: Any) -> bool:
    """Return whether a value is a number, a truth value, None, or a list of these."""
    items = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, (int, float)) for item in items)


def _model(clip: Clip) -> dict[str, Any]:
    text, vision = (getattr(clip.model.config, f"{tower}_config") for tower in ("text", "vision"))
    activations = {text.hidden_act, vision.hidden_act}
    if len(activations) != 1 or not activations <= {"gelu", "quick_gelu"}:
        raise ModelError(
            f"open_clip has no towers with the activations {' and '.join(sorted(activations))}; {_INSTEAD}"
        )
    for tower, config in (("text", text), ("vision", vision)):
        if config.layer_norm_eps != 1e-5:
            raise ModelError(
                f"open_clip's layer norms have an epsilon of 1e-5, but the {tower} tower has "
                f"{config.layer_norm_eps:g}; {_INSTEAD}"
            )
    brought = len(clip.tokenizer) == text.vocab_size == VOCABULARY
    tokenizer = {} if brought else {"hf_tokenizer_name": "./"}  # the files next to the configuration
    return {
        "embed_dim": clip.embed_dim,
        "quick_gelu": activations == {"quick_gelu"},
        "vision_cfg": {
            "image_size": vision.image_size,
            "layers": vision.num_hidden_layers,
            "width": vision.hidden_size,
            "head_width": vision.hidden_size // vision.num_attention_heads,
            "patch_size": vision.patch_size,
            "mlp_ratio": vision.intermediate_size / vision.hidden_size,
        },
        "text_cfg": {
            "context_length": text.max_position_embeddings,
            "vocab_size": text.vocab_size,
            "width": text.hidden_size,
            "heads": text.num_attention_heads,
            "layers": text.num_hidden_layers,
            "mlp_ratio": text.intermediate_size / text.hidden_size,
            **tokenizer,
        },
    }


def _preprocessing(clip: Clip) -> dict[str, Any]:
    """Return the preprocessing in open_clip's settings; raise `ModelError` if open_clip would give other pixels.

    open_clip resizes the shorter side to that of the vision tower, crops the centre, divides by 255 and normalizes.
    """
    given, side = clip.processor.to_dict(), clip.family.side(clip.model)
    if off := [step for step in STEPS if not given[step]]:
        raise ModelError(
            f"the image preprocessing of '{clip.name}' has {off[0]} off, but open_clip has it on; {_INSTEAD}"
        )
    if given.get("do_pad"):
        raise ModelError(
            f"the image preprocessing of '{clip.name}' has do_pad on, but open_clip does not pad; {_INSTEAD}"
        )
    for key, wanted in (("size", {"shortest_edge": side}), ("crop_size", {"height": side, "width": side})):
        if (settings := {name: value for name, value in given[key].items() if value is not None}) != wanted:
            raise ModelError(
                f"the image preprocessing of '{clip.name}' has {key} = {settings}, but open_clip uses {wanted}, "
                f"since the vision tower takes {side} x {side} pixels; {_INSTEAD}"
            )
    factor, resample = given["rescale_factor"], given["resample"]
    if not isinstance(factor, (int, float)) or not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise ModelError(
            f"the image preprocessing of '{clip.name}' has rescale_factor = {shown(factor)}, but open_clip uses 1/255; "
            f"{_INSTEAD}"
        )
    interpolation = _INTERPOLATIONS.get(resample) if isinstance(resample, int) else None
    if interpolation is None:
        raise ModelError(f"open_clip does not resize images with PIL's filter {shown(resample)}; {_INSTEAD}")
    each = {key: given[f"image_{key}"] for key in ("mean", "std")}
    each = {key: [value] * 3 if isinstance(value, (int, float)) else list(value) for key, value in each.items()}
    return {**each, "interpolation": interpolation, "resize_mode": "shortest"}


def _check_tokenizer(clip: Clip) -> None:
    """Raise `ModelError` if the highest id of the vocabulary, at which open_clip reads a text, is not EOT."""
    ids = dict(clip.tokenizer.get_vocab())
    token = max(ids, key=ids.__getitem__)
    if ids[token] != clip.eot:
        what = "pads them with" if token == clip.tokenizer.pad_token else "also has"
        raise ModelError(
            f"open_clip reads a text at its highest token, which must be the end of text, but the tokenizer of "
            f"'{clip.name}' ends texts with {clip.eot} and {what} {ids[token]} ({quoted(token)}); {_INSTEAD}"
        )


def weights_of(folder: Path) -> dict[str, Tensor]:
    """Return the weights in open_clip's file in a folder, under transformers' names."""
    from safetensors.torch import load_file

    return to_transformers(load_file(folder / _OPEN_CLIP_WEIGHTS), str(folder))
