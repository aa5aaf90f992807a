"""Figures and tables by name, made from runs, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from figures.layout import problems
from figures.names import TABLES
from figures.runs import Missing, Runs
from figures.style import drawn, save
from interp.pictures import Picture
from training.compare import tables
from training.rendering import Table, write_tables

Writer = Callable[[Path], tuple[list[Path], list[str]]]


def prepared(name: str, runs: Runs) -> Writer:
    """Draw a figure or compute a table; what is returned writes it to a folder and gives its files, and sentences that
    the user should read.

    Raises:
        Missing: the runs lack what it is made of.
    """
    if name in TABLES:
        table = _table(name, runs)
        return lambda out: (write_tables([table], out), [])
    draw: Callable[[Runs], Picture] = import_module(f"figures.{name}").draw
    figure = drawn(lambda: draw(runs))

    def write(out: Path) -> tuple[list[Path], list[str]]:
        paths, notes = save(figure, out, name)
        return paths, [*notes, *(f"{name}: {each}" for each in problems(figure))]

    return write


def _table(name: str, runs: Runs) -> Table:
    evaluations = [one for members in runs.models.values() for one in members]
    for table in tables(evaluations):
        if table.name == name:
            return table
    raise Missing(f"needs {TABLES[name]}")
