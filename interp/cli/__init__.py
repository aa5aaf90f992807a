"""Options of commands made from a dataclass, text in a terminal, and one-line errors. No torch."""

from interp.cli.fields import argument, flag, option, require_at_most, require_positive
from interp.cli.parsing import command_line, parse
from interp.cli.running import cores, run, version_line
from interp.cli.text import WIDTH, aligned, cut, folded, slug, wrapped

__all__ = [
    "WIDTH", "aligned", "argument", "command_line", "cores", "cut", "flag", "folded", "option", "parse",
    "require_at_most", "require_positive", "run", "slug", "version_line", "wrapped",
]  # fmt: skip
