"""`python -m benchmarks.run`: time the toolkit and its peers side by side, and count the goals that are met."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import torch

from benchmarks import attributions, before, edited_cell, edits, finetune, growth, interventions, prefix_cache, toy_cell
from benchmarks.material import text_lengths
from benchmarks.measure import Machine, Result, check_writable, describe, measure_machine, write_results
from interp import cli
from interp.errors import UserError

PROG = "python -m benchmarks.run"
DESCRIPTION = """\
Time the toolkit against pyvene, captum and peft in one process: on ViT-B/32's text tower with random weights, and for
one cell on the toy.

Each line reports the time of the peer divided by the time of the toolkit: median and quartiles over pairs of
consecutive runs. Both sides must give the same numbers before they are timed. `limit` is the least possible time
divided by the measured time. The least possible time follows from the operations and bytes that the step needs, and
from the measured rates of a matrix product and of a copy."""
EPILOG = """\
groups:
  interventions    counterfactual scores and DAS steps, against pyvene
  prefix           the same, against a prefix cache that stores streams and reruns all positions of later blocks
  edits            a step of an edit, against a hook in a full forward pass, and against the clean run
  finetune         an IIT-DAS step, against a behavioral one and against pyvene
  cell             a step of a fine-tuned cell of the toy, against peft's own forward pass; training of an edited cell
  attributions     mediated integrated gradients, against captum
  cache            memory of the clean run
  sweep            the whole sweep of 2,000 pairs (about 20 minutes)
  growth           the whole sweep of 500 to 4,000 pairs (more than an hour and a half; includes sweep)

examples:
  python -m benchmarks.run --quick --concadia data/concadia
      the cheaper comparisons, with few repetitions
  python -m benchmarks.run --concadia data/concadia --json results.json"""
GROUPS = ("interventions", "prefix", "edits", "finetune", "cell", "attributions", "cache", "sweep", "growth")


@dataclass(frozen=True)
class Options:
    """Options of the command."""

    quick: bool = cli.option(False, "two repetitions of the cheaper comparisons, no whole sweep; about two minutes")
    only: str | None = cli.option(
        None, f"comma-separated groups to run: {', '.join(GROUPS)}; by default all", metavar="GROUPS"
    )
    concadia: str | None = cli.option(
        None, "folder of Concadia or of a sample, which gives the lengths of texts; by default log-normal lengths"
    )
    repeats: int | None = cli.option(None, "number of timings of each pair of runs; by default 15, or 2 with --quick")
    before: str | None = cli.option(None, "also fine-tune the toy at this commit, and compare", metavar="COMMIT")
    threads: int = cli.option(2, "number of threads of torch")
    json: str | None = cli.option(None, "write the results here, with the machine's description", metavar="FILE")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status: 1 if a measured goal is missed."""
    options = cli.parse(Options, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(
        lambda: run(options), on_interrupt=lambda: "what was measured is in the --json file, if one was named"
    )


def run(options: Options) -> int:
    """Measure, show, and write.

    Raises:
        UserError: an option does not fit, or a folder cannot be read.
    """
    cli.check_bounds(options)
    groups = _groups(options)
    check_writable(options.json)
    lengths = text_lengths(options.concadia)
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)  # pyvene explains `use_fast` again for every model
    machine, started = measure_machine(), time.perf_counter()
    about = describe(machine)
    print(
        f"{about['cpu']}, {about['threads']} threads: {about['gflops']} GFLOP/s in a matrix product, "
        f"{about['gigabytes_per_second']} GB/s in a copy; {_where_from(options)}\n"
    )
    results = []
    print(line(["benchmark", "peer", "median", "quartiles", "limit", "goal", ""]))
    for result in _measure(options, groups, machine, lengths):
        results.append(result)
        print(line(cells(result)), flush=True)
        if options.json is not None:  # after each result, so that no hours are lost
            content = {
                "lengths": _where_from(options),
                "results": [asdict(result) | {"met": result.met} for result in results],
            }
            write_results(options.json, PROG, machine, content)
    with_goal = [result for result in results if result.goal is not None]
    met = sum(bool(result.met) for result in with_goal)
    took = (time.perf_counter() - started) / 60
    print(f"\n{took:.1f} minutes; {met} of {len(with_goal)} measured goals are met")
    return 0 if met == len(with_goal) else 1


def _groups(options: Options) -> list[str]:
    chosen = options.only.split(",") if options.only is not None else list(GROUPS)
    if unknown := [name for name in chosen if name not in GROUPS]:
        raise UserError(f"unknown group '{unknown[0]}'; known: {', '.join(GROUPS)}")
    long = [name for name in chosen if name in ("sweep", "growth")]
    if options.quick and options.only is not None and long:
        raise UserError(f"--quick leaves out the group '{long[0]}'; run it without --quick")
    return [name for name in chosen if not (options.quick and name in long)]


def _where_from(options: Options) -> str:
    if options.concadia is None:
        return "texts about as long as in Concadia (log-normal); for its own lengths give --concadia"
    return "texts as long as in Concadia"


def _measure(options: Options, groups: list[str], machine: Machine, lengths: list[int]) -> Iterator[Result]:
    repeats = options.repeats or (2 if options.quick else 15)
    whole = not options.quick
    if "interventions" in groups:
        yield from interventions.measure(machine, repeats, whole)
    if "prefix" in groups:
        yield from prefix_cache.measure(repeats)
    if "edits" in groups:
        yield from edits.measure(machine, repeats, whole)
        if whole:
            yield from edits.on_concadia(lengths)
    if "finetune" in groups:
        yield from finetune.measure(machine, repeats, lengths)
    if "cell" in groups:
        yield from toy_cell.measure(repeats)
        if whole:
            yield from edited_cell.measure(repeats)
    if options.before is not None:
        yield from before.measure(options.before, repeats)
    if "attributions" in groups:
        yield from attributions.measure(machine, repeats, whole)
    if "cache" in groups:
        yield growth.cache_memory(lengths)
    if "sweep" in groups or "growth" in groups:
        yield from growth.measure(lengths, "growth" in groups)


WIDTHS = (88, 34, 9, 17, 7, 9, 6)


def line(values: Sequence[str]) -> str:
    """Return a line of the table, with the first two columns aligned to the left."""
    shown = [v.ljust(w) if i < 2 else v.rjust(w) for i, (v, w) in enumerate(zip(values, WIDTHS, strict=True))]
    return " ".join(shown).rstrip()


def cells(result: Result) -> list[str]:
    """Return the cells of the table for a result."""

    def number(value: float) -> str:
        return f"{value:.0f}" if value >= 100 else f"{value:.2f}"

    quartiles = f"{number(result.low)} - {number(result.high)}" if result.n > 1 and result.unit == "x" else ""
    limit = f"{100 * result.share:.0f} %" if result.share is not None else ""
    goal = f"{result.goal[0]} {result.goal[1]:g}" if result.goal is not None else ""
    verdict = {True: "met", False: "missed", None: ""}[result.met]
    return [result.name, result.peer, f"{number(result.value)} {result.unit}", quartiles, limit, goal, verdict]


if __name__ == "__main__":
    sys.exit(main())
