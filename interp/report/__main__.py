"""`python -m interp.report RUN`: write the page of a sweep, one HTML file that needs only a browser."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.cli import argument, option
from interp.report import write_report

PROG = "python -m interp.report"
DESCRIPTION = """\
Write the page of a sweep, one HTML file that needs no network: the finding, a heatmap of layers and sizes, the verdict,
preference against its costs, and sections on controls, word norms, directions of Z, examples and all cells. A sweep
writes the page while it runs. This command writes the page again, and also that of a run that was cut off."""
EPILOG = """\
examples:
  python -m interp.report runs/demo
      writes runs/demo/report.html
  python -m interp.report runs/demo --out demo.html"""


@dataclass(frozen=True)
class ReportConfig:
    """Options of the command."""

    run: str = argument("run folder of a sweep", metavar="RUN")
    out: str | None = option(None, "file to write; by default report.html in the run folder", metavar="FILE")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(ReportConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _report(config), on_interrupt=lambda: "nothing was written")


def _report(config: ReportConfig) -> int:
    from interp.report.sweep_run import load_sweep

    path = write_report(load_sweep(config.run), None if config.out is None else Path(config.out))
    print(f"look at  {path}  in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
