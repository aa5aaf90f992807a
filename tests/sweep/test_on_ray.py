"""Tests of a sweep on a Ray cluster, which gives the numbers of a single process even if workers die."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.subspaces.clean_run import TextRun, clean_texts
from interp.sweep import __main__ as sweep
from interp.sweep.executors.on_ray import _bytes, _is_needed, _tensor
from tests.children import commands, wait_for
from tests.oracles.plain_forward import random_texts, sites
from tests.sweep.sweeping import FROZEN, SMALL, run
from tests.sweep.sweeping import command as small_sweep

with_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray")


@given(
    st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.int64]), st.integers(0, 5), st.integers(1, 7)
)
def test_tensors_of_all_types_come_back_bit_for_bit(dtype: torch.dtype, n: int, d: int):
    tensor = torch.randint(-9, 9, (n, d)).to(dtype)
    for view in (tensor, tensor.T, tensor[:, 0]):
        array = _bytes(view)
        array.flags.writeable = False  # as in the object store
        back = _tensor(array, view.dtype, view.shape)
        assert back.dtype == dtype
        assert torch.equal(back, view)


@pytest.mark.parametrize("layer", [2, 4, 5])
def test_a_task_needs_no_more_of_the_clean_run_than_it_is_given(small: Clip, layer: int):
    whole = clean_texts(small, random_texts(7, seed=1), sites(2, 4, 5))
    parts = {name: tensor for name, tensor in whole.tensors().items() if _is_needed(name, layer)}
    run = TextRun.of_tensors(small, parts, whole.words)
    site = Site("text", layer)
    assert list(run.streams) == [site]
    assert sorted(run.keys) == list(range(layer, 5))
    changed = whole.stream(site) + 1
    assert torch.equal(run.push(site, changed), whole.push(site, changed))
    assert run.tokens.words == whole.tokens.words
    bare = {name for name in whole.tensors() if _is_needed(name, None)}
    assert bare == {"ids", "eot", "word_of", "starts", "rows"}


def killed_when(done: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Kill a worker of the cluster of a process as soon as a condition holds."""
    wait_for(done, 240, process=process)
    for pid, command in commands(process.pid).items():
        if command.startswith("ray::_do"):
            os.kill(pid, signal.SIGKILL)
            return
    raise AssertionError("no worker was at work")


@with_ray
@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes as Linux shows them")
def test_a_worker_that_is_killed_half_way_does_not_change_a_bit(small: Clip, tmp_path: Path, capsys):
    assert run("--model", small.name, "--jobs", "1", "--out", str(tmp_path / "here")) == 0
    out = tmp_path / "there"
    process = subprocess.Popen(
        small_sweep("--model", small.name, "--engine", "ray", "--jobs", "2", "--out", str(out)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    killed_when(lambda: any(out.glob("rotations/*.json")), process)
    printed, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    assert "a worker was lost (WorkerCrashedError); its task is tried again (1 of 3)" in printed
    for name in ("results.csv", "results.parquet", "norms.csv", "examples.json", "chosen.json", "directions.json"):
        assert (out / name).read_bytes() == (tmp_path / "here" / name).read_bytes(), name
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in (tmp_path / "here").iterdir())
    assert not list(out.rglob(".*.part"))
    assert "Traceback" not in error


def nodes_at(port: str) -> int:
    """Return the number of active nodes of the cluster at a port; 0 without a cluster."""
    ray = str(Path(sys.executable).parent / "ray")
    done = subprocess.run([ray, "status", f"--address=127.0.0.1:{port}"], capture_output=True, text=True, check=False)
    return done.stdout.partition("Pending:")[0].count(" node_")


@with_ray
@pytest.mark.slow
@pytest.mark.thorough
def test_several_nodes_do_a_sweep_and_one_of_them_can_be_lost(small: Clip, tmp_path: Path, capsys, monkeypatch):
    """Start two nodes on this machine with `ray start`, as for a cluster of machines."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # otherwise Ray asks for the token of an earlier cluster
    long = [*FROZEN, *SMALL, "--model", small.name, "--max-steps", "400", "--seeds", "0-3"]
    out, port = tmp_path / "there", "23917"
    ray = [
        str(Path(sys.executable).parent / "ray"),
        "start",
        "--num-cpus=1",
        "--disable-usage-stats",
        "--node-ip-address=127.0.0.1",
    ]
    place = tempfile.mkdtemp(prefix="ray-")  # names of sockets must be short
    temporary = ["--temp-dir", place]
    nodes = [
        subprocess.Popen(
            [*ray, *more, "--block"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for more in (["--head", "--port", port, "--include-dashboard=false", *temporary],)
    ]
    try:
        wait_for(lambda: nodes_at(port) == 1, 120, process=nodes[0])
        nodes.append(
            subprocess.Popen(
                [*ray, f"--address=127.0.0.1:{port}", "--block"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        wait_for(lambda: nodes_at(port) == 2, 120, process=nodes[1])
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "interp.sweep",
                *long,
                "--engine",
                "ray",
                "--address",
                f"127.0.0.1:{port}",
                "--out",
                str(out),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: any(out.glob("rotations/*.json")), 240, process=process)
        os.killpg(nodes[1].pid, signal.SIGKILL)
        printed, error = process.communicate(timeout=400)
    finally:
        for node in nodes:
            node.poll() is None and os.killpg(node.pid, signal.SIGTERM)
            node.wait()
        shutil.rmtree(place, ignore_errors=True)
    assert process.returncode == 0, error
    assert "a worker was lost" in printed
    assert sweep.main([*long, "--jobs", "2", "--out", str(tmp_path / "here")]) == 0
    assert (out / "results.csv").read_bytes() == (tmp_path / "here" / "results.csv").read_bytes()
