"""Checks of the way in which a command with bad inputs ended."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 60
LONGEST = 1200  # most letters of an error
PYTHON = re.compile(
    r"Traceback|NoneType|object is not|unhashable|list ind|subscriptable|has no attribute|operand|invalid literal|"
    r"codec|could not convert|[A-Z]\w+(Error|Exception)\b|Errno|<class|0x[0-9a-f]{6}|must be str|"
    r"unexpected keyword|panicked"
)
PICTURES = ("classes/", "blv/images/", "rows.parquet")  # an evaluation opens them one by one
OWN = {"sweep": "sweep", "tuned": "tuned", "report": "sweep"}  # commands that write results or a page of a sealed run


@dataclass
class Case:
    """Command with damaged inputs.

    Attributes:
        options: arguments of the command.
        spoilt: path of the damaged file.
        sealed: True if the checksum fits the damaged file, so that the damage cannot be detected.
    """

    command: str
    options: list[str]
    done: list[str] = field(default_factory=list)
    spoilt: str = ""
    sealed: bool = False

    @property
    def title(self) -> str:
        """Description of the case for readers."""
        return f"{self.command}: {'; '.join(self.done)}"


@dataclass(frozen=True)
class Outcome:
    """End of a command: exit status (None if it was killed after the time limit), output and errors."""

    status: int | None
    output: str
    errors: str
    seconds: float


def entries(root: Path) -> dict[str, tuple[int, int]]:
    """Return all entries of a folder with size and time, except the cache of image features."""
    out = {}
    for folder, folders, files in os.walk(root):
        for name in (*files, *folders):
            status = os.lstat(os.path.join(folder, name))
            where = os.path.relpath(os.path.join(folder, name), root)
            if not where.startswith("cache"):
                out[where] = (status.st_size, status.st_mtime_ns) if name in files else (0, 0)
    return out


def faults(case: Case, end: Outcome, before: dict[str, tuple[int, int]], root: Path, good: Path) -> list[str]:
    """Return the faults of the way in which a command ended; empty if there are none."""
    if end.status is None:
        return [f"it took more than {SECONDS} s"]
    lines = end.errors.splitlines()
    if end.status == 0 or (end.status == 1 and case.command.startswith("check")):
        wrong = [f"says, but does not fail: {lines[0]:.200}"] if lines else []
        wrong += [f"nonsense is accepted: {name} differs" for name in _other_numbers(case, root, good)]
        left = [name for name in entries(root) if name.endswith(".part") and name != case.spoilt]
        return wrong + [f"left {name}" for name in left]
    if end.status != 2:
        return [f"exit status {end.status}: {lines[-1] if lines else ''}"]
    wrong = []
    if len(lines) != 1:
        wrong.append(f"{len(lines)} lines of errors: {lines[:1]}")
    if lines and not lines[-1].startswith("error: "):
        wrong.append("no 'error: '")
    if len(end.errors) > LONGEST:
        wrong.append(f"{len(end.errors)} letters")
    if match := PYTHON.search(end.errors):
        wrong.append(f"speaks Python: {match[0]}")
    written = [name for name, at in entries(root).items() if before.get(name) != at]
    if case.command in ("evaluate", "new evaluate") and case.spoilt.startswith(PICTURES):
        written = [name for name in written if name.endswith(".part")]  # finished results may stay
    return wrong + [f"wrote {name}" for name in written[:3]]


def _other_numbers(case: Case, root: Path, good: Path) -> Iterator[str]:
    """Yield the tables of a run that differ from the good run although only files of the run were damaged."""
    run = OWN.get(case.command)
    if (
        run is None
        or case.sealed
        or case.spoilt.endswith(".jpg")
        or not case.spoilt.startswith(f"{run}/")
        or case.spoilt.startswith("sweep/manifest")
    ):
        return
    name = f"{run}/report.html" if case.command == "report" else f"{run}/results.csv"
    new, old = ((folder / name).read_text(encoding="utf-8") for folder in (root, good))
    # a cell that is computed again has another time
    if _without_times(new) != _without_times(old):
        yield name


def _without_times(text: str) -> str:
    rows = [line.split(",") for line in text.splitlines()]
    times = [place for place, name in enumerate(rows[0]) if name.endswith("seconds")]
    return "\n".join(",".join(cell for place, cell in enumerate(row) if place not in times) for row in rows)
