"""The error of everything that reads data."""

from __future__ import annotations

from interp.errors import UserError


class DataError(UserError):
    """The data cannot be used as asked; the message is one line that names the thing and the mend."""
