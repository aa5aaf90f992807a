"""The model that a run belongs to, by the files of its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interp.clip.adapter_settings import ADAPTER_CONFIG, read_adapter
from interp.clip.edits.edit import FILE, Edit
from interp.clip.errors import ModelError
from interp.clip.files import check_run
from interp.clip.names import BASE, check_bases
from interp.clip.trust import name_in
from interp.errors import quoted


def named_models(names: Sequence[str], *, trust: bool) -> list[tuple[str, bool]]:
    """Return models of a list with whether their files may name what lies elsewhere; `BASE` becomes the base's name.

    The model after `BASE` may name its base, which the user has asked for.

    Raises:
        ModelError: no model follows a `BASE`, or a base is unknown.
    """
    check_bases(names)
    models: list[tuple[str, bool]] = []
    for place, name in enumerate(names):
        if name == BASE:
            models.append((_base_of(names[place + 1]), trust))
        else:
            models.append((name, trust or (place > 0 and names[place - 1] == BASE)))
    return models


def _base_of(name: str) -> str:
    """Return the name of the model that a folder with an adapter or an edit belongs to.

    Raises:
        ModelError: the folder holds neither, or does not say whose it is.
    """
    folder = Path(name)
    check_run(name)
    if (folder / ADAPTER_CONFIG).is_file():
        base = name_in(folder, read_adapter(folder).base_model_name_or_path or "")
    elif (folder / FILE).is_file():
        base = Edit.load(folder).base or ""
    else:
        base = ""
    if not base:
        raise ModelError(f"{quoted(name)} does not say which model is its base: name that model instead of base")
    return base
