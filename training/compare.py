"""Tables of several evaluations side by side: mean and standard deviation over seeds. No torch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd

from interp.cli import aligned
from interp.data.blv import QUESTIONS
from interp.errors import UserError
from interp.stats import mean_correlation
from interp.store import RunFolder, StoreError, write_atomic
from training.config import TASKS

Key = tuple[str, str, str]  # task, of, measure
PLUS_MINUS = " ± "
OF_THE_MODEL = ("rotation", "against", "device")  # settings of a task in which models may differ


@dataclass(frozen=True)
class Evaluation:
    """One evaluated model, read from its folder.

    Attributes:
        about: name, label, base, group (what seeds have in common) and seed.
        values: of each measure.
        settings: task -> what its numbers depend on, besides the model.
        words: route -> word type -> mean attribution; empty where norms were not evaluated.
        ratings: norm -> word type -> rating.
    """

    about: dict[str, Any]
    values: dict[Key, float]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ratings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


Column = Callable[[Evaluation], float]


@dataclass(frozen=True)
class Entry:
    """A model's values of one column over seeds, if it was measured; and a 95 % interval of their mean, or NaN."""

    values: tuple[float, ...]
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Table:
    """A table of numbers over models.

    Attributes:
        rows: the models' names.
        cells: an entry for each model and column.
        share: shown in percent.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Entry, ...], ...]
    share: bool


def read(path: Path) -> Evaluation:
    """Read an evaluation, or that of a fine-tuned run.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    inside = RunFolder(path / "evaluation")
    folder = inside if os.path.isfile(inside.manifest_path) else RunFolder(path)
    manifest = folder.manifest()
    if manifest.get("settings", {}).get("kind") != "evaluation":
        raise StoreError(f"'{path}' has not been evaluated; run: python -m training.evaluate --model {path}")
    try:
        frame = pd.read_csv(folder.path / "results.csv")
        rows = zip(frame["task"], frame["of"], frame["measure"], frame["value"], strict=True)
        values = {(task, of, measure): float(value) for task, of, measure, value in rows}
        cells = {task: cell for task in TASKS if (cell := folder.read(task)) is not None}
        settings = {task: cell.get("settings", {}) for task, cell in cells.items()}
        details = cells.get("norms", {}).get("details", {})
        return Evaluation(manifest["about"], values, settings, details.get("words", {}), details.get("ratings", {}))
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"the evaluation in '{folder.path}' is unfinished or damaged ({error}); run it again"
        ) from error


def compare(paths: Sequence[Path], out: Path | None) -> str:
    """The paper's tables over runs or evaluations, as text; as files too, if a folder is given.

    Table 1 is what the models prefer and can still do, table 2 how they agree with readers, table 3 how their word
    attributions follow norms. Drops are the base's value minus the model's, mean over tasks or kinds of text.

    Raises:
        UserError: a folder is no evaluation, or the models have different bases or were evaluated otherwise.
    """
    found = [read(path) for path in paths]
    bases = {one.about["base"] for one in found if one.about["label"] == "base" or "objective" in one.about}
    if len(bases) > 1:
        raise UserError(f"the runs have {len(bases)} different base models, so their drops cannot be compared")
    _check_alike(found)
    tables = [table for table in (preferences_table(found), readers_table(found), norms_table(found)) if table.columns]
    if out is not None:
        for table in tables:
            for suffix, render in (("csv", _csv), ("md", _markdown), ("tex", _latex)):
                write_atomic(out / f"{table.name}.{suffix}", render(table))
    texts = [_terminal(table) for table in tables]
    return "\n\n".join([*texts, *([f"look at  {out}: the same as .csv, .md and .tex"] if out is not None else [])])


def _check_alike(found: Sequence[Evaluation]) -> None:
    """Raise `UserError` if a task was not the same for all: other pairs, prompts or options give other numbers."""
    for task in TASKS:
        those = [one for one in found if task in one.settings]
        for one in those[1:]:
            for key in sorted(set(one.settings[task]) | set(those[0].settings[task])):
                if key not in OF_THE_MODEL and one.settings[task].get(key) != those[0].settings[task].get(key):
                    raise UserError(
                        f"the task {task} was not the same for '{those[0].about['name']}' and '{one.about['name']}': "
                        f"they differ in {key}; evaluate both with the same options"
                    )


