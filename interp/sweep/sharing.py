"""Division of a sweep among jobs, each of which computes a part of the cells in a shared folder. No torch."""

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
    """Part of a sweep: its number, counted from 1, and the number of parts."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read the number of a part and the number of parts.

        >>> Shard.parse("3/20")
        Shard(number=3, of=20)

        Raises:
            UserError: the text names no part.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            raise UserError(f"--shard {quoted(text)} is no part of a sweep; write 3/20 for the third of twenty")
        return cls(number, of)

    @property
    def name(self) -> str:
        """Name of the part in file names."""
        return f"{self.number}of{self.of}"

    def part(self, places: Sequence[Place]) -> list[Place]:
        """Return the cells of this part, given those of the whole sweep.

        Cells of one layer and seed are searched together, and stay together if there are enough of these groups. The
        groups are dealt out in turn, since early layers take longest.
        """
        ordered = sorted(places, key=lambda place: (place.layer, place.seed, place.size))
        groups = [list(cells) for _, cells in groupby(ordered, key=lambda place: (place.layer, place.seed))]
        if len(groups) < self.of:
            groups = [[place] for place in ordered]
        return [place for group in groups[self.number - 1 :: self.of] for place in group]


@contextmanager
def claimed(folder: RunFolder, places: Sequence[Place]) -> Iterator[list[Place]]:
    """Yield the cells that no other job is computing, and keep other jobs from computing them meanwhile."""
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
