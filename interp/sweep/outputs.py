"""Results at the end of a sweep: a table in the terminal, results.csv, .parquet, norms.csv, heatmaps, a page."""

from __future__ import annotations

from interp.cli import wrapped
from interp.data.pairs import NO_INTERVALS
from interp.report import write_report
from interp.report.heatmaps import write_heatmaps
from interp.report.norm_tests import FILE, said
from interp.report.reading import edit_controls
from interp.report.sweep_run import read_sweep
from interp.report.terminal import terminal_table
from interp.runs.files import write_atomic
from interp.runs.folder import RunFolder, write_table
from interp.runs.spreadsheet import csv_text


def finish(folder: RunFolder) -> None:
    """Write tables and heatmaps of all cells of a run, print the table, and name the files to look at."""
    sweep = read_sweep(folder)
    frame, layout, tests = sweep.frame, sweep.layout, sweep.norm_tests
    write_table(frame, folder.path, "results")
    write_atomic(folder.path / FILE, csv_text(tests))
    lacking = [note for note in sweep.manifest["notes"] if note.startswith(NO_INTERVALS)]
    about = sweep.verdict, sweep.trained_by, said(tests), lacking
    page = write_report(sweep)
    print(terminal_table(frame, layout, sweep.contrast, sweep.norms, *about), flush=True)
    if controls := edit_controls(sweep.chosen_edit, sweep.contrast):
        print(f"\n{wrapped(controls)}.")
    pictures = write_heatmaps(frame, folder.path, layout)
    print(f"\nlook at  {page}  in a browser")
    print(f"         {pictures[0]}  and the other {len(pictures) - 1} heatmaps beside it")
    print(f"         {folder.path / 'results.csv'}  (or .parquet): every measure, with intervals")
    print(f"         {folder.path / 'cells'}  each cell, with the attribution of every word type")
