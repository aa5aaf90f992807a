"""Tables as text: for the terminal, as CSV in full precision, as Markdown, and as LaTeX that fits a page. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd

from interp.cli import WIDTH, cut, folded, wrapped
from interp.runs.files import write_atomic
from interp.runs.spreadsheet import csv_text

_PLUS_MINUS = " ± "
_ACROSS = 5  # largest number of models side by side on a page
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "[": "{[}",
    "]": "{]}",
    "|": r"\textbar{}",
}


@dataclass(frozen=True)
class Entry:
    """Values of a model in one column over seeds, and a 95 % interval of their mean, or NaN.

    Attributes:
        values: one value for each measured seed; empty if the column was not measured.
        low, high: ends of the interval.
        of: number of seeds of the model, measured or not.
    """

    values: tuple[float, ...]
    low: float = math.nan
    high: float = math.nan
    of: int = 0


@dataclass(frozen=True)
class ResultTable:
    """Table of numbers over models.

    Attributes:
        name, title: name and title of the table.
        columns: names of the columns.
        rows: names of the models.
        cells: an entry for each model and column.
        share: True to show percent.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Entry, ...], ...]
    share: bool


def write_tables(tables: list[ResultTable], out: Path) -> list[Path]:
    """Write each table as NAME.csv, .md and .tex, and return the files."""
    paths = []
    for table in tables:
        for suffix, render in _RENDERED.items():
            paths.append(out / f"{table.name}.{suffix}")
            write_atomic(paths[-1], render(table))
    return paths


def _mean(entry: Entry, share: bool) -> str:
    """Return the mean, with the standard deviation of several values; a dash if nothing was measured."""
    if not entry.values:
        return "-"
    factor, form = (100, ".1f") if share else (1, ".3f")
    text = f"{factor * fmean(entry.values):{'' if share else '+'}{form}}"
    text += f"{_PLUS_MINUS}{factor * stdev(entry.values):{form}}" if len(entry.values) > 1 else ""
    return text + (f" (n = {len(entry.values)})" if len(entry.values) < entry.of else "")


def _interval(entry: Entry, share: bool) -> str:
    if math.isnan(entry.low):
        return ""
    factor, form = (100, ".1f") if share else (1, "+.3f")
    return f"[{factor * entry.low:{form}} {factor * entry.high:{form}}]"


def _texts(table: ResultTable) -> list[list[str]]:
    body = [
        [name, *(f"{_mean(entry, table.share)} {_interval(entry, table.share)}".rstrip() for entry in cells)]
        for name, cells in zip(table.rows, table.cells, strict=True)
    ]
    return [["model", *table.columns], *body]


def terminal(table: ResultTable) -> str:
    """Return plain text, one line per model; columns that do not fit into the terminal continue below."""
    title = wrapped(f"{table.name}: {table.title}; mean ± SD over n seeds")
    return "\n".join([title, "", *folded([[cut(name, WIDTH // 2), *cells] for name, *cells in _texts(table)])])


def csv(table: ResultTable) -> str:
    """Return a CSV table in full precision: mean, SD, n and interval of each column."""
    head = ["model", *(f"{column}{part}" for column in table.columns for part in ("", " sd", " n", " low", " high"))]
    rows = []
    for name, cells in zip(table.rows, table.cells, strict=True):
        row: list[Any] = [name]
        for entry in cells:
            n = len(entry.values)
            mean, spread = fmean(entry.values) if n else None, stdev(entry.values) if n > 1 else None
            row += [mean, spread, n, entry.low, entry.high]
        rows.append(row)
    return csv_text(pd.DataFrame(rows, columns=head))


def markdown(table: ResultTable) -> str:
    """Return a Markdown table, one line per model."""
    head, *body = ([cell.replace("|", "\\|") for cell in line] for line in _texts(table))
    rule = ["---", *["---:"] * len(table.columns)]
    rows = "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *body))
    return f"{table.title}; mean ± SD over n seeds\n\n{rows}"


def latex(table: ResultTable) -> str:
    """Return a LaTeX float across both columns of a page: a line for each measure, a column for each model.

    Five models stand side by side; more models continue below.
    """
    parts = [_tabular(table, slice(i, i + _ACROSS)) for i in range(0, len(table.rows), _ACROSS)]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            "\n\n\\medskip\n".join(parts),
            rf"\caption{{{_latex(table.title)}; mean $\pm$ SD over $n$ seeds.}}",
            rf"\label{{tab:{table.name}}}",
            r"\end{table*}",
            "",
        ]
    )


def _tabular(table: ResultTable, models: slice) -> str:
    """Return the table of a slice of the models."""
    names, columns = table.rows[models], table.cells[models]
    head = " & ".join(["", *(_stacked(_short_lines(name), "c") for name in names)])
    lines = []
    for j, column in enumerate(table.columns):
        cells = []
        for each in columns:
            parts = [_mean(each[j], table.share), _interval(each[j], table.share)]
            cells.append(
                _stacked([part for part in parts if part], "r").replace("-", r"$-$") if each[j].values else "--"
            )
        lines.append(" & ".join([_latex(column), *cells]) + r" \\")
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * len(names)}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _short_lines(name: str) -> list[str]:
    """Return a model's name in short lines, broken after commas and before brackets."""
    return [part.strip() for part in name.replace(", ", ",\n").replace(" (", "\n(").split("\n")]


def _stacked(lines: list[str], side: str) -> str:
    if len(lines) == 1:
        return _latex(lines[0])
    return rf"\begin{{tabular}}{{@{{}}{side}@{{}}}}" + r"\\".join(map(_latex, lines)) + r"\end{tabular}"


def _latex(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


_RENDERED: dict[str, Callable[[ResultTable], str]] = {"csv": csv, "md": markdown, "tex": latex}