def _groups(found: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    """Evaluations by what they have in common but the seed, under names that tell them apart."""
    groups: dict[str, list[Evaluation]] = {}
    for one in found:
        groups.setdefault(one.about["group"], []).append(one)
    for members in groups.values():
        label, seeds = members[0].about["label"], [one.about["seed"] for one in members]
        if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            names = " and ".join(f"'{one.about['name']}'" for one in members if one.about["seed"] == twice[0])
            raise UserError(f"more than one of the runs is {label} with seed {twice[0]}: {names}; name one")
    return dict(zip(_labels([members[0].about for members in groups.values()]), groups.values(), strict=True))


def _labels(abouts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What models are called: their label, and as much else as it takes to tell those of one label apart."""
    labels = [about["label"] for about in abouts]
    for tell in (
        lambda about: f"layer {about['layer']}, size {about['size']}" if "layer" in about else Path(about["name"]).name,
        lambda about: Path(about["name"]).name,
        lambda about: about["name"],
        lambda about: about["group"],
    ):
        labels = [
            f"{about['label']} ({tell(about)})" if labels.count(label) > 1 else label
            for about, label in zip(abouts, labels, strict=True)
        ]
    return labels


def _table(
    name: str, title: str, found: Sequence[Evaluation], columns: Mapping[str, Column], *, share: bool,
    interval: Callable[[Sequence[Evaluation], str], tuple[float, float]] = lambda *_: (math.nan, math.nan),
) -> Table:  # fmt: skip
    """A table of the columns that at least one model has a number for.

    Args:
        interval: of the mean of some evaluations in a column.
    """
    groups = _groups(found)
    values = {
        column: [
            tuple(value for one in members if not math.isnan(value := compute(one))) for members in groups.values()
        ]
        for column, compute in columns.items()
    }
    kept = tuple(column for column, each in values.items() if any(each))
    cells = tuple(
        tuple(Entry(values[column][i], *interval(members, column)) for column in kept)
        for i, members in enumerate(groups.values())
    )
    rows = tuple(f"{label} (n = {len(members)})" for label, members in groups.items())
    return Table(name, title, kept, rows, cells, share)


def preferences_table(found: Sequence[Evaluation]) -> Table:
    """Preference, IIA, transfer and retrieval on test pairs, and what was lost of the base's abilities."""
    base = next((one for one in found if one.about["label"] == "base"), None)
    sets = list(dict.fromkeys(of for one in found for task, of, measure in one.values if measure == "accuracy"))
    transfer: list[Key] = [("transfer", of, "accuracy") for of in sets]
    retrieval: list[Key] = [("transfer", "retrieval", f"retrieval {kind}") for kind in ("description", "caption")]

    def preferred(one: Evaluation) -> float:
        splits = [of for of in ("test", "all", "val") if ("concadia", of, "preference") in one.values]
        return one.values["concadia", splits[0], "preference"] if splits else math.nan

    def drop(keys: list[Key]) -> Column:
        def lost(one: Evaluation) -> float:
            if base is None or one is base or not keys:
                return math.nan
            return fmean(base.values.get(key, math.nan) - one.values.get(key, math.nan) for key in keys)

        return lost

    columns: dict[str, Column] = {"preference": preferred}
    for arrow, short in (("c>d", "c2d"), ("d>c", "d2c")):
        columns[f"IIA {arrow}"] = _value(("concadia", "test", f"iia {short}"))
    for of in sets:
        columns[of] = _value(("transfer", of, "accuracy"))
        columns[f"{of} F1"] = _value(("transfer", of, "macro_f1"))
    columns |= {key[2]: _value(key) for key in retrieval}
    columns |= {"transfer drop": drop(transfer), "retrieval drop": drop(retrieval)}
    title = "Preference for descriptions, and the abilities that are left (%)"
    return _table("table1", title, found, columns, share=True)


def _value(key: Key) -> Column:
    return lambda one: one.values.get(key, math.nan)


def readers_table(found: Sequence[Evaluation]) -> Table:
    """Pearson's r of scores with ratings by blind and low-vision readers, as it is and given text length."""
    columns = {question: _value(("blv", question, "pearson")) for question in QUESTIONS}
    columns |= {
        f"{question}, given length": _value(("blv", question, "pearson given length")) for question in QUESTIONS
    }
    title = "Correlation with ratings by blind and low-vision readers (Pearson's r)"
    return _table("table2", title, found, columns, share=False)


def norms_table(found: Sequence[Evaluation]) -> Table:
    """Pearson's r of word attributions with norms, by route: mean over seeds, with an interval that resamples words."""
    keys = {key for one in found for key in one.values if key[0] == "norms" and key[2].startswith("pearson ")}
    sites = {f"{norm} {measure.removeprefix('pearson ')}": (norm, measure) for _, norm, measure in sorted(keys)}

    def interval(members: Sequence[Evaluation], column: str) -> tuple[float, float]:
        norm, measure = sites[column]
        return _words_interval(members, norm, measure.removeprefix("pearson "))

    columns = {name: _value(("norms", norm, measure)) for name, (norm, measure) in sites.items()}
    title = "Correlation of word attributions with norms, by route (Pearson's r); [95 % interval over words]"
    return _table("table3", title, found, columns, share=False, interval=interval)


def _words_interval(members: Sequence[Evaluation], norm: str, route: str) -> tuple[float, float]:
    """Of the mean correlation over seeds."""
    with_words = [one for one in members if route in one.words and norm in one.ratings]
    if not with_words:
        return math.nan, math.nan
    words = sorted(set.intersection(*(set(one.words[route]) for one in with_words)))
    ratings = with_words[0].ratings[norm]
    attributions = [[one.words[route][word] for word in words] for one in with_words]
    mean = mean_correlation(attributions, [ratings.get(word, math.nan) for word in words])
    return mean.low, mean.high


def _shown(entry: Entry, share: bool) -> str:
    if not entry.values:
        return "-"
    factor, form = (100, ".1f") if share else (1, ".3f")
    sign = "" if share else "+"
    text = f"{factor * fmean(entry.values):{sign}{form}}"
    if len(entry.values) > 1:
        text += f"{PLUS_MINUS}{factor * stdev(entry.values):{form}}"
    if not math.isnan(entry.low):
        text += f" [{factor * entry.low:{sign}{form}} {factor * entry.high:{sign}{form}}]"
    return text


def _texts(table: Table) -> list[list[str]]:
    body = [
        [name, *(_shown(entry, table.share) for entry in cells)]
        for name, cells in zip(table.rows, table.cells, strict=True)
    ]
    return [["model", *table.columns], *body]


def _terminal(table: Table) -> str:
    return "\n".join([f"{table.name}: {table.title}; mean ± SD over n seeds", "", *aligned(_texts(table), left=1)])


def _csv(table: Table) -> str:
    head = ["model", *(f"{column}{part}" for column in table.columns for part in ("", " sd", " n", " low", " high"))]
    rows = []
    for name, cells in zip(table.rows, table.cells, strict=True):
        row: list[Any] = [name]
        for entry in cells:
            n = len(entry.values)
            mean, spread = fmean(entry.values) if n else None, stdev(entry.values) if n > 1 else None
            row += [mean, spread, n, entry.low, entry.high]
        rows.append(row)
    return pd.DataFrame(rows, columns=head).to_csv(index=False)


def _markdown(table: Table) -> str:
    head, *body = ([cell.replace("|", "\\|") for cell in line] for line in _texts(table))
    rule = ["---", *["---:"] * len(table.columns)]
    rows = "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *body))
    return f"{table.title}; mean ± SD over n seeds\n\n{rows}"


def _latex(table: Table) -> str:
    head, *body = _texts(table)
    styled = pd.DataFrame(body, columns=head).style.format(escape="latex").format_index(escape="latex", axis=1)
    columns = "l" + "r" * len(table.columns)
    text = styled.hide(axis="index").to_latex(hrules=True, column_format=columns).replace(PLUS_MINUS, r" $\pm$ ")
    return f"% {table.title}; mean and SD over n seeds; needs \\usepackage{{booktabs}}\n{text}"
