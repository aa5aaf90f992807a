"""Command `python -m interp.data.concadia check FOLDER`, which compares a copy of Concadia with the published data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.data.concadia.comparison import PUBLISHED, check_concadia
from interp.errors import UserError, quoted

PROG = "python -m interp.data.concadia"
DESCRIPTION = f"""\
Look at a copy of Concadia (Kreiss et al. 2022): is it the {sum(PUBLISHED.values()):,} images that its authors publish,
in their splits, can every item be used and every image be opened, and what is there twice? All that is wrong is
counted, and the first cases are shown. A sample is no whole copy, and is said to be none."""
EPILOG = """\
examples:
  python -m interp.data.concadia check data/concadia
  python -m interp.data.concadia check data/concadia --texts-only

exit status: 0 if all is as published, 1 if something is not, 2 if it cannot be read at all"""


@dataclass(frozen=True)
class Options:
    """The copy."""

    action: str = cli.argument("check, which is all that there is", metavar="check")
    folder: str = cli.argument("with wiki_split.json, and resized/ or resized.zip", metavar="FOLDER")
    texts_only: bool = cli.option(False, "open no image")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit status."""
    options = cli.parse(Options, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _check(options), on_interrupt=lambda: "nothing was changed")


def _check(options: Options) -> int:
    from interp.cli.progress import Bar

    if options.action != "check":
        raise UserError(f"unknown action {quoted(options.action)}; known: check")
    findings = check_concadia(
        Path(options.folder),
        images=not options.texts_only,
        each=lambda names: Bar(names, desc="images", unit="image"),
    )
    said = {True: "ok", False: "DIFFERS", None: ""}
    lines = [["", "found", "published", ""]]
    lines += [[one.what, one.found, one.expected, said[one.ok]] for one in findings]
    print("\n".join(cli.aligned(lines, left=1)))
    for one in findings:
        if one.cases:
            print(f"\n{one.what}:\n" + "\n".join(f"  {case}" for case in one.cases))
    wrong = [one for one in findings if one.ok is False]
    print(f"\n{options.folder}: " + (f"{len(wrong)} things are not as published" if wrong else "as published"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
