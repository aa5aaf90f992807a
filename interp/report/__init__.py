"""Page of a sweep: one HTML file that needs only a browser. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from interp.runs.files import write_atomic

if TYPE_CHECKING:
    from interp.report.sweep_run import SweepRun
    from interp.runs.folder import RunFolder


def page_path(folder: RunFolder) -> Path:
    """Return the file of the page of a sweep."""
    return folder.path / "report.html"


def write_report(sweep: SweepRun, out: Path | None = None) -> Path:
    """Write the page of a sweep, by default into its folder, and return the file.

    Raises:
        StoreError: the page cannot be written, or a file of the folder has unexpected content.
    """
    from interp.report.page.page import page

    path = out or page_path(sweep.folder)
    write_atomic(path, page(sweep))
    return path
