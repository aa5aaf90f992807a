"""Options of commands that read pairs. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from interp.cli import IMPLIED, DefaultName, option
from interp.data import DATA_HELP, data_sets, is_toy
from interp.errors import UserError, quoted


@dataclass(frozen=True)
class DataOptions:
    """The data."""

    data: str = option("toy", f"data set of pairs: {DATA_HELP}", loads="toy(:charts)?")
    kinds: str | None = option(
        None,
        "columns of a table with the two kinds of text, the preferred kind first; by default description,caption",
        metavar="KIND,KIND",
        role=IMPLIED,
    )
    split: str | None = option(
        None, "use only this split, divided by group (article) into train, val and test", role=IMPLIED
    )
    limit: int | None = option(
        None, "use about this many pairs, drawn at random in the proportions of the splits", role=IMPLIED
    )
    skip_bad_images: bool = option(
        False, "leave out pairs whose image cannot be read, instead of stopping", role=IMPLIED
    )


def check_world(model: str, data: str) -> None:
    """Raise `UserError` if the embedded model would be used by default on data other than its own."""
    if isinstance(model, DefaultName) and not all(map(is_toy, data_sets(data))):
        raise UserError(
            f"the toy model knows only the toy pictures; choose a model for {quoted(data)}, such as "
            "--model openai/clip-vit-base-patch32"
        )
