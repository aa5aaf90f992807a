"""Setting: Z takes a given value in every text, such as the value in one text or the mean value of a kind."""

from __future__ import annotations

from interp.clip.edits.erase import FORMULA, replace_z
from interp.clip.edits.kind import Kind

KIND = Kind("set", {"basis": "dk", "value": "d"}, replace_z, FORMULA, "Z takes a given value in every text.")
