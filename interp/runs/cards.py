"""Parts of the cards of published models and edits, in Markdown. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any

from interp.drawing.markup import escape
from interp.errors import shown

_HUB_ID = r"[\w-][\w.-]*/[\w.-]+(@[\w./-]+)?"


@dataclass(frozen=True)
class EditNotes:
    """Lines of a card on an edit.

    Attributes:
        made: lines on the effect and origin of the edit.
        code: lines of code that make the edit without this package; none if the edit is merged into the weights.
        limits: items of the list of limits.
        base: hub id of the base; None if the base is not on the hub.
    """

    made: Sequence[str]
    code: Sequence[str]
    limits: Sequence[str]
    base: str | None


def _is_hub_id(name: str) -> bool:
    """Return whether a name has the form of a hub id, owner/name, with or without a revision."""
    return re.fullmatch(_HUB_ID, name) is not None


def front_matter(
    library: str, base: str | None, licence: str | None, *, data: str | None = None, language: str | None = None
) -> list[str]:
    """Return the header that the hub reads.

    Args:
        library: name of the library that loads the files.
        base: name of the base; omitted unless it is a hub id.
        licence: identifier of the licence as on the hub; None if unknown.
        data: name of the data, as in `load_pairs`; omitted unless the data are on the hub.
        language: code of the language of the texts; None if unknown.
    """
    header: dict[str, Any] = {
        "library_name": library,
        "tags": ["clip", "alt-text", "interpretability", "clip-descriptions"],
    }
    header |= {"base_model": base.partition("@")[0]} if base is not None and _is_hub_id(base) else {}
    header |= {"datasets": [data.removeprefix("hf:").partition("@")[0]]} if data and data.startswith("hf:") else {}
    header |= {"language": language} if language else {}
    header |= {"license": licence} if licence else {}
    return ["---", *(f"{key}: {json.dumps(value)}" for key, value in header.items()), "---", ""]


def licence_section(licence: str | None) -> list[str]:
    """Return the section about the licence, the last of a card."""
    unknown = "Not stated. The licences of the base, of its training data and of your data apply."
    text = f"{licence}." if licence else unknown
    return ["## Licence", "", text, ""]


def python(*code: str) -> list[str]:
    """Return lines of Python as a block of code."""
    return ["```python", *code, "```"]


def public_name(name: str | None) -> str | None:
    """Return the name of a model or of data without folders of this machine; None without a name.

    The name of a model must have the form of run files (`interp.clip.trust.name_for`), in which a path begins with a
    dot or a slash.
    """
    if name is None or _is_hub_id(name) or name.startswith("hf:"):
        return name
    prefix = re.match(r"csv:|concadia:|open_clip:[^/]*/", name)
    kind = prefix[0] if prefix else ""
    return kind + PureWindowsPath(name.removeprefix(kind)).name


def as_code(value: object) -> str:
    """Return a value as inline code, safe for any characters."""
    return f"`{str(value).replace('`', chr(39))}`"


def plain(text: str) -> str:
    """Return a text on one line without markup, safe for any characters."""
    return escape(shown(text, 200)).replace("|", "\\|").replace("`", "'")
