"""Progress of a command: a bar in a terminal, and elsewhere one line a minute, for the log of a job. No torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from tqdm import tqdm

from interp.cli.text import duration

EVERY = 60.0  # seconds between two lines


class Bar(tqdm):
    """Progress bar of tqdm, which disappears at the end unless `leave` is set. Without a terminal, it writes lines."""

    clock: ClassVar[Callable[[], float]] = time.monotonic

    def __init__(self, *arguments: Any, disable: bool | None = None, leave: bool = False, **options: Any) -> None:
        """Start the bar with the options of tqdm; a disabled bar writes no lines either."""
        super().__init__(*arguments, disable=disable, leave=leave, **options)
        self._lines = disable is None and bool(self.disable)
        self._began = self._wrote = Bar.clock()
        self._noun = str(options.get("unit", "step"))
        self._total = options.get("total") if self.iterable is None else _length(self.iterable)
        self._title = str(options.get("desc") or "progress")

    def __iter__(self) -> Iterator[Any]:
        """Yield the items, and count each of them."""
        if not self._lines:
            yield from super().__iter__()
            return
        for item in self.iterable:
            yield item
            self.update()

    def update(self, n: float | None = 1) -> bool | None:
        """Count further steps."""
        if not self._lines:
            shown: bool | None = super().update(n)
            return shown
        self.n += n or 0
        now = Bar.clock()
        if now - self._wrote >= EVERY:
            self._wrote = now
            print(self._line(now - self._began), file=sys.stderr, flush=True)
        return None

    def _line(self, seconds: float) -> str:
        done = f"{self._title}: {self.n:.0f}"
        if not self._total:
            return f"{done} {self._noun}s in {duration(seconds)}"
        left = f", about {duration(seconds / self.n * (self._total - self.n))} left" if 0 < self.n < self._total else ""
        return f"{done} of {self._total:.0f} {self._noun}s{left}"


def _length(items: Any) -> int | None:
    return len(items) if hasattr(items, "__len__") else None
