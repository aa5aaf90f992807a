"""Cells of a sweep as a table in a terminal, never wider than `WIDTH`; columns that do not fit are only on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from interp.cli import WIDTH, aligned, cut, wrapped
from interp.data.contrast import DIRECTIONS
from interp.evidence.verdict import Answer
from interp.measures import MEASURED, TRAINED, Key, Model
from interp.measures.schema import SHARE
from interp.report.choice import best_cell, rule_of
from interp.report.layout import Layout
from interp.report.reading import (
    finding,
    is_relative,
    is_settled,
    no_preference,
    norm_trends,
    reading,
    unconverged,
    unsettled,
)
from interp.report.tables import CellColumn, cell_columns, column_of, is_cell, is_tuned, model_of

if TYPE_CHECKING:
    import pandas as pd

    from interp.data.contrast import Contrast

GAP = 2  # number of spaces between columns
_MOST_ROWS = 12  # a longer table shows only the best cell of each layer, unless all are asked for
_TRAINED = (
    "At each cell a model is trained by {by}. pref [95 % interval] and IIA of the Z that is trained with it: % on test "
    "pairs.\nchange: zero-shot accuracy (transfer) and retrieval minus those of the base, in points. "
    "frozen: a search on the base at the same cell, IIA of both directions."
)
CALIBRATED = (
    "R²: 1 if a swap of Z moves every score by the gap between the kinds and by nothing within a kind, 0 if it does "
    "nothing."
)
_NEUTRAL = "neutral: preference if Z of all texts has one neutral value; 50 % if the preference is in Z."


def terminal_table(
    frame: pd.DataFrame,
    layout: Layout,
    contrast: Contrast,
    norms: Sequence[str],
    answers: Sequence[Answer] = (),
    by: str = "",
    details: Sequence[str] = (),
    lacking: Sequence[str] = (),
    *,
    verbose: bool = False,
) -> str:
    """Return the cells as lines, the verdict on the cell that `val` chooses, and up to three sentences.

    A sweep that trains shows the trained model and, next to it, the search on the frozen model.

    Args:
        frame: table of the cells.
        layout: display of the measures.
        contrast: the two kinds of text.
        norms: names of the norms.
        answers: verdict on the chosen cell.
        by: objective of the trained models, in words; empty for a search on the frozen model.
        details: further sentences for `verbose`.
        lacking: notes on numbers that have no intervals.
        verbose: True to show all cells, and to explain the columns, the choice and the differences between cells.
    """
    tuned, best = is_tuned(frame), best_cell(frame)
    every = _trained(layout) if tuned else cell_columns(layout)
    every = [column for column in every if column.head != "seed" or frame["seed"].nunique() > 1]
    nothing = "" if tuned else no_preference(frame, layout, contrast)
    hidden = {display.name for display in layout if nothing and is_relative(display.key)}
    rows = frame if verbose or len(frame) <= _MOST_ROWS else _best_of_layers(frame)
    columns, left_out = _fit(rows, [column for column in every if column.title not in hidden], best)
    lines = _lines(rows, columns, best)
    if len(rows) < len(frame):
        lines.append(f"Rows: the best cell of each layer. --verbose and the page show all {len(frame)} cells.")
    if answers:
        place = f"layer {int(best['layer'])}, size {int(best['size'])}"
        lines += [
            "",
            *verdict_lines(answers, f"Verdict on {place}, which validation chooses (*); the page has the rules:"),
        ]
    sentences = [nothing, finding(frame, layout, contrast, by), norm_trends(frame, layout, norms, MEASURED[:1])]
    sentences += [f"{lack} (--n-steps)." if (lack := unconverged(frame)) else ""]
    sentences += [f"{note[:1].upper()}{note[1:]}." for note in lacking]
    sentences += [f"~ {lack}." if (lack := unsettled(frame)) else ""]
    lines += ["", *(wrapped(sentence) for sentence in sentences if sentence)]
    if verbose:
        more = [*_explained(frame, columns, left_out, layout, contrast, norms, by), *details]
        lines += ["", *(wrapped(sentence) for sentence in more if sentence)]
    return "\n".join(lines)


def _explained(
    frame: pd.DataFrame,
    columns: Sequence[CellColumn],
    left_out: Sequence[str],
    layout: Layout,
    contrast: Contrast,
    norms: Sequence[str],
    by: str,
) -> list[str]:
    """Return explanations of the columns, the rule of the choice, and differences between cells."""
    tuned, best = is_tuned(frame), best_cell(frame)
    nothing = not tuned and bool(no_preference(frame, layout, contrast))
    up, down = (_heading(columns, contrast.arrow(way), contrast.narrow(way)) for way in DIRECTIONS)
    counts = ", ".join(_counted(best, norm, model_of(frame)) for norm in norms)
    with_ends = any(column.above in norms and column.text is not column.plain for column in columns)
    ends = ", [95 % interval]" if with_ends else ""
    return [
        _TRAINED.format(by=by or TRAINED["iit-das"])
        if tuned
        else "Z is searched on the frozen model at each cell. IIA, controls, pref in % on test pairs.",
        f"{up}: {contrast.swap('up')}, {down}: the reverse. "
        "shift: mean change of the score (a cosine) by a swap"
        + (", also as a multiple of the gap." if Key("ratio", direction="up") in layout and not nothing else "."),
        " ".join([CALIBRATED] * (not nothing) + [_NEUTRAL]) if Key("neutral_preference") in layout else "",
        f"Under a norm: its correlation with word attributions by route{ends}; {counts}." if norms else "",
        f"Columns that do not fit: {'; '.join(left_out)}. The page and results.csv have all." if left_out else "",
        rule_of(frame).words,
        " ".join(reading(frame, layout, norms)),
    ]


def _best_of_layers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the row of each layer that the rule of the choice takes among the cells of the layer."""
    return frame.loc[[best_cell(cells).name for _, cells in frame.groupby("layer")]]


