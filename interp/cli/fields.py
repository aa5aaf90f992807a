"""Command-line options as fields of a dataclass, with their help, role and bounds. No torch."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Any

from interp.errors import UserError


class Role(Enum):
    """Relation of an option to the run that it is given for.

    Attributes:
        SETTING: numbers depend on its value, which is part of a result's identity.
        LOADED: the option names content to be loaded, which is part of a result's identity. A name in the manifest of
            an earlier run is loaded only if the named content is embedded or the user allows it.
        IMPLIED: the option changes no number by itself: a preset, or a choice of pairs or cells, which the identity
            records in another way.
        WORK: the option says where or how the work is done, whom to trust, or whom to notify. An earlier run does not
            pass the option on.
    """

    SETTING = auto()
    LOADED = auto()
    IMPLIED = auto()
    WORK = auto()


SETTING, LOADED, IMPLIED, WORK = Role


class DefaultName(str):
    """Default name of an option, which a command can tell from an equal name that the user typed."""


def is_default(value: Any, default: Any) -> bool:
    """Return whether an option has its default value, and the user did not type an equal name.

    >>> is_default(3, 3), is_default("toy", DefaultName("toy")), is_default(DefaultName("toy"), DefaultName("toy"))
    (True, False, True)
    """
    return bool(value == default) and isinstance(value, DefaultName) == isinstance(default, DefaultName)


def option(
    default: Any,
    text: str,
    *,
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    many: bool = False,
    again: bool = False,
    role: Role = SETTING,
    loads: str | None = None,
    least: int = 1,
    most: int | None = None,
) -> Any:
    """Return a dataclass field that is also a command-line option.

    Args:
        text: help text.
        many: True if the option takes several values.
        again: True if the option takes one value each time it is given.
        loads: regular expression of the values that load nothing from elsewhere; makes the option `LOADED`.
        least, most: bounds of a whole number, for `check_bounds`.
    """
    facts = {
        "help": text,
        "metavar": metavar,
        "choices": choices,
        "nargs": "+" if many else None,
        "action": "extend" if many else "append" if again else "store",
        "role": role if loads is None else LOADED,
        "loads": loads,
        "least": least,
        "most": most,
    }
    return dataclasses.field(default=default, metadata=facts)


def argument(text: str, *, metavar: str, many: bool = False) -> Any:
    """Return a dataclass field that is a required positional argument; a tuple of several values, if many."""
    nargs = "+" if many else None
    return dataclasses.field(metadata={"help": text, "metavar": metavar, "place": True, "nargs": nargs})


def flag(name: str) -> str:
    """Return the command-line option of a field.

    >>> flag("max_steps")
    '--max-steps'
    """
    return f"--{name.replace('_', '-')}"


def owned_fields(config: type) -> list[tuple[type, dataclasses.Field[Any]]]:
    """Return each field with the class that declares it first; own fields come before inherited fields."""
    fields = {field.name: field for field in dataclasses.fields(config)}
    owners: dict[str, type] = {}
    for base in config.__mro__:  # the last class in this order that declares a field is its owner
        owners |= {name: base for name in inspect.get_annotations(base) if name in fields}
    return [(base, fields[name]) for base in config.__mro__ for name, owner in owners.items() if owner is base]


def options_of(config: type, *roles: Role) -> Iterator[dataclasses.Field[Any]]:
    """Yield the options that have one of the roles, in the order of the help."""
    return (field for _, field in owned_fields(config) if field.metadata.get("role") in roles)


def settings_of(config: Any) -> dict[str, Any]:
    """Return the options whose values are part of the identity of a result."""
    return {field.name: getattr(config, field.name) for field in options_of(type(config), SETTING)}


def shared_options(config: Any, other: type, *roles: Role) -> dict[str, Any]:
    """Return the values of the options that have one of the roles and that another command has too."""
    names = {field.name for field in dataclasses.fields(other)}
    return {
        field.name: getattr(config, field.name) for field in options_of(type(config), *roles) if field.name in names
    }


def check_bounds(config: Any) -> None:
    """Raise `UserError` if a whole number is too small, or so large that it would only exhaust memory or time."""
    for field in options_of(type(config), *Role):
        value, least, most = getattr(config, field.name), field.metadata["least"], field.metadata["most"]
        if value is None or not str(field.type).startswith("int"):
            continue
        if not value >= least:
            raise UserError(f"{flag(field.name)} must be at least {least}, not {value}")
        if most is not None and value > most:
            raise UserError(f"{flag(field.name)} must be at most {most}, not {value}")
