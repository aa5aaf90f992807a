"""`python -m figures.make --run RUN...`: make the paper's figures and tables from run folders."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from figures.names import FIGURES, TABLES
from interp import cli
from interp.cli import option
from interp.errors import UserError

PROG = "python -m figures.make"
DESCRIPTION = """\
Draw the paper's figures and write its tables, camera-ready, from the folders of runs that are done.
  fig_pairs          images with description and caption, and their scores before and after fine-tuning
  fig_method         an interchange intervention, with the numbers of one example
  fig_sweep          layer x size, a heatmap for every measure of a sweep
  fig_attributions   words shaded by what they add to the score, by route
  fig_norms          attributions against imageability and concreteness, by route and model
  fig_training       loss, preference and IIA while models were fine-tuned
  fig_tradeoff       preference against lost abilities and seconds of training, with the Pareto front
  fig_dose           preference and abilities where the deviation of Z is multiplied
  table1, 2, 3       preference and abilities; agreement with blind and low-vision readers; norms
A figure that these runs cannot give is named, with the command that it needs."""
EPILOG = """\
examples:
  python -m figures.make --run runs/demo runs/paper-toy
      a sweep, and all models of python -m training.paper
  python -m figures.make --run runs/demo --only fig_sweep

files in the folder:
  fig_*.pdf, fig_*.png   as vectors, and with 300 dots an inch; 16 cm wide, letters of 8 pt
  fig_*.alt.txt          what the figure shows, in words: for readers who do not see it
  table*.tex, .md, .csv  with booktabs; to read; with every digit"""


@dataclass(frozen=True)
class MakeConfig:
    """The options of the command."""

    run: tuple[str, ...] | None = option(
        None,
        "run folders, or folders of run folders: at most one sweep, any number of fine-tunings and evaluations",
        metavar="RUN",
        many=True,
    )
    out: str = option("figures/out", "folder for figures and tables")
    only: tuple[str, ...] | None = option(None, "names of figures or tables", metavar="NAME", many=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(MakeConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: make(config), on_interrupt=lambda: "figures that are done are kept")


def make(config: MakeConfig) -> int:
    """Read the runs, and draw the figures and tables that the options name.

    Raises:
        UserError: a name is unknown, a run cannot be read, or nothing can be made from the runs.
    """
    known = (*FIGURES, *TABLES)
    wanted = config.only or known
    if unknown := [name for name in wanted if name not in known]:
        raise UserError(f"--only: there is no '{unknown[0]}'; known: {', '.join(known)}")
    if not config.run:
        raise UserError("name run folders with --run, as in --run runs/demo runs/paper-toy")
    from figures.prepare import Writer, prepared
    from figures.runs import MissingRun, find
    from interp.cli.progress import Bar

    runs, out = find([Path(run) for run in config.run]), Path(config.out)
    lacking: dict[str, str] = {}
    ready: list[Writer] = []
    with Bar(total=2 * len(wanted), desc="figures") as bar:
        for name in wanted:
            try:
                ready.append(prepared(name, runs))
            except MissingRun as error:
                lacking[name] = str(error)
            bar.update()
        if lacking and (config.only or not ready):
            raise UserError("; ".join(f"{name} {why}" for name, why in lacking.items()))
        files: list[Path] = []
        for write in ready:
            paths, notes = write(out)
            files += paths
            bar.write(cli.spelled("".join(f"note: {note}\n" for note in notes)), end="")
            bar.update()
    print(cli.spelled("".join(f"note: {note}\n" for note in runs.notes)), end="")
    print(cli.spelled("".join(f"not made: {name} {why}\n" for name, why in lacking.items())), end="")
    for path in files:
        print(f"look at  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
