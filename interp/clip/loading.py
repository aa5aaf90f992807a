"""Load a CLIP: the embedded one, a local folder, a hub id, or a run that fine-tuned one of these."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import warnings
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from interp.clip.model import Clip, ModelError

if TYPE_CHECKING:
    from transformers import CLIPModel

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # peft's names


def load_clip(
    name: str, *, tokenizer: str | None = None, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Clip:
    """Load a CLIP for inference, weights frozen.

    Args:
        name: ``toy`` (embedded), a local folder as `save_pretrained` writes it, a run folder of `training.finetune`
            or another folder with a LoRA adapter (merged into its base), or a hub id ``owner/name``, optionally
            ``owner/name@revision``. Only a hub id ever reaches the network.
        tokenizer: where to take the tokenizer from, if not from the model; the same kinds of name.
        device: as torch names it.
        dtype: of weights and arithmetic.

    Raises:
        ModelError: no such model, not a CLIP, files missing or damaged, no safetensors, or a tokenizer
            that does not fit; an adapter that does not fit its base, or whose base is another one than it was
            trained on.
    """
    from transformers import CLIPConfig, CLIPModel

    if os.path.isfile(os.path.join(name, ADAPTER_CONFIG)):
        return _load_adapted(name, tokenizer, device, dtype)
    where, revision = _locate(name)
    _quiet()
    try:
        config = CLIPConfig.from_pretrained(where, revision=revision)
        if config.model_type != "clip" or "text_config" not in _raw_config(where, config):
            raise ModelError(f"'{name}' is not a CLIP: its config.json says model_type '{config.model_type}'")
        found: Any = CLIPModel.from_pretrained(
            where, revision=revision, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
        model: CLIPModel = found[0]
        loaded: dict[str, Any] = found[1]
        # transformers would fill what is missing with random numbers
        if absent := sorted(key for kind in ("missing_keys", "mismatched_keys") for key in map(str, loaded[kind])):
            raise ModelError(f"the weights of '{name}' do not fit: {len(absent)} are missing, the first is {absent[0]}")
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"cannot load the model '{name}': {_first_line(error)}") from error
    model = model.eval().requires_grad_(False)
    try:
        torch.nn.Module.to(model, device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"cannot use the device '{device}': {_first_line(error)}") from error
    text_tokenizer = _load_tokenizer(name, tokenizer, where, revision)
    notes: list[str] = []
    eot = _check_tokenizer(name, model, text_tokenizer, chosen=tokenizer, notes=notes)
    processor = _load_processor(name, where, revision, model, notes)
    prints = _fingerprints(model, text_tokenizer, processor)
    return Clip(name, model, text_tokenizer, processor, eot, *prints, tuple(notes))


def _load_adapted(name: str, tokenizer: str | None, device: str, dtype: torch.dtype) -> Clip:
    """The base of a LoRA adapter with the adapter merged into its weights."""
    folder = Path(name)
    try:
        base_name = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"]
        manifest = folder / "manifest.json"
        run = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
        expected, own = run.get("settings", {}).get("base"), run.get("arguments", {}).get("tokenizer")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"'{name}' holds an adapter that cannot be read: {_first_line(error)}") from error
    if not isinstance(base_name, str) or not base_name or os.path.abspath(base_name) == os.path.abspath(name):
        raise ModelError(f"'{name}' does not say whose adapter it is: name a model in its {ADAPTER_CONFIG}")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(f"'{name}' has no {ADAPTER_WEIGHTS}; pickled adapters are not read")
    try:
        base = load_clip(base_name, tokenizer=tokenizer or own, device=device)  # float32, as it was trained
    except ModelError as error:
        raise ModelError(f"'{name}' is an adapter of another model: {error}") from error
    if expected is not None and base.fingerprint != expected:
        raise ModelError(
            f"'{name}' was fine-tuned from another base: '{base_name}' now has the fingerprint {base.fingerprint}, "
            f"it was {expected}; bring back that model, or fine-tune again"
        )
    return _with_adapter(base, base.model, name, dtype)


def with_adapter(base: Clip, folder: Path) -> Clip:
    """What `load_clip` gives for a folder with an adapter, for a base that has been loaded, which stays as it is.

    Raises:
        ModelError: the adapter does not fit the base.
    """
    return _with_adapter(base, copy.deepcopy(base.model), str(folder), base.model.dtype)


def _with_adapter(base: Clip, model: CLIPModel, name: str, dtype: torch.dtype) -> Clip:
    """The base with its model, which is changed, and the adapter of a folder merged."""
    try:
        model = _merged(model, name)
        torch.nn.Module.to(model, dtype)
    except Exception as error:
        raise ModelError(
            f"the adapter in '{name}' does not fit its base '{base.name}': {_first_line(error)}"
        ) from error
    prints = _fingerprints(model, base.tokenizer, base.processor)
    return Clip(name, model, base.tokenizer, base.processor, base.eot, *prints, base.notes)


def _merged(base: CLIPModel, name: str) -> CLIPModel:
    """A model with the adapter of a folder merged into its weights, all of them and no others."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's words on missing weights are an error below
        adapted: Any = PeftModel.from_pretrained(base, name, torch_device=str(base.device))
        wanted = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    with safe_open(os.path.join(name, ADAPTER_WEIGHTS), framework="pt") as file:
        there = set(file.keys())
    if wrong := sorted(wanted ^ there):
        raise ModelError(f"{wrong[0]} is {'missing' if wrong[0] in wanted else 'no weight of it'} ({len(wrong)} such)")
    return adapted.merge_and_unload().eval().requires_grad_(False)


