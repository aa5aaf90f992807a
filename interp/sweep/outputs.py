"""Results of a sweep: a page while cells are computed, and tables, heatmaps and a page at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from interp.data.pairs import NO_INTERVALS
from interp.errors import UserError
from interp.report import page_path, write_report
from interp.report.heatmaps import write_heatmaps
from interp.report.norm_tests import FILE, sentence
from interp.report.reading import edit_controls
from interp.report.sweep_run import SweepRun, read_sweep
from interp.report.terminal import terminal_table
from interp.runs.files import write_atomic
from interp.runs.folder import RunFolder, write_table
from interp.runs.spreadsheet import csv_text

_LEAST_WAIT = 20.0  # seconds between two pages
_IDLE = 30.0  # least ratio of the wait between two pages to the time that a page takes


@dataclass
class LivePage:
    """Page of the finished cells of a running sweep.

    Attributes:
        folder: run folder.
        now: function that returns the time in seconds.
        due: time of the next page.
        count: number of cells on the last page.
    """

    folder: RunFolder
    now: Callable[[], float] = time.monotonic
    due: float = field(init=False, default=0.0)
    count: int = field(init=False, default=0)

    def look(self, finished: int) -> str:
        """Write the page if cells were added, but rarely enough that pages cost little time; return where it lies.

        The page is a preview. If a file cannot be read yet, the next call tries again; `write_outputs` reports faults.

        Args:
            finished: number of finished cells.
        """
        start, path = self.now(), page_path(self.folder)
        if finished > self.count and start >= self.due:
            try:
                write_report(read_sweep(self.folder, unfinished=True))
                self.count = finished
            except UserError:
                pass
            self.due = self.now() + max(_LEAST_WAIT, _IDLE * (self.now() - start))
        return f"page: {path}" if path.is_file() else ""


def write_outputs(folder: RunFolder) -> SweepRun:
    """Write tables, heatmaps and the page of all cells of a run, and return its result."""
    sweep = read_sweep(folder)
    write_table(sweep.frame, folder.path, "results")
    write_atomic(folder.path / FILE, csv_text(sweep.norm_tests))
    write_heatmaps(sweep.frame, folder.path, sweep.layout)
    write_report(sweep)
    return sweep


def print_result(sweep: SweepRun, *, verbose: bool) -> None:
    """Print the table, the verdict, and the files to look at."""
    controls = edit_controls(sweep.chosen_edit, sweep.contrast)
    table = terminal_table(
        sweep.frame,
        sweep.layout,
        sweep.contrast,
        sweep.norms,
        sweep.verdict,
        sweep.trained_by,
        [sentence(sweep.norm_tests), f"{controls}." if controls else ""],
        [note for note in sweep.manifest["notes"] if note.startswith(NO_INTERVALS)],
        verbose=verbose,
    )
    more = "" if verbose else "  (--verbose explains the columns)"
    print(f"\n{table}\n\npage     {page_path(sweep.folder)}{more}\nnumbers  {sweep.folder.path / 'results.csv'}")
