"""What is measured, and how it is called. No torch."""

from __future__ import annotations

from typing import NamedTuple


class MethodName(NamedTuple):
    """What a way to find a subspace is called.

    Attributes:
        key: in options, and with _ for - in the names of columns.
        heading: of a column.
        title: in words.
    """

    key: str
    heading: str
    title: str
