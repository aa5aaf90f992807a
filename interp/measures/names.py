"""Names of routes, methods and objectives. No torch."""

from __future__ import annotations

from typing import Literal, NamedTuple

Route = Literal["through", "around", "bypass", "full"]  # routes of attributions
MEASURED: tuple[Route, ...] = ("through", "around", "full")  # routes that sweeps and evaluations report
CONTENT_ROUTES: tuple[Route, ...] = ("through", "full")  # routes also measured from the second baseline


class MethodName(NamedTuple):
    """Name of a method that finds subspaces.

    Attributes:
        key: name in options and, with _ for -, in columns.
        heading: heading of a column.
        title: name in words.
    """

    key: str
    heading: str
    title: str

    @property
    def column(self) -> str:
        """Part of the names of columns."""
        return self.key.replace("-", "_")


# objectives that train an alignment together with a model, by name, in words
ALIGNED = {"iit-das": "IIT-DAS", "iit-das-calibrated": "calibrated IIT-DAS"}
EDIT = "edit"  # objective of a sweep that edits the stream at each cell, and leaves the weights as they are
TRAINED = {EDIT: "an edit", **{name: f"{title} (LoRA)" for name, title in ALIGNED.items()}}  # in words


def passes(objective: str) -> tuple[str, ...]:
    """Return the objectives by which a sweep trains at its cells, in order; a search alone trains by none.

    >>> passes("iit-das"), passes("edit"), passes("das")
    (('edit', 'iit-das'), ('edit',), ())
    """
    if objective not in TRAINED:
        return ()
    return (EDIT,) if objective == EDIT else (EDIT, objective)
