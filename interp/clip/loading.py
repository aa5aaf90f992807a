"""Loading of a CLIP: the embedded model, a local folder, a hub id, or a run that fine-tuned one of these models."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from typing_extensions import TypedDict

from interp.clip.activations import activation_notes
from interp.clip.adapter_settings import ADAPTER_CONFIG, read_adapter
from interp.clip.adapters import ADAPTER_WEIGHTS, merge_adapter
from interp.clip.devices import check_device, check_dtype
from interp.clip.edits.edit import ABOUT, FILE, Edit, EditError
from interp.clip.errors import ModelError
from interp.clip.files import check_files, check_run, loading_fault, read_json
from interp.clip.fingerprints import fingerprints
from interp.clip.hub import fetch_files
from interp.clip.model import Clip
from interp.clip.names import OPEN_CLIP, locate, open_clip_file
from interp.clip.open_clip import CONFIG, QUICK, read_config, read_open_clip
from interp.clip.processors import check_tokenizer, load_processor, load_tokenizer
from interp.clip.soundness import check_weights
from interp.clip.trust import check_trust, name_in
from interp.drawing.markup import plural
from interp.runs.files import MANIFEST
from interp.runs.weights import is_run

if TYPE_CHECKING:
    from transformers import CLIPModel

_MOST_ADAPTERS = 8  # in one chain


def load_clip(
    name: str,
    *,
    tokenizer: str | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    trust: bool = False,
) -> Clip:
    """Load a CLIP for inference, weights frozen.

    Args:
        name: ``toy`` (embedded), a local folder as `save_pretrained` writes it, a run folder of `training.finetune` or
            another folder with a LoRA adapter (merged into its base), ``open_clip:ARCH/PATH.safetensors`` with
            open_clip's name of an architecture, or a hub id ``owner/name``, optionally ``owner/name@revision``. Only a
            hub id leads to network access.
        tokenizer: name of the model or folder whose tokenizer is loaded; by default the model's own tokenizer.
        device: cpu, cuda, cuda:N or mps.
        dtype: dtype of weights and arithmetic: float32, float64, bfloat16 or float16.
        trust: True to accept a base or tokenizer of a run that is neither ``toy`` nor within its folder.

    Raises:
        ModelError: the model does not exist, is not a CLIP, or needs foreign code. Files are missing, damaged or not
            safetensors. Weights are unusable. The tokenizer does not fit. An adapter does not fit its base, or its base
            may not be loaded or is not the model that the adapter was trained on.
    """
    check_device(device)
    check_dtype(dtype)
    return _load(name, dtype, _LoadOptions(tokenizer, device, trust))


@dataclass(frozen=True)
class _LoadOptions:
    """Options for a model and its bases; `above` holds the folders of adapters and edits that build on the model."""

    tokenizer: str | None
    device: str
    trust: bool
    above: tuple[str, ...] = ()


def _load(name: str, dtype: torch.dtype, options: _LoadOptions) -> Clip:
    check_run(name)
    if os.path.isfile(os.path.join(name, ADAPTER_CONFIG)):
        return _load_adapted(name, dtype, options)
    if os.path.isfile(os.path.join(name, FILE)):
        return _load_edited(name, Path(name), None, dtype, options)
    place = locate(name)
    _quiet()
    if not name.startswith(OPEN_CLIP) and (folder := fetch_files(name, *place, (FILE, ABOUT))) is not None:
        return _load_edited(name, folder, place, dtype, options)
    return _load_plain(name, place, dtype, options)


def _load_plain(name: str, place: tuple[str, str], dtype: torch.dtype, options: _LoadOptions) -> Clip:
    """Load a model from its weights.

    Args:
        place: result of `locate` for the name.
    """
    where, revision = place
    _quiet()
    model, notes = _load_any(name, where, revision, dtype)
    try:
        torch.nn.Module.to(model, options.device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"cannot use the device '{options.device}': {loading_fault(error)}") from error
    notes += [*activation_notes(name, model.config), *check_weights(name, model)]
    text_tokenizer = load_tokenizer(name, options.tokenizer, where, revision)
    eot = check_tokenizer(name, model, text_tokenizer, chosen=options.tokenizer, notes=notes)
    processor = load_processor(name, where, revision, model, notes)
    prints = fingerprints(model, text_tokenizer, processor)
    return Clip(name, model, text_tokenizer, processor, eot, *prints, tuple(notes))


def _load_any(name: str, where: str, revision: str, dtype: torch.dtype) -> tuple[CLIPModel, list[str]]:
    """Return a model, and notes on the model."""
    if not name.startswith(OPEN_CLIP):
        return _load_model(name, where, revision, dtype)
    arch, path = open_clip_file(name)
    check_files(name, where, revision)
    quick, _ = read_config(path)
    model = read_open_clip(name, arch, path, dtype)
    titles = {True: "QuickGELU", False: "GELU"}
    if quick is not None and quick != arch.endswith(QUICK):
        right = arch + QUICK if quick else arch.removesuffix(QUICK)
        return model, [
            f"'{name}' is computed with {titles[not quick]}, but {CONFIG} next to it requests {titles[quick]}: if that "
            f"is right, name the architecture {right}"
        ]
    return model, []


def _load_model(name: str, where: str, revision: str, dtype: torch.dtype) -> tuple[CLIPModel, list[str]]:
    """Return a model, and notes on its weights."""
    from transformers import CLIPConfig, CLIPModel

    check_files(name, where, revision)
    try:
        config = CLIPConfig.from_pretrained(where, revision=revision)
        if config.model_type != "clip" or "text_config" not in _raw_config(where, config):
            raise ModelError(
                f"'{name}' is not a CLIP: its config.json has model_type '{config.model_type}'{_other(config)}"
            )
        result: Any = CLIPModel.from_pretrained(
            where, revision=revision, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
        model: CLIPModel = result[0]
        loaded: dict[str, Any] = result[1]
        # transformers would fill missing weights with random numbers
        if absent := sorted(key for kind in ("missing_keys", "mismatched_keys") for key in map(str, loaded[kind])):
            raise ModelError(f"the weights of '{name}' do not fit: {len(absent)} are missing, the first is {absent[0]}")
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"cannot load the model '{name}': {loading_fault(error)}") from error
    # buffers of older versions of transformers are not weights
    unused = sorted(key for key in map(str, loaded["unexpected_keys"]) if not key.endswith("position_ids"))
    notes = (
        [f"ignored {plural(len(unused), 'weight')} of '{name}' that do not fit its config.json, such as {unused[0]}"]
        if unused
        else []
    )
    return model.eval().requires_grad_(False), notes


def _other(config: Any) -> str:
    """Return the reason for refusing a model of another family that also scores images and texts."""
    if config.model_type.startswith("siglip"):
        return (
            "; the text tower of SigLIP is not causal and is read at the last position, even if that is padding, so it "
            "has no EOT to intervene at"
        )
    return ""


class _Settings(TypedDict):
    base: str


class _Named(TypedDict):
    tokenizer: str | None


class _Tuning(TypedDict):
    """Parts of a fine-tuning's manifest: fingerprint of its base, name of its tokenizer."""

    settings: _Settings
    named: _Named


