"""Division of a sweep among jobs that each compute a part of the cells in a shared folder. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby

from filelock import FileLock, Timeout

from interp.errors import UserError, quoted
from interp.runs.files import LOCK
from interp.runs.folder import CELLS, RunFolder
from interp.runs.place import Place


@dataclass(frozen=True)
class Shard:
    """Part of a sweep.

    Attributes:
        number: number of the part, counted from 1.
        total: number of parts.
    """

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the part that an option gives.

        >>> Shard.parse("3/20")
        Shard(number=3, total=20)

        Raises:
            UserError: the text is not a part.
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count:
            raise UserError(f"--shard {quoted(text)} is not a part; write 3/20 for the third of twenty parts")
        return cls(number, count)

    @property
    def name(self) -> str:
        """Name of the part in file names."""
        return f"{self.number}of{self.total}"

    def part(self, places: Sequence[Place]) -> list[Place]:
        """Return the cells of this part, given all cells of the sweep.

        Cells of a layer and seed are searched together, and stay together if there are enough of these groups. The
        groups are dealt out in turn, since early layers take longest.
        """
        ordered = sorted(places, key=lambda place: (place.layer, place.seed, place.size))
        groups = [list(cells) for _, cells in groupby(ordered, key=lambda place: (place.layer, place.seed))]
        if len(groups) < self.total:
            groups = [[place] for place in ordered]
        return [place for group in groups[self.number - 1 :: self.total] for place in group]


@contextmanager
def claimed(folder: RunFolder, places: Sequence[Place]) -> Iterator[list[Place]]:
    """Yield the cells that no other job is computing, and keep other jobs out of these cells during the body."""
    mine = []
    with ExitStack() as stack:
        for place in places:
            path = folder.path / CELLS / f".{place.name}{LOCK}"
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(path, timeout=0))
            except Timeout:
                continue
            mine.append(place)
        yield mine
