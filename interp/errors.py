"""The one kind of error that a command turns into a line and exit status 2."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user can mend. The message is one line: what it is, what was expected, how to mend it."""
