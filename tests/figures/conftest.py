"""Runs that all tests of figures share."""

from __future__ import annotations

from pathlib import Path

import pytest

from figures import make, runs
from interp.measures import MEASURED
from tests.figures.material import ODD, rename
from tests.run_folders import NORMS, write_evaluation, write_paper, write_sweep, write_tuning


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> runs.Runs:
    folder = tmp_path_factory.mktemp("runs")
    return runs.find([write_sweep(folder / "sweep"), write_paper(folder / "paper", readers=True)])


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> runs.Runs:
    """Return runs with long and hostile texts, many layers, fine-tuned cells, and models with long names."""
    folder = tmp_path_factory.mktemp("odd")
    write_sweep(folder / "sweep", layers=range(1, 13), sizes=(4, 16, 64, 128, 256), tuned=True, texts=ODD)
    for name in ("", " (layer 11, size 256)", " (layer 11, size 128)", " (runs/a-very-long-name/that-goes-on-and-on)"):
        label = f"behavioral, LoRA{name}" if name else "base"
        write_evaluation(
            folder / f"e{name[-5:-1]}", label, routes=MEASURED if name else ("full",), dosed=True, texts=ODD
        )
    for seed in range(9):
        write_tuning(folder / f"tuned{seed}", "behavioral", seed=seed, steps=(0, 1))
        rename(folder / f"tuned{seed}", layer=seed)
    return runs.find([folder])


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> runs.Runs:
    """Return runs with one subspace size, three norms, and one seed of one model."""
    folder = tmp_path_factory.mktemp("few")
    write_sweep(folder / "sweep", sizes=(16,), norms=(*NORMS, "familiarity"))
    write_evaluation(folder / "base")
    write_evaluation(folder / "tuned", "IIT-DAS, LoRA", dosed=True)
    write_tuning(folder / "tuning")
    return runs.find([folder])


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folder of all figures and tables, and their runs."""
    folder = tmp_path_factory.mktemp("written")
    write_sweep(folder / "sweep")
    write_paper(folder / "paper", readers=True)
    named = [str(folder / "sweep"), str(folder / "paper")]
    assert make.main(["--run", *named, "--out", str(folder / "out")]) == 0
    return folder / "out", folder
