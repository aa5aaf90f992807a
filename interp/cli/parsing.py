"""Command lines, parsed into a dataclass and written from a dataclass. No torch."""

from __future__ import annotations

import argparse
import difflib
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from interp.cli.fields import WORK, flag, is_default, options_of, owned_fields
from interp.cli.running import version_line
from interp.cli.spelling import spelled
from interp.cli.types import named, real, whole
from interp.errors import LONGEST, UserError, quoted, shown

Config = TypeVar("Config")
# Function that combines the options of an earlier run with the typed options, given the name of the run, the typed
# options, and a parser that puts words before the typed words.
_Earlier = Callable[[str, Config, Callable[[Sequence[str]], Config]], Config]
_RUN_AGAIN = "--config"  # key of the parsed value; no field can have this name


class _Parser(argparse.ArgumentParser):
    """Argument parser with one-line errors."""

    source = ""  # origin of the parsed words, for errors, if the user did not type them

    def error(self, message: str) -> NoReturn:
        """Print one line on standard error, and exit with status 2."""
        self.exit(2, f"error: {self.source}{shown(message, LONGEST)}; see {self.prog} --help\n")


def parse(
    config: type[Config],
    prog: str,
    description: str,
    epilog: str,
    argv: Sequence[str] | None,
    preset: Callable[[Config], Mapping[str, Any]] | None = None,
    earlier: _Earlier[Config] | None = None,
    choices: Mapping[str, Collection[str]] | None = None,
) -> Config:
    """Read a frozen dataclass from the command line; each field made by `option` is an option.

    Args:
        preset: function from the typed options to the defaults that follow from them. Typed options keep their values.
        earlier: function that adds the options of the run that `--config` names to the typed options.
        choices: choices by option name, for options whose choices the configuration does not know.
    """
    given = list(sys.argv[1:] if argv is None else argv)

    def ready(words: Sequence[str], source: str = "") -> tuple[Config, str | None]:
        parser = _parser(config, prog, description, epilog, choices or {})
        parser.source = source
        if earlier is not None:
            parser.add_argument("--config", metavar="RUN", type=named, dest=_RUN_AGAIN, help=_help_again(config))
        if preset is not None:
            parser.set_defaults(**preset(_read(parser, config, words)[0]))
        return _read(parser, config, words)

    typed, run = ready(given)
    if run is None or earlier is None:
        return typed
    try:
        return earlier(run, typed, lambda words: ready([*words, *given], f"in {quoted(run)}: ")[0])
    except UserError as error:
        _Parser(prog=spelled(prog)).exit(2, f"error: {' '.join(str(error).split())}\n")


def _parser(config: type, prog: str, description: str, epilog: str, choices: Mapping[str, Collection[str]]) -> _Parser:
    """Return a parser of all options.

    The help groups options under the first sentence of the docstring of the class that declares them.
    """
    parser = _Parser(
        prog=spelled(prog),
        description=spelled(description),
        epilog=spelled(epilog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version_line())
    groups: dict[type, argparse._ArgumentGroup] = {}
    for owner, field in owned_fields(config):
        if owner not in groups:
            groups[owner] = parser.add_argument_group((owner.__doc__ or "").partition(".")[0].lower())
        group = groups[owner]
        if field.metadata.get("place"):
            facts = {name: field.metadata[name] for name in ("help", "metavar", "nargs")}
            group.add_argument(field.name, **facts)
            continue
        text, default = field.metadata["help"], field.default
        if isinstance(default, bool):
            group.add_argument(flag(field.name), action="store_true", help=text)
            continue
        plain = " ".join(default) if isinstance(default, tuple) else default
        help_text = f"{text} (default: {plain})" if plain not in (None, "") else text
        kind = {"int": whole, "float": real}.get(str(field.type).partition(" ")[0], str if default == "" else named)
        group.add_argument(
            flag(field.name),
            default=default if field.metadata["action"] == "store" else None,
            type=kind,
            help=help_text.replace("%", "%%"),
            metavar=field.metadata["metavar"],
            choices=choices.get(field.name, field.metadata["choices"]),
            nargs=field.metadata["nargs"],
            action=field.metadata["action"],
        )
    return parser


def _help_again(config: type) -> str:
    """Return the help of `--config`, which lists the options that an earlier run does not pass on."""
    work = [flag(field.name) for field in options_of(config, WORK) if field.name not in ("out", "trust_run")]
    return (
        "repeat a run, given by its folder or its manifest.json, with its options except where options are given here. "
        f"--out must be given. Options on where and how to work are not repeated ({', '.join(work)}). Models, data and "
        "files that the run refers to are loaded only with --trust-run, or if they are given here"
    )


def _read(parser: _Parser, config: type[Config], words: Sequence[str]) -> tuple[Config, str | None]:
    """Return the options in the words, and the run that `--config` names."""
    parsed, unknown = parser.parse_known_args(words)
    if unknown:
        flags = [flag(field.name) for _, field in owned_fields(config)]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], flags, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    values = vars(parsed)
    for name in (name for name, value in values.items() if value == []):  # argparse skips a `--` there
        parser.error(f"argument {flag(name)}: a value is expected")
    run = values.pop(_RUN_AGAIN, None)
    lists = {
        field.name: field.default
        for _, field in owned_fields(config)
        if field.metadata.get("action", "store") != "store"
    }
    values |= {name: tuple(values[name]) if values[name] else default for name, default in lists.items()}
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return config(**values), run


def command_line(prog: str, config: Any) -> str:
    """Return the shell command that gives these options; options with their default values are left out.

    A None in place of another default can only come from a preset, which is an option itself.
    """
    words: list[str] = []
    for _, field in owned_fields(type(config)):
        value = getattr(config, field.name)
        if field.metadata.get("place"):
            words += map(str, value) if isinstance(value, tuple) else [str(value)]
        elif not is_default(value, field.default):
            words += words_of({field.name: value})
    return f"{spelled(prog)} {shlex.join(words)}".strip()


def words_of(options: Mapping[str, Any]) -> list[str]:
    """Return the command-line words for options by name; None and False need no words.

    >>> words_of({"layers": "6", "jobs": None, "merge": True})
    ['--layers', '6', '--merge']
    """
    words = []
    for name, value in options.items():
        if value is not None and value is not False:
            values = [] if value is True else value if isinstance(value, tuple) else [value]
            words += [flag(name), *map(str, values)]
    return words
