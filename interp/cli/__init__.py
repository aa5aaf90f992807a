"""Options of commands made from a dataclass, text in a terminal, and one-line errors. No torch."""

from interp.cli.fields import (
    IMPLIED,
    LOADED,
    SETTING,
    WORK,
    DefaultName,
    Role,
    argument,
    check_bounds,
    flag,
    is_default,
    option,
    options_of,
    settings_of,
    shared_options,
)
from interp.cli.parsing import command_line, parse, words_of
from interp.cli.running import cores, run, version_line
from interp.cli.spelling import spell_as, spelled
from interp.cli.text import WIDTH, aligned, cut, folded, slug, wrapped

__all__ = [
    "IMPLIED",
    "LOADED",
    "SETTING",
    "WIDTH",
    "WORK",
    "DefaultName",
    "Role",
    "aligned",
    "argument",
    "check_bounds",
    "command_line",
    "cores",
    "cut",
    "flag",
    "folded",
    "is_default",
    "option",
    "options_of",
    "parse",
    "run",
    "settings_of",
    "shared_options",
    "slug",
    "spell_as",
    "spelled",
    "version_line",
    "words_of",
    "wrapped",
]
