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
    evaluations = [read(path) for path in paths]
    results = tables(evaluations)
    texts = [terminal(table) for table in results]
    if paper:
        texts.append(with_published(evaluations, out))
    if out is not None:
        write_tables(results, out)
    where = f"look at  {out}: these tables as .csv, .md and .tex{' (published numbers: .csv, .md)' if paper else ''}"
    return "\n\n".join([*texts, *([where] if out is not None else [])])


def tables(evaluations: Sequence[Evaluation]) -> list[ResultTable]:
    """Return the tables that have at least one number.

    Table 1 shows preferences and remaining abilities of the models. Table 2 shows their agreement with readers. Table 3
    shows correlations of their word attributions with norms. Table 4 shows preferences on further data sets.

    A drop is the value of the base minus the value of the model, as the mean over tasks or kinds of text.

    Raises:
        UserError: the models have different bases or were evaluated differently, or two models have the same seed.
    """
    check_alike(evaluations)
    every = [build(evaluations) for build in (_preferences_table, _readers_table, _norms_table, _domains_table)]
    return [table for table in every if table.columns]


def check_alike(evaluations: Sequence[Evaluation]) -> None:
    """Raise `UserError` if models have different bases, or were evaluated differently in a task.

    Different pairs, prompts or options give different numbers. The settings of given scores are unknown and not
    compared.
    """
    bases = {evaluation.about["base"] for evaluation in evaluations if not evaluation.given}
    if len(bases) > 1:
        raise UserError(f"the runs have {len(bases)} different base models, so their drops cannot be compared")
    for task in TASKS:
        with_task = [evaluation for evaluation in evaluations if task in evaluation.settings]
        rotated = [evaluation for evaluation in with_task if evaluation.settings[task].get("rotation") is not None]
        for compared, keys in ((with_task, None), (rotated, _OF_ROTATIONS)):
            for evaluation in compared[1:]:
                _check_pair(task, compared[0], evaluation, keys)


def _check_pair(task: str, first: Evaluation, other: Evaluation, keys: Sequence[str] | None) -> None:
    """Raise `UserError` if two models differ in the given settings of a task, by default in all relevant settings."""
    ours, theirs = first.settings[task], other.settings[task]
    sides = set(ours), set(theirs)
    common = set.intersection(*sides) if first.given or other.given else set.union(*sides)
    for key in sorted(common - {*_FREE, *_OF_ROTATIONS} if keys is None else common.intersection(keys)):
        if ours.get(key) != theirs.get(key):
            raise UserError(
                f"'{first.about['name']}' and '{other.about['name']}' were evaluated differently: the task {task} "
                f"differs in {key}; evaluate both with the same options"
            )


