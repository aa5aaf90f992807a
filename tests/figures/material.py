"""Run folders for figures, and functions that draw a figure in a test."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from figures import runs
from figures.layout import shown_texts
from figures.style import drawn
from interp.drawing.pictures import (
    Picture,
)
from tests.run_folders import reseal

LONG = " ".join(
    ["an", "extraordinarily", "long", "<script>alert(1)</script>", "$text$", "of", "Antidisestablishment"] * 9
)


ODD = (LONG, "costs $5 and \\frac{1 $10 {_^} & 50% #1 über naïve Ελλάδα Москва"), ("x", "W" * 200), ("a b", "c")


def rename(run: Path, **settings: object) -> None:
    """Change the settings of a fine-tuned run."""
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["settings"] |= settings
    write(run / "manifest.json", json.dumps(manifest))
    reseal(run)


def write(path: Path, text: str = "nothing") -> None:
    path.write_text(text)


def change_settings(path: Path, **changed: object) -> None:
    content = json.loads(path.read_text())
    write(path, json.dumps(content | {"settings": content["settings"] | changed}))


def figure(name: str, all_runs: runs.Runs) -> Picture:
    return drawn(lambda: importlib.import_module(f"figures.{name}").draw(all_runs))


def texts(shown: Picture) -> list[str]:
    return [text.get_text() for text in shown_texts(shown)]
