"""All experiments in one command, on a small model and in this process, which saves the time to start processes."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from subprocess import PIPE, STDOUT
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image

from interp import cli
from interp.clip.model import Clip
from interp.data.blv import QUESTIONS
from interp.runs.replay import Replay
from tests.accelerating import forget_precision
from tests.oracles.plain_forward import random_texts
from tests.wording import exits, refused
from training import experiment, paper
from training.config import EvaluateConfig, FinetuneConfig, evaluation_preset, preset
from training.experiment import PaperConfig
from training.paper import missing

pytestmark = pytest.mark.slow


LABELS = ["base", "behavioral, full", "behavioral, LoRA", "IIT-DAS, LoRA", "joint, LoRA", "calibrated IIT-DAS, LoRA"]
LABELS += ["behavioral, edit"]
EDITED = "behavioral-edit-size2-retain0"  # one edit; the other edits differ only in numbers


@pytest.fixture(autouse=True)
def small_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose a site of the small model in all recipes, and only one edit."""
    for name, options in list(paper.RECIPES.items()):
        if "edit" in options and name != EDITED:
            monkeypatch.delitem(paper.RECIPES, name)
        else:
            monkeypatch.setitem(paper.RECIPES, name, (*options, "--layer", "4", "--size", "6"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Write pairs, ratings and classes, which are noise with texts of the toy world, and return their options."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)

    def picture(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)).save(path)

    items = []
    for i, (description, caption) in enumerate(zip(random_texts(40, seed=1), random_texts(40, seed=2), strict=True)):
        picture(folder / "pairs" / "resized" / f"{i}.jpg")
        texts = {"description": {"raw": description}, "caption": {"raw": caption}}
        items.append({"article_id": f"A{i // 2}", "filename": f"{i}.jpg", "split": "val", **texts})
    (folder / "pairs" / "wiki_split.json").write_text(json.dumps({"images": items}))
    rows = [["context", "description", "imgstem", *QUESTIONS.values()]]
    for i, text in enumerate(random_texts(8, seed=3)):
        picture(folder / "blv" / "images" / f"{i % 4}.png")
        rows.append(["Article", f"{i}: {text}", str(i % 4), *map(str, rng.integers(1, 6, 4))])
    with (folder / "blv" / "blv_ratings.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    for name in ("star", "harbour"):
        for i in range(3):
            picture(folder / "classes" / name / f"{i}.png")
    pairs, classes = f"concadia:{folder / 'pairs'}", f"mine={folder / 'classes'}"
    return {"--data": pairs, "--blv": str(folder / "blv"), "--transfer": classes}


def arguments(small: Clip, data: dict[str, str], out: Path, /, **options: str) -> list[str]:
    given = {"--model": small.name, **data, "--out": str(out), "--max-steps": "2", "--jobs": "1", "--seeds": "0"}
    given |= {f"--{name}": value for name, value in options.items()}
    return [word for pair in given.items() for word in pair]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Run commands of the package in this process instead of new processes, and return the list of calls."""
    seen: list[list[str]] = []

    class InProcess:
        stdin = None

        def __init__(self, command: list[str], *, stdout: Any, stderr: int, **_: Any) -> None:
            assert stderr == STDOUT
            assert command[2] == "interp.processes.child"
            forget_precision()
            seen.append(command[3:])
            text = io.StringIO()
            with redirect_stdout(text), redirect_stderr(text):
                self.status = importlib.import_module(command[3]).main(command[4:])
            stdout.write(text.getvalue().encode())

        def wait(self) -> int:
            return self.status

        def terminate(self) -> None:
            pass

    monkeypatch.setattr(experiment, "subprocess", SimpleNamespace(Popen=InProcess, STDOUT=STDOUT, PIPE=PIPE))
    return seen


def times(out: Path) -> dict[str, int]:
    """Return the times at which computed files were written."""
    kept = [path for kind in ("cells/*.json", "history.csv", "*model.safetensors") for path in out.rglob(kind)]
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in kept}


def models(shown: str, name: str = "table1") -> list[str]:
    """Return the first cell of each row of a table; all parts of a folded table must have the same rows."""
    (block,) = [block for block in f"\n\n{shown}".split("\n\ntable") if block.startswith(name[5:])]
    lines = block.partition("\n\nlook at")[0].splitlines()[2:]
    tables = [list(part) for filled, part in groupby(lines, bool) if filled]
    parts = [[line.split("  ")[0] for line in part[1:]] for part in tables]
    assert all(part == parts[0] for part in parts)
    return parts[0]


def test_every_experiment_in_one_command(small: Clip, data, calls, tmp_path: Path, capsys, monkeypatch):
    out = tmp_path / "paper"
    assert paper.main(arguments(small, data, out)) == 0
    shown = capsys.readouterr().out
    titles = ["base", *(f"{name}-seed0" for name in paper.RECIPES)]
    assert "each training takes at most 2 optimizer steps, 12 in total" in shown
    assert sorted(path.name for path in out.glob("[!.]*")) == sorted([*titles, "logs", "manifest.json", "tables"])
    assert models(shown) == models(shown, "table2") == models(shown, "table3") == [f"{each} (n = 1)" for each in LABELS]
    assert {path.name for path in (out / "tables").iterdir()} == {
        f"table{number}.{kind}" for number in (1, 2, 3) for kind in ("csv", "md", "tex")
    }
    commands = [f"{title}-finetune" for title in titles[1:]] + [f"{title}-evaluate" for title in titles]
    assert sorted(path.stem for path in (out / "logs").iterdir()) == sorted(commands)
    assert len(calls) == 13
    for title in titles[1:]:
        manifest = json.loads((out / title / "manifest.json").read_text())
        assert manifest["result"]["steps"] == 2
        _, objective, _, tuning, *_ = paper.RECIPES[title.removesuffix("-seed0")]
        assert (manifest["settings"]["objective"], manifest["settings"]["tuning"]) == (objective, tuning)
        assert "kept the weights of step" in (out / "logs" / f"{title}-finetune.log").read_text()
    first = pd.read_csv(out / "tables" / "table1.csv").set_index("model")
    assert first["mine"].notna().all()
    assert first["IIA c>d n"].tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert first["transfer drop"].notna().tolist() == [False, *[True] * 6]

    # the folder keeps the options
    again = ["--config", str(out), "--out", "elsewhere"]
    asked = cli.parse(PaperConfig, "", "", "", again, paper.preset, Replay("paper", paper.preset))
    first_asked = cli.parse(PaperConfig, "", "", "", arguments(small, data, out), paper.preset)
    assert asked == replace(first_asked, out="elsewhere", jobs=asked.jobs)

    # another seed, for one model to save time: finished work is not repeated
    before = times(out)
    assert len(before) == 7 * 4 + 5 * 2 + 1  # only the history of an edit is counted
    for name in [name for name in paper.RECIPES if name != "iit-das-lora"]:
        monkeypatch.delitem(paper.RECIPES, name)
    calls.clear()
    assert paper.main(arguments(small, data, out, seeds="0,1")) == 0
    after = times(out)
    assert {name: when for name, when in after.items() if name in before} == before
    assert {name.partition("/")[0] for name in after if name not in before} == {"iit-das-lora-seed1"}
    assert models(capsys.readouterr().out) == ["base (n = 1)", "IIT-DAS, LoRA (n = 2)"]
    assert [call[0] for call in calls] == ["training.evaluate", *["training.finetune", "training.evaluate"] * 2]
    presets = [call[call.index("--preset") + 1] for call in calls]
    assert presets == ["toy"] * len(calls)
    seeds = [call[call.index("--seed") + 1] for call in calls if call[0] == "training.finetune"]
    assert seeds == ["0", "1"]


def test_a_run_that_fails_is_named_with_its_log(small: Clip, data, calls, tmp_path: Path, capsys, monkeypatch):
    out = tmp_path / "paper"
    right = paper.RECIPES["joint-lora"]
    for name in list(paper.RECIPES):
        monkeypatch.delitem(paper.RECIPES, name)
    monkeypatch.setitem(paper.RECIPES, "joint-lora", (*right, "--size", "99"))
    log = out / "logs" / "joint-lora-seed0-finetune.log"
    refused(paper.main(arguments(small, data, out)), capsys, "joint-lora-seed0", 99, log)
    refused(2, log.read_text().splitlines(keepends=True)[-1], 99)
    assert not (out / "joint-lora-seed0").exists()
    assert not (out / "tables").exists()
    before = times(out)
    assert {name.partition("/")[0] for name in before} == {"base"}
    monkeypatch.setitem(paper.RECIPES, "joint-lora", right)
    assert paper.main(arguments(small, data, out)) == 0
    assert {name: when for name, when in times(out).items() if name in before} == before
    assert models(capsys.readouterr().out) == ["base (n = 1)", "joint, LoRA (n = 1)"]


def test_processes_of_their_own(small: Clip, data, tmp_path: Path, capsys, monkeypatch):
    """Run only the base, to save time; other tests run the commands of the other models."""
    for name in list(paper.RECIPES):
        monkeypatch.delitem(paper.RECIPES, name)
    out = tmp_path / "paper"
    assert paper.main(arguments(small, data, out, jobs="2")) == 0
    shown = capsys.readouterr()
    assert models(shown.out) == ["base (n = 1)"]
    assert shown.err == ""
    log = (out / "logs" / "base-evaluate.log").read_text()
    assert "preference  test" in log
    assert "retrieval is among" in log
    assert "Traceback" not in log


def named_in_order(error: str, parts: list[str]) -> bool:
    """Return whether an error has as many numbered items as there are parts, and quotes one part in each."""
    items = re.split(r"\(\d+\) ", error)[1:]
    return len(items) == len(parts) and all(part in item for part, item in zip(parts, items, strict=True))


def test_the_preset_names_all_that_is_missing_at_once(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paper, "_unreachable", lambda repo, kind: f"no way to {kind} {repo}")
    parts = [
        "'data/concadia'",
        "'data/blv'",
        "no way to model openai/clip-vit-base-patch32",
        "no way to dataset uoft-cs/cifar100",
        "ethz/food101",
        "ILSVRC/imagenet-1k",
    ]
    error = refused(paper.main(["--preset", "paper"]), capsys, "--transfer imagenet=PATH")
    assert named_in_order(error, parts)
    without = refused(paper.main(["--preset", "paper", "--blv", "none"]), capsys, "--transfer imagenet=PATH")
    assert named_in_order(without, [part for part in parts if part != "'data/blv'"])
    assert "data/blv" not in without
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_missing(small: Clip, data, tmp_path: Path, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(paper, "_unreachable", lambda repo, _: asked.append(repo))
    given = {name.removeprefix("--"): value for name, value in data.items()}
    assert missing(PaperConfig()) == missing(PaperConfig(model=small.name, **given)) == []
    assert asked == []
    assert missing(PaperConfig(model="a/b", **(given | {"transfer": "toy,food101,x=hub:c/d"}))) == []
    assert asked == ["a/b", "ethz/food101", "c/d"]
    asked.clear()
    # data other than the toy's are evaluated on the three sets of the paper
    assert missing(PaperConfig(data=data["--data"])) == []
    assert asked == ["uoft-cs/cifar100", "ethz/food101", "ILSVRC/imagenet-1k"]
    (gone,) = missing(PaperConfig(transfer="mine=/nowhere,toy"))
    assert gone == "mine: no file or folder '/nowhere'"
    (unknown,) = missing(PaperConfig(data=data["--data"], split="dev", transfer="toy"))
    assert "has no split 'dev'" in unknown


def test_the_preset_of_the_paper_reaches_every_command(monkeypatch: pytest.MonkeyPatch):
    """One option gives fine-tunings and evaluations the authors' settings."""
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(paper.Experiment, "_call", lambda self, *words, threads: called.append(words))
    config = cli.parse(PaperConfig, "", "", "", ["--preset", "paper"], paper.preset)
    # 100,000 rows in batches of 12, ten times, of all train pairs of Concadia
    assert paper.Experiment(config, "iit-das-lora", 4, gpu=True).steps(77_534) == 83_330
    assert paper.Experiment(config, "base", None, gpu=True).steps(77_534) == 0
    for seed in (None, 4):
        paper.Experiment(config, "base" if seed is None else "iit-das-lora", seed, gpu=True).carry_out()
    assert [words[0] for words in called] == ["evaluate", "finetune", "evaluate"]
    for command, *words in called:
        taken = (FinetuneConfig, preset) if command == "finetune" else (EvaluateConfig, evaluation_preset)
        parsed = cli.parse(taken[0], "", "", "", words, taken[1])
        if command == "finetune":
            settings = (parsed.batch_size, parsed.samples, parsed.patience, parsed.sources, parsed.size)
            assert settings == (12, 100_000, None, "paired", 256 if parsed.layer == 11 else 6)
        else:
            assert (parsed.attributed, parsed.n_steps, parsed.sources) == (100, 50, None)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"seeds": "two"}, ("--seeds", "'two'")),
        ({"jobs": "0"}, ("--jobs", 1)),
        ({"max-steps": "0"}, ("--max-steps", 1)),
        ({"data": "flickr"}, ("(1)", "'flickr'")),
        ({"out": "FILE"}, "'FILE'"),
        ({"out": "FILE/paper"}, "'FILE/paper'"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(
    small, data, calls, tmp_path, capsys, monkeypatch, options, value: object
):
    (tmp_path / "FILE").write_text("")
    monkeypatch.chdir(tmp_path)
    refused(paper.main(arguments(small, data, Path("out"), **options)), capsys, value)
    assert calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"]


def test_what_is_missing_is_said_before_anything_is_trained(small: Clip, data, calls, tmp_path: Path, capsys):
    (tmp_path / "empty").mkdir()
    given = data | {
        "--data": "concadia:/nowhere/pairs",
        "--blv": "/nowhere/blv",
        "--transfer": f"toy,mine={tmp_path / 'empty'},other=/nowhere/sets,bad",
    }
    error = refused(paper.main(arguments(small, given, tmp_path / "paper")), capsys)
    parts = ["'/nowhere/pairs'", "'/nowhere/blv'", f"'{tmp_path / 'empty'}'", "'/nowhere/sets'", "'bad'"]
    assert named_in_order(error, parts)
    assert calls == []
    assert not (tmp_path / "paper").exists()


def test_a_split_without_pairs_is_said_before_anything_is_trained(tmp_path: Path):
    rows = [["id", "split", "image", "description", "caption"]]
    rows += [[str(i), "train" if i else "val", "x.png", f"text {i}", f"other {i}"] for i in range(4)]
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    (lacks,) = missing(PaperConfig(data=f"csv:{tmp_path / 'pairs.csv'}", transfer="toy"))
    assert "test" in lacks


@pytest.mark.slow
def test_parts_fill_one_folder_and_the_whole_command_makes_the_tables(
    small: Clip, data, calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "runs"
    options = arguments(small, data, out, objectives="iit-das-lora,behavioral-edit-size2-retain0")
    assert paper.main([*options, "--shard", "2/2"]) == 0
    assert "1 of 3 runs" in capsys.readouterr().out
    assert [call[0] for call in calls] == ["training.finetune", "training.evaluate"]
    assert not (out / "tables").exists()
    assert paper.main([*options, "--shard", "1/2"]) == 0
    shown = capsys.readouterr().out
    assert (out / "tables").is_dir()  # now all runs exist
    assert "2 of 3 runs" in shown
    calls.clear()
    # a part beyond the runs has no work; a part with other options is refused
    assert paper.main([*options, "--shard", "4/4"]) == 0
    assert "part 4/4 has no run: there are more parts than runs (3)" in capsys.readouterr().out
    other = arguments(small, data, out, objectives="iit-das-lora,behavioral-edit-size2-retain0", seeds="0,1")
    refused(paper.main([*other, "--shard", "1/2"]), capsys, "--seeds", "0,1")
    assert calls == []
    assert paper.main(options) == 0
    assert {path.name for path in out.iterdir() if path.is_dir()} == {
        "base",
        "iit-das-lora-seed0",
        "behavioral-edit-size2-retain0-seed0",
        "tables",
        "logs",
    }
    capsys.readouterr()


def test_a_refused_command_leaves_what_was_asked_for(small: Clip, data, calls, tmp_path: Path, capsys):
    out = tmp_path / "runs"
    assert paper.main(arguments(small, data, out, objectives="behavioral-edit-size2-retain0")) == 0
    before, log = (
        (out / "manifest.json").read_bytes(),
        out / "logs" / "behavioral-edit-size2-retain0-seed0-finetune.log",
    )
    printed = log.read_text()
    other = arguments(small, data, out, objectives="behavioral-edit-size2-retain0", limit="30")
    assert paper.main(other) == 2
    assert (out / "manifest.json").read_bytes() == before
    assert log.read_text().startswith(printed)
    capsys.readouterr()
    with exits(capsys, "--out"):
        paper.main(["--config", str(out)])


def test_without_a_terminal_there_is_a_line_a_minute_of_what_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(paper, "EVERY", 0.2)
    code = "import time; print('iit-das: 7 of 9 steps', flush=True); time.sleep(1)"

    def slow(run: paper.Experiment) -> None:
        run.log = tmp_path / "x.log"
        with run.log.open("wb") as log:
            run.process = subprocess.Popen([sys.executable, "-c", code], stdout=log)
            run.process.wait()

    monkeypatch.setattr(paper.Experiment, "carry_out", slow)
    assert paper.main(["--objectives", "iit-das-lora", "--shard", "2/2", "--seeds", "0", "--out", str(tmp_path)]) == 0
    assert "iit-das-lora-seed0: iit-das: 7 of 9 steps" in capsys.readouterr().err


def test_an_experiment_waits_for_another_command_that_is_at_work_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = PaperConfig(out=str(tmp_path))
    monkeypatch.setattr(experiment, "_LOOK", 0.05)
    run, seen = paper.Experiment(config, "base", None, gpu=False), list[str]()
    monkeypatch.setattr(paper.Experiment, "_call", lambda self, command, *_, **__: seen.append(command))
    with FileLock(tmp_path / ".base.lock"):
        waiting = threading.Thread(target=run.carry_out)
        waiting.start()
        waiting.join(0.3)  # far longer than an unlocked experiment needs to start
        assert waiting.is_alive()
        assert seen == []
    waiting.join(10)
    assert seen == ["evaluate"]
    stopped = paper.Experiment(config, "base", None, gpu=False)
    stopped.stop()
    stopped.carry_out()
    assert seen == ["evaluate"]


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--objectives", "iit-das"], ("'iit-das'", "iit-das-lora")),
        (["--shard", "4/3"], "'4/3'"),
        (["--device", "gpu"], "'gpu'"),
    ],
)
def test_parts_that_are_none_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], value: object
):
    status = paper.main([*words, "--out", str(tmp_path / "runs")])
    refused(status, capsys, value, snapshot="--objectives" not in words)  # other tests change the order of RECIPES
    assert not (tmp_path / "runs").exists()
