"""What all commands share: options made from a dataclass, lists of numbers, one-line errors. No torch."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from interp.cli.types import named, real, whole
from interp.errors import LONGEST, UserError, quoted, shown
from interp.processes.signals import Stopped, as_stopped, status_of, stoppable

Config = TypeVar("Config")
WIDTH = 140  # letters of the longest line of a table
# Gives the options of an earlier run, from its name, the options that were typed, and what parses words before them.
_Earlier = Callable[[str, Config, Callable[[Sequence[str]], Config]], Config]
_RUN_AGAIN = "--config"  # as a name of a value, which no field can have
_AGAIN_HELP = (
    "run a run again: options that are not given here are those of this run, a run folder or its manifest.json. --out "
    "must be given, and what says where and how to work is not taken (--jobs, --engine, --resume, --log-with); models, "
    "data and files that it names are loaded only with --trust-run, or if they are given here"
)


class _Parser(argparse.ArgumentParser):
    """argparse, with errors of one line."""

    source = ""  # of what is parsed, for errors, if it was not typed

    def error(self, message: str) -> NoReturn:
        """One line on standard error, exit status 2."""
        self.exit(2, f"error: {self.source}{shown(message, LONGEST)}; see {self.prog} --help\n")


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
    preset: Callable[[Config], Mapping[str, Any]] | None = None, earlier: _Earlier[Config] | None = None,
) -> Config:  # fmt: skip
    """Read a frozen dataclass from the command line; each field made by `option` is an option.

    Args:
        preset: says which defaults follow from the options that were given; those that were given stay.
        earlier: gives the options of the run that `--config` names, for which none were given.
    """
    given = list(sys.argv[1:] if argv is None else argv)

    def ready(words: Sequence[str], source: str = "") -> tuple[Config, str | None]:
        parser = _parser(config, prog, description, epilog)
        parser.source = source
        if earlier is not None:
            parser.add_argument("--config", metavar="RUN", type=named, dest=_RUN_AGAIN, help=_AGAIN_HELP)
        if preset is not None:
            parser.set_defaults(**preset(_read(parser, config, words)[0]))
        return _read(parser, config, words)

    own, run = ready(given)
    if run is None or earlier is None:
        return own
    try:
        return earlier(run, own, lambda words: ready([*words, *given], f"in {quoted(run)}: ")[0])
    except UserError as error:
        _Parser(prog=prog).exit(2, f"error: {' '.join(str(error).split())}\n")


def _parser(config: type, prog: str, description: str, epilog: str) -> _Parser:
    """One with all options, of which those that are inherited stand in the help under the first sentence of the
    docstring of the class that declares them."""
    parser = _Parser(
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
        text, default = field.metadata["help"], field.default
        if isinstance(default, bool):
            group.add_argument(flag(field.name), action="store_true", help=text)
            continue
        shown = f"{text} (default: {default})" if default not in (None, "") else text
        kind = {"int": whole, "float": real}.get(str(field.type).partition(" ")[0], str if default == "" else named)
        group.add_argument(
            flag(field.name), default=default, type=kind, help=shown.replace("%", "%%"),
            metavar=field.metadata["metavar"], choices=field.metadata["choices"], nargs=field.metadata["nargs"],
        )  # fmt: skip
    return parser


def _read(parser: _Parser, config: type[Config], words: Sequence[str]) -> tuple[Config, str | None]:
    """What the words say, and the run that `--config` names."""
    values = vars(parser.parse_args(words))
    for name in (name for name, value in values.items() if value == []):  # argparse passes over a `--` there
        parser.error(f"argument {flag(name)}: a value is expected")
    run = values.pop(_RUN_AGAIN, None)
    return config(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}), run


def flag(name: str) -> str:
    """The option that a field is.

    >>> flag("max_steps")
    '--max-steps'
    """
    return f"--{name.replace('_', '-')}"


def version_line() -> str:
    """What `--version` prints."""
    try:
        return f"clip-descriptions {metadata.version('clip-descriptions')}"
    except metadata.PackageNotFoundError:
        return "clip-descriptions, not installed"


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
            values = [] if value is True else value if isinstance(value, tuple) else [value]
            words += [flag(field.name), *map(str, values)]
    return f"{prog} {shlex.join(words)}".strip()


def require_positive(config: Any, *names: str, least: int = 1) -> None:
    """Raise `UserError` if an option that was given is smaller than `least`, or not a number."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= least:
            raise UserError(f"{flag(name)} must be at least {least}, not {value}")


def require_at_most(config: Any, **most: int) -> None:
    """Raise `UserError` if an option is larger than it can be meant, and would only exhaust memory or time."""
    for name, bound in most.items():
        value = getattr(config, name)
        if value is not None and value > bound:
            raise UserError(f"{flag(name)} must be at most {bound}, not {value}")


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
