"""Tests of the reads of a command, which reads its data, each text and each cell once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from interp.data import load_pairs
from tests.reading import LOADING, Reading, reading
from tests.sweep.sweeping import run

pytestmark = pytest.mark.slow


def count(out: Path, *arguments: str) -> Reading:
    """Run a command in this process, and count its reads."""
    with reading() as reads:
        assert run("--out", str(out), "--jobs", "1", *arguments) == 0
    return reads


def each_cell_was_read_once(reads: Reading, out: Path) -> bool:
    cells = sorted(out.glob("cells/*.json"))
    checks = [reads.checked[path.read_bytes()] for path in cells]
    return set(reads.of(out, "cells/*.json").values()) == {1} and set(checks) == {1}


def test_a_sweep_loads_pairs_once_tokenizes_each_text_once_and_reads_each_cell_once(model: str, tmp_path: Path):
    out = tmp_path / "run"
    reads = count(out, "--model", model)
    pairs = load_pairs("toy", limit=60)
    assert reads.data == ["toy"]
    assert reads.texts - LOADING == Counter(pairs.texts)
    assert len(reads.of(out, "cells/*.json")) == 4
    assert each_cell_was_read_once(reads, out)

    again = count(out, "--model", model)  # all cells exist, and only the pairs to attribute are drawn, from test
    assert again.data == ["toy"]
    assert again.texts - LOADING == Counter(pairs.split("test").texts)
    assert each_cell_was_read_once(again, out)

    (out / "cells" / "layer04-size002-seed0.json").write_text("{}")
    repaired = count(out, "--model", model)  # the command replaces the file
    assert set(repaired.of(out, "cells/layer05*.json").values()) == {1}
    assert repaired.checked[(out / "cells" / "layer04-size002-seed0.json").read_bytes()] == 1


@pytest.mark.thorough
def test_a_sweep_that_fine_tunes_does_so_too(model: str, tmp_path: Path):
    out = tmp_path / "run"
    tuned = ["--objective", "iit-das", "--tune-steps", "2", "--layers", "4", "--sizes", "2"]
    reads = count(out, "--model", model, *tuned)
    assert reads.data == ["toy"]
    assert each_cell_was_read_once(reads, out)
    pairs = load_pairs("toy", limit=60)
    train, val = (set(pairs.split(name).texts) for name in ("train", "val"))
    assert {text: n for text, n in reads.texts.items() if text in train} == Counter(pairs.split("train").texts)
    # `embed_texts` has a separate tokenization: the base, the edited and the trained model embed all texts of val.
    assert {text: n for text, n in reads.texts.items() if text in val} == {
        text: 4 * n for text, n in Counter(pairs.split("val").texts).items()
    }
