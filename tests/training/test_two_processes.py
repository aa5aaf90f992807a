"""A fine-tuning in two processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.accelerating import forget_precision
from tests.training.finetuning import SMALL, interrupted, run
from training import loop

pytestmark = pytest.mark.slow


OBJECTIVES = ("behavioral", "iit-das", "joint", "iit-das-calibrated")


SHARED = ["--batch-size", "14", "--max-steps", "4", "--look-every", "2"]  # 7 pairs: unequal shares


IN_TURN = """
import sys, torch, training.finetune
from accelerate.state import AcceleratorState, PartialState
torch.distributed.init_process_group("gloo")
PartialState.destroy_process_group = lambda *_, **__: None  # the next objective needs it
for objective, folder in zip(sys.argv[1].split(","), sys.argv[2].split(",")):
    AcceleratorState._reset_state(True)
    assert training.finetune.main([*sys.argv[3:], "--objective", objective, "--out", folder]) == 0
"""


def two_processes(folders: Mapping[Path, str], *arguments: str) -> str:
    """Fine-tune into each folder by its objective, in two processes that are started once; what was printed."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    script = next(iter(folders)).parent / "in_turn.py"
    script.write_text(IN_TURN)
    words = [",".join(folders.values()), ",".join(map(str, folders)), *SMALL, *arguments]
    found = subprocess.run([*launch, str(script), *words], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_two_processes_give_the_curve_of_one(model: str, tmp_path: Path):
    """Sources, gap and moments are those of the whole batch, wherever its texts are run; also of a run that was begun
    by one process."""
    arguments, begun = ["--model", model, *SHARED], tmp_path / "begun"
    for objective in OBJECTIVES:
        forget_precision()
        assert run(*arguments, "--objective", objective, "--out", str(tmp_path / objective)) == 0
    forget_precision()
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(loop, "_step", interrupted(loop._step, 2))
        assert run(*arguments, "--out", str(begun)) == 130
    folders = {tmp_path / f"{objective}-2": objective for objective in OBJECTIVES} | {begun: "iit-das"}
    assert two_processes(folders, *arguments, "--resume").count("kept the weights") == len(folders)
    for folder, objective in folders.items():
        assert json.loads((folder / "manifest.json").read_text())["processes"] == 2
        one, two = (pd.read_csv(path / "history.csv") for path in (tmp_path / objective, folder))
        assert list(one["step"]) == [0, 2, 4]
        for name in ("train_loss", "val_loss"):
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-5, err_msg=folder.name)
        assert abs(one["val_loss"].iloc[-1] - one["val_loss"].iloc[0]) > 1e-3
