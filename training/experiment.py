"""Experiment of the paper: fine-tuning of a model, unless it is the base, and its evaluation, in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from interp import cli
from interp.cli import IMPLIED, WORK, Role, option, shared_options, words_of
from interp.cli.fields import DefaultName
from interp.cli.options import EngineOptions, ModelOptions
from interp.data.options import DataOptions
from interp.errors import UserError
from interp.runs.files import LOCK
from training.config import AssessmentOptions, EvaluateConfig, FinetuneConfig, preset
from training.trackers import TrackerOptions

MOST_PROCESSES = 256
_LOOK = 1.0  # seconds between two checks whether another command has ended
PATIENCE = 10.0  # seconds that a stopped command has before it is killed
# name -> options; the first line of each table is the base
RECIPES = {
    "behavioral-full": ("--objective", "behavioral", "--tuning", "full"),
    "behavioral-lora": ("--objective", "behavioral", "--tuning", "lora"),
    "iit-das-lora": ("--objective", "iit-das", "--tuning", "lora"),
    "joint-lora": ("--objective", "joint", "--tuning", "lora"),
    "calibrated-lora": ("--objective", "iit-das-calibrated", "--tuning", "lora"),
    **{
        f"behavioral-edit-size{size}-retain{retain}": (
            *("--objective", "behavioral", "--tuning", "edit"),
            *("--size", str(size), "--retain", str(retain)),
        )
        for size in (2, 16)
        for retain in (0, 2)
    },
    "calibrated-edit": ("--objective", "iit-das-calibrated", "--tuning", "edit", "--size", "16"),
}


@dataclass(frozen=True)
class PaperConfig(AssessmentOptions, ModelOptions, DataOptions, EngineOptions, TrackerOptions):
    """The experiments."""

    preset: Literal["toy", "paper"] = option(
        "toy", "settings of the fine-tunings", choices=("toy", "paper"), role=IMPLIED
    )
    objectives: str | None = option(
        None,
        f"comma-separated objectives, each with its tuning; by default all: {', '.join(RECIPES)}",
        metavar="LIST",
        role=IMPLIED,
    )
    seeds: str = option("0-2", "seeds: a range or a list", metavar="0-2", role=IMPLIED)
    shard: str | None = option(
        None, "part of all runs, such as 3/20, the third of twenty; a command without --shard makes tables", role=WORK
    )
    device: str | None = option(
        None, "device in the notation of torch: cpu, cuda, cuda:1; by default a GPU if there is one", role=IMPLIED
    )
    mixed_precision: Literal["no", "fp16", "bf16"] | None = option(
        None,
        "precision of the towers in fine-tunings; by default the configuration of accelerate",
        choices=("no", "fp16", "bf16"),
    )
    max_steps: int | None = option(None, "largest number of optimizer steps of each run")
    jobs: int | None = option(
        None,
        "runs at a time; by default one for each core, at most 4, or one on a GPU; on a cluster as many as fit",
        role=WORK,
        most=MOST_PROCESSES,
    )
    out: str = option(DefaultName("runs/paper-toy"), "folder for runs, evaluations and tables", role=WORK)


@dataclass
class Experiment:
    """Model that is fine-tuned, unless it is the base, and evaluated, in separate processes.

    Attributes:
        config: options of all experiments.
        name: name of the recipe.
        seed: seed of the run; None for the base.
        gpu: True to use a GPU.
        process: running command.
        log: log file of the last command.
        stopped: True once `stop` was called.
        lock: lock of `process` and `stopped`.
    """

    config: PaperConfig
    name: str
    seed: int | None
    gpu: bool
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    log: Path | None = field(default=None, init=False)
    stopped: bool = field(default=False, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def title(self) -> str:
        """Name of the recipe, and the seed if there is one."""
        return self.name if self.seed is None else f"{self.name}-seed{self.seed}"

    @property
    def folder(self) -> Path:
        """Run folder."""
        return Path(self.config.out) / self.title

    @property
    def tuning_words(self) -> list[str]:
        """Arguments of the fine-tuning."""
        tuning = shared_options(self.config, FinetuneConfig, *Role)
        tuning |= {"seed": self.seed, "out": self.folder, "resume": True}
        return [*RECIPES[self.name], *words_of(tuning)]

    def steps(self, pairs: int) -> int:
        """Return the optimizer steps of the fine-tuning over the given number of training pairs; 0 for the base."""
        from training.loop import total_steps

        if self.seed is None:
            return 0
        return total_steps(cli.parse(FinetuneConfig, "", "", "", self.tuning_words, preset), pairs)

    def last_line(self) -> str:
        """Return the title and the last printed line of the running command; empty if no command is running."""
        if self.process is None or self.process.poll() is not None or self.log is None:
            return ""
        lines = _lines(self.log)
        return f"{self.title}: {lines[-1]}" if lines else ""

    def carry_out(self) -> None:
        """Run both commands, or continue them; finished work costs a few seconds.

        If another command works on this experiment, wait for that command.
        """
        lock = FileLock(Path(self.config.out) / f".{self.title}{LOCK}")
        while not self.stopped:
            with suppress(Timeout), lock.acquire(timeout=_LOOK):
                self._carry_out()
                return

    def _carry_out(self) -> None:
        threads = None if self.gpu else 1
        given = shared_options(self.config, EvaluateConfig, *Role) | {"out": self.folder}
        if self.seed is not None:
            self._call("finetune", *self.tuning_words, threads=threads)
            # the run's manifest names model and data
            of_run = {field.name for group in (ModelOptions, DataOptions) for field in fields(group)}
            given = {name: value for name, value in given.items() if name not in of_run - {"skip_bad_images"}}
            given |= {"model": self.folder, "trust_run": True, "out": self.folder / "evaluation"}
        given["device"] = self.config.device or ("cuda" if self.gpu else "cpu")
        self._call("evaluate", *words_of(given), threads=threads)

    def stop(self) -> None:
        """Ask the running command to end, and start no other command."""
        with self.lock:
            self.stopped = True
            if self.process is not None:
                self.process.terminate()

    def end(self) -> None:
        """Wait for a stopped command; if it takes too long, kill it and all its children."""
        if self.process is None or self.process.stdin is None:
            return
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.stdin.close()

    def _call(self, command: str, *arguments: str, threads: int | None) -> None:
        log = self.log = Path(self.config.out) / "logs" / f"{self.title}-{command}.log"
        few = {"OMP_NUM_THREADS": str(threads)} if threads is not None else {}
        with log.open("ab") as file:  # the lines of earlier commands are kept
            with self.lock:
                if self.stopped:
                    return
                # see `interp.processes.child` for the purpose of the pipe
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "interp.processes.child", f"training.{command}", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **few},
                    start_new_session=True,
                )
            status = self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()
        if status != 0 and not self.stopped:
            lines = _lines(log)
            last = lines[-1].removeprefix("error: ") if lines else f"exit status {status}"
            raise UserError(
                f"{self.title}: {last} (full log: {log}); remove the cause, then start the same command again"
            )


def _lines(log: Path) -> list[str]:
    """Return the lines of a log."""
    return log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
