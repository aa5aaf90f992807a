"""Tables over evaluated models as CSV, Markdown and LaTeX."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from interp.runs.versions import VERSIONS
from tests.training.evaluation.test_compare import PREFERENCE, RUN, evaluated, lines, table
from training.evaluation.compare import compare
from training.evaluation.jobs import Plan, carry_out
from training.evaluation.numbers import Number
from training.evaluation.rendering import Entry, ResultTable, latex
from training.evaluation.stored import read
from training.evaluation.tasks.task import Job, TaskResult

NAMES = ["100 % & more_of|it", "plain"]


@pytest.fixture
def awkward(tmp_path: Path) -> Path:
    """Write tables with names that every format must escape."""
    runs = [
        evaluated(
            tmp_path / str(i),
            {PREFERENCE: 1 / (3 + i), ("transfer", "CIFAR_100 & co", "accuracy"): 2 / 7},
            **{**RUN, "label": label, "group": label, "seed": seed},
        )
        for i, (label, seed) in enumerate([(NAMES[0], 0), (NAMES[0], 1), (NAMES[1], 0)])
    ]
    compare(runs, tmp_path / "out")
    return tmp_path / "out"


def test_the_csv_holds_every_digit(awkward: Path):
    frame = table(awkward)
    assert list(frame.index) == [f"{NAMES[0]} (n = 2)", f"{NAMES[1]} (n = 1)"]
    assert frame["preference"].tolist() == [(1 / 3 + 1 / 4) / 2, 1 / 5]
    assert frame["CIFAR_100 & co"].tolist() == [2 / 7, 2 / 7]
    assert round(2 / 7, 12) != 2 / 7


def test_markdown_has_a_row_for_each_model(awkward: Path):
    rows = [line for line in (awkward / "table1.md").read_text().splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 2
    assert rows[0] == "| model | preference | CIFAR_100 & co |"
    assert rows[1] == "| --- | ---: | ---: |"
    assert rows[2] == "| 100 % & more_of\\|it (n = 2) | 29.2 ± 5.9 | 28.6 ± 0.0 |"
    assert {line.replace("\\|", "").count("|") for line in rows} == {4}


def test_latex_is_escaped_and_ruled(awkward: Path):
    text = (awkward / "table1.tex").read_text()
    assert [rule for rule in ("toprule", "midrule", "bottomrule") if text.count(f"\\{rule}") != 1] == []
    assert "booktabs" in text.splitlines()[0]
    assert text.startswith("%")
    assert "\\begin{tabular}{lrr}" in text
    body = [line for line in text.splitlines() if line.endswith(" \\\\")]
    assert len(body) == 1 + 2
    assert body[0].startswith(
        " & \\begin{tabular}{@{}c@{}}100 \\% \\& more\\_of\\textbar{}it\\\\(n = 2)\\end{tabular} & "
    )
    assert body[1] == "preference & 29.2 $\\pm$ 5.9 & 20.0 \\\\"
    assert body[2].startswith("CIFAR\\_100 \\& co & 28.6 $\\pm$ 0.0 & ")
    assert {line.replace("\\&", "").count("&") for line in body} == {2}


def test_latex_writes_minus_signs_and_puts_intervals_below():
    entries = (Entry((-0.25, -0.35), -0.5, 0.125), Entry(()))
    text = latex(
        ResultTable(
            "t", "A title", ("r",), ("base (n = 1)", "behavioral, LoRA (n = 2)"), ((entries[0],), (entries[1],)), False
        )
    )
    assert r"r & \begin{tabular}{@{}r@{}}$-$0.300 $\pm$ 0.071\\{[}$-$0.500 +0.125{]}\end{tabular} & -- \\" in text
    assert r"\begin{tabular}{@{}c@{}}behavioral,\\LoRA\\(n = 2)\end{tabular}" in text
    assert r"\label{tab:t}" in text


def test_latex_sets_five_models_side_by_side():
    rows = tuple(f"IIT-DAS, LoRA (layer {i}, size 64) (n = 1)" for i in range(7))
    text = latex(ResultTable("t", "A title", ("r", "s"), rows, ((Entry((0.5,)), Entry((0.25,))),) * 7, False))
    assert re.findall(r"begin\{tabular\}\{(l\w+)\}", text) == ["lrrrrr", "lrr"]
    assert text.count("r & +0.500") == 2
    assert text.count("begin{table*}") == 1
    assert r"IIT-DAS,\\LoRA\\(layer 6,\\size 64)\\(n = 1)" in text


def test_rows_of_no_value_are_still_rows(tmp_path: Path):
    empty = evaluated(tmp_path / "empty", {("blv", "overall", "pearson"): 0.5}, **RUN)
    full = evaluated(tmp_path / "full", {PREFERENCE: 0.5})
    assert lines(compare([full, empty], None))["behavioral, LoRA (n = 1)"] == ["-"]
    assert pd.read_csv(StringIO((full / "results.csv").read_text()))["n"].tolist() == [9]


def test_the_contrast_is_that_of_the_tasks_in_the_tables(tmp_path: Path):
    """The folder also holds an earlier task with other kinds of text."""
    facts = {"name": "x", "label": "base", "base": "b", "group": "base", "seed": 0}
    for task, measure, kinds in (
        ("preference", "preference", ["description", "caption"]),
        ("transfer", "retrieval Alt", ["Alt", "title"]),
    ):
        number = Number(task, "test", measure, 0.5, 9)
        job = Job(task, {"contrast": kinds}, lambda number=number: TaskResult([number]))
        settings = {"kind": "evaluation", "version": VERSIONS["evaluation"], "model": "x"}
        carry_out(Plan(tmp_path, settings, facts, (job,), ()))
    evaluation = read(tmp_path)
    assert evaluation.contrast.kinds == ("Alt", "title")
    assert [number.measure for number in evaluation.numbers] == ["retrieval Alt"]
