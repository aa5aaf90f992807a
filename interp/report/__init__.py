"""Page of a sweep: one HTML file that needs only a browser. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from interp.runs.files import write_atomic

if TYPE_CHECKING:
    from interp.report.sweep_run import SweepRun


def write_report(sweep: SweepRun, out: Path | None = None) -> Path:
    """Write the page of a sweep, by default into its folder, and return the file.

    Raises:
        StoreError: the page cannot be written, or a file of the folder has unexpected content.
    """
    from interp.report.page.page import page

    path = out or sweep.folder.path / "report.html"
    write_atomic(path, page(sweep))
    return path
