"""`python -m training.evaluate`: evaluate a CLIP's preference, its abilities, and its agreement with readers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from interp import cli
from interp.clip.names import check_named
from interp.data import data_sets
from interp.data.options import check_world
from interp.errors import UserError
from interp.runs.replay import Replay
from training.config import EvaluateConfig, evaluation_preset
from training.evaluation.tasks import ON_REQUEST, ON_SEVERAL, TASKS, units_of

_OF_SCORES = ("preference", "blv")  # tasks that need only scores
PROG = "python -m training.evaluate"
_TASKS = ";\n".join(f"  * {name}: {about}" for name, about in TASKS.items())
DESCRIPTION = f"""\
Evaluate a CLIP, or given scores, on tasks:
{_TASKS}.
With --compare, print the tables of several evaluated models and seeds side by side instead."""
EPILOG = """\
examples:
  python -m training.evaluate --model runs/iit-das --out runs/iit-das/evaluation
      a fine-tuned run, on the data and the splits of its training
  python -m training.evaluate --model openai/clip-vit-base-patch32 --data concadia:data/concadia --blv data/blv
      four tasks; downloads CIFAR-100, Food101 and ImageNet (validation), unless --transfer NAME=FOLDER names files
  python -m training.evaluate --tasks blv --scores reference_clipscores.csv --blv data/blv
      published scores instead of a model
  python -m training.evaluate --model runs/iit-das --tasks dose
      preference and abilities as functions of the gain of the run's subspace Z
  python -m training.evaluate --model runs/iit-das --data toy,toy:charts
      preference on a further data set, compared with the first data set and with words alone
  python -m training.evaluate --compare runs/paper-toy/base runs/paper-toy/*-seed*
      the paper's tables: mean and standard deviation over seeds; --paper adds published numbers
  python -m training.evaluate --config runs/iit-das/evaluation --model runs/seed1 --out runs/seed1/evaluation
      another model, with the options of an earlier evaluation

files in the output folder:
  results.csv, results.json   one row for each number, with interval and n
  manifest.json               arguments, versions, fingerprints
  examples.json, examples/    a few held-out pairs, for figures"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    earlier = Replay("evaluation", evaluation_preset)
    config = cli.parse(EvaluateConfig, PROG, DESCRIPTION, EPILOG, argv, evaluation_preset, earlier)
    return cli.run(lambda: assess(config), on_interrupt=lambda: "finished tasks are kept; the same command continues")


def assess(config: EvaluateConfig) -> int:
    """Check the options, evaluate or compare, and print the table.

    Raises:
        UserError: an option cannot be satisfied; nothing has been written then.
    """
    if config.compare is not None:
        from training.evaluation.compare import compare

        folders = [Path(run) for run in config.compare]
        print(compare(folders, Path(config.out) if config.out else None, paper=config.paper))
        return 0
    if config.paper:
        raise UserError("--paper needs --compare: name the runs with --compare RUN..., or leave --paper out")
    cli.check_bounds(config)
    tasks = _tasks(config)
    if config.scores is not None:
        from training.evaluation.score_evaluation import of_scores as prepare
    else:
        check_world(config.model, config.data or config.ratings or "toy")
        check_named(config.model, config.tokenizer)  # before torch is loaded, which takes longer than this check
        from training.evaluation.model_evaluation import of_model as prepare
    from interp.report.terminal import verdict_lines
    from training.evaluation.aligned_subspace import verdict_of
    from training.evaluation.jobs import carry_out
    from training.evaluation.numbers import terminal_table

    plan = prepare(config, tasks)
    rows, notes = carry_out(plan, arguments=asdict(config), command=cli.command_line(PROG, config))
    print("".join(f"note: {note}\n" for note in dict.fromkeys(notes)), end="")
    print(terminal_table(rows, units_of((row.task for row in rows), plan.contrast)))
    if answers := verdict_of(rows, plan.contrast) if config.scores is None else []:
        print("\n" + "\n".join(verdict_lines(answers, "Verdict on the rotation (the page of a sweep has the rules):")))
    print(f"\nlook at  {plan.out / 'results.csv'}  (or .json): the same numbers in full precision")
    return 0


def _tasks(config: EvaluateConfig) -> list[str]:
    """Return the tasks of the option; by default all tasks that the other options allow."""
    if config.tasks is None:
        able = _OF_SCORES if config.scores is not None else [task for task in TASKS if task not in ON_REQUEST]
        chosen = [task for task in able if task != "blv" or config.ratings is not None]
        if len(data_sets(config.data or "")) < 2:
            chosen = [task for task in chosen if task != ON_SEVERAL]
    else:
        chosen = list(dict.fromkeys(task.strip() for task in config.tasks.split(",")))
        if unknown := [task for task in chosen if task not in TASKS]:
            raise UserError(f"--tasks: the task '{unknown[0]}' does not exist; known: {', '.join(TASKS)}")
    if config.scores is not None and (needs := [task for task in chosen if task not in _OF_SCORES]):
        raise UserError(f"the task {needs[0]} needs a model, but --scores gives only scores; give --model instead")
    if config.scores is not None and len(chosen) > 1:
        raise UserError("--scores is a file for one task: choose the task with --tasks preference or --tasks blv")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
