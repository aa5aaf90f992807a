"""Tests that each command refuses links out of a run folder and pipes in it, and touches nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from figures import make
from interp.report import __main__ as report
from tests.judging import entries
from tests.run_folders import write_evaluation, write_sweep, write_tuning
from tests.wording import refused
from training import evaluate

COMMANDS: dict[str, tuple[Callable[[list[str]], int], Callable[[Path], Path], list[str]]] = {
    "report": (report.main, write_sweep, ["{run}"]),
    "figures of a sweep": (make.main, write_sweep, ["--run", "{run}", "--out", "{out}"]),
    "figures of a fine-tuning": (make.main, write_tuning, ["--run", "{run}", "--out", "{out}"]),
    "compare": (evaluate.main, write_evaluation, ["--compare", "{run}", "--out", "{out}"]),
    "evaluate": (evaluate.main, write_tuning, ["--model", "{run}", "--trust-run"]),
}


@pytest.mark.parametrize("hostile", ["a file elsewhere", "a folder elsewhere", "a pipe"])
@pytest.mark.parametrize("name", COMMANDS)
def test_what_leads_out_of_a_run_is_refused_and_not_touched(tmp_path: Path, name: str, hostile: str, capsys):
    main, write, arguments = COMMANDS[name]
    run = write(tmp_path / "runs" / "run")
    private = tmp_path / "private"
    private.mkdir()
    (private / "secret.json").write_text('{"secret": 1}')
    (run / "cells").mkdir(exist_ok=True)
    if hostile == "a pipe":
        os.mkfifo(run / "cells" / "layer01-size001-seed0.json")
    else:
        (run / "cells" / "layer01-size001-seed0.json").symlink_to(
            private / ("secret.json" if "file" in hostile else "")
        )
    before = entries(tmp_path)
    given = {"run": str(run), "out": str(tmp_path / "out")}
    message = refused(main([word.format(**given) for word in arguments]), capsys, "layer01-size001-seed0.json")
    assert 'secret": 1' not in message
    assert entries(tmp_path) == before
