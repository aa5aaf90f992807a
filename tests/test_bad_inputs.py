"""Tests that a command with bad inputs ends with an error of one line, or with the right numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.judging import Case, Outcome, entries, faults

ERROR = "error: 'run/manifest.json' is damaged; repair it\n"
CASES = 24  # `python -m tests.bad_inputs` runs any number


@pytest.mark.slow
@pytest.mark.thorough
def test_a_sample_of_bad_inputs_is_refused_or_survived():
    command = [sys.executable, "-m", "tests.bad_inputs", "--count", str(CASES)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{CASES} cases, 0 failed" in done.stdout


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return the folder in which a command ran, and the good folder that was copied for it."""
    for name in ("good", "case"):
        (tmp_path / name / "sweep").mkdir(parents=True)
        (tmp_path / name / "sweep" / "results.csv").write_text("layer,iia,seconds\n3,0.5,1\n")
    return tmp_path / "case", tmp_path / "good"


@pytest.mark.parametrize(
    ("end", "fault"),
    [
        (Outcome(2, "", ERROR, 1.0), None),
        (Outcome(0, "fine\n", "", 1.0), None),
        (Outcome(None, "", "", 60.0), "it took more than"),
        (Outcome(70, "", "Traceback ...\nKeyError: 'a'\n", 1.0), "exit status 70"),
        (Outcome(-11, "", "", 1.0), "exit status -11"),
        (Outcome(2, "", "", 1.0), "0 lines of errors"),
        (Outcome(2, "", f"a warning\n{ERROR}", 1.0), "2 lines of errors"),
        (Outcome(2, "", "it is damaged\n", 1.0), "no 'error: '"),
        (Outcome(2, "", f"error: {'x' * 1300}\n", 1.0), "1308 letters"),
        (Outcome(2, "", "error: 'NoneType' object is not iterable\n", 1.0), "speaks Python: NoneType"),
        (Outcome(2, "", "error: KeyError: 'cell'\n", 1.0), "speaks Python: KeyError"),
        (Outcome(0, "", "a warning\n", 1.0), "says, but does not fail"),
    ],
)
def test_the_judge_tells_a_clean_end_from_all_others(folders: tuple[Path, Path], end: Outcome, fault: str | None):
    root, good = folders
    wrong = faults(Case("sweep", []), end, entries(root), root, good)
    assert (wrong == []) if fault is None else (fault in wrong[0])


def test_the_judge_sees_what_was_written_by_a_command_that_fails(folders: tuple[Path, Path]):
    root, good = folders
    before = entries(root)
    (root / "sweep" / ".x.part").write_text("half")
    assert "wrote sweep/.x.part" in faults(Case("sweep", []), Outcome(2, "", ERROR, 1.0), before, root, good)
    assert "left sweep/.x.part" in faults(Case("sweep", []), Outcome(0, "", "", 1.0), before, root, good)


def test_the_judge_sees_other_numbers_but_not_other_times(folders: tuple[Path, Path]):
    root, good = folders
    case = Case("sweep", [], spoilt="sweep/cells/layer03-size002-seed0.json")
    for table, accepted in (("layer,iia,seconds\n3,0.5,9\n", True), ("layer,iia,seconds\n3,0.6,1\n", False)):
        (root / "sweep" / "results.csv").write_text(table)
        assert (faults(case, Outcome(0, "", "", 1.0), entries(root), root, good) == []) == accepted
