"""`python -m training.paper`: run every experiment of the paper, from fine-tuning to tables, on toy or real data."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from interp import cli
from interp.cli.fields import DefaultName
from interp.cli.progress import EVERY, Bar
from interp.cli.types import parse_ints
from interp.data.hub import HubError, Kind, ask_hub
from interp.data.options import check_world
from interp.data.pairs import SPLITS, DataError, PairSet
from interp.drawing.markup import plural
from interp.errors import UserError, quoted, without_number
from interp.runs.files import MANIFEST, check_tree
from interp.runs.replay import Replay
from interp.sweep.executors.ray_cluster import cluster
from interp.sweep.executors.ray_tasks import go_to
from interp.sweep.sharing import Shard
from training.experiment import RECIPES, Experiment, PaperConfig
from training.launching import alone
from training.parts import check_parts, write_manifest
from training.trackers import check_trackers

PROG = "python -m training.paper"
DESCRIPTION = """\
Fine-tune with each objective and several seeds, evaluate every model and the base, and print the paper's tables.
The same command continues an unfinished folder; finished runs are not repeated."""
EPILOG = """\
examples:
  python -m training.paper
      the embedded toy CLIP and its world, three seeds; 28 CPU minutes, a quarter of an hour on two cores
  python -m training.paper --preset paper --data concadia:data/concadia --blv data/blv
      the authors' settings, five seeds; needs a GPU, Concadia, the ratings, and the hub or local copies of its files
  python -m training.paper --preset paper --objectives behavioral-lora,iit-das-lora --seeds 0 --out runs/paper
      two trainings of one seed; other commands may work in the folder at the same time
  python -m training.paper --preset paper --shard 3/20 --out runs/paper
      one of twenty jobs; afterwards one command without --shard makes the tables

