"""A sweep as one page of HTML that needs nothing but a browser. No torch."""

from __future__ import annotations

from pathlib import Path

from interp.errors import UserError
from interp.store import RunFolder, write_atomic


def write_report(folder: RunFolder, out: Path | None = None) -> Path:
    """Write the page of a sweep, by default into its folder; returns the file.

    Raises:
        StoreError: the folder holds no run, a cell is damaged, or the page cannot be written.
        UserError: the run is no sweep, or has no cell yet.
    """
    from interp.report.page import page

    manifest = folder.manifest()
    if (kind := manifest.get("settings", {}).get("kind")) != "sweep":
        raise UserError(
            f"'{folder.path}' is a run of another kind ({kind}); reports are of sweeps, "
            "fine-tuned and evaluated models are compared by python -m training.evaluate --compare"
        )
    if not folder.names():
        raise UserError(
            f"'{folder.path}' has no cell yet; run the sweep again: {manifest.get('command', 'interp.sweep')}"
        )
    path = out or folder.path / "report.html"
    write_atomic(path, page(folder, manifest))
    return path