def _load_adapted(name: str, dtype: torch.dtype, options: _LoadOptions) -> Clip:
    """Load the base of a LoRA adapter, and merge the adapter into its weights."""
    folder = Path(name)
    _check_chain(name, "adapter", ADAPTER_CONFIG, options.above)
    try:
        given = read_adapter(folder).base_model_name_or_path
    except ModelError as error:
        raise ModelError(f"the adapter in '{name}' cannot be read: {error}") from error
    base_name = name_in(folder, given or "")
    if not given or os.path.abspath(base_name) == os.path.abspath(name):
        raise ModelError(f"the adapter in '{name}' does not name its base: name a model in its {ADAPTER_CONFIG}")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(f"'{name}' has no {ADAPTER_WEIGHTS}; pickled adapters are not read")
    base = _load_base(name, "adapter", base_name, torch.float32, options)
    return _with_adapter(base, base.model, name, dtype)


def _load_edited(
    name: str, folder: Path, place: tuple[str, str] | None, dtype: torch.dtype, options: _LoadOptions
) -> Clip:
    """Load the base of an edit, and edit the base; a folder that also holds weights is its own base.

    Args:
        folder: folder that holds the edit.
        place: result of `locate` for the name, if `locate` has been called.
    """
    _check_chain(name, "edit", ABOUT, options.above)
    try:
        edit = Edit.load(folder)
    except EditError as error:
        raise ModelError(str(error)) from error
    if edit.base is None:
        raise ModelError(f"the edit in '{name}' does not name its base; save the edit with its base (Edit.made_for)")
    if os.path.abspath(edit.base) == os.path.abspath(folder):
        base = _load_plain(name, place or locate(name), dtype, options)
        edited = replace(edit, base=name).apply(base)
    else:
        base = _load_base(name, "edit", edit.base, dtype, options, edit.base_fingerprint)
        edited = edit.apply(base)
    return replace(edited, name=name)


