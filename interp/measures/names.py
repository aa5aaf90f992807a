"""Names of routes, methods and objectives. No torch."""

from __future__ import annotations

from typing import Literal, NamedTuple

Route = Literal["through", "around", "bypass", "full"]  # routes of attributions
MEASURED: tuple[Route, ...] = ("through", "around", "full")  # routes that sweeps and evaluations report
CONTENT_ROUTES: tuple[Route, ...] = ("through", "full")  # routes that also have measures from the second baseline


class MethodName(NamedTuple):
    """Name of a method that finds subspaces.

    Attributes:
        key: name in options. Names of columns have _ in place of -.
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


# objectives that train an alignment together with a model -> title
ALIGNED = {"iit-das": "IIT-DAS", "iit-das-calibrated": "calibrated IIT-DAS"}
EDIT = "edit"  # objective of a sweep that edits the stream at each cell and freezes the weights
TRAINED = {EDIT: "an edit", **{name: f"{title} (LoRA)" for name, title in ALIGNED.items()}}  # objective -> title


def passes(objective: str) -> tuple[str, ...]:
    """Return the objectives that a sweep trains at each cell, in order; a sweep that only searches has none.

    >>> passes("iit-das"), passes("edit"), passes("das")
    (('edit', 'iit-das'), ('edit',), ())
    """
    if objective not in TRAINED:
        return ()
    return (EDIT,) if objective == EDIT else (EDIT, objective)