def verdict_lines(answers: Sequence[Answer], heading: str) -> list[str]:
    """Return a line for each answer, below a heading."""
    width, most = max(len(answer.name) for answer in answers), len("cannot tell")
    lines = [f"  {answer.name:{width}}  {answer.answer:{most}}  {answer.number}" for answer in answers]
    return [heading, *(cut(line, WIDTH) for line in lines)]


def _trained(layout: Layout) -> list[CellColumn]:
    """Return columns of the trained models, and of a search on the frozen model at the same cell."""
    keys = {Key("directions"): "found", Key("iia"): "IIA", Key("shift", direction="up"): "shift"}
    frozen = [
        replace(column_of(layout[key]), head=head, narrow="", above="frozen", title=f"{layout[key].name} (frozen)")
        for key, head in keys.items()
        if key in layout  # the number of directions has no column if it equals the size in all cells
    ]
    return [*cell_columns(layout, model="tuned"), *frozen]


def _counted(best: pd.Series, norm: str, model: Model) -> str:
    """Return the number of word types that a norm rates, and the share of attribution on them in the chosen cell."""
    covered = SHARE.text(best[Key("attribution_coverage", model=model, norm=norm, route=MEASURED[0]).column()])
    count = int(best[Key("n", norm=norm).column()])
    return f"n = {count} word types for {norm} ({covered} % of attribution through Z)"


def _heading(columns: Sequence[CellColumn], wide: str, narrow: str) -> str:
    """Return the heading of a direction in the table, which may be the narrow one."""
    return wide if any(column.head == wide for column in columns) else narrow


def _fit(frame: pd.DataFrame, columns: Sequence[CellColumn], best: pd.Series) -> tuple[list[CellColumn], list[str]]:
    """Return the columns that fit, and the titles of those that do not.

    Room is made in the order of the smallest loss: first short headings, then no ends of intervals, then fewer columns.
    Preference keeps its interval, since it has no neighbour to share a heading with.
    """

    def fits(variant: Sequence[CellColumn]) -> bool:
        return max(map(len, _lines(frame, variant, best))) <= WIDTH

    short = [replace(column, head=column.narrow or column.head) for column in columns]
    plain, both = (
        [replace(column, text=column.plain) if column.above else column for column in variant]
        for variant in (columns, short)
    )
    fitted = list(next((variant for variant in (columns, short, plain, both) if fits(variant)), both))
    left_out: list[str] = []
    while not fits(fitted) and (most := max(column.spare for column in fitted)) > 0:
        last = max(i for i, column in enumerate(fitted) if column.spare == most)
        left_out.append(fitted.pop(last).title)
    return fitted, left_out[::-1]


def _lines(frame: pd.DataFrame, columns: Sequence[CellColumn], best: pd.Series) -> list[str]:
    rows, model = [["", *(column.head for column in columns)]], model_of(frame)
    for _, row in frame.iterrows():
        mark = "*" * is_cell(row, best) + "~" * (not is_settled(row, model))
        rows.append([mark, *(column.text(row) for column in columns)])
    for group in _groups(columns):
        widths = [max(len(row[1 + place]) for row in rows) for place in group]
        missing = len(columns[group[0]].above) - sum(widths) - GAP * (len(group) - 1)
        if missing > 0:  # a common heading is never cut: the first column becomes as wide as it needs
            rows[0][1 + group[0]] = rows[0][1 + group[0]].rjust(widths[0] + missing)
    marks, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_above(columns, widths, marks), *aligned(rows, left=1)]


def _groups(columns: Sequence[CellColumn]) -> list[list[int]]:
    """Return the positions of the columns of each common heading; a column without one is a group by itself."""
    return [list(group) for _, group in groupby(range(len(columns)), key=lambda place: columns[place].above or place)]


def _above(columns: Sequence[CellColumn], widths: Sequence[int], place: int) -> str:
    """Return the headings that neighbours share, each once and centred over its columns.

    Args:
        columns: columns of the table.
        widths: widths of the columns.
        place: width of the column of marks, which comes first.
    """
    line = ""
    for group in _groups(columns):
        above, whole = columns[group[0]].above, sum(widths[i] for i in group) + GAP * (len(group) - 1)
        line = line.ljust(place + GAP) + above.center(whole).rstrip() if above else line
        place += GAP + whole
    return line
