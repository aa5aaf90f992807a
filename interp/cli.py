"""What all commands share: options made from a dataclass, lists of numbers, one-line errors. No torch."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import math
import os
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from interp.errors import LONGEST, UserError, quoted, shown
from interp.stopping import Stopped, as_stopped, status_of, stoppable

Config = TypeVar("Config")
MOST = 2**32 - 1  # the largest whole number that an option takes; seeds go no further
LONGEST_PATH = 4096  # letters
WIDTH = 140  # letters of the longest line of a table


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    def error(self, message: str) -> NoReturn:
        """One line on standard error, exit status 2."""
        self.exit(2, f"error: {shown(message, LONGEST)}; see {self.prog} --help\n")


def option(
    default: Any, text: str, *, metavar: str | None = None, choices: Sequence[str] | None = None, many: bool = False
) -> Any:
    """A dataclass field that is also a command-line option, with its help text; `many` takes several values."""
    facts = {"help": text, "metavar": metavar, "choices": choices, "nargs": "+" if many else None}
    return dataclasses.field(default=default, metadata=facts)


def argument(text: str, *, metavar: str) -> Any:
    """A dataclass field that must be given on the command line, by its place."""
    return dataclasses.field(metadata={"help": text, "metavar": metavar, "place": True})


def parse(
    config: type[Config], prog: str, description: str, epilog: str, argv: Sequence[str] | None,
    preset: Callable[[Config], Mapping[str, Any]] | None = None,
) -> Config:  # fmt: skip
    """Read a frozen dataclass from the command line; each field made by `option` is an option.

    Options that are inherited stand in the help under the first sentence of the docstring of the class that declares
    them.

    Args:
        preset: says which defaults follow from the options that were given; those that were given stay.
    """
    parser = Parser(
        prog=prog, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=version_line())
    groups: dict[type, argparse._ArgumentGroup] = {}
    for owner, field in _fields(config):
        if owner not in groups:
            groups[owner] = parser.add_argument_group((owner.__doc__ or "").partition(".")[0].lower())
        group = groups[owner]
        if field.metadata.get("place"):
            group.add_argument(field.name, help=field.metadata["help"], metavar=field.metadata["metavar"])
            continue
        flag = f"--{field.name.replace('_', '-')}"
        text, default = field.metadata["help"], field.default
        if isinstance(default, bool):
            group.add_argument(flag, action="store_true", help=text)
            continue
        shown = f"{text} (default: {default})" if default is not None else text
        kind = {"int": _whole, "float": _real}.get(str(field.type).partition(" ")[0], str if default == "" else _named)
        group.add_argument(
            flag, default=default, type=kind, help=shown.replace("%", "%%"), metavar=field.metadata["metavar"],
            choices=field.metadata["choices"], nargs=field.metadata["nargs"],
        )  # fmt: skip

    def read() -> Config:
        values = vars(parser.parse_args(argv))
        for name in (name for name, value in values.items() if value == []):  # argparse passes over a `--` there
            parser.error(f"argument --{name.replace('_', '-')}: a value is expected")
        return config(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})

    if preset is not None:
        parser.set_defaults(**preset(read()))
    return read()


def version_line() -> str:
    """What `--version` prints."""
    try:
        return f"clip-descriptions {metadata.version('clip-descriptions')}"
    except metadata.PackageNotFoundError:
        return "clip-descriptions, not installed"


def _whole(text: str) -> int:
    """An option that is a whole number; none is meant to be larger than the largest seed."""
    if not re.fullmatch(r"\s*[+-]?\d+\s*", text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a whole number")
    if len(text.strip()) > 20 or abs(int(text)) > MOST:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is beyond {MOST}, which cannot be meant")
    return int(text)


def _real(text: str) -> float:
    """An option that is a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a number that can be used")
    return value


def _named(text: str) -> str:
    """An option that is a name, a path or a list of these; none is empty, or longer than a path can be."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; leave the option out, or give it a value")
    if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not UTF-8; rename the file")
    if len(text) > LONGEST_PATH:
        raise argparse.ArgumentTypeError(f"{quoted(text)} has {len(text)} letters; the most are {LONGEST_PATH}")
    return text


def _fields(config: type) -> list[tuple[type, dataclasses.Field[Any]]]:
    """The class that declares each field first, and the field as it is now; own ones come before inherited ones."""
    fields = {field.name: field for field in dataclasses.fields(config)}
    owners: dict[str, type] = {}
    for base in config.__mro__:  # the last one to declare a field is where it belongs
        owners |= {name: base for name in inspect.get_annotations(base) if name in fields}
    return [(base, fields[name]) for base in config.__mro__ for name, owner in owners.items() if owner is base]


def command_line(prog: str, config: Any) -> str:
    """The command that gives these options, for a shell; what is as by default is left out.

    None in place of another default can only come from a preset, which is an option itself.
    """
    words = []
    for _, field in _fields(type(config)):
        value = getattr(config, field.name)
        if field.metadata.get("place"):
            words.append(str(value))
        elif value is not None and value != field.default:
            flag = f"--{field.name.replace('_', '-')}"
            words += [flag] if value is True else [flag, *map(str, value if isinstance(value, tuple) else [value])]
    return f"{prog} {shlex.join(words)}".strip()


def require_positive(config: Any, *names: str, least: int = 1) -> None:
    """Raise `UserError` if an option that was given is smaller than `least`, or not a number."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= least:
            raise UserError(f"--{name.replace('_', '-')} must be at least {least}, not {value}")


