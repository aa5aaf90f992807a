"""`python -m figures.make --run RUN...`: draw the figures and write the tables of the paper from run folders."""

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
Draw the figures and write the tables of the paper, camera-ready, from the folders of finished runs.
  fig_pairs          images with description and caption, and the scores before and after fine-tuning
  fig_method         an interchange intervention, with the scores of one example
  fig_sweep          heatmaps of layer x size for each measure of a sweep
  fig_attributions   words shaded by their contributions to the score, by route
  fig_norms          attributions against imageability and concreteness, by route and model
  fig_training       loss, preference and IIA during fine-tuning
  fig_tradeoff       preference against lost abilities and training time, with the Pareto front
  fig_dose           preference and abilities for several doses of Z
  table1             preference and abilities
  table2             agreement with blind and low-vision readers
  table3             norms
  table4             further data sets
If the run for a figure is missing, a message names the figure and the command that makes the run."""
EPILOG = """\
examples:
  python -m figures.make --run runs/demo runs/paper-toy
      draw from a sweep and from all models of python -m training.paper
  python -m figures.make --run runs/demo --only fig_sweep

files in the output folder:
  fig_*.pdf, fig_*.png   vectors, and 300 dots per inch; 16 cm wide, with a font size of 8 pt
  fig_*.alt.txt          description in words, for readers who do not see the figure
  table*.tex, .md, .csv  LaTeX with booktabs, Markdown, and CSV in full precision"""


@dataclass(frozen=True)
class MakeConfig:
    """Options of the command."""

    run: tuple[str, ...] | None = option(
        None,
        "run folders, or folders that contain run folders (required): at most one sweep, and any number of "
        "fine-tunings and evaluations",
        metavar="RUN",
        many=True,
    )
    out: str = option("figures/out", "output folder")
    only: tuple[str, ...] | None = option(
        None, "names of figures or tables to make; by default all", metavar="NAME", many=True
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(MakeConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: make(config), on_interrupt=lambda: "finished figures are kept")


def make(config: MakeConfig) -> int:
    """Read the runs, and make the requested figures and tables.

    Raises:
        UserError: a name is unknown, a run cannot be read, or nothing can be made from the runs.
    """
    names = (*FIGURES, *TABLES)
    wanted = config.only or names
    if unknown := [name for name in wanted if name not in names]:
        raise UserError(f"--only: there is no figure or table '{unknown[0]}'; choose from {', '.join(names)}")
    if not config.run:
        raise UserError("there are no run folders; add them with --run, as in --run runs/demo runs/paper-toy")
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
            raise UserError("; ".join(f"{name} {need}" for name, need in lacking.items()))
        files: list[Path] = []
        for write in ready:
            paths, notes = write(out)
            files += paths
            bar.write(cli.spelled("".join(f"note: {note}\n" for note in notes)), end="")
            bar.update()
    print(cli.spelled("".join(f"note: {note}\n" for note in runs.notes)), end="")
    print(cli.spelled("".join(f"not made: {name} {need}\n" for name, need in lacking.items())), end="")
    made = dict.fromkeys(path.name.partition(".")[0] for path in files)
    print(f"look at  {out}\n{cli.wrapped(', '.join(made))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
