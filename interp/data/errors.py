"""Error of all code that reads data."""

from __future__ import annotations

from interp.errors import UserError


class DataError(UserError):
    """Error of data that cannot be used as requested; the message is one line that names the fault and the remedy."""
