"""Code in the card of an edit, and functions that run it in this process or without this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

ALONE = "import sys\nsys.modules['interp'] = sys.modules['training'] = None\n"
SHOW = "\nimport json\nprint(json.dumps(embeddings.tolist()))\n"


def code_of(card: str, section: str = "## Without this package") -> str:
    """Return the block of code in a section of a card."""
    return card.partition(f"{section}\n")[2].partition("```python\n")[2].partition("```")[0]


def of_texts(code: str, texts: list[str]) -> str:
    """Return the code of a card for other texts."""
    assert '["a red circle"]' in code
    return code.replace('["a red circle"]', json.dumps(texts))


def run_here(code: str) -> Tensor:
    """Run the code of a card in this process, and return its embeddings."""
    names: dict[str, Tensor] = {}
    exec(code, names)
    return names["embeddings"]


def run_alone(code: str, cwd: Path, environment: Mapping[str, str] = {}) -> Tensor:
    """Run the code of a card in a process that cannot import this package, and return its embeddings."""
    command = [sys.executable, "-c", ALONE + code + SHOW]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env=os.environ | dict(environment)
    )
    assert done.returncode == 0, done.stderr
    return torch.tensor(json.loads(done.stdout.splitlines()[-1]))