def _load_base(
    name: str, what: str, base_name: str, dtype: torch.dtype, options: _LoadOptions, fingerprint: str | None = None
) -> Clip:
    """Load the base of a folder with an adapter or an edit, and add a note that it was loaded.

    Args:
        what: content of the folder, as a noun: adapter or edit.
        fingerprint: fingerprint of the model; by default the fingerprint in the manifest of a run, if there is one.
    """
    folder = Path(name)
    try:
        manifest = folder / MANIFEST
        if manifest.is_file():
            read_json(manifest, dict[str, Any])  # a damaged run must not be taken for a folder of another program
        run: _Tuning | None = read_json(manifest, _Tuning) if is_run(folder) else None
    except ModelError as error:
        raise ModelError(f"the {what} in '{name}' cannot be read: {error}") from error
    check_trust(name, "base", base_name, trust=options.trust)
    notes = [f"'{name}' is an {what} of '{base_name}', which was loaded too"]
    tokenizer = options.tokenizer
    if tokenizer is None and run is not None and run["named"]["tokenizer"] is not None:
        tokenizer = name_in(folder, run["named"]["tokenizer"])
        check_trust(name, "tokenizer", tokenizer, trust=options.trust)
        notes.append(f"'{name}' takes its tokenizer from '{tokenizer}'")
    below = replace(options, tokenizer=tokenizer, above=(*options.above, os.path.realpath(name)))
    try:
        base = _load(base_name, torch.float32, below)  # the dtype in which the adapter or the edit was trained
    except ModelError as error:
        raise ModelError(f"cannot load the base of the {what} in '{name}': {error}") from error
    expected = run["settings"]["base"] if fingerprint is None and run is not None else fingerprint
    if expected is not None and base.fingerprint != expected:
        raise ModelError(
            f"the {what} in '{name}' was made for another state of '{base_name}': the fingerprint was {expected} and "
            f"is now {base.fingerprint}; restore that model, or make the {what} again"
        )
    base = base if dtype == torch.float32 else _load(base_name, dtype, below)
    return replace(base, notes=(*notes, *base.notes))


def _check_chain(name: str, what: str, file: str, above: tuple[str, ...]) -> None:
    if os.path.realpath(name) in above:
        raise ModelError(
            f"the chain of bases of the {what} in '{name}' leads back to it; name another base in its {file}"
        )
    if len(above) == _MOST_ADAPTERS:
        raise ModelError(
            f"'{name}' is the base of a chain of {_MOST_ADAPTERS} adapters or edits, the limit; merge some"
        )


def with_adapter(base: Clip, folder: Path) -> Clip:
    """Return a copy of a loaded base with the adapter of a folder, as `load_clip` returns it for this folder.

    Raises:
        ModelError: the adapter does not fit the base.
    """
    return _with_adapter(base, copy.deepcopy(base.model), str(folder), base.model.dtype)


def _with_adapter(base: Clip, model: CLIPModel, name: str, dtype: torch.dtype) -> Clip:
    """Return the base with its model, which is changed in place, and the adapter of a folder merged."""
    try:
        model = merge_adapter(model, Path(name))
        torch.nn.Module.to(model, dtype)
    except Exception as error:
        raise ModelError(
            f"the adapter in '{name}' does not fit its base '{base.name}': {loading_fault(error)}"
        ) from error
    check_weights(name, model)
    new_prints = fingerprints(model, base.tokenizer, base.processor)
    base_prints = base.fingerprint, base.image_fingerprint
    # edits of the base are not weights, but part of its computation
    whole, images = (new + "".join(old.partition("+")[1:]) for new, old in zip(new_prints, base_prints, strict=True))
    return Clip(name, model, base.tokenizer, base.processor, base.eot, whole, images, base.notes)


def _raw_config(where: str, config: Any) -> dict[str, Any]:
    """Return the configuration from its file, since transformers adds defaults to a foreign configuration."""
    path = Path(where) / "config.json"
    return read_json(path, dict[str, Any]) if path.is_file() else config.to_dict()


def _quiet() -> None:
    """Suppress transformers' progress bars and advice."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
