"""The code of a page of the site, and `python -m tests.site_pages FILE`, which runs it from top to bottom.

Blocks of Python share one namespace, as in a notebook; blocks of sh are run by bash, which stops at the first command
that fails. A block with a title is written as a file. Blocks of text are output.
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
    """Block of code.

    Attributes:
        line: first line of the block in the page.
        title: file name; None for a block without a title.
    """

    language: str
    content: str
    line: int
    title: str | None = None

    @property
    def runs(self) -> bool:
        """Return whether the block is to be run or written."""
        return self.title is not None or self.language in ("python", "sh")


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page, in order.

    Raises:
        ValueError: the language of a block is unknown.
    """
    for match in BLOCK.finditer(page):
        head, line = HEAD.fullmatch(match[1].strip()), page[: match.start()].count("\n") + 1
        if head is None or head[1] not in LANGUAGES:
            raise ValueError(f"line {line}: a block of {match[1] or 'nothing'}; known: {', '.join(LANGUAGES)}")
        yield Block(head[1], match[2], line, head[2])


def run(block: Block, name: str, namespace: dict[str, Any], *, apart: bool = False) -> None:
    """Run a block in the current folder.

    Args:
        name: name of the page, for tracebacks.
        namespace: names that earlier blocks defined.
        apart: True to run Python in a new process, without these names.

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
        exec(compile("\n" * block.line + block.content, name, "exec"), namespace)


def main(argv: Sequence[str]) -> int:
    """Run a page."""
    apart = "--apart" in argv
    path = Path(next(argument for argument in argv if not argument.startswith("--")))
    sys.path.insert(0, "")  # modules that a page writes can be imported, as from a prompt
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.runs:
            print(f"== line {block.line}, {block.language}", flush=True)
            run(block, str(path), namespace, apart=apart)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
