"""Resolution of the name of a model to a folder or to an id on the hub."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from interp.clip.errors import ModelError
from interp.clip.hub import is_cached, on_hub
from interp.errors import quoted, shown

BASE = "base"  # in a list of models, stands for the base of the next model
OPEN_CLIP = "open_clip:"  # ARCH/PATH.safetensors
# names of OpenAI's package and of open_clip -> ids on the hub
_KNOWN = {
    name: f"openai/clip-vit-{size}"
    for names, size in (
        ("ViT-B/32 ViT-B-32 vit-base-patch32 clip-vit-base-patch32", "base-patch32"),
        ("ViT-B/16 ViT-B-16 vit-base-patch16 clip-vit-base-patch16", "base-patch16"),
        ("ViT-L/14 ViT-L-14 vit-large-patch14 clip-vit-large-patch14", "large-patch14"),
        ("ViT-L/14@336px ViT-L-14-336 clip-vit-large-patch14-336", "large-patch14-336"),
    )
    for name in names.split()
}
MARKS = ("config.json", "adapter_config.json", "edit.json")  # marks of a folder with a model, an adapter, an edit


def locate(name: str) -> tuple[str, str]:
    """Turn a model's name into a folder or hub id, as transformers takes it, and a revision.

    Raises:
        ModelError: the model does not exist, or the hub does not answer and the model is not in the cache.
    """
    if name == "toy":
        return str(files("interp.data").joinpath("assets", "toy-clip")), "main"
    if os.path.isdir(name):  # unlike Path.is_dir, never raises
        if not (Path(name) / "config.json").is_file():
            raise ModelError(f"the folder '{name}' has no config.json; expected a folder that save_pretrained wrote")
        return name, "main"
    if name.startswith(OPEN_CLIP):
        return str(open_clip_file(name)[1].parent), "main"
    if os.path.isfile(name):
        raise ModelError(_file_fault(name))
    if hub_id := _KNOWN.get(name):
        raise ModelError(f"{quoted(name)} is a name of another library; use {hub_id}, which is OpenAI's model")
    hub, at, revision = name.partition("@")
    if not at and _is_path(name) and not (_is_id(name) and is_cached(name, "main")):
        owner = name.partition("/")[0]
        here = f"; '{owner}' is a folder here, so write {quoted(name + '@main')} for the hub" if _is_id(name) else ""
        raise ModelError(f"the folder {quoted(name)} does not exist{_suggestion(name) or here}")
    if not _is_id(hub):
        raise ModelError(
            f"unknown model {quoted(name)}: expected 'toy', a folder, or a hub id such as openai/clip-vit-base-patch32"
            f"{_suggestion(name)}"
        )
    try:
        return on_hub(name, hub, revision or "main")
    except ModelError as error:
        raise ModelError(f"{error}{_suggestion(name)}") from error


def _file_fault(name: str) -> str:
    """Return the reason why a file is not a model, and the remedy."""
    if name.endswith(".safetensors"):
        return f"{quoted(name)} holds weights only: give its folder, or {OPEN_CLIP}ARCH/{name} for a file of open_clip"
    if name.endswith((".pt", ".pth", ".bin", ".ckpt")):
        return f"{quoted(name)} holds pickled weights, which are not read: save them as .safetensors"
    return f"{quoted(name)} is a file; give a folder that save_pretrained wrote"


def is_on_hub(name: str) -> bool:
    """Return whether `locate` takes a name for the id of a model on the hub."""
    hub, at, _ = name.partition("@")
    if os.path.isdir(name) or name.startswith(OPEN_CLIP) or not _is_id(hub):
        return False
    return bool(at) or not _is_path(name) or is_cached(name, "main")


def open_clip_file(name: str) -> tuple[str, Path]:
    """Return the architecture and the file that ``open_clip:ARCH/PATH.safetensors`` names.

    Raises:
        ModelError: the name has another form, the file does not exist, or it is not a .safetensors file.
    """
    arch, _, path = name.removeprefix(OPEN_CLIP).partition("/")
    if not arch or not path:
        raise ModelError(
            f"unknown model {quoted(name)}: expected {OPEN_CLIP}ARCH/PATH, such as {OPEN_CLIP}ViT-B-32/my.safetensors"
        )
    if not path.endswith(".safetensors"):
        raise ModelError(
            f"{quoted(path)} is not a .safetensors file, and pickled weights are not read; convert the file"
        )
    if not os.path.isfile(path):
        raise ModelError(f"the file {quoted(path)} in the name {quoted(name)} does not exist")
    return arch, Path(path)


def check_bases(names: Sequence[str]) -> None:
    """Raise `ModelError` unless a model follows each `BASE` of a list."""
    if names and BASE in (names[-1], *(first for first, second in pairwise(names) if first == second)):
        raise ModelError(
            f"{BASE} must be followed by the model whose base it stands for, as in --model {BASE} --model RUN"
        )


def check_models(names: Sequence[str]) -> None:
    """Raise `ModelError` if a model of a list that may hold `BASE` cannot be found, or a `BASE` has no model."""
    check_bases(names)
    check_named(*(name for name in names if name != BASE))


def check_named(*names: str | None) -> None:
    """Raise `ModelError` if a model or tokenizer cannot be found, before anything is loaded.

    The hub is not asked for a model that is in the cache.
    """
    for name in names:
        if name is None or os.path.isdir(name):
            continue
        if name in _KNOWN:
            locate(name)
        if name.startswith(OPEN_CLIP):
            open_clip_file(name)
            continue
        hub, _, revision = name.partition("@")
        if not _is_id(hub) or not is_cached(hub, revision or "main"):
            locate(name)


def _is_path(name: str) -> bool:
    """Return whether a name is a path: it has the form of a path, or begins with a folder that exists."""
    return "/" in name and (not _is_id(name) or os.path.isdir(name.partition("/")[0]))


def _is_id(name: str) -> bool:
    """Return whether a name has the form of the hub's ids: owner/name."""
    owner, _, rest = name.partition("/")
    return bool(owner and rest) and "/" not in rest and not name.startswith((".", "~"))


def _suggestion(name: str) -> str:
    """Return a question that suggests a model folder with a similar path, or an empty string."""
    if "\0" in name:
        return ""
    path = Path(os.path.expanduser(name.partition("@")[0]))
    folder = Path(path.anchor)
    for part in path.parts[bool(path.anchor) :]:
        if not os.path.isdir(folder / part):
            try:
                inside = [entry for entry in os.listdir(folder) if os.path.isdir(folder / entry)]
            except (OSError, ValueError):
                return ""
            near = difflib.get_close_matches(part, inside, n=1)
            if not near:
                return ""
            part = near[0]
        folder /= part
    is_model = str(folder) != "." and any(os.path.isfile(folder / mark) for mark in MARKS)
    return f"; did you mean {shown(folder)!r}?" if is_model else ""
