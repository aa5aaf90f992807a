"""Bad inputs in any number for every command and every file that it reads: `python -m tests.bad_inputs`.

The seed and the number of a case determine it. A file of a good folder is damaged, or an option gets an absurd value.
The command runs in a separate process with limits of time and memory. It must end with exit status 2 and one line that
begins with "error: ", and it must write nothing. If it does not need the damaged part or can make that part again, it
may instead end with status 0 and the numbers of the undamaged inputs.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from interp import cli
from tests.absurd import absurd_options
from tests.accelerating import forget_precision
from tests.damage import spoil
from tests.good_inputs import COMMANDS, ENVIRONMENT, call, write_everything
from tests.judging import SECONDS, Case, Outcome, entries, faults

MEMORY = 12 * 2**30
FILES = {  # command -> folders and files that it reads
    "sweep": ("sweep", "model", "concadia", "cache"),
    "tuned": ("tuned", "classes", "model"),
    "new sweep": ("model", "pairs", "norms.csv"),
    "sweep of a run": ("tuning", "zipped"),
    "report": ("sweep",),
    "sweep again": ("sweep/manifest.json", "concadia"),
    "finetune again": ("tuning/manifest.json",),
    "report of tuned": ("tuned",),
    "check": ("model",),
    "check of a run": ("tuning", "model"),
    "statistics": ("concadia", "zipped", "pairs"),
    "finetune": ("tuning", "concadia", "model"),
    "new finetune": ("pairs", "model", "sweep/rotations"),
    "evaluate": ("tuning", "classes", "templates.txt", "blv", "model", "concadia"),
    "new evaluate": ("zipped", "rows.parquet", "texts.csv", "classes", "tuning"),
    "base": ("base", "model", "concadia"),
    "scores": ("scores.csv", "concadia"),
    "scores of texts": ("texts.csv", "blv"),
    "compare": ("base", "tuning"),
    "paper": ("blv", "concadia", "classes"),
    "figures": ("sweep", "tuning", "base"),
    "pretrain": (),
}
NOT_READ = ("results.", "norms.csv", "heatmap", "report.html", "logs/", ".lock", ".part")


def prepare(seed: int, number: int, root: Path) -> Case:
    """Make a case in a folder with the files of `write_everything`."""
    draw = Random(f"{seed}-{number}")
    command = draw.choice(sorted(COMMANDS))
    if draw.random() < 0.2:
        command = draw.choice(("sweep", "report", "tuned", "compare", "figures"))
    case = Case(command, list(COMMANDS[command][1]))
    if command == "figures" and draw.random() < 0.9:
        from figures.names import FIGURES, TABLES

        case.options += ["--only", draw.choice((*FIGURES, *TABLES))]
    if not FILES[command] or draw.random() < 0.35:
        absurd_options(case, draw)
    else:
        place = root / draw.choice(FILES[command])
        files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        kinds: dict[str, list[Path]] = {}
        for path in files:  # group files by kind, since there are many pictures
            name = str(path.relative_to(root))
            kinds.setdefault(re.sub(r"\d+", "", name), []).append(path)
        kinds_read = [kind for kind in sorted(kinds) if not any(part in kind for part in NOT_READ)]
        chosen = draw.choice(kinds[draw.choice(kinds_read if kinds_read and draw.random() < 0.9 else sorted(kinds))])
        case.spoilt = str(chosen.relative_to(root))
        what, case.sealed = spoil(chosen, draw)
        case.done.append(f"{case.spoilt} {what}")
    return case


def execute(case: Case, root: Path) -> Outcome:
    """Run a case in a separate process."""
    started = time.perf_counter()
    out, errors = root.with_suffix(".out"), root.with_suffix(".err")
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            for number, path in ((1, out), (2, errors)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            os.chdir(root)
            status = call(case.command, case.options)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
            status = 70
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
    handle = os.pidfd_open(child)
    in_time = bool(select.select([handle], [], [], SECONDS)[0])
    os.close(handle)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if in_time else None
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # also end the processes that it started
    if ended is None:
        os.waitpid(child, 0)
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (out, errors)]
    return Outcome(ended, *texts, time.perf_counter() - started)


def _hurry() -> None:
    """Skip slow work that reads no input: most heatmaps, training in other processes, and training of the toy."""
    from interp.data import norms
    from interp.report.layout import Layout
    from interp.sweep import outputs
    from training import paper, pretrain_toy

    drawn, load = outputs.write_heatmaps, cache(norms.load_norm)
    plain = norms.load_norm
    norms.load_norm = lambda name: plain(name) if "=" in name else load(name)
    outputs.write_heatmaps = lambda frame, folder, layout: drawn(frame, folder, Layout((layout.of_column("iia"),)))
    paper.Experiment._call = _trained  # type: ignore[method-assign]
    pretrain_toy.pretrain = lambda *_: {}


def _trained(*_: object, **__: object) -> None:
    raise SystemExit(0)


def _make_ready(good: Path) -> None:
    """Make the good folder unless it exists, and run a few commands, whose imports then serve all cases."""

    os.environ |= ENVIRONMENT
    kept = [os.dup(number) for number in (1, 2)]
    good.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(good.with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
    for number in (1, 2):
        os.dup2(log, number)
    try:
        _hurry()
        if not good.exists():
            write_everything(good)
        os.chdir(good)
        for command in ("check of a run", "statistics"):
            call(command)
        for module in ("peft", "pyarrow.parquet", "matplotlib.pyplot", "figures.prepare", "interp.report.page.page"):
            importlib.import_module(module)
    finally:
        forget_precision()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, handle in enumerate(kept, start=1):
            os.dup2(handle, number)


@dataclass(frozen=True)
class Options:
    """Options of the command."""

    count: int = cli.option(1500, "number of cases")
    first: int = cli.option(0, "number of the first case")
    seed: int = cli.option(0, "seed of all cases")
    jobs: int = cli.option(2, "number of cases that run at the same time")
    good: str | None = cli.option(None, "folder for the good inputs, to reuse them in later runs")
    each: bool = cli.option(False, "print each case and its messages")
    keep: str | None = cli.option(None, "folder for the inputs and the output of failing cases")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases; the exit status is 1 if any failed."""
    options = cli.parse(Options, "python -m tests.bad_inputs", (__doc__ or "").partition("\n")[0], "", argv)
    keep = Path(options.keep).absolute() if options.keep else None
    with tempfile.TemporaryDirectory() as name:
        good = Path(options.good or f"{name}/good").absolute()
        _make_ready(good)
        workers = []
        for part in range(options.jobs):
            if not (child := os.fork()):
                numbers = range(options.first + part, options.first + options.count, options.jobs)
                counts = _work(options, numbers, good, Path(name) / str(part), keep)
                (Path(name) / f"{part}.json").write_text(json.dumps(counts))
                os._exit(0)
            workers.append(child)
        for child in workers:
            os.waitpid(child, 0)
        counts = sum((Counter(json.loads(path.read_text())) for path in Path(name).glob("*.json")), Counter[str]())
    failed = counts.pop("failed", 0)
    print(f"{counts.total()} cases, {failed} failed; " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    return int(failed > 0 or counts.total() != options.count)


def _work(options: Options, numbers: Iterable[int], good: Path, place: Path, keep: Path | None) -> Counter[str]:
    """Run the cases of these numbers, print the failing cases, and return counts of the ways in which cases ended."""
    counts = Counter[str]()
    for number in numbers:
        root = place / "case"
        shutil.copytree(good, root)
        os.chdir(root)
        case = prepare(options.seed, number, root)
        before = entries(root)
        end = execute(case, root)
        counts["took too long" if end.status is None else f"exit status {end.status}"] += 1
        wrong = faults(case, end, before, root, good)
        counts["failed"] += bool(wrong)
        if wrong or options.each:
            excerpt = f"{end.errors.strip()[:200]!a} ... {end.errors.strip()[-200:]!a}"
            head = f"{'FAILED ' if wrong else ''}{number} ({end.seconds:.1f} s, {end.status}) {case.title}"
            print(f"{head}: {'; '.join(wrong)}\n    {excerpt}".encode(errors="backslashreplace").decode(), flush=True)
        if wrong and keep:
            kept = keep / str(number)
            shutil.rmtree(kept, ignore_errors=True)
            kept.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", root, kept], check=True)  # copies pipes too
            (kept / "case.json").write_text(json.dumps([case.options, end.output, end.errors], indent=1))
        os.chdir(place)
        shutil.rmtree(place)
        place.mkdir()
    return counts


if __name__ == "__main__":
    sys.exit(main())
