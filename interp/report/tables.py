"""Tables that can be sorted: of all cells, and of the words of the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interp.attribution.result import MEASURED
from interp.report.naming import CHOSEN, scroll
from interp.results.sweep_run import SweepRun
from interp.results.tables import Column, cell_columns, is_cell, is_tuned, tuned_best
from interp.runs.place import Place
from interp.show.markup import escape, signed

if TYPE_CHECKING:
    import pandas as pd

WORDS_SHOWN = 15  # at each end of the list of words


def cells(sweep: SweepRun) -> str:
    parts = [
        "<p>Press a title to sort. IIA, preference (pref) and IIA of the controls in %; c&gt;d: captions given Z of a "
        "description, d&gt;c: the reverse; pca, means, random: principal components, difference in means and random "
        "subspaces of the same size; shift: mean change of the score, a cosine; then correlations of word "
        "attributions with norms by route, [95 % interval]. The chosen cell is set in bold. <code>results.csv</code> "
        "in the run folder has every measure, with intervals and all digits. The table scrolls sideways.</p>",
        _sortable(sweep.frame, cell_columns(sweep.schema), sweep.best, "Table of all cells"),
    ]
    if is_tuned(sweep.frame):
        parts.append(
            "<h3>Fine-tuned at each cell</h3><p>Models trained by IIT-DAS with the alignment at each cell; transfer "
            "and retrieval are changes against the base, in points. The lowest loss on validation pairs is set in "
            "bold.</p>"
            + _sortable(
                sweep.frame,
                cell_columns(sweep.schema, tuned=True),
                tuned_best(sweep.frame),
                "Table of fine-tuned models",
            )
        )
    return "".join(parts)


def _sortable(frame: pd.DataFrame, columns: Sequence[Column], best: pd.Series, name: str) -> str:
    head = "".join(f'<th scope="col"><button type="button">{escape(one.title)}</button></th>' for one in columns)
    rows = []
    for _, row in frame.iterrows():
        chosen = is_cell(row, best)
        first, *others = [
            f'data-value="{column.value(row):.9g}">{escape(column.text(row))}{CHOSEN if chosen and i == 0 else ""}'
            for i, column in enumerate(columns)
        ]
        cells = f'<th scope="row" {first}</th>' + "".join(f"<td {other}</td>" for other in others)
        rows.append(f"<tr{' class=chosen' if chosen else ''}>{cells}</tr>")
    content = f'<table class="sortable"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return scroll(content, name)


def words(sweep: SweepRun) -> str:
    """The word types that act most through Z in the chosen cell, at both ends."""
    known = sweep.cells[Place.of(sweep.best)]["words"]
    means = {route: {word: value[0] for word, value in known[route].items()} for route in MEASURED}
    order = sorted(means["through"], key=means["through"].__getitem__, reverse=True)
    shown = order if len(order) <= 2 * WORDS_SHOWN else [*order[:WORDS_SHOWN], *order[-WORDS_SHOWN:]]
    counts = {word: value[1] for word, value in known["full"].items()}
    body = "".join(
        f'<tr><th scope="row">{escape(word)}</th><td data-value="{counts[word]}">{counts[word]}</td>'
        + "".join(
            f'<td data-value="{means[route][word]:.9g}">{signed(means[route][word], 4)}</td>' for route in MEASURED
        )
        + "</tr>"
        for word in shown
    )
    head = '<th scope="col" data-words><button type="button">word</button></th>' + "".join(
        f'<th scope="col"><button type="button">{title}</button></th>' for title in ("occurrences", *MEASURED)
    )
    which = "" if len(shown) == len(order) else f": the {WORDS_SHOWN} at each end of {len(order)}"
    return (
        f"<p>Mean attribution of word types in the chosen cell by route, by what they do through Z{which}.</p>"
        + scroll(
            f'<table class="sortable words"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>',
            "Table of words",
        )
    )
