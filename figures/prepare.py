"""Figures and tables by name; all of them are made before the first file is written."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from figures.layout import problems
from figures.names import TABLES
from figures.runs import MissingRun, Runs
from figures.style import drawn, save
from interp.drawing.pictures import Picture
from training.evaluation.rendering import write_tables

Writer = Callable[[Path], tuple[list[Path], list[str]]]


def prepared(name: str, runs: Runs) -> Writer:
    """Draw a figure or compute a table, and return a function that writes it.

    The function takes a folder, and returns the paths of the files and notes for the user.

    Raises:
        MissingRun: the runs lack data for the figure or table.
    """
    if name in TABLES:
        if name not in runs.tables:
            raise MissingRun(f"needs {TABLES[name]}")
        return lambda out: (write_tables([runs.tables[name]], out), [])
    draw: Callable[[Runs], Picture] = import_module(f"figures.{name}").draw
    figure = drawn(lambda: draw(runs))

    def write(out: Path) -> tuple[list[Path], list[str]]:
        paths, notes = save(figure, out, name)
        return paths, [*notes, *(f"{name}: {each}" for each in problems(figure))]

    return write
