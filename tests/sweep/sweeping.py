"""Commands of small sweeps for tests."""

from __future__ import annotations

import sys
from pathlib import Path

from interp.sweep import __main__ as sweep

SMALL = [
    "--limit",
    "60",
    "--attributed",
    "4",
    "--n-steps",
    "3",
    "--max-steps",
    "10",
    "--layers",
    "4-5",
    "--sizes",
    "2,6",
]


FROZEN = ["--objective", "das"]


def run(*arguments: str) -> int:
    return sweep.main([*SMALL, *FROZEN, *arguments])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "interp.sweep", *SMALL, *FROZEN, *arguments]


def tables(folder: Path) -> bytes:
    return (folder / "results.csv").read_bytes() + (folder / "results.parquet").read_bytes()
