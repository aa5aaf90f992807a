"""Tables of several evaluations: mean and standard deviation over seeds. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Literal

from interp.data.blv import QUESTIONS
from interp.data.contrast import DIRECTIONS, PAPER
from interp.errors import UserError
from interp.measures import MEASURED, Key
from interp.measures.number import WordsOf
from interp.stats import Estimate, mean_correlation
from training.evaluation.domain_measures import BEYOND, RULES
from training.evaluation.grouping import base_among, groups_of
from training.evaluation.numbers import Number
from training.evaluation.published import with_published
from training.evaluation.rendering import Entry, ResultTable, terminal, write_tables
from training.evaluation.stored import Evaluation, RowKey, read
from training.evaluation.tasks import TASKS

_Ability = Literal["transfer", "retrieval"]
_WORDS: Mapping[WordsOf, str] = {"": "", "content": ", content words"}  # kind of words -> part of a column's heading
_FREE = ("rotation", "reference", "against", "device", "examples")  # settings of a task in which evaluations may differ
_OF_ROTATIONS = ("sources",)  # settings in which only evaluations of models with a rotation must agree


Read = Callable[[Evaluation], float]  # value of a column


def compare(paths: Sequence[Path], out: Path | None, *, paper: bool = False) -> str:
    """Return the paper's tables over runs or evaluations, as text; also write files if a folder is given.

    Args:
        paths: folders of runs or evaluations.
        out: folder for the files.
        paper: True to add published numbers next to those of the models.

    Raises:
        UserError: a folder holds no evaluation, or the models have different bases or were evaluated differently.
    """
    found = [read(path) for path in paths]
    made = tables(found)
    texts = [terminal(table) for table in made]
    if paper:
        texts.append(with_published(found, out))
    if out is not None:
        write_tables(made, out)
    where = f"look at  {out}: the same as .csv, .md and .tex{' (published numbers: .csv, .md)' if paper else ''}"
    return "\n\n".join([*texts, *([where] if out is not None else [])])


def tables(found: Sequence[Evaluation]) -> list[ResultTable]:
    """Return the tables that have any numbers.

    Table 1 shows preferences and remaining abilities of the models. Table 2 shows their agreement with readers. Table 3
    shows correlations of their word attributions with norms. Table 4 shows preferences on further data sets.

    Drops are the base's value minus the model's, as the mean over tasks or kinds of text.

    Raises:
        UserError: the models have different bases or were evaluated differently, or two have the same seed.
    """
    check_alike(found)
    every = (_preferences_table(found), _readers_table(found), _norms_table(found), _domains_table(found))
    return [table for table in every if table.columns]


def check_alike(found: Sequence[Evaluation]) -> None:
    """Raise `UserError` if models have different bases, or a task was not the same for all of them.

    Other pairs, prompts or options give other numbers. The settings of given scores are unknown, so they are not
    compared.
    """
    bases = {one.about["base"] for one in found if not one.given}
    if len(bases) > 1:
        raise UserError(f"the runs have {len(bases)} different base models, so their drops cannot be compared")
    for task in TASKS:
        those = [one for one in found if task in one.settings]
        rotated = [one for one in those if one.settings[task].get("rotation") is not None]
        for some, keys in ((those, None), (rotated, _OF_ROTATIONS)):
            for one in some[1:]:
                _check_pair(task, some[0], one, keys)


def _check_pair(task: str, first: Evaluation, other: Evaluation, keys: Sequence[str] | None) -> None:
    """Raise `UserError` if two models differ in the given settings of a task, by default in all relevant settings."""
    ours, theirs = first.settings[task], other.settings[task]
    sides = set(ours), set(theirs)
    known = set.intersection(*sides) if first.given or other.given else set.union(*sides)
    for key in sorted(known - {*_FREE, *_OF_ROTATIONS} if keys is None else known.intersection(keys)):
        if ours.get(key) != theirs.get(key):
            raise UserError(
                f"the task {task} was not the same for '{first.about['name']}' and '{other.about['name']}': "
                f"they differ in {key}; evaluate both with the same options"
            )


def _table(
    name: str,
    title: str,
    found: Sequence[Evaluation],
    columns: Mapping[str, Read],
    *,
    share: bool,
    interval: Callable[[Sequence[Evaluation], str], tuple[float, float]] = lambda *_: (math.nan, math.nan),
) -> ResultTable:
    """Return a table of the columns that at least one model has a number for.

    Args:
        name, title: name and title of the table.
        found: evaluations.
        columns: name of each column, and its function.
        share: True to show percent.
        interval: function that returns the interval of the mean of some evaluations in a column.
    """
    groups = groups_of(found)
    values = {
        column: [
            tuple(value for one in members if not math.isnan(value := compute(one))) for members in groups.values()
        ]
        for column, compute in columns.items()
    }
    kept = tuple(column for column, each in values.items() if any(each))
    cells = tuple(
        tuple(Entry(values[column][i], *interval(members, column), of=len(members)) for column in kept)
        for i, members in enumerate(groups.values())
    )
    rows = tuple(f"{label} (n = {len(members)})" for label, members in groups.items())
    return ResultTable(name, title, kept, rows, cells, share)


def _preferences_table(found: Sequence[Evaluation]) -> ResultTable:
    """Return the table of preference, IIA, transfer and retrieval on test pairs, and lost abilities of the base."""
    base = base_among(found)
    contrast = next((one.contrast for one in found if one.contrast != PAPER), PAPER)
    sets = list(dict.fromkeys(of for one in found for task, of, measure in one.values if measure == "accuracy"))
    retrieval: list[RowKey] = [("transfer", "retrieval", f"retrieval {kind}") for kind in contrast.kinds]

    def drop(ability: _Ability) -> Read:
        return lambda one: math.nan if one is base else lost(base, one, ability)

    columns: dict[str, Read] = {"preference": lambda one: preferred(one).value}
    for direction in DIRECTIONS:
        measure = Key("iia", direction=direction).column(contrast)
        columns[f"IIA {contrast.arrow(direction)}"] = _value(("preference", "test", measure))
    for of in sets:
        columns[of] = _value(("transfer", of, "accuracy"))
        columns[f"{of} F1"] = _value(("transfer", of, "macro_f1"))
    columns |= {key[2]: _value(key) for key in retrieval}
    columns |= {"transfer drop": drop("transfer"), "retrieval drop": drop("retrieval")}
    title = f"Preference for {contrast.positive} over {contrast.negative}, and the abilities that are left (%)"
    return _table("table1", title, found, columns, share=True)


def preference_of(one: Evaluation) -> Number | None:
    """Return the preference on test pairs, else on all pairs or on val; None if it was not evaluated."""
    known = {row.of: row for row in one.numbers if (row.task, row.measure) == ("preference", "preference")}
    return next((known[of] for of in ("test", "all", "val") if of in known), None)


def preferred(one: Evaluation) -> Estimate:
    """Return `preference_of` as an estimate; NaN if it was not evaluated."""
    row = preference_of(one)
    return Estimate(math.nan, 0) if row is None else Estimate(row.value, row.n, row.low, row.high)


def lost(base: Evaluation | None, one: Evaluation, ability: _Ability) -> float:
    """Return a model's loss of the base's abilities, as the mean over sets of images or kinds of text.

    The result is NaN if the abilities were not evaluated.
    """
    keys = [
        (task, of, measure)
        for task, of, measure in ([] if base is None else base.values)
        if task == "transfer" and (of == "retrieval" if ability == "retrieval" else measure == "accuracy")
    ]
    if base is None or not keys:
        return math.nan
    return fmean(base.values[key] - one.values.get(key, math.nan) for key in keys)


def _value(key: RowKey) -> Read:
    return lambda one: one.values.get(key, math.nan)


def _readers_table(found: Sequence[Evaluation]) -> ResultTable:
    """Return the table of Pearson's r of scores with readers' ratings, plain and given text length."""
    columns = {question: _value(("blv", question, "pearson")) for question in QUESTIONS}
    columns |= {
        f"{question}, given length": _value(("blv", question, "pearson given length")) for question in QUESTIONS
    }
    title = f"Correlation with ratings by blind and low-vision readers (Pearson's r{_ceilings(found)})"
    return _table("table2", title, found, columns, share=False)


def _ceilings(found: Sequence[Evaluation]) -> str:
    """Return the highest correlations that the readers' agreement allows, in words; empty if they are not known."""
    known = [
        (question, one.values.get(("blv", question, "ceiling"), math.nan)) for one in found for question in QUESTIONS
    ]
    ceilings = {question: value for question, value in known if not math.isnan(value)}
    parts = [f"{question} {value:.2f}" for question, value in ceilings.items()]
    return f"; at most to be expected of any score: {', '.join(parts)}" if parts else ""


