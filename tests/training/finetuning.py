"""Helpers that run the command of a fine-tuning."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training import finetune

SMALL = [
    "--limit",
    "120",
    "--layer",
    "4",
    "--size",
    "6",
    "--batch-size",
    "16",
    "--lora-rank",
    "2",
    "--device",
    "cpu",
    "--lr",
    "3e-3",
]


TEXTS = ["a large red circle on the left side", "the wedding at the harbour"]


def run(*arguments: str) -> int:
    return finetune.main([*SMALL, *arguments])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "training.finetune", *SMALL, *arguments]


def weights(folder: Path) -> dict[str, bytes]:
    names = ("adapter_model.safetensors", "model.safetensors", "rotation.safetensors", "history.csv")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


CALIBRATED = ["--objective", "iit-das-calibrated", "--max-steps", "12", "--look-every", "4", "--checkpoint-every", "3"]


def interrupted(good: Callable[..., float], after: int) -> Callable[..., float]:
    """Return a step function that raises `KeyboardInterrupt` after the given number of steps."""

    def step(*given: Any) -> float:
        if given[-1] == after:
            raise KeyboardInterrupt
        return good(*given)

    return step
