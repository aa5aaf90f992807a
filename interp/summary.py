"""What is left of a sweep when it ends: a table in the terminal, results.csv and .parquet, heatmaps, and a page."""

from __future__ import annotations

from collections.abc import Sequence

from interp.heatmaps import heatmaps
from interp.report import write_report
from interp.results import TUNED, read_cells, results, terminal_table, tuned_table
from interp.store import RunFolder, write_table


def finish(folder: RunFolder, norms: Sequence[str]) -> None:
    """Write tables and heatmaps of all cells of a run, print the table, and name the files to look at."""
    frame = results(read_cells(folder))
    write_table(frame, folder.path, "results")
    pictures = heatmaps(frame, folder.path, norms)
    print(terminal_table(frame, norms))
    if TUNED in frame:
        print(f"\n{tuned_table(frame, norms)}")
    page = write_report(folder)
    print(f"\nlook at  {page}  in a browser")
    print(f"         {pictures[0]}  and the other {len(pictures) - 1} heatmaps beside it")
    print(f"         {folder.path / 'results.csv'}  (or .parquet): every measure, with intervals")
    print(f"         {folder.path / 'cells'}  each cell, with the attribution of every word type")
