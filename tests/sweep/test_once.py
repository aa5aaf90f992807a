"""Reads of a command: its data, each text and the file of each cell are read once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from interp.data import load_pairs
from tests.reading import LOADING, Reading, reading
from tests.sweep.sweeping import run

pytestmark = pytest.mark.slow


def count(out: Path, *arguments: str) -> Reading:
    """Run a command in this process, and count what it reads."""
    with reading() as found:
        assert run("--out", str(out), "--jobs", "1", *arguments) == 0
    return found


def each_cell_was_read_once(found: Reading, out: Path) -> bool:
    cells = sorted(out.glob("cells/*.json"))
    checks = [found.checked[path.read_bytes()] for path in cells]
    return set(found.of(out, "cells/*.json").values()) == {1} and set(checks) == {1}


def test_a_sweep_loads_pairs_once_tokenizes_each_text_once_and_reads_each_cell_once(model: str, tmp_path: Path):
    out = tmp_path / "run"
    found = count(out, "--model", model)
    pairs = load_pairs("toy", limit=60)
    assert found.data == ["toy"]
    assert found.texts - LOADING == Counter(pairs.texts)
    assert len(found.of(out, "cells/*.json")) == 4
    assert each_cell_was_read_once(found, out)

    again = count(out, "--model", model)  # all cells are there, and the pairs to attribute are drawn from test
    assert again.data == ["toy"]
    assert again.texts - LOADING == Counter(pairs.split("test").texts)
    assert each_cell_was_read_once(again, out)

    (out / "cells" / "layer04-size002-seed0.json").write_text("{}")
    mended = count(out, "--model", model)  # the file is replaced meanwhile
    assert set(mended.of(out, "cells/layer05*.json").values()) == {1}
    assert mended.checked[(out / "cells" / "layer04-size002-seed0.json").read_bytes()] == 1


@pytest.mark.thorough
def test_a_sweep_that_fine_tunes_does_so_too(model: str, tmp_path: Path):
    out = tmp_path / "run"
    tuned = ["--objective", "iit-das", "--tune-steps", "2", "--layers", "4", "--sizes", "2"]
    found = count(out, "--model", model, *tuned)
    assert found.data == ["toy"]
    assert each_cell_was_read_once(found, out)
    pairs = load_pairs("toy", limit=60)
    train, val = (set(pairs.split(name).texts) for name in ("train", "val"))
    assert {text: n for text, n in found.texts.items() if text in train} == Counter(pairs.split("train").texts)
    # `embed_texts` tokenizes for itself: the base, the edited and the trained model embed all texts of val.
    assert {text: n for text, n in found.texts.items() if text in val} == {
        text: 4 * n for text, n in Counter(pairs.split("val").texts).items()
    }
