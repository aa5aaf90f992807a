"""`python -m training.paper`: every experiment of the paper, from fine-tuning to tables, on toy or real data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from interp import cli
from interp.cli import option
from interp.data.pairs import SPLITS, DataError
from interp.errors import UserError
from interp.options import DataOptions, ModelOptions, TransferOptions
from interp.runs.files import LOCK, check_tree

PROG = "python -m training.paper"
DESCRIPTION = """\
Fine-tune with each objective and several seeds, evaluate every model and the base, and print the paper's tables.
What is finished is not done again: the same command goes on."""
EPILOG = """\
examples:
  python -m training.paper
      the embedded toy CLIP and its world, three seeds; about ten minutes on two cores
  python -m training.paper --preset paper --data concadia:data/concadia --blv data/blv
      the authors' settings, five seeds; needs a GPU, Concadia, the ratings, and the hub or local copies

files in the folder:
  NAME-seedN/                 each run, with its evaluation/
  base/                       the base's evaluation
  tables/                     the tables as CSV, Markdown and LaTeX
  logs/                       what each run printed"""
MOST_PROCESSES, MOST_SEEDS = 256, 1000
PATIENCE = 10.0  # seconds that a command has to end before it is killed
# name -> options; the first line of each table is the base
RECIPES = {
    "behavioral-full": ("--objective", "behavioral", "--tuning", "full"),
    "behavioral-lora": ("--objective", "behavioral", "--tuning", "lora"),
    "iit-das-lora": ("--objective", "iit-das", "--tuning", "lora"),
    "joint-lora": ("--objective", "joint", "--tuning", "lora"),
}


@dataclass(frozen=True)
class PaperConfig(TransferOptions, ModelOptions, DataOptions):
    """The experiments."""

    preset: Literal["toy", "paper"] = option("toy", "settings of the fine-tunings", choices=("toy", "paper"))
    blv: str | None = option(None, "folder with blv_ratings.csv and images/")
    seeds: str = option("0-2", "seeds, a range or a list", metavar="0-2")
    max_steps: int | None = option(None, "most optimizer steps of each run")
    jobs: int | None = option(None, "runs at a time; by default one for each core, at most 4, or one on a GPU")
    out: str = option("runs/paper-toy", "folder for runs, evaluations and tables")


def preset(given: PaperConfig) -> dict[str, str]:
    """Defaults of the preset `paper`."""
    if given.preset == "toy":
        return {}
    return {
        "model": "openai/clip-vit-base-patch32", "data": "concadia:data/concadia", "blv": "data/blv",
        "transfer": "cifar100,food101,imagenet", "seeds": "0-4", "out": "runs/paper",
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    config = cli.parse(PaperConfig, PROG, DESCRIPTION, EPILOG, argv, preset)
    return cli.run(lambda: paper(config), on_interrupt=lambda: "finished runs are kept; the same command goes on")


def paper(config: PaperConfig) -> int:
    """See that everything is there, run what is missing, print the tables.

    Raises:
        UserError: something is missing, or a run failed.
    """
    import torch
    from tqdm import tqdm

    from training.evaluation.compare import compare

    cli.require_positive(config, "jobs", "max_steps")
    cli.require_at_most(config, jobs=MOST_PROCESSES)
    seeds = cli.parse_ints(config.seeds, "--seeds")
    if len(seeds) > MOST_SEEDS:
        raise UserError(f"--seeds names {len(seeds)} seeds; the most are {MOST_SEEDS}: name fewer")
    if absent := missing(config):
        raise UserError(f"cannot run: {'; '.join(f'({i}) {each}' for i, each in enumerate(absent, start=1))}")
    gpu = torch.cuda.is_available()
    jobs = config.jobs or (1 if gpu else min(4, cli.cores()))
    runs = [Experiment(config, "base", None, gpu)]
    runs += [Experiment(config, name, seed, gpu) for seed in seeds for name in RECIPES]
    out = Path(config.out)
    with (
        _alone(out),
        ThreadPoolExecutor(jobs) as pool,
        tqdm(total=len(runs), desc="runs", unit="run", disable=None) as bar,
    ):
        try:
            for future in as_completed([pool.submit(run.carry_out, threads=None if gpu else 1) for run in runs]):
                future.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for run in runs:
                run.stop()
            for run in runs:
                run.end()
            raise
    print(compare([run.folder for run in runs], out / "tables"))
    return 0


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """The folder for everything, made if it is not there, with no other such command in it.

    Raises:
        UserError: it cannot be written, leads elsewhere, or another command is at work there.
    """
    try:
        (out / "logs").mkdir(parents=True, exist_ok=True)
        check_tree(out)
        lock = FileLock(out / LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise UserError(f"another process is at work in '{out}'; wait for it, or choose another --out") from error
    except OSError as error:
        raise UserError(f"cannot write '{out}': {error.strerror}; choose another folder with --out") from error
    try:
        yield
    finally:
        lock.release()


@dataclass
class Experiment:
    """One model: fine-tuned, unless it is the base, and evaluated, in processes of its own.

    Attributes:
        seed: None for the base.
    """

    config: PaperConfig
    name: str
    seed: int | None
    gpu: bool
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    stopped: bool = field(default=False, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def title(self) -> str:
        """The recipe, and the seed if it has one."""
        return self.name if self.seed is None else f"{self.name}-seed{self.seed}"

    @property
    def folder(self) -> Path:
        """Where the run is kept."""
        return Path(self.config.out) / self.title

    def carry_out(self, *, threads: int | None) -> None:
        """Run both commands, or go on with them; what is done already costs a few seconds."""
        config, own = self.config, ["--model", self.config.model, "--data", self.config.data]
        for name in ("kinds", "split", "limit", "tokenizer"):
            own += [f"--{name}", str(value)] if (value := getattr(config, name)) is not None else []
        bad = ["--skip-bad-images"] if config.skip_bad_images else []
        own += ["--trust-run"] if config.trust_run else []
        if self.seed is not None:
            most = ["--max-steps", str(config.max_steps)] if config.max_steps is not None else []
            self._call(
                "finetune", *RECIPES[self.name], "--preset", config.preset, *own, *most, *bad, "--seed", str(self.seed),
                "--out", str(self.folder), "--resume", threads=threads,
            )  # fmt: skip
            own = ["--model", str(self.folder), "--trust-run", "--out", str(self.folder / "evaluation")]
        else:
            own += ["--out", str(self.folder)]
        for name in ("blv", "transfer"):
            own += [f"--{name}", value] if (value := getattr(config, name)) is not None else []
        self._call(
            "evaluate",
            *own,
            *bad,
            "--preset",
            config.preset,
            "--device",
            "cuda" if self.gpu else "cpu",
            threads=threads,
        )

    def stop(self) -> None:
        """Ask the command that is running to end, and start no other."""
        with self.lock:
            self.stopped = True
            if self.process is not None:
                self.process.terminate()

    def end(self) -> None:
        """Wait for a command that was stopped, and kill it with all its children if it takes too long."""
        if self.process is None or self.process.stdin is None:
            return
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.stdin.close()

    def _call(self, command: str, *arguments: str, threads: int | None) -> None:
        log = Path(self.config.out) / "logs" / f"{self.title}-{command}.log"
        few = {"OMP_NUM_THREADS": str(threads)} if threads is not None else {}
        with log.open("wb") as file:
            with self.lock:
                if self.stopped:
                    return
                # see `training.leashed` for what the pipe is for
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "training.leashed", f"training.{command}", *arguments],
                    stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **few},
                    start_new_session=True,
                )  # fmt: skip
            status = self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()
        if status != 0 and not self.stopped:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = lines[-1].removeprefix("error: ") if lines else f"exit status {status}"
            raise UserError(f"{self.title}: {last} (all it said: {log}); mend that, then the same command goes on")


def missing(config: PaperConfig) -> list[str]:
    """What cannot be had: one sentence for each thing, which says how to mend it. Nothing large is downloaded."""
    from interp.data.blv import load_blv
    from interp.data.transfer import KNOWN, default_sets, load_transfer

    out = []
    loads: list[Callable[[], object]] = [lambda: _pairs(config)]
    if config.blv is not None:
        loads.append(lambda: load_blv(config.blv or ""))
    wanted: list[tuple[str, str]] = []  # of the hub, and for which classification set
    for spec in (config.transfer or default_sets(config.data)).split(","):
        name, _, where = spec.strip().partition("=")
        repo = where.removeprefix("hub:") if where.startswith("hub:") else KNOWN[name].repo if name in KNOWN else ""
        if repo and (not where or where.startswith("hub:")):
            wanted.append((repo, name))
        else:
            loads.append(partial(load_transfer, spec))
    for load in loads:
        try:
            load()
        except DataError as error:
            out.append(str(error))
    for what, name in (("model", config.model), ("tokenizer", config.tokenizer or "toy")):
        if name != "toy" and not os.path.isdir(name) and (why := _unreachable(name, "model")):
            out.append(f"the {what} {name} cannot be fetched ({why}); give a local folder with --{what}")
    for repo, name in wanted:
        if why := _unreachable(repo, "dataset"):
            out.append(f"the data set {repo} cannot be fetched ({why}); give local files with --transfer {name}=PATH")
    return out


def _pairs(config: PaperConfig) -> None:
    """Raise `DataError` unless there are pairs in all splits: to train on, to choose by, and to evaluate on."""
    from interp.data import load_pairs

    pairs = load_pairs(config.data, kinds=config.kinds, split=config.split, limit=config.limit)
    for name in SPLITS:
        pairs.split(name)


def _unreachable(repo: str, kind: str) -> str | None:
    """Why something is neither on the hub nor in its cache, None if it can be had."""
    from huggingface_hub import HfApi, snapshot_download

    name, _, revision = repo.partition("@")
    try:
        snapshot_download(name, repo_type=kind, revision=revision or None, local_files_only=True)
        return None
    except Exception:
        pass  # not in the cache
    try:
        HfApi().auth_check(name, repo_type=kind)  # refuses also where terms have not been accepted
        return None
    except Exception as error:
        lines = str(error).strip().splitlines()
        return lines[0] if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
