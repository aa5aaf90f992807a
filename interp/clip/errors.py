"""Error of all code that reads models."""

from __future__ import annotations

from interp.errors import UserError


class ModelError(UserError):
    """Error of a model that cannot be loaded or used as requested; the message is one line that gives the remedy."""
