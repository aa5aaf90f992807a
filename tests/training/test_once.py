"""A fine-tuning and an evaluation load their pairs once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from interp.data import load_pairs
from tests.reading import LOADING, reading
from tests.training.evaluation.evaluating import run as evaluate
from tests.training.finetuning import run as finetune

pytestmark = pytest.mark.slow


def test_pairs_are_loaded_once_and_texts_to_train_on_tokenized_once(model: str, tmp_path: Path):
    out, pairs = tmp_path / "run", load_pairs("toy", limit=120)
    with reading() as reads:
        assert finetune("--model", model, "--out", str(out), "--max-steps", "1") == 0
    assert reads.data == ["toy"]
    assert reads.texts - LOADING == Counter([*pairs.split("train").texts, *pairs.split("val").texts])

    with reading() as reads:
        assert evaluate("--model", str(out), "--tasks", "preference", "--out", str(tmp_path / "evaluation")) == 0
    assert reads.data == ["toy"]
    assert reads.texts - LOADING == Counter(pairs.texts)  # val and test, and train as the reference of the evidence
    assert reads.of(out, "rotation.json") == {"rotation.json": 1}
