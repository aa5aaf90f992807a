"""Options as fields of a dataclass, with everything that is known of them. No torch."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

from interp.errors import UserError


def option(
    default: Any, text: str, *, metavar: str | None = None, choices: Sequence[str] | None = None, many: bool = False
) -> Any:
    """Return a dataclass field that is also a command-line option; `many` takes several values."""
    facts = {"help": text, "metavar": metavar, "choices": choices, "nargs": "+" if many else None}
    return dataclasses.field(default=default, metadata=facts)


def argument(text: str, *, metavar: str) -> Any:
    """Return a dataclass field that must be given on the command line, by its place."""
    return dataclasses.field(metadata={"help": text, "metavar": metavar, "place": True})


def flag(name: str) -> str:
    """Return the option that a field is.

    >>> flag("max_steps")
    '--max-steps'
    """
    return f"--{name.replace('_', '-')}"


def owned_fields(config: type) -> list[tuple[type, dataclasses.Field[Any]]]:
    """Return each field with the class that declares it first; own fields come before inherited ones."""
    fields = {field.name: field for field in dataclasses.fields(config)}
    owners: dict[str, type] = {}
    for base in config.__mro__:  # the last one to declare a field is where it belongs
        owners |= {name: base for name in inspect.get_annotations(base) if name in fields}
    return [(base, fields[name]) for base in config.__mro__ for name, owner in owners.items() if owner is base]


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