files in the folder:
  NAME-seedN/                 each run, with its evaluation/
  base/                       the base's evaluation
  manifest.json               options; --config FOLDER repeats them
  tables/                     the tables as CSV, Markdown and LaTeX; with --preset paper also published numbers
  logs/                       output of each run"""
_MOST_SEEDS = 1000


def preset(given: PaperConfig) -> dict[str, str]:
    """Return the defaults of the preset `paper`; empty for `toy`."""
    if given.preset == "toy":
        return {}
    return {
        "model": "openai/clip-vit-base-patch32",
        "data": "concadia:data/concadia",
        "blv": "data/blv",
        "transfer": "cifar100,food101,imagenet",
        "seeds": "0-4",
        "out": DefaultName("runs/paper"),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(PaperConfig, PROG, DESCRIPTION, EPILOG, argv, preset, Replay("paper", preset))
    with alone():  # each run is a separate process
        return cli.run(lambda: paper(config), on_interrupt=lambda: "finished runs are kept; the same command continues")


def paper(config: PaperConfig) -> int:
    """Check that all inputs exist, run the missing experiments, and print the tables.

    Raises:
        UserError: an input is missing, or a run failed.
    """
    check_trackers(config.log_with)
    import torch

    from interp.clip.devices import check_device
    from training.evaluation.compare import compare

    cli.check_bounds(config)
    check_world(config.model, config.data)
    config.check_engine()
    seeds = parse_ints(config.seeds, "--seeds")
    if len(seeds) > _MOST_SEEDS:
        raise UserError(f"--seeds names {len(seeds)} seeds, but at most {_MOST_SEEDS} are allowed; name fewer")
    whole = _experiments(seeds, _recipes(config))
    part = None if config.shard is None else Shard.parse(config.shard)
    chosen = whole if part is None else whole[part.number - 1 :: part.total]
    if absent := missing(config):
        raise UserError(f"cannot run: {'; '.join(f'({i}) {each}' for i, each in enumerate(absent, start=1))}")
    if config.device is not None:
        check_device(config.device)
    gpu = torch.cuda.is_available() if config.device is None else config.device != "cpu"
    out = Path(config.out)
    _make_folder(out)
    check_parts(out, config)
    if part is not None or not (out / MANIFEST).is_file():
        write_manifest(out, config)  # parts must agree with it
    runs = [Experiment(config, name, seed, gpu) for name, seed in whole]
    wanted = [run for run, which in zip(runs, whole, strict=True) if which in chosen]
    if not wanted:
        print(f"part {config.shard} has no run: there are more parts than runs ({len(runs)})")
        return 0
    print(f"{_to_do(wanted, runs, config)}; results go to {out}", end="\n\n", flush=True)
    with (
        closing(_on_cluster(config, chosen) if config.engine == "ray" else _here(config, wanted)) as done,
        Bar(total=len(wanted), desc="runs", unit="run", leave=True) as bar,
    ):
        for count in done:
            bar.update(count)
            if not count and not sys.stderr.isatty():
                print("".join(f"{line}\n" for run in wanted if (line := run.last_line())), end="", file=sys.stderr)
    write_manifest(out, config)
    if left := [] if part is None else [run for run in runs if not _is_evaluated(run)]:
        print(f"{plural(len(left), 'run')} left for other parts; the command without --shard makes the tables")
    else:
        print(compare([run.folder for run in runs], out / "tables", paper=config.preset == "paper"))
    return 0


def _experiments(seeds: Sequence[int], names: Sequence[str]) -> list[tuple[str, int | None]]:
    """Return names and seeds of the experiments, the base first."""
    return [("base", None), *((name, seed) for seed in seeds for name in names)]


def _to_do(wanted: Sequence[Experiment], runs: Sequence[Experiment], config: PaperConfig) -> str:
    """Return the numbers of runs and optimizer steps that are left, as a sentence."""
    pairs = len(_pairs(config).split("train"))
    steps = [run.steps(pairs) for run in wanted if run.seed is not None]
    counted = f"{len(wanted)} of {plural(len(runs), 'run')}, each a training and an evaluation"
    if not steps:
        return counted
    few, many = min(steps), max(steps)
    each = f"{many:,}" if few == many else f"{few:,} to {many:,}"
    return f"{counted}; each training takes at most {each} optimizer steps, {sum(steps):,} in total"


def _recipes(config: PaperConfig) -> list[str]:
    """Return the trainings that the option names, in the order of `RECIPES`.

    Raises:
        UserError: a training is unknown.
    """
    if config.objectives is None:
        return list(RECIPES)
    named = [name.strip() for name in config.objectives.split(",")]
    if unknown := [name for name in named if name not in RECIPES]:
        raise UserError(f"--objectives: the training {quoted(unknown[0])} does not exist; known: {', '.join(RECIPES)}")
    return [name for name in RECIPES if name in named]


def _is_evaluated(run: Experiment) -> bool:
    from training.evaluation.stored import read

    try:
        read(run.folder)
    except UserError:
        return False
    return True


def _here(config: PaperConfig, runs: Sequence[Experiment]) -> Generator[int]:
    """Carry out experiments in processes of this machine.

    Yields:
        Number of newly finished experiments, at least once a minute.
    """
    with ThreadPoolExecutor(config.jobs or (1 if runs[0].gpu else min(4, cli.cores()))) as pool:
        try:
            left = {pool.submit(run.carry_out) for run in runs}
            while left:
                done, left = wait(left, EVERY, FIRST_COMPLETED)
                for future in done:
                    future.result()
                yield len(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for run in runs:
                run.stop()
            for run in runs:
                run.end()
            raise


def _on_cluster(config: PaperConfig, which: Sequence[tuple[str, int | None]]) -> Generator[int]:
    """Carry out experiments on the nodes of a Ray cluster; yield 1 for each finished experiment."""
    gpus = config.gpus_per_cell
    with cluster(config.address, gpus=gpus or 0.0, most=config.jobs) as nodes:
        if gpus is None and nodes.gpus_there:
            nodes = replace(nodes, gpus=1.0)
        _ = nodes.room
        task = partial(_carry_out, config, Path.cwd(), nodes.gpus > 0)
        for _ in nodes.as_done(task, which):
            yield 1


def _carry_out(config: PaperConfig, start: Path, gpu: bool, which: tuple[str, int | None]) -> None:
    go_to(start, Path(config.out))
    Experiment(config, *which, gpu).carry_out()


def _make_folder(out: Path) -> None:
    """Create the output folder if it does not exist.

    Raises:
        UserError: the folder cannot be written, or a link in it leads elsewhere.
    """
    try:
        (out / "logs").mkdir(parents=True, exist_ok=True)
        check_tree(out)
    except OSError as error:
        raise UserError(f"cannot write '{out}': {error.strerror}; choose another folder with --out") from error


def missing(config: PaperConfig) -> list[str]:
    """Return a sentence for each missing input, with the remedy. No large file is downloaded."""
    from interp.data.transfer import KNOWN, default_sets, load_transfer

    out = []
    loads: list[Callable[[], object]] = [lambda: _pairs(config)]
    if config.ratings is not None:
        loads.append(partial(_ratings, config.ratings))
    wanted: list[tuple[str, str]] = []  # repository of the hub, and name of the classification set
    for spec in filter(None, (config.transfer or default_sets(config.data)).split(",")):
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


def _ratings(folder: str) -> None:
    """Raise `DataError` if a folder holds no ratings."""
    from interp.data.blv import load_blv

    try:
        load_blv(folder)
    except DataError as error:
        raise DataError(f"{error}; --blv none omits the ratings") from error


def _pairs(config: PaperConfig) -> PairSet:
    """Load the pairs.

    Raises:
        DataError: a split has no pairs.
    """
    from interp.data import load_pairs

    pairs = load_pairs(config.data, kinds=config.kinds, split=config.split, limit=config.limit)
    for name in SPLITS:
        pairs.split(name)
    return pairs


def _unreachable(repo: str, kind: Kind) -> str | None:
    """Return the reason why a repository cannot be loaded from the hub or its cache; None if it can be loaded."""
    from huggingface_hub import HfApi, snapshot_download

    name, _, revision = repo.partition("@")
    try:
        snapshot_download(name, repo_type=kind, revision=revision or None, local_files_only=True)
        return None
    except Exception:
        pass  # not in the cache
    try:
        ask_hub(name, revision or "main", kind)
        HfApi().auth_check(name, repo_type=kind)  # also refuses if the terms have not been accepted
        return None
    except HubError as error:
        return str(error)
    except Exception as error:
        lines = str(error).strip().splitlines()
        return without_number(lines[0]) if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
