"""Command `python -m interp.data.concadia check FOLDER`, which compares a copy of Concadia with the published data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.data.concadia.comparison import PUBLISHED, check_concadia
from interp.drawing.markup import plural
from interp.errors import UserError, quoted

PROG = "python -m interp.data.concadia"
DESCRIPTION = f"""\
Compare a copy of Concadia (Kreiss et al. 2022) with the {sum(PUBLISHED.values()):,} images that its authors publish:
items, splits, texts, image files and duplicates. The command counts all faults, and shows the first cases of each
fault. A sample differs from the published data."""
EPILOG = """\
examples:
  python -m interp.data.concadia check data/concadia
  python -m interp.data.concadia check data/concadia --texts-only

exit status: 0 if the copy is as published, 1 if it differs, 2 if it cannot be read"""


@dataclass(frozen=True)
class Options:
    """The copy."""

    action: str = cli.argument("check, the only action", metavar="check")
    folder: str = cli.argument("folder with wiki_split.json, and resized/ or resized.zip", metavar="FOLDER")
    texts_only: bool = cli.option(False, "do not open the images")


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
    verdicts = {True: "ok", False: "DIFFERS", None: ""}
    lines = [["", "found", "published", ""]]
    lines += [[finding.what, finding.value, finding.expected, verdicts[finding.ok]] for finding in findings]
    print("\n".join(cli.aligned(lines, left=1)))
    for finding in findings:
        if finding.cases:
            print(f"\n{finding.what}:\n" + "\n".join(f"  {case}" for case in finding.cases))
    count = sum(finding.ok is False for finding in findings)
    print(f"\n{options.folder}: " + (f"{plural(count, 'check')} failed" if count else "as published"))
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
