"""Models that a run's files name but the command does not: their paths, and the permission to load them."""

from __future__ import annotations

import os
from pathlib import Path

from interp.clip.errors import ModelError
from interp.clip.names import OPEN_CLIP
from interp.runs.ownership import is_own

_OPTIONS = {"base": "model", "tokenizer": "tokenizer", "data": "data"}  # input of a run -> option that names it


def name_in(folder: Path, name: str) -> str:
    """Return the model that a name in a folder's files stands for; a leading dot marks a path from the folder.

    Raises:
        ModelError: the name is a path to a folder that does not exist, which must not be taken for a model on the hub.
    """
    path = from_folder(folder, name)
    if not name.startswith(OPEN_CLIP) and _is_path(folder, name) and not os.path.isdir(path):
        raise ModelError(f"'{folder}' needs the model '{path}', which does not exist; was one of the two moved?")
    return path


def from_folder(folder: Path, name: str) -> str:
    """Return the model that a name in a folder's files stands for, even if the model does not exist."""
    if name.startswith(OPEN_CLIP):
        arch, _, path = name.removeprefix(OPEN_CLIP).partition("/")
        return f"{OPEN_CLIP}{arch}/{os.path.normpath(folder / path)}"
    return os.path.normpath(folder / name) if _is_path(folder, name) else name


def _is_path(folder: Path, name: str) -> bool:
    return name != "toy" and (name.startswith(".") or os.path.isabs(name) or _is_inside(folder, folder / name))


def name_for(folder: Path, model: str) -> str:
    """Return a model's name for the files of a folder, as `name_in` reads it, without paths not typed by the user."""
    if model.startswith(OPEN_CLIP):
        arch, _, path = model.removeprefix(OPEN_CLIP).partition("/")
        return f"{OPEN_CLIP}{arch}/{path if os.path.isabs(path) else _path_from(folder, path)}"
    if model == "toy" or not os.path.isdir(model):
        return model
    if os.path.realpath(model) == os.path.realpath(folder):
        return "."
    if os.path.isabs(model):
        return model
    return _path_from(folder, model)


def _path_from(folder: Path, path: str) -> str:
    try:
        relative = Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()
    except ValueError:  # on another drive
        return os.path.abspath(path)
    return relative if relative.startswith("..") else f"./{relative}"


def check_trust(run: str, what: str, name: str, *, trust: bool) -> None:
    """Raise `ModelError` if a run refers to an input elsewhere that is not allowed.

    Allowed are ``toy``, folders within the run folder, and anything that this user named to the command that made the
    run (`interp.runs.ownership`).

    Args:
        run: folder whose files name the input.
        what: kind of the input: base, tokenizer or data.
        name: name of a model, or data.
        trust: allow everything.
    """
    if not (trust or name == "toy" or _is_inside(Path(run), Path(name)) or is_own(run, _OPTIONS[what], name)):
        raise ModelError(
            f"'{run}' refers to the {what} '{name}', which this command does not name; "
            f"add --trust-run (in Python: trust=True) to load that {what} too"
        )


def _is_inside(folder: Path, path: Path) -> bool:
    try:
        return os.path.isdir(path) and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # not a path, or circular links
        return False