def _locate(name: str) -> tuple[str, str]:
    """Turn a model's name into what transformers takes, and a revision."""
    if name == "toy":
        return str(files("interp.data").joinpath("assets", "toy-clip")), "main"
    if os.path.isdir(name):  # unlike Path.is_dir, never raises
        if not (Path(name) / "config.json").is_file():
            raise ModelError(f"the folder '{name}' holds no config.json; expected what save_pretrained writes")
        return name, "main"
    hub, _, revision = name.partition("@")
    if hub.count("/") != 1 or hub.startswith((".", "/", "~")):
        raise ModelError(
            f"no model '{name}': neither 'toy', nor a folder, nor a hub id such as openai/clip-vit-base-patch32"
        )
    return hub, revision or "main"


def _raw_config(where: str, config: Any) -> dict[str, Any]:
    """The config as its file has it: transformers fills a foreign one up with defaults, unasked."""
    path = Path(where) / "config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else config.to_dict()


def _quiet() -> None:
    """Keep transformers' progress bars and advice out of a terminal that shows ours."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1])  # torch says what it is in the second line


def _load_tokenizer(name: str, chosen: str | None, where: str, revision: str) -> Any:
    from transformers import AutoTokenizer

    if chosen is not None:
        where, revision = _locate(chosen)
    if Path(where).is_dir() and not any((Path(where) / file).is_file() for file in ("tokenizer.json", "vocab.json")):
        raise ModelError(
            f"'{chosen or name}' has no tokenizer; copy one into its folder, or name one as tokenizer "
            "(toy, a folder or a hub id)"
        )
    try:
        return AutoTokenizer.from_pretrained(where, revision=revision)
    except Exception as error:
        raise ModelError(f"cannot load the tokenizer of '{chosen or name}': {_first_line(error)}") from error


def _check_tokenizer(name: str, model: CLIPModel, tokenizer: Any, *, chosen: str | None, notes: list[str]) -> int:
    """Make sure that tokenizer and model mean the same token by end-of-text; return its id."""
    eot, size = tokenizer.eos_token_id, model.text_model.embeddings.token_embedding.num_embeddings
    if eot is None:
        raise ModelError(f"the tokenizer of '{chosen or name}' has no end-of-text token (eos_token)")
    if len(tokenizer) > size:
        raise ModelError(f"the tokenizer has {len(tokenizer)} tokens, '{name}' only {size}; name one that fits")
    expected = model.text_model.eos_token_id
    legacy = expected == 2 and eot == size - 1  # OpenAI's configs say 2; transformers then pools at the highest id
    if eot != expected and not legacy:
        if chosen is None:
            raise ModelError(
                f"'{name}' pools at token {expected}, its tokenizer ends texts with {eot}; they must agree"
            )
        model.text_model.eos_token_id = eot
        text_config: Any = model.config.text_config
        text_config.eos_token_id = eot
        notes.append(f"tokenizer '{chosen}' ends texts with token {eot}; the model was told so")
    return int(eot)


def _load_processor(name: str, where: str, revision: str, model: CLIPModel, notes: list[str]) -> Any:
    from PIL import Image
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    if Path(where).is_dir() and not any(
        (Path(where) / file).is_file() for file in ("preprocessor_config.json", "processor_config.json")
    ):
        side = int(model.vision_model.embeddings.image_size)
        notes.append(f"'{name}' has no preprocessor_config.json: CLIP's own preprocessing at {side} pixels is used")
        return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    try:
        processor = CLIPImageProcessorPil.from_pretrained(where, revision=revision)
        tried = processor([Image.new("RGB", (40, 30))], return_tensors="pt")["pixel_values"]
    except Exception as error:
        raise ModelError(f"cannot load the image preprocessing of '{name}': {_first_line(error)}") from error
    side = int(model.vision_model.embeddings.image_size)
    if tuple(tried.shape) != (1, 3, side, side):
        raise ModelError(
            f"the image preprocessing of '{name}' gives {tried.shape[-1]} x {tried.shape[-2]} pixels, its vision tower "
            f"takes {side} x {side}; set size and crop_size in its preprocessor_config.json"
        )
    return processor


def _fingerprints(model: CLIPModel, tokenizer: Any, processor: Any) -> tuple[str, str]:
    """Of the whole model, and of the part that embeds images."""
    whole, images = hashlib.sha256(), hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        content = value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
        for state in (whole, images) if key.startswith(("vision_model.", "visual_projection.")) else (whole,):
            state.update(key.encode())
            state.update(content)
    settings = {key: value for key, value in processor.to_dict().items() if not key.startswith("_")}
    for state in (whole, images):
        state.update(json.dumps(settings, sort_keys=True, default=str).encode())
    whole.update(tokenizer.backend_tokenizer.to_str().encode())
    return whole.hexdigest()[:16], images.hexdigest()[:16]
