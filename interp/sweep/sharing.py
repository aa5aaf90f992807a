"""A sweep that several jobs do, each a part of the cells in a folder that all of them see. No torch."""

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
    """A part of a sweep: one of several, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read the number of a part and how many there are.

        >>> Shard.parse("3/20")
        Shard(number=3, of=20)

        Raises:
            UserError: it is none.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            raise UserError(f"--shard {quoted(text)} is no part of a sweep; write 3/20 for the third of twenty")
        return cls(number, of)

    @property
    def name(self) -> str:
        """For the names of its files."""
        return f"{self.number}of{self.of}"

    def part(self, places: Sequence[Place]) -> list[Place]:
        """Its cells of those of the whole sweep.

        Cells of one layer and seed are searched together, and stay together if there are enough of such groups; they
        are dealt out in turn, since early layers take longest.
        """
        ordered = sorted(places, key=lambda place: (place.layer, place.seed, place.size))
        groups = [list(cells) for _, cells in groupby(ordered, key=lambda place: (place.layer, place.seed))]
        if len(groups) < self.of:
            groups = [[place] for place in ordered]
        return [place for group in groups[self.number - 1 :: self.of] for place in group]


@contextmanager
def claimed(folder: RunFolder, places: Sequence[Place]) -> Iterator[list[Place]]:
    """The cells that no other job is at work on; others are kept out of these meanwhile."""
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
