"""Report of a study: tables, the page, and the text for the terminal. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from interp import cli
from interp.data.blv import QUESTIONS
from interp.report.page.rendering import render
from interp.runs.content import to_json
from interp.runs.files import write_atomic
from interp.runs.folder import write_table
from interp.runs.spreadsheet import csv_text
from training.metrics.numbers import COLUMNS, MINUS, MetricNumber
from training.metrics.table import correlation, find, metrics_in, percent, points, terminal_tables, with_interval
from training.studies.analysis import (
    AGREEMENT,
    ALL,
    ATTENTIVE,
    CARE,
    CHOSEN,
    CHOSEN_OF_BOTH,
    DIFFER,
    DIFFERENCE,
    MIXED,
    MORE_FIRST,
    MORE_LATER,
    STRATUM,
    STRENGTH,
    study_numbers,
)
from training.studies.answers import LONGER, choices_of, missing_answers, rivals_of
from training.studies.design import Study
from training.studies.ratings import agreement_with_ratings, write_ratings
from training.studies.responses import Response
from training.studies.sampling import STRATA

PAGE = "study.html"
_WIDTH, _LEFT, _ROW = 640, 200, 34  # of the picture, in pixels
_RIGHT = 20
_LONGEST = 26  # characters of a name in the picture
_STRATA = {"most": "most", "middle": "neither most nor least", "least": "least"}
_UNITS = {  # formats of the measures of care that are not shares
    "seconds on a screen, median": "{:.1f}",
    "seconds, factor of ten screens later": "{:.2f}",
    "people who failed one": "{:.0f}",
}


@dataclass(frozen=True)
class _Mark:
    """Row of the picture, with places in pixels from the left."""

    name: str
    words: str
    y: float
    x: float
    low: float | None
    high: float | None


def write_analysis(
    study: Study, responses: Sequence[Response], study_folder: Path, out: Path, notes: Sequence[str]
) -> str:
    """Write all files of an analysis and return the text for the terminal."""
    numbers = study_numbers(study, responses)
    rated = write_ratings(study, responses, study_folder, out)
    if rated is not None:
        numbers += agreement_with_ratings(study, responses, rated)
    rows = [number.row() for number in numbers]
    write_table(pd.DataFrame(rows, columns=list(COLUMNS)), out, "results")
    write_atomic(out / "results.json", to_json(rows))
    choices = choices_of(study, responses)
    notes = [*notes, *missing_answers(study, choices)]
    columns = {name: values.tolist() for name, values in vars(choices).items()}
    columns |= {f"agrees with {model}": choices.hits(study, model).tolist() for model in study.models}
    write_atomic(out / "choices.csv", csv_text(pd.DataFrame(columns)))
    people = f"{len(responses)} participants, {len(set(choices.item.tolist()))} pairs of texts, {len(choices)} choices"
    write_atomic(out / PAGE, render("study-report.html.j2", _page_values(study, numbers, people, notes)))
    blocks = [*_terminal_blocks(study, numbers), cli.wrapped(finding(study, numbers))]
    head = "".join(f"note: {note}\n" for note in notes) + people
    links = f"look at  {out / PAGE}  in a browser\n         {out / 'results.csv'}  in full precision"
    return "\n\n".join([head, *blocks, links])


def _page_values(study: Study, numbers: Sequence[MetricNumber], people: str, notes: Sequence[str]) -> dict[str, Any]:
    """Return the values of the template."""
    return {
        "title": f"Readers' choices: {study.data}",
        "people": people,
        "notes": list(notes),
        "finding": finding(study, numbers),
        "picture": _picture(study, numbers),
        "height": _ROW * (len(study.models) + 2) + 40,
        "width": _WIDTH,
        "left": _LEFT,
        "ticks": [(share, _x(share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)],
        "tables": _tables(study, numbers),
        "differences": _differences(numbers),
        "strengths": _strengths(numbers),
        "care": _care(numbers),
        "agreement": [(number.of, correlation(number), number.n) for number in numbers if number.part == AGREEMENT],
        "questions": list(QUESTIONS),
        "correlations": _correlations(numbers),
        "ceilings": {
            number.of: f"{number.value:.3f}"
            for number in numbers
            if number.measure == "ceiling" and not math.isnan(number.value)
        },
    }


def _terminal_blocks(study: Study, numbers: Sequence[MetricNumber]) -> list[str]:
    """Return the tables for the terminal."""
    tables = [
        [["chosen by readers, %", "all pairs", "attentive people", "mixed model"], *_preferences(study, numbers)],
        [["difference", "points", "where they differ, %"], *_differences(numbers)],
    ]
    if strengths := _strengths(numbers):
        tables.append([["strength (Bradley-Terry)", "log"], *strengths])
    blocks = ["\n".join(cli.folded(table)) for table in tables]
    care = [[subset if subset != ALL else "choices", measure, value] for subset, measure, value in _care(numbers)]
    blocks.append("\n".join(cli.aligned(care, left=2)))
    return blocks + ([terminal_tables(numbers)] if metrics_in(numbers) else [])


def finding(study: Study, numbers: Sequence[MetricNumber]) -> str:
    """Return sentences on the model whose texts readers prefer, and a warning if the longer text does as well."""
    sentences = []
    first, *others = study.models
    for other in others:
        name = f"{other}{MINUS}{first}"
        apart, all_pairs = find(numbers, DIFFER, name, CHOSEN_OF_BOTH), find(numbers, ALL, name, CHOSEN)
        if apart is None or all_pairs is None:
            sentences.append(f"{other} and {first} prefer the same text in all compared pairs.")
            continue
        if math.isnan(apart.low):
            verdict = "too few people or texts for an interval"
        elif apart.low > 0.5:
            verdict = f"readers agree with {other}"
        elif apart.high < 0.5:
            verdict = f"readers agree with {first}"
        else:
            verdict = "neither model agrees with readers beyond chance"
        sentences.append(
            f"Where {other} and {first} differ, readers choose the text of {other} in {percent(apart)} %: {verdict}."
        )
    longer = find(numbers, ALL, LONGER, CHOSEN)
    best = max(
        (number for model in study.models if (number := find(numbers, ALL, model, CHOSEN))),
        key=lambda number: number.value,
    )
    if longer is not None and longer.value >= best.value:
        sentences.append(
            f"Readers choose the longer text in {percent(longer)} %, at least as often as the text of any model: "
            "length alone predicts their choices as well."
        )
    return " ".join(sentences)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _picture(study: Study, numbers: Sequence[MetricNumber]) -> list[_Mark]:
    """Return a mark for each model, for the longer text and for the positive kind."""
    marks: list[_Mark] = []
    for name in rivals_of(study):
        number = find(numbers, ALL, name, CHOSEN)
        if number is None:
            continue
        low, high = (None if math.isnan(end) else _x(end) for end in (number.low, number.high))
        y = 30 + _ROW * len(marks)
        marks.append(_Mark(_short(name), f"{percent(number)} %", y, _x(number.value), low, high))
    return marks


def _preferences(study: Study, numbers: Sequence[MetricNumber]) -> list[list[str]]:
    """Return a row for each model and rule: choices of its text by all, by attentive people, by the mixed model."""
    checked = any(number.of == ATTENTIVE for number in numbers)
    lines = []
    for name in rivals_of(study):
        every, attentive, mixed = (percent(find(numbers, subset, name, CHOSEN)) for subset in (ALL, ATTENTIVE, MIXED))
        lines.append([name, every, attentive if checked else "all passed", mixed])
    return lines


def _short(name: str) -> str:
    """Return a name, shortened at its start to the space in the picture."""
    return name if len(name) <= _LONGEST else f"…{name[-_LONGEST + 1 :]}"


def _tables(study: Study, numbers: Sequence[MetricNumber]) -> list[tuple[str, list[list[str]]]]:
    """Return a table for each model and rule: its share among all pairs, in each stratum, and by other analyses."""
    rows = {
        "all pairs": (ALL, CHOSEN),
        **{f"pairs on which models disagree {_STRATA[name]}": (f"{STRATUM}{name}", CHOSEN) for name in STRATA},
        "people who passed all checks": (ATTENTIVE, CHOSEN),
        "linear mixed model, unweighted": (MIXED, CHOSEN),
        "more if its text came first (mixed model)": (MIXED, MORE_FIRST),
        "more ten screens later (mixed model)": (MIXED, MORE_LATER),
    }
    tables = []
    for rival in rivals_of(study):
        lines = []
        for title, (subset, measure) in rows.items():
            number = find(numbers, subset, rival, measure)
            if number is not None:
                value = f"{percent(number)} %" if measure == CHOSEN else f"{points(number)} points"
                lines.append([title, value, str(number.n)])
        tables.append((rival, lines))
    return tables


def _differences(numbers: Sequence[MetricNumber]) -> list[list[str]]:
    names = dict.fromkeys(number.metric for number in numbers if number.part == DIFFERENCE)
    return [
        [name, points(find(numbers, ALL, name, CHOSEN)), percent(find(numbers, DIFFER, name, CHOSEN_OF_BOTH))]
        for name in names
    ]


def _strengths(numbers: Sequence[MetricNumber]) -> list[list[str]]:
    return [[number.metric, correlation(number)] for number in numbers if number.part == STRENGTH]


def _care(numbers: Sequence[MetricNumber]) -> list[list[str]]:
    """Return rows on order, fatigue and attention: subject, measure, and value with unit and interval."""
    lines = []
    for number in numbers:
        if number.part != CARE:
            continue
        form = _UNITS.get(number.measure)
        value = f"{percent(number)} %" if form is None else with_interval(number, form.format)
        lines.append([number.of, number.measure, value])
    return lines


def _correlations(numbers: Sequence[MetricNumber]) -> list[list[str]]:
    """Return for each metric its correlation with each question, and with the overall question given length."""
    return [
        [
            metric,
            *(correlation(find(numbers, question, metric, "pearson")) for question in QUESTIONS),
            correlation(find(numbers, "overall", metric, "pearson given length")),
        ]
        for metric in metrics_in(numbers)
    ]
