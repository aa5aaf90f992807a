"""Tests of the arithmetic of the benchmarks, and of the checks of timed results; no test depends on a timing."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmarks import attributions, edits, full_sweep, growth, run
from benchmarks.material import concadia_lengths, random_images, random_tokens, typical_lengths, vit_b32, write_concadia
from benchmarks.measure import Result
from benchmarks.whole_sweep import memory
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip, tokenize
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.sweep.config import SweepConfig
from tests.children import WAITING
from tests.oracles.plain_forward import random_texts
from tests.wording import raises, refused

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the threads of torch and the log level, which the command changes in the process of the tests."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    logging.disable(logging.NOTSET)


def result(value: float, goal) -> Result:
    return Result("a step", "another", "x", value, value, value, 1, goal)


def test_a_bar_is_met_on_its_own_side():
    assert [result(4.0, (">=", bar)).met for bar in (3.9, 4.0, 4.1)] == [True, True, False]
    assert [result(4.0, ("<=", bar)).met for bar in (3.9, 4.0, 4.1)] == [False, True, True]
    assert result(4.0, None).met is None


def test_growth_is_measured_from_the_best_straight_line():
    counts = (500, 1000, 2000, 4000)
    assert growth._off_the_line(counts, [3 + 0.01 * n for n in counts]) == pytest.approx(0, abs=1e-9)
    assert growth._off_the_line(counts, [n**2 for n in counts]) > 0.1
    assert 0.01 < growth._off_the_line(counts, [1.0, 2.0, 4.4, 8.0]) < 0.1


def test_the_full_sweep_is_extrapolated_along_pairs_and_layers():
    def seconds(layer: int, pairs: float, steps: float) -> float:
        return (13 - layer) * (1 + 0.01 * pairs + steps * (0.5 + 0.001 * pairs))

    taken = {250: (20.0, 220.0), 1500: (20.0, 140.0)}  # the second search of the larger set stopped early
    cells = {
        layer: [[(steps, seconds(layer, n, steps)) for steps in taken[n]] for n in full_sweep.MEASURED]
        for layer in full_sweep.ENDS
    }
    parts = full_sweep.Parts(0.5, 0.1, 2.0, cells, 1e6, 1e6)
    for layer in full_sweep.LAYERS:
        assert parts.cell(layer, 96_918, 300) == pytest.approx(seconds(layer, 96_918, 300))
    flat = {layer: [[(20.0, 3.1), (220.0, 3.0)], [(20.0, 3.0), (220.0, 2.9)]] for layer in full_sweep.ENDS}
    noise = full_sweep.Parts(0.5, 0.1, 2.0, flat, 1e6, 1e6)
    assert noise.cell(6, 96_918, 300) == 3.1  # not less than the measured time
    hours = parts.hours(3600)
    assert hours["images"] == 0.5
    most = SweepConfig().max_steps
    assert hours["cells"] == pytest.approx(25 * 7 * seconds(9, 3600, most) / 3600)  # the mean layer is the middle one
    assert hours["all"] == pytest.approx(sum(value for name, value in hours.items() if name != "all"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_is_that_of_all_descendants():
    child = f"held = bytearray(b'x') * 150_000_000; print('held', flush=True); {WAITING}"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert 150e6 < memory(process.pid) < 250e6
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_texts_are_as_long_as_asked(tmp_path):
    clip, draw = vit_b32(), np.random.default_rng(0)
    tokens = random_tokens(clip, [3, 77, 20], draw)
    assert tokens.eot.tolist() == [2, 76, 19]
    for ids, end, words, owners in zip(tokens.ids, tokens.eot.tolist(), tokens.words, tokens.word_of, strict=True):
        assert (ids == clip.eot).nonzero()[0, 0] == end
        assert (ids[end:] == clip.eot).all()
        assert len(words) == end - 1
        assert owners[1:end].tolist() == list(range(end - 1))
    write_concadia(tmp_path, 30, [5, 9], draw)
    pairs = load_pairs(f"concadia:{tmp_path}")
    assert sorted({pair.split for pair in pairs.pairs}) == ["test", "train", "val"]
    assert {len(text.split()) for pair in pairs.pairs for text in (pair.positive, pair.negative)} == {3, 7}
    assert len(image_features(load_clip("toy"), pairs).embeddings) == 30
    assert all(2 < n <= 77 for n in concadia_lengths(tmp_path))


def test_typical_lengths_are_about_those_of_concadia(published):
    real = concadia_lengths(published / "concadia-sample")
    for share in (25, 50, 75):
        assert np.percentile(typical_lengths(), share) == pytest.approx(np.percentile(real, share), abs=3)


def test_what_differs_is_not_timed():
    ours = {"z": np.array([1.0, 2.0])}
    attributions.check(ours, {"z": np.array([1.0, 2.00001])})
    with pytest.raises(AssertionError, match="z"):
        attributions.check(ours, {"z": np.array([1.0, 2.1])})
    with raises(RuntimeError):
        attributions.check({"z": np.zeros(2)}, {"z": np.zeros(2)})


def test_a_step_of_an_edit_is_timed_if_both_ways_agree(small: Clip):
    tokens, images, site = tokenize(small, random_texts(12, 0)), random_images(small, 6), Site("text", 2)
    part = PairsAtSite(PairRun(clean_texts(small, tokens, [site]), images, small.logit_scale), site)
    ours, theirs = edits.Trained(part), edits.Trained(part)
    losses = edits.own_loss(part, ours), edits.peer_loss(small, tokens, images, site, theirs)
    edits.check(losses, (ours.leaves, theirs.leaves), torch.tensor([4, 0, 3]))
    elsewhere = edits.peer_loss(small, tokens, images, Site("text", 3), theirs)
    with pytest.raises(AssertionError):
        edits.check((losses[0], elsewhere), (ours.leaves, theirs.leaves), torch.tensor([4, 0, 3]))
    with raises(RuntimeError):
        edits.check([lambda _: ours.leaves[0].sum() * 0] * 2, (ours.leaves[:1], ours.leaves[:1]), torch.tensor([0]))


@pytest.mark.thorough
def test_results_are_written_and_bars_counted(tmp_path, capsys: pytest.CaptureFixture[str]):
    started, out = time.perf_counter(), tmp_path / "results.json"
    status = run.main(["--only", "cache", "--json", str(out)])
    shown = capsys.readouterr().out
    content = json.loads(out.read_text())
    (row,) = content["results"]
    assert 0.9 < row["value"] < 1.5
    assert status == (0 if row["met"] else 1)
    assert shown.rstrip().endswith(f"{int(row['met'])} of 1 measured goals are met")
    assert content["machine"]["gflops"] > 1
    assert time.perf_counter() - started < 600


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--only", "speed"], "'speed'"),
        (["--quick", "--only", "cache,sweep"], ("--quick", "'sweep'")),
        (["--repeats", "0"], ("--repeats", 1)),
        (["--concadia", "/nowhere"], "'/nowhere'"),
        (["--json", "/nowhere/results.json"], "'/nowhere/results.json'"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(capsys, arguments: list[str], value: object):
    refused(run.main(arguments), capsys, value)
