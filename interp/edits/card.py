"""Card of an edit: its effect and origin, code that loads it with and without this package, and its limits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PureWindowsPath
from typing import Any

from interp.clip.edits.edit import Edit
from interp.clip.families import FAMILIES
from interp.clip.families.family import Family
from interp.clip.names import is_on_hub
from interp.edits.plain import plain_code
from interp.runs.cards import EditNotes, as_code, front_matter, licence_section, plain, public_name, python

_BASE = "BASE"  # placeholder in code for a base that is not public


def edit_card(edit: Edit, repo: str, licence: str | None) -> str:
    """Return the card of an edit without its model, for a repository of the hub.

    Args:
        repo: owner/name of the repository.
        licence: identifier of the licence, such as mit; None if there is no licence.
    """
    base = public(edit).base or _BASE
    load = f"clip = on_hub.load({json.dumps(repo)}).apply(interp.load_clip({json.dumps(base)}))"
    notes = edit_notes(edit, next(iter(FAMILIES.values())), _BASE if base == "toy" else base, repo=repo)
    lines = [
        *front_matter("clip-descriptions", notes.base, licence),
        *("# An edit of a CLIP", "", *notes.made, ""),
        *("## How to load it", "", *python("import interp", "from interp.edits import on_hub", "", load), ""),
        *("## Without this package", "", *notes.code, ""),
        *("## What an edit does not show", "", *notes.limits, ""),
        *licence_section(licence),
    ]
    return "\n".join(lines)


def edit_notes(edit: Edit, family: Family, base: str, *, repo: str | None = None, merged: bool = False) -> EditNotes:
    """Return the lines of a card on an edit.

    Args:
        family: family of the model.
        base: folder of the model or its id on the hub, for code.
        repo: repository of the hub that holds the edit; by default the edit is in the folder of the model.
        merged: True if the edit is merged into the weights, so that there is no file with the edit.
    """
    on_hub = edit.base is not None and is_on_hub(edit.base)
    facts: dict[str, Any] = {
        "kind": edit.kind,
        "site": edit.site.label,
        "directions": f"{edit.size} of {edit.width}",
        "base": edit.base if edit.base is None or on_hub else PureWindowsPath(edit.base).name,
    }
    facts |= {key: value for key, value in public(edit).facts.items() if key not in facts}
    stated = [
        f"- {plain(key)}: {as_code(value)}" for key, value in facts.items() if isinstance(value, (str, int, float))
    ]
    weights = "The edit is merged into the weights." if merged else "All weights of the base are unchanged."
    made = [f"{edit.about} {weights}", "", *stated]
    limits = [
        "- An edit changes a model. It does not show where the model keeps a distinction: an edit at another layer may "
        "work equally well.",
        f"- It changes the embedding of every {'text' if edit.site.tower == 'text' else 'image'}: measure transfer and "
        "retrieval before you use the model for anything else.",
    ]
    code = [] if merged else python(*plain_code(edit, family, base, repo).splitlines())
    return EditNotes(made, code, limits, edit.base if on_hub else None)


def public(edit: Edit) -> Edit:
    """Return the same edit without names of folders of this machine.

    A base that is not public is left out. Paths in the facts are reduced to their last names.
    """
    is_public = edit.base is not None and (edit.base == "toy" or is_on_hub(edit.base))
    return replace(edit, base=edit.base if is_public else None, facts=_public(edit.facts))


def _public(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {name: _public(value) for name, value in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [_public(value) for value in facts]
    return public_name(facts) if isinstance(facts, str) else facts