def _norms_table(found: Sequence[Evaluation]) -> ResultTable:
    """Return the table of Pearson's r of word attributions with norms, by route.

    Values are means over seeds, with intervals that resample words.
    """
    norms = sorted({of for one in found for task, of, _ in one.values if task == "norms"})
    keys = [
        Key("r", norm=norm, route=route, words=words)
        for norm in norms
        for route in sorted(MEASURED)
        for words in _WORDS
    ]
    names = {f"{key.norm} {key.route}{_WORDS[key.words]}": key for key in keys}

    def interval(members: Sequence[Evaluation], column: str) -> tuple[float, float]:
        key = names[column]
        if key.words:
            return math.nan, math.nan
        mean = words_correlation(members, key.norm, key.route)
        return mean.low, mean.high

    columns = {name: _value(("norms", key.norm, replace(key, norm="").column())) for name, key in names.items()}
    title = "Correlation of word attributions with norms, by route (Pearson's r); [95 % interval over words]"
    return _table("table3", title, found, columns, share=False, interval=interval)


def _domains_table(found: Sequence[Evaluation]) -> ResultTable:
    """Return the table of preferences on several data sets, with losses, and leads over words of the first data set."""
    names = list(dict.fromkeys(of for one in found for task, of, _ in one.values if task == "domains"))
    measures = {"preference": "", "loss": " loss", BEYOND: " beyond words"}
    columns = {
        f"{name}{title}": _value(("domains", name, measure)) for name in names for measure, title in measures.items()
    }
    title = (
        "Preference on several data sets (%), and below them that of words alone; a preference that does not exceed "
        "the words of the first data shows nothing about images"
    )
    table = _table("table4", title, found, columns, share=True)
    rows = {rule: {name: _first_of(found, name, rule) for name in names} for rule in RULES}
    cells = [
        tuple(Entry(() if math.isnan(value := row.get(column, math.nan)) else (value,)) for column in table.columns)
        for row in rows.values()
    ]
    return replace(table, rows=(*table.rows, *rows), cells=(*table.cells, *cells)) if table.columns else table


