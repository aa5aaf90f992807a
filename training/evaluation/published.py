"""Comparison of published numbers with those of models, for `training.evaluate --compare RUN… --paper`. No torch."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal

import pandas as pd

from interp.cli import folded, wrapped
from interp.errors import UserError
from interp.runs.files import write_atomic
from interp.runs.spreadsheet import csv_text
from training.evaluation.grouping import base_among, groups_of

if TYPE_CHECKING:
    from training.evaluation.stored import Evaluation

PAPER_BASE = "openai/clip-vit-base-patch32"
_NAME = "published"
_Models = Literal["base", "fine-tuned"]


@dataclass(frozen=True)
class PublishedNumber:
    """Line of `assets/published.csv`.

    Attributes:
        models: models that the number is compared with: the base (and given scores), or all models with fine-tuned
            weights.
        key: task, of and measure of the models' number, as in `results.csv`.
        lost: True if the number is the loss against the base.
        low, high: ends of the published range, which are equal for a single number; a share is from 0 to 1.
        about: True if the source rounds to whole points.
        prefix: text before each rated text.
        source: publication.
        place: place of the number in the source, and its data.
    """

    models: _Models
    key: tuple[str, str, str]
    lost: bool
    low: float
    high: float
    about: bool
    prefix: str
    source: str
    place: str

    @property
    def title(self) -> str:
        """Name of the number in a table."""
        task, scope, measure = self.key
        name = {"macro_f1": "macro-F1", "pearson": "r"}.get(measure, measure)
        if task == "blv":
            return f"{name} with readers, {scope}"
        return f"{name} on {scope}{', lost' if self.lost else ''}"

    @property
    def share(self) -> bool:
        """True for a share, which is shown in percent."""
        return self.key[0] != "blv"


@dataclass(frozen=True)
class Comparison:
    """Published number and the number of a model.

    Attributes:
        model: name of the model, with the number of its seeds.
        published: published number.
        values: numbers of the model, one for each seed with the number.
        alike: True if no recorded setting differs between both numbers.
    """

    model: str
    published: PublishedNumber
    values: tuple[float, ...]
    alike: bool = True

    @property
    def difference(self) -> float:
        """Distance of the model's mean from the published range; 0 inside the range, NaN if nothing was measured."""
        if not self.values:
            return math.nan
        mean = fmean(self.values)
        return mean - min(max(mean, self.published.low), self.published.high)


