"""Kinds of edits: each is one file in this folder and one line in the registry."""

from __future__ import annotations

from interp.clip.edits import direft, erase, gain, leace, loreft, set_z
from interp.clip.edits.kind import Kind

KINDS: dict[str, Kind] = {module.KIND.name: module.KIND for module in (erase, set_z, gain, loreft, direft, leace)}
