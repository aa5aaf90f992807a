"""One minute of fuzzing for each reader of foreign files."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT, SECONDS = Path(__file__).parents[1], 60


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs the extra fuzz")
@pytest.mark.parametrize("reader", ["concadia", "run-folder"])
def test_a_minute_of_fuzzing_finds_nothing_but_lines(tmp_path: Path, reader: str):
    command = [sys.executable, "-m", "tests.fuzz", reader, f"-max_total_time={SECONDS}", "-seed=1"]
    command.append(f"-artifact_prefix={tmp_path}/")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    (count,) = re.findall(r"Done (\d+) runs", done.stderr)
    assert int(count) > 100
    assert not list(tmp_path.iterdir())
