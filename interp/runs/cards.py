"""Parts of the cards of models and edits that leave this machine, in Markdown. No torch."""

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
        made: lines on its effect and origin.
        code: lines of code that make the edit without this package; none if the edit is merged into the weights.
        limits: items of a list of its limits.
        base: id of its base on the hub, if the base is there.
    """

    made: Sequence[str]
    code: Sequence[str]
    limits: Sequence[str]
    base: str | None


def _is_hub_id(name: str) -> bool:
    """Return whether a name has the form of the hub's ids, owner/name, with or without a revision."""
    return re.fullmatch(_HUB_ID, name) is not None


def front_matter(
    library: str, base: str | None, licence: str | None, *, data: str | None = None, language: str | None = None
) -> list[str]:
    """Return the header that the hub reads.

    Args:
        library: name of the library that loads the files.
        base: name of the base; left out unless it is an id of the hub.
        licence: an identifier such as the hub's, if it is known.
        data: name of the data, as for `load_pairs`; left out unless the data are on the hub.
        language: code of the language of the texts, if it is known.
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
    """Return the last section of a card."""
    unknown = "Not stated. The licences of the base, of its training data and of your data decide."
    text = f"{licence}." if licence else unknown
    return ["## Licence", "", text, ""]


def python(*code: str) -> list[str]:
    """Return lines of code as a block."""
    return ["```python", *code, "```"]


def public_name(name: str | None) -> str | None:
    """Return the name of a model or of data without folders of this machine; None if there is no name.

    A model's name must have the form that a run's files have (`interp.clip.trust.name_for`), in which a path begins
    with a dot or a slash.
    """
    if name is None or _is_hub_id(name) or name.startswith("hf:"):
        return name
    found = re.match(r"csv:|concadia:|open_clip:[^/]*/", name)
    kind = found[0] if found else ""
    return kind + PureWindowsPath(name.removeprefix(kind)).name


def as_code(value: object) -> str:
    """Return a value as code, whatever characters it has."""
    return f"`{str(value).replace('`', chr(39))}`"


def plain(text: str) -> str:
    """Return words on one line without markup, whatever characters they have."""
    return escape(shown(text, 200)).replace("|", "\\|").replace("`", "'")
