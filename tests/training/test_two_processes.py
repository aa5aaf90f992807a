"""Fine-tuning in two processes."""

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


# Name of a run -> its options.
RUNS = {objective: ["--objective", objective] for objective in OBJECTIVES}
RUNS["retained"] = ["--objective", "behavioral", "--retain", "2", "--tower", "both"]


SHARED = ["--batch-size", "14", "--max-steps", "4", "--look-every", "2"]  # 7 pairs: unequal shares


IN_TURN = """
import json, sys, torch, training.finetune
from accelerate.state import AcceleratorState, PartialState
torch.distributed.init_process_group("gloo")
PartialState.destroy_process_group = lambda *_, **__: None  # the next run needs it
for folder, words in json.loads(sys.argv[1]).items():
    AcceleratorState._reset_state(True)
    assert training.finetune.main([*sys.argv[2:], *words, "--out", folder]) == 0
"""


def two_processes(folders: Mapping[Path, list[str]], *arguments: str) -> str:
    """Fine-tune into each folder with its options, in two processes that are started once; return the printed lines."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    script = next(iter(folders)).parent / "in_turn.py"
    script.write_text(IN_TURN)
    words = [json.dumps({str(folder): options for folder, options in folders.items()}), *SMALL, *arguments]
    done = subprocess.run([*launch, str(script), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_give_the_curve_of_one(model: str, tmp_path: Path):
    """Sources, gap and moments are those of the whole batch, whichever process runs its texts. This also holds for a
    run that one process has begun."""
    arguments, begun = ["--model", model, *SHARED], tmp_path / "begun"
    for name, options in RUNS.items():
        forget_precision()
        assert run(*arguments, *options, "--out", str(tmp_path / name)) == 0
    forget_precision()
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(loop, "_step", interrupted(loop._step, 2))
        assert run(*arguments, "--out", str(begun)) == 130
    names = {tmp_path / f"{name}-2": name for name in RUNS} | {begun: "iit-das"}
    folders = {folder: RUNS[name] for folder, name in names.items()}
    assert two_processes(folders, *arguments, "--resume").count("kept the weights") == len(folders)
    for folder, name in names.items():
        assert json.loads((folder / "manifest.json").read_text())["processes"] == 2
        single, double = (pd.read_csv(path / "history.csv") for path in (tmp_path / name, folder))
        assert list(single["step"]) == [0, 2, 4]
        for loss in ("train_loss", "val_loss"):
            np.testing.assert_allclose(double[loss], single[loss], rtol=0, atol=1e-5, err_msg=folder.name)
        assert abs(single["val_loss"].iloc[-1] - single["val_loss"].iloc[0]) > 1e-3
