"""Base model of a run, read from the files of the run folder."""

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
    """Return the name of each model of a list, and whether its files may refer to models elsewhere.

    The base's name replaces `BASE`. The model after `BASE` may name its base, since the user has asked for the base.

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
        ModelError: the folder holds neither, or does not name its base.
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
        raise ModelError(f"{quoted(name)} does not name its base: write the name of the base model instead of 'base'")
    return base