def _first_of(found: Sequence[Evaluation], name: str, measure: str) -> float:
    """Return a number that is the same for all models, from the first one that has it; NaN if none has."""
    values = (one.values.get(("domains", name, measure), math.nan) for one in found)
    return next((value for value in values if not math.isnan(value)), math.nan)


def words_correlation(members: Sequence[Evaluation], norm: str, route: str) -> Estimate:
    """Correlate the mean attribution of word types with a norm; the interval of the mean over seeds resamples words.

    All values are NaN if no member knows the words.
    """
    words, attributions, ratings = words_of(members, norm, route)
    return mean_correlation(attributions, ratings) if words else Estimate(math.nan, 0, math.nan, math.nan)


def words_of(members: Sequence[Evaluation], norm: str, route: str) -> tuple[list[str], list[list[float]], list[float]]:
    """Return the word types that all members know, each member's attributions of them, and their ratings (or NaN)."""
    knowing = [one for one in members if route in one.words and norm in one.ratings]
    if not knowing:
        return [], [], []
    words = sorted(set.intersection(*(set(one.words[route]) for one in knowing)))
    ratings = knowing[0].ratings[norm]
    attributions = [[one.words[route][word] for word in words] for one in knowing]
    return words, attributions, [ratings.get(word, math.nan) for word in words]
