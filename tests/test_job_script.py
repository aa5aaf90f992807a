"""Tests of the job script on the page on clusters, with substitutes for Slurm and for our command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.children import wait_for
from tests.site_material import job

# Writes its arguments, waits for a signal if an argument is "wait", and ends with the exit status of our commands.
COMMAND = """\
#!/bin/bash
echo "$@ offline=$HF_HUB_OFFLINE threads=$OMP_NUM_THREADS" >> called
trap 'echo ended >> called; exit 143' TERM
[[ "$*" == *wait* ]] && { touch waiting; while :; do sleep 0.05; done; }
[[ "$*" == *fail* ]] && exit 3
exit 0
"""
SCONTROL = '#!/bin/bash\necho "$@" >> scontrolled\n'
SLURM = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2", "SLURM_CPUS_PER_TASK": "4"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    job(tmp_path / "job.sh")
    for name, content in (("clip-descriptions", COMMAND), ("scontrol", SCONTROL)):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return os.environ | SLURM | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(("word", "status"), [("", 0), ("fail", 3)])
def test_a_task_of_the_array_does_its_part(folder: Path, word: str, status: int):
    command = ["bash", "job.sh", "3", "clip-descriptions", "sweep", *word.split(), "--out", "my runs"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), check=False)
    assert done.returncode == status
    called = " ".join(["sweep", *word.split(), "--out my runs --shard 2/3 offline=1 threads=4"])
    assert (folder / "called").read_text() == f"{called}\n"
    assert not (folder / "scontrolled").exists()


@pytest.mark.parametrize("sent", [signal.SIGUSR1, signal.SIGTERM])
def test_the_time_limit_ends_the_command_and_queues_it_again(folder: Path, sent: signal.Signals):
    """Slurm sends SIGUSR1 before the time limit. SIGTERM cancels the job, and nothing is queued again."""
    command = ["bash", "job.sh", "3", "clip-descriptions", "sweep", "wait"]
    process = subprocess.Popen(command, cwd=folder, env=environment(folder), start_new_session=True)
    wait_for((folder / "waiting").exists)
    if sent == signal.SIGUSR1:
        process.send_signal(sent)
        assert process.wait(30) == 0
        assert (folder / "scontrolled").read_text() == "requeue 7_2\n"
    else:
        os.killpg(process.pid, sent)  # scancel signals every process of a job
        assert process.wait(30) != 0
        assert not (folder / "scontrolled").exists()
    # the signal also reaches the command, which can end after its script
    wait_for(lambda: (folder / "called").read_text().splitlines()[1:] == ["ended"])


def test_a_requeue_that_is_refused_is_a_failure(folder: Path):
    (folder / "bin" / "scontrol").write_text("#!/bin/bash\nexit 1\n")
    command = ["bash", "job.sh", "3", "clip-descriptions", "sweep", "wait"]
    process = subprocess.Popen(command, cwd=folder, env=environment(folder))
    wait_for((folder / "waiting").exists)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(30) == 1


def test_without_the_environment_nothing_is_run(folder: Path):
    (folder / ".venv" / "bin" / "activate").unlink()
    command = ["bash", "job.sh", "3", "clip-descriptions", "sweep"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, check=False)
    assert done.returncode == 1
    assert not (folder / "called").exists()


def test_what_slurm_is_asked_for(folder: Path):
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=?(\S*)", (folder / "job.sh").read_text(), re.MULTILINE))
    assert asked["signal"].startswith("B:USR1@")
    assert {"requeue", "mem", "time", "gres", "cpus-per-task", "output"} <= asked.keys()
    assert asked["open-mode"] == "append"  # else a job that is queued again overwrites its output
