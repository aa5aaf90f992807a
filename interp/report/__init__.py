"""A sweep as one page of HTML that needs nothing but a browser. No torch."""

from __future__ import annotations

from pathlib import Path

from interp.store import RunFolder, write_atomic


def write_report(folder: RunFolder, out: Path | None = None) -> Path:
    """Write the page of a sweep, by default into its folder; returns the file.

    Raises:
        StoreError: the folder holds no run, a cell is damaged, or the page cannot be written.
        UserError: the run is no sweep, or has no cell yet.
    """
    from interp.report.page import page
    from interp.sweep_run import load_sweep

    sweep = load_sweep(folder.path)
    path = out or folder.path / "report.html"
    write_atomic(path, page(sweep))
    return path
