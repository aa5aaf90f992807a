"""Place of a cell in the grid of a sweep, and names of the cell's files. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

NAME = re.compile(r"layer([0-9]{2,9})-size([0-9]{3,9})-seed([0-9]{1,9})")


class Place(NamedTuple):
    """Place of a cell in the grid of a sweep.

    >>> Place(6, 16, 0).name, Place(6, 16, 0).block
    ('layer06-size016-seed0', 5)
    """

    layer: int
    size: int
    seed: int

    @property
    def block(self) -> int:
        """Number of the block whose output is the layer: layer - 1, since the authors' code counts blocks from 0."""
        return self.layer - 1

    @property
    def name(self) -> str:
        """Name of the cell's files without the suffix."""
        return f"layer{self.layer:02d}-size{self.size:03d}-seed{self.seed}"

    def edit_folder(self, folder: Path) -> Path:
        """Return the run folder of the cell's edited model.

        Args:
            folder: run folder of the sweep.
        """
        return folder / "edits" / self.name

    def rotation_file(self, folder: Path) -> Path:
        """Return the path of the cell's rotation in a run folder."""
        return folder / "rotations" / f"{self.name}.safetensors"

    @classmethod
    def parse(cls, name: str) -> Place | None:
        """Return the place that the name of a file holds; None if the name has another form.

        >>> Place.parse("layer06-size016-seed0"), Place.parse("layer06-size016-seed0 (1)")
        (Place(layer=6, size=16, seed=0), None)
        """
        match = NAME.fullmatch(name)
        place = cls(*map(int, match.groups())) if match else None
        return place if place is not None and place.name == name else None

    @classmethod
    def of(cls, row: Mapping[str, Any] | pd.Series) -> Place:
        """Return the place that a row of a table, or the head of a cell's file, holds."""
        return cls(*(int(row[name]) for name in cls._fields))
