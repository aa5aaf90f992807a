"""Models that a run's files name, and the command did not: what they stand for, and whether they may be loaded."""

from __future__ import annotations

import os
from pathlib import Path

from interp.clip.errors import ModelError
from interp.clip.names import OPEN_CLIP
from interp.runs.own import is_own

_OPTIONS = {"base": "model", "tokenizer": "tokenizer", "data": "data"}  # what a run takes -> option that names it


def name_in(folder: Path, name: str) -> str:
    """Return the model that a name in a folder's files stands for; a name that begins with a dot is a path from there.

    Raises:
        ModelError: there is no such folder; its name is not to be taken for that of a model on the hub.
    """
    path = from_folder(folder, name)
    if not name.startswith(OPEN_CLIP) and _is_path(folder, name) and not os.path.isdir(path):
        raise ModelError(f"'{folder}' needs the model '{path}', which is not there; was one of them moved?")
    return path


def from_folder(folder: Path, name: str) -> str:
    """Return what a name in a folder's files stands for, whether there is such a model or not."""
    if name.startswith(OPEN_CLIP):
        arch, _, path = name.removeprefix(OPEN_CLIP).partition("/")
        return f"{OPEN_CLIP}{arch}/{os.path.normpath(folder / path)}"
    return os.path.normpath(folder / name) if _is_path(folder, name) else name


def _is_path(folder: Path, name: str) -> bool:
    return name != "toy" and (name.startswith(".") or os.path.isabs(name) or _is_inside(folder, folder / name))


def name_for(folder: Path, model: str) -> str:
    """A model's name for the files of a folder, which `name_in` reads: no path that the user did not write."""
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
        found = Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()
    except ValueError:  # on another drive
        return os.path.abspath(path)
    return found if found.startswith("..") else f"./{found}"


def check_trust(run: str, what: str, name: str, *, trust: bool) -> None:
    """Raise `ModelError` if a run takes something from elsewhere that is not allowed.

    Allowed are ``toy``, folders within the run's, and what this user named to the command that made the run
    (`interp.runs.own`).

    Args:
        run: the folder whose files name it.
        what: is taken: base, tokenizer or data.
        name: name of a model, or data.
        trust: allow everything.
    """
    if not (trust or name == "toy" or _is_inside(Path(run), Path(name)) or is_own(run, _OPTIONS[what], name)):
        raise ModelError(
            f"'{run}' takes its {what} from '{name}', which this command does not name; "
            "add --trust-run (in Python: trust=True) to load that too"
        )


def _is_inside(folder: Path, path: Path) -> bool:
    try:
        return os.path.isdir(path) and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # no path at all, links in a circle
        return False