def _table(
    name: str,
    title: str,
    evaluations: Sequence[Evaluation],
    columns: Mapping[str, Read],
    *,
    share: bool,
    interval: Callable[[Sequence[Evaluation], str], tuple[float, float]] = lambda *_: (math.nan, math.nan),
) -> ResultTable:
    """Return a table of the columns in which at least one model has a number.

    Args:
        name, title: name and title of the table.
        found: evaluations.
        columns: name of each column, and its function.
        share: True to show percent.
        interval: function that returns the interval of the mean over the seeds of a model in a column.
    """
    groups = groups_of(evaluations)
    values = {
        column: [
            tuple(value for member in members if not math.isnan(value := compute(member)))
            for members in groups.values()
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


def _preferences_table(evaluations: Sequence[Evaluation]) -> ResultTable:
    """Return the table of preference, IIA, transfer and retrieval on test pairs, and of the losses against the base."""
    base = base_among(evaluations)
    contrast = next((evaluation.contrast for evaluation in evaluations if evaluation.contrast != PAPER), PAPER)
    sets = _names(evaluations, lambda _, measure: measure == "accuracy")
    retrieval: list[RowKey] = [("transfer", "retrieval", f"retrieval {kind}") for kind in contrast.kinds]

    def drop(ability: _Ability) -> Read:
        return lambda evaluation: math.nan if evaluation is base else lost(base, evaluation, ability)

    columns: dict[str, Read] = {"preference": lambda evaluation: preferred(evaluation).value}
    for direction in DIRECTIONS:
        measure = Key("iia", direction=direction).column(contrast)
        columns[f"IIA {contrast.arrow(direction)}"] = _value(("preference", "test", measure))
    for name in sets:
        columns[name] = _value(("transfer", name, "accuracy"))
        columns[f"{name} F1"] = _value(("transfer", name, "macro_f1"))
    columns |= {key[2]: _value(key) for key in retrieval}
    columns |= {"transfer drop": drop("transfer"), "retrieval drop": drop("retrieval")}
    title = f"Preference for {contrast.positive} over {contrast.negative}, and remaining abilities (%)"
    return _table("table1", title, evaluations, columns, share=True)


def _names(evaluations: Sequence[Evaluation], wanted: Callable[[str, str], bool]) -> list[str]:
    """Return the distinct entries of the column `of` for the wanted tasks and measures, in order."""
    keys = [key for evaluation in evaluations for key in evaluation.values]
    return list(dict.fromkeys(name for task, name, measure in keys if wanted(task, measure)))


def preference_of(evaluation: Evaluation) -> Number | None:
    """Return the preference on test pairs, else on all pairs, else on val; None if it was not evaluated."""
    by_split = {row.of: row for row in evaluation.numbers if (row.task, row.measure) == ("preference", "preference")}
    return next((by_split[split] for split in ("test", "all", "val") if split in by_split), None)


def preferred(evaluation: Evaluation) -> Estimate:
    """Return `preference_of` as an estimate; NaN if it was not evaluated."""
    row = preference_of(evaluation)
    return Estimate(math.nan, 0) if row is None else Estimate(row.value, row.n, row.low, row.high)


def lost(base: Evaluation | None, evaluation: Evaluation, ability: _Ability) -> float:
    """Return a model's loss of the base's abilities, as the mean over sets of images or kinds of text.

    The result is NaN if the abilities were not evaluated.
    """
    keys = [
        (task, name, measure)
        for task, name, measure in ([] if base is None else base.values)
        if task == "transfer" and (name == "retrieval" if ability == "retrieval" else measure == "accuracy")
    ]
    if base is None or not keys:
        return math.nan
    return fmean(base.values[key] - evaluation.values.get(key, math.nan) for key in keys)


def _value(key: RowKey) -> Read:
    return lambda evaluation: evaluation.values.get(key, math.nan)


def _readers_table(evaluations: Sequence[Evaluation]) -> ResultTable:
    """Return the table of Pearson's r of scores with readers' ratings, plain and given text length."""
    columns = {question: _value(("blv", question, "pearson")) for question in QUESTIONS}
    columns |= {
        f"{question}, given length": _value(("blv", question, "pearson given length")) for question in QUESTIONS
    }
    title = f"Correlation with ratings by blind and low-vision readers (Pearson's r{_ceilings(evaluations)})"
    return _table("table2", title, evaluations, columns, share=False)


def _ceilings(evaluations: Sequence[Evaluation]) -> str:
    """Return a clause with the highest correlations that the readers' agreement allows; empty if they are unknown."""
    values = [
        (question, evaluation.values.get(("blv", question, "ceiling"), math.nan))
        for evaluation in evaluations
        for question in QUESTIONS
    ]
    ceilings = {question: value for question, value in values if not math.isnan(value)}
    parts = [f"{question} {value:.2f}" for question, value in ceilings.items()]
    return f"; ceiling for any score: {', '.join(parts)}" if parts else ""


def _norms_table(evaluations: Sequence[Evaluation]) -> ResultTable:
    """Return the table of Pearson's r of word attributions with norms, by route.

    Values are means over seeds, with intervals that resample words.
    """
    norms = sorted(_names(evaluations, lambda task, _: task == "norms"))
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
    return _table("table3", title, evaluations, columns, share=False, interval=interval)


def _domains_table(evaluations: Sequence[Evaluation]) -> ResultTable:
    """Return the table of preferences on several data sets, with losses, and leads over words of the first data set."""
    names = _names(evaluations, lambda task, _: task == "domains")
    measures = {"preference": "", "loss": " loss", BEYOND: " beyond words"}
    columns = {
        f"{name}{title}": _value(("domains", name, measure)) for name in names for measure, title in measures.items()
    }
    title = (
        "Preference on several data sets (%), and in the lower rows the preference by words alone; a preference that "
        "does not exceed words of the first data shows nothing about images"
    )
    table = _table("table4", title, evaluations, columns, share=True)
    rows = {rule: {name: _first_of(evaluations, name, rule) for name in names} for rule in RULES}
    cells = [
        tuple(Entry(() if math.isnan(value := row.get(column, math.nan)) else (value,)) for column in table.columns)
        for row in rows.values()
    ]
    return replace(table, rows=(*table.rows, *rows), cells=(*table.cells, *cells)) if table.columns else table


def _first_of(evaluations: Sequence[Evaluation], name: str, measure: str) -> float:
    """Return a number that does not depend on the model, from the first model that has it; NaN if no model has it."""
    values = (evaluation.values.get(("domains", name, measure), math.nan) for evaluation in evaluations)
    return next((value for value in values if not math.isnan(value)), math.nan)


def words_correlation(members: Sequence[Evaluation], norm: str, route: str) -> Estimate:
    """Correlate the mean attribution of word types with a norm; the interval of the mean over seeds resamples words.

    All values are NaN if no member has attributions of words.
    """
    words, attributions, ratings = words_of(members, norm, route)
    return mean_correlation(attributions, ratings) if words else Estimate(math.nan, 0, math.nan, math.nan)


def words_of(members: Sequence[Evaluation], norm: str, route: str) -> tuple[list[str], list[list[float]], list[float]]:
    """Return the word types of all members, the attributions of the types in each member, and ratings (or NaN)."""
    with_words = [member for member in members if route in member.words and norm in member.ratings]
    if not with_words:
        return [], [], []
    words = sorted(set.intersection(*(set(member.words[route]) for member in with_words)))
    ratings = with_words[0].ratings[norm]
    attributions = [[member.words[route][word] for word in words] for member in with_words]
    return words, attributions, [ratings.get(word, math.nan) for word in words]
