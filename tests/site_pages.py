"""The code of a page of the site, and `python -m tests.site_pages FILE`, which runs it from top to bottom.

Blocks of Python share one namespace, as in a notebook; blocks of sh are run by bash, which stops at the first command
that fails; a block with a title is a file, which is written. Blocks of text are what something printed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEAD = re.compile(r'(\w+)(?: title="([^"]+)")?')
LANGUAGES = ("python", "sh", "text", "csv")


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        line: of the page, where it begins.
        title: the file that it is, if any.
    """

    language: str
    content: str
    line: int
    title: str | None = None

    @property
    def runs(self) -> bool:
        """Whether there is something to do."""
        return self.title is not None or self.language in ("python", "sh")


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in their order.

    Raises:
        ValueError: one is in no language that is known.
    """
    for found in BLOCK.finditer(page):
        head, line = HEAD.fullmatch(found[1].strip()), page[: found.start()].count("\n") + 1
        if head is None or head[1] not in LANGUAGES:
            raise ValueError(f"line {line}: a block of {found[1] or 'nothing'}; known: {', '.join(LANGUAGES)}")
        yield Block(head[1], found[2], line, head[2])


def run(block: Block, name: str, known: dict[str, Any], *, apart: bool = False) -> None:
    """Do what a block says, in the current folder.

    Args:
        name: of the page, for tracebacks.
        known: the names that Python knows so far.
        apart: run Python in a process of its own, which knows none.

    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    if block.title is not None:
        Path(block.title).parent.mkdir(parents=True, exist_ok=True)
        Path(block.title).write_text(block.content, encoding="utf-8")
    elif block.language == "sh":
        subprocess.run(["bash", "-euo", "pipefail", "-c", block.content], check=True)
    elif block.language == "python" and apart:
        subprocess.run([sys.executable, "-c", block.content], check=True)
    elif block.language == "python":
        exec(compile("\n" * block.line + block.content, name, "exec"), known)


def main(argv: Sequence[str]) -> int:
    """Run a page."""
    apart = "--apart" in argv
    path = Path(next(one for one in argv if not one.startswith("--")))
    sys.path.insert(0, "")  # what a page writes can be imported, as from a prompt
    known: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.runs:
            print(f"== line {block.line}, {block.language}", flush=True)
            run(block, str(path), known, apart=apart)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
