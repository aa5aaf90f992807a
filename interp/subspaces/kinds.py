"""Kinds of subspaces, by the name in their files. Each kind is a class with `load`, and one line in the registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from interp.errors import quoted
from interp.runs.files import read_bytes
from interp.subspaces.rotation import KIND, Rotation, RotationError
from interp.subspaces.subspace import Subspace

# kind -> loader of the .safetensors file, given the content of the .json file, if it exists
KINDS: dict[str, Callable[[Path, bytes | None], Subspace]] = {KIND: Rotation.load}


def load_subspace(path: Path | str) -> Subspace:
    """Load a subspace of any kind from the files that its `save` wrote.

    Args:
        path: the .safetensors file; the .json file of the same name gives the kind.

    Raises:
        RotationError: a file is missing or damaged, or was changed after it was saved, or its kind is unknown.
    """
    path = Path(path)
    about = read_bytes(path.with_suffix(".json"))
    kind = _kind(about)
    if kind not in KINDS:
        raise RotationError(f"'{path}' holds a subspace of kind {quoted(kind)}; known: {', '.join(KINDS)}")
    return KINDS[kind](path, about)


def _kind(about: bytes | None) -> str:
    """Return the kind in a .json file; by default a rotation, whose loader then reports the fault of the file."""
    try:
        content = json.loads(about or b"{}")
    except ValueError:
        return KIND
    kind = content.get("kind", KIND) if isinstance(content, dict) else KIND
    return kind if isinstance(kind, str) else KIND
