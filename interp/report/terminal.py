"""Cells of a sweep as a table in a terminal, never wider than `WIDTH`; columns that do not fit are only on the page."""

from __future__ import annotations

import math
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
from interp.report.displays import DROPS
from interp.report.layout import CONTROLS, Layout
from interp.report.reading import is_relative, is_settled, no_preference, reading, unconverged, unsettled
from interp.report.tables import CellColumn, cell_columns, column_of, is_cell, is_tuned, model_of

if TYPE_CHECKING:
    import pandas as pd

    from interp.data.contrast import Contrast

GAP = 2  # number of spaces between columns
_TRAINED = (
    "At each cell a model is trained by {by}. pref [95 % interval], and IIA of the Z trained with it: % on held-out "
    "pairs.\nchange: of zero-shot accuracy (transfer) and of retrieval against the base, in points. "
    "frozen: a search on the base at the same cell, IIA of both directions."
)
CALIBRATED = (
    "R²: 1 if a swap of Z moves every score by the gap between the kinds and by nothing within a kind, 0 if it does "
    "nothing."
)
_NEUTRAL = "neutral: preference where Z of all texts has one neutral value; 50 % if the preference is in Z."


def terminal_table(
    frame: pd.DataFrame,
    layout: Layout,
    contrast: Contrast,
    norms: Sequence[str],
    answers: Sequence[Answer] = (),
    by: str = TRAINED["iit-das"],
    tested: str = "",
    lacking: Sequence[str] = (),
) -> str:
    """Return a line for each cell, with a mark on the cell that `val` chooses, and an explanation of all columns.

    A sweep that trains shows the trained model and, next to it, the search on the frozen model.

    Args:
        frame: table of the cells.
        layout: display of the measures.
        contrast: the two kinds of text.
        norms: names of the norms.
        answers: verdict on the chosen cell.
        by: objective of the trained models, in words.
        tested: sentence on the tests of all correlations of the grid.
        lacking: notes on numbers that have no intervals.
    """
    tuned, best = is_tuned(frame), best_cell(frame)
    every = _trained(layout) if tuned else cell_columns(layout)
    nothing = "" if tuned else no_preference(frame, layout, contrast)
    hidden = {one.name for one in layout if nothing and is_relative(one.key)}
    columns, left_out = _fit(frame, [one for one in every if one.title not in hidden], best)
    up, down = (_heading(columns, contrast.arrow(one), contrast.narrow(one)) for one in DIRECTIONS)
    counts = ", ".join(_counted(best, norm, model_of(frame)) for norm in norms)
    ends = ", [95 % interval]" if any(one.above in norms and one.text is not one.plain for one in columns) else ""
    said = [
        *(f"{note[:1].upper()}{note[1:]}." for note in lacking),
        nothing,
        _TRAINED.format(by=by)
        if tuned
        else "Z is searched on the frozen model at each cell. IIA, controls, pref in % on held-out pairs.",
        f"{up}: {contrast.swap('up')}, {down}: the reverse. "
        "shift: by how much the intervention moves the score (a cosine) on average"
        + (", also as a multiple of the gap." if Key("ratio", direction="up") in layout and not nothing else "."),
        " ".join([CALIBRATED] * (not nothing) + [_NEUTRAL]) if Key("neutral_preference") in layout else "",
        f"Under a norm: its correlation with word attributions by route{ends}; {counts}." if norms else "",
        f"Not shown for want of room: {'; '.join(left_out)}. The page and results.csv have all." if left_out else "",
        f"* chosen on val: layer {int(best['layer'])}, size {int(best['size'])}, seed {int(best['seed'])}: "
        f"{_result(best, layout, tuned)}. The rule: {rule_of(frame).said}.",
        " ".join(reading(frame, layout, norms)),
        tested,
        f"{lack} (--n-steps)." if (lack := unconverged(frame)) else "",
        f"~ {lack}{'' if tuned else ' (--max-steps)'}." if (lack := unsettled(frame)) else "",
    ]
    lines = [*_lines(frame, columns, best), "", wrapped("\n".join(line for line in said if line))]
    return "\n".join(lines + (["", *verdict_lines(answers)] if answers else []))


def verdict_lines(
    answers: Sequence[Answer], heading: str = "Verdict on the chosen cell (the page has the rules):"
) -> list[str]:
    """Return a line for each answer, below a heading."""
    width, most = max(len(one.name) for one in answers), len("cannot tell")
    lines = [f"  {one.name:{width}}  {one.answer:{most}}  {one.because}" for one in answers]
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


def _result(best: pd.Series, layout: Layout, tuned: bool) -> str:
    """Return the result of the chosen cell on test pairs."""
    found = layout[Key("preference", model="tuned") if tuned else Key("iia")]
    value, *ends = (SHARE.text(best[column]) for column in found.columns)
    interval = "" if math.isnan(best[found.columns[1]]) else f" [{' '.join(ends)}]"
    shown = f"{'preference' if tuned else 'IIA'} {value} %{interval}"
    if tuned:
        lost = [layout[key] for key in DROPS]
        return "; ".join([shown, *(f"{one.heading} {one.text(best)} points" for one in lost)])
    controls = (one for one in layout.at("table", model="") if one.family == CONTROLS)
    return "; ".join([shown, *(f"{one.name} {one.text(best, ends=False)} %" for one in controls)])


def _fit(frame: pd.DataFrame, columns: Sequence[CellColumn], best: pd.Series) -> tuple[list[CellColumn], list[str]]:
    """Return the columns that fit, and the titles of those that do not.

    Room is made in the order of the smallest loss: first short headings, then no ends of intervals, then fewer columns.
    Preference keeps its interval, since it has no neighbour to share a heading with.
    """

    def fits(some: Sequence[CellColumn]) -> bool:
        return max(map(len, _lines(frame, some, best))) <= WIDTH

    short = [replace(one, head=one.narrow or one.head) for one in columns]
    plain, both = ([replace(one, text=one.plain) if one.above else one for one in some] for some in (columns, short))
    some = next((some for some in (columns, short, plain, both) if fits(some)), both)
    some = list(some)
    left_out: list[str] = []
    while not fits(some) and (most := max(one.spare for one in some)) > 0:
        last = max(i for i, one in enumerate(some) if one.spare == most)
        left_out.append(some.pop(last).title)
    return some, left_out[::-1]


def _lines(frame: pd.DataFrame, columns: Sequence[CellColumn], best: pd.Series) -> list[str]:
    rows, model = [["", *(column.head for column in columns)]], model_of(frame)
    for _, row in frame.iterrows():
        mark = "*" * is_cell(row, best) + "~" * (not is_settled(row, model))
        rows.append([mark, *(column.text(row) for column in columns)])
    marks, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_above(columns, widths, marks), *aligned(rows, left=1)]


def _above(columns: Sequence[CellColumn], widths: Sequence[int], place: int) -> str:
    """Return the headings that neighbours share, once over all of them, cut to their width.

    Args:
        columns: columns of the table.
        widths: widths of the columns.
        place: width of the column of marks, which comes first.
    """
    line = ""
    for above, group in groupby(zip(columns, widths, strict=True), key=lambda pair: pair[0].above):
        own = [width for _, width in group]
        whole = sum(own) + GAP * (len(own) - 1)
        line = line.ljust(place + GAP) + cut(above, whole).center(whole).rstrip() if above else line
        place += GAP + whole
    return line