def require_at_most(config: Any, **most: int) -> None:
    """Raise `UserError` if an option is larger than it can be meant, and would only exhaust memory or time."""
    for name, bound in most.items():
        value = getattr(config, name)
        if value is not None and value > bound:
            raise UserError(f"--{name.replace('_', '-')} must be at most {bound}, not {value}")


def parse_ints(text: str, name: str, *, low: int = 0) -> list[int]:
    """Read whole numbers and ranges, as in 6-12 or 2,4,8; sorted, each once.

    >>> parse_ints("6-8,12", "--layers")
    [6, 7, 8, 12]

    Raises:
        UserError: not numbers, a range that runs backwards, or a number below `low`.
    """
    given = f"{name} {shown(text)}"
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if max(len(first), len(last)) > 20:
            raise UserError(f"{given}: {quoted(part.strip())} is beyond {MOST}, which cannot be meant")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"{given}: {quoted(part.strip())} is neither a number nor a range; write 6-12 or 2,4,8")
        start, stop = int(first), int(last) if dash else int(first)
        if stop < start:
            raise UserError(f"{given} runs backwards; write {stop}-{start}")
        if start < low:
            raise UserError(f"{given}: {start} is too small, the least is {low}")
        if stop > MOST:
            raise UserError(f"{given}: {stop} is beyond {MOST}, which cannot be meant")
        if stop - start > 10_000:
            raise UserError(f"{given} names {stop - start + 1} numbers; that cannot be meant")
        found.update(range(start, stop + 1))
    return sorted(found)


def slug(name: str) -> str:
    """What a model or data set is called in a file's name.

    >>> slug("openai/clip-vit-base-patch32")
    'clip-vit-base-patch32'
    """
    kept = "".join(letter if letter.isalnum() else "-" for letter in Path(name.rstrip("/")).name.lower())
    return kept.strip("-") or "x"


def cores() -> int:
    """Cores that this process may use, which in a container can be fewer than there are."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def aligned(lines: Sequence[Sequence[str]], *, left: int = 0) -> list[str]:
    """Lines of a table in plain text: columns as wide as they need be, the first `left` of them flush left.

    >>> aligned([["a", "1"], ["bb", "10"]], left=1)
    ['a    1', 'bb  10']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def folded(lines: Sequence[Sequence[str]], *, left: int = 1, width: int = WIDTH) -> list[str]:
    """`aligned` lines that are no wider than a terminal: columns that have no room go on below, with the first ones.

    >>> folded([["a", "one", "two"], ["b", "1", "2"]], width=6)
    ['a  one', 'b    1', '', 'a  two', 'b    2']

    Args:
        left: columns that are repeated, and flush left. A line of these and a single other one is cut to the width.
    """
    blocks: list[list[str]] = []
    first = left
    while first < len(lines[0]) or not blocks:
        for last in range(len(lines[0]), first - 1, -1):
            block = aligned([[*line[:left], *line[first:last]] for line in lines], left=left)
            if last <= first + 1 or max(map(len, block)) <= width:
                break
        blocks.append([cut(line, width) for line in block])
        first = max(last, first + 1)
    return [line for number, block in enumerate(blocks) for line in ([""] if number else []) + block]


def cut(text: str, width: int) -> str:
    """A text of no more than so many letters.

    >>> cut("imageability", 6)
    'image…'
    """
    return text if len(text) <= width else f"{text[: width - 1]}…"


def wrapped(text: str, width: int = WIDTH) -> str:
    """Lines of prose that are no wider than a terminal."""
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n"))


def run(main: Callable[[], int], *, on_interrupt: Callable[[], str]) -> int:
    """Call a command's body; the exit status.

    An error of the user, a disk or memory that has run out become one line and status 2. Ctrl-C, SIGTERM and SIGHUP
    become a hint how to go on, and 130, 143 and 129.
    """
    try:
        with stoppable():
            return main()
    except UserError as error:
        said = str(error)
    except KeyboardInterrupt as caught:
        came = as_stopped(caught)
        how = f"ended by {came.name}" if isinstance(came, Stopped) else "interrupted"
        print(f"\n{how}; {on_interrupt()}", file=sys.stderr)
        return status_of(came)
    except BrokenPipeError:  # of a reader, such as head, that has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except OSError as error:
        where = f"'{error.filename}': " if error.filename else ""
        said = f"{where}{error.strerror or error}; mend that, and the same command goes on"
    except MemoryError:
        said = "there is not enough memory; use fewer data (--limit) or a smaller model"
    print(f"error: {' '.join(said.split())}", file=sys.stderr)
    return 2
