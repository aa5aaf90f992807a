"""The error of everything that reads models."""

from __future__ import annotations

from interp.errors import UserError


class ModelError(UserError):
    """The model cannot be loaded or used as asked; the message is one line that says how to mend it."""