@cache
def published_numbers() -> tuple[PublishedNumber, ...]:
    """Read the file of published numbers."""
    text = (files("training.evaluation") / "assets" / f"{_NAME}.csv").read_text(encoding="utf-8")
    return tuple(
        PublishedNumber(
            "base" if row["models"] == "base" else "fine-tuned",
            (row["task"], row["of"], row["measure"]),
            row["lost"] == "yes",
            float(row["low"]),
            float(row["high"]),
            row["about"] == "yes",
            row["prefix"],
            row["source"],
            row["place"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def with_published(evaluations: Sequence[Evaluation], out: Path | None) -> str:
    """Return published numbers next to those of models, as text; also write files if a folder is given.

    Args:
        found: evaluations of one base (`training.evaluation.compare.check_alike`).
        out: folder for the files.

    Raises:
        UserError: no model has a published counterpart.
    """
    rows = comparisons(evaluations)
    if not rows:
        raise UserError("--paper: no published numbers exist for these models; name a base or a fine-tuned run")
    if out is not None:
        write_atomic(out / f"{_NAME}.csv", csv_text(_frame(rows)).encode())
        write_atomic(out / f"{_NAME}.md", _markdown(rows, evaluations).encode())
    title = f"{_NAME}: published numbers, and numbers of these models (% or r; mean ± SD over n seeds)"
    return "\n".join([wrapped(title), "", *folded(_texts(rows), left=2), "", wrapped(_caution(evaluations))])


def comparisons(evaluations: Sequence[Evaluation]) -> list[Comparison]:
    """Return a row for each model and each published number that it is compared with, measured or not."""
    base = base_among(evaluations)
    return [
        Comparison(
            f"{label} (n = {len(members)})", number, _values(base, members, number), _is_alike(members[0], number)
        )
        for label, members in groups_of(evaluations).items()
        if (kind := _kind(members[0].about)) is not None
        for number in published_numbers()
        if number.models == kind
    ]


def _kind(about: Mapping[str, object]) -> _Models | None:
    """Return the published models that a model is compared with; None for an edit. Given scores count as a base."""
    if about["label"] == "base" or "objective" not in about:
        return "base"
    return "fine-tuned" if about.get("tuning") in ("lora", "full") else None


def _is_alike(evaluation: Evaluation, number: PublishedNumber) -> bool:
    """Return whether a task has the prefix of the published number; True if the prefix is unknown (given scores)."""
    settings: Mapping[str, object] = {**evaluation.settings.get(number.key[0], {})}
    return settings.get("prefix", number.prefix) == number.prefix


def _values(base: Evaluation | None, members: Sequence[Evaluation], number: PublishedNumber) -> tuple[float, ...]:
    values = [member.values.get(number.key, math.nan) for member in members]
    if number.lost:
        start = math.nan if base is None else base.values.get(number.key, math.nan)
        values = [start - value for value in values]
    return tuple(value for value in values if not math.isnan(value))


def _texts(rows: Sequence[Comparison]) -> list[list[str]]:
    lines = [["model", "number", "published", "here", "difference", "source"]]
    for row in rows:
        number, share = row.published, row.published.share
        ends = dict.fromkeys(_value_text(end, share) for end in (number.low, number.high))
        if number.about:
            ends = dict.fromkeys([f"about {100 * number.low:.0f}"])
        here = _value_text(fmean(row.values), share) if row.values else "not measured"
        here += f" ± {_value_text(stdev(row.values), share).lstrip('+')}" if len(row.values) > 1 else ""
        lines.append([row.model, number.title, " to ".join(ends), here, _difference_text(row), number.source])
    return lines


def _difference_text(row: Comparison) -> str:
    """Return the distance of a model's mean from the published range, with the digits of the source."""
    if not row.values:
        return ""
    if not row.alike:
        return "other prefix"
    digits = (0 if row.published.about else 1) if row.published.share else 3
    apart = f"{(100 if row.published.share else 1) * row.difference:+.{digits}f}"
    return apart if float(apart) else "as published"


def _value_text(value: float, share: bool) -> str:
    return f"{100 * value:.1f}" if share else f"{value:+.3f}"


def _caution(evaluations: Sequence[Evaluation]) -> str:
    """Return sentences on the comparability of the published numbers."""
    base = base_among(evaluations)
    needed = f"The published numbers are for {PAPER_BASE}; fine-tuned models were trained and evaluated on Concadia."
    if base is None:
        return f"{needed} The base is not among these models, so their losses are unknown; add the base."
    if base.about["name"] != PAPER_BASE:
        return f"{needed} These models have the base '{base.about['name']}', so their numbers need not agree."
    return f"{needed} A difference within the spread over seeds, or within the interval of a number, shows nothing."


def _frame(rows: Sequence[Comparison]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "model": row.model,
                "number": row.published.title,
                "published low": row.published.low,
                "published high": row.published.high,
                "here": fmean(row.values) if row.values else None,
                "sd": stdev(row.values) if len(row.values) > 1 else None,
                "n": len(row.values),
                "difference": row.difference if row.alike else None,
                "source": row.published.source,
                "place": row.published.place,
            }
            for row in rows
        ]
    )


def _markdown(rows: Sequence[Comparison], evaluations: Sequence[Evaluation]) -> str:
    head, *body = ([*line[:-1], line[-1].replace("|", "\\|")] for line in _texts(rows))
    rule = ["---", "---", *["---:"] * 3, "---"]
    lines = "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *body))
    places = dict.fromkeys(f"{row.published.title}: {row.published.source}, {row.published.place}" for row in rows)
    return f"{lines}\n{_caution(evaluations)}\n\n" + "".join(f"- {place}\n" for place in places)
