"""Tables over evaluated models: means over seeds, drops, intervals, and refusals."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from interp import cli
from interp.errors import UserError
from interp.runs.files import StoreError
from interp.runs.versions import VERSIONS
from tests.oracles.plain_forward import copied_correlations, percentiles
from tests.run_folders import kept, make_other_version, rewrite, versioned, write_tuning
from tests.training.evaluation.evaluating import evaluated
from tests.wording import raises, refused
from training import evaluate
from training.config import EvaluateConfig
from training.evaluation.compare import compare
from training.evaluation.stored import read

PREFERENCE = ("preference", "test", "preference")


COLOUR, PLACE = ("transfer", "colour", "accuracy"), ("transfer", "place", "accuracy")


RETRIEVAL = {kind: ("transfer", "retrieval", f"retrieval {kind}") for kind in ("description", "caption")}


RUN = {"label": "behavioral, LoRA", "objective": "behavioral", "layer": 11, "size": 64, "group": "runs"}


def cell(folder: Path) -> Path:
    return folder / "cells" / "preference.json"


def lines(text: str, name: str = "table1") -> dict[str, list[str]]:
    """Return the rows of a table of the terminal, label -> cells; two or more spaces separate cells."""
    text = text.partition("\n\nlook at")[0]
    (table,) = [block for block in text.split("\n\ntable") if block.removeprefix("table").startswith(name[5:])]
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.splitlines()[2:]]
    return {row[0]: row[1:] for row in rows if row}


def table(folder: Path, name: str = "table1") -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", float_precision="round_trip").set_index("model")


def seeds(tmp_path: Path, values: dict[int, float], **about: Any) -> list[Path]:
    """Write runs that differ only in the seed, with the given preferences."""
    stem = about.get("group", "run")
    return [
        evaluated(tmp_path / f"{stem}-{seed}", {PREFERENCE: value}, **{**RUN, **about, "seed": seed})
        for seed, value in values.items()
    ]


def test_the_mean_and_the_deviation_of_a_sample_over_seeds(tmp_path: Path):
    shares = {0: 0.91, 1: 0.94, 2: 1 / 3}
    runs = seeds(tmp_path, shares)
    base = evaluated(tmp_path / "base", {PREFERENCE: 0.5})
    text = compare([base, *runs], tmp_path / "out")
    rows = lines(text)
    mean, sd = np.mean(list(shares.values())), np.std(list(shares.values()), ddof=1)
    assert rows["behavioral, LoRA (n = 3)"] == [f"{100 * mean:.1f} ± {100 * sd:.1f}"]
    assert f"{100 * sd:.1f}" != f"{100 * np.std(list(shares.values())):.1f}"
    assert rows["base (n = 1)"] == ["50.0"]
    frame = table(tmp_path / "out")
    assert frame.loc["behavioral, LoRA (n = 3)", "preference"] == pytest.approx(mean, rel=1e-15)
    assert frame.loc["behavioral, LoRA (n = 3)", "preference sd"] == pytest.approx(sd, rel=1e-15)
    assert frame["preference n"].tolist() == [1, 3]
    assert math.isnan(frame.loc["base (n = 1)", "preference sd"])
    assert f"look at  {tmp_path / 'out'}" in text


def test_drops_are_what_the_base_has_more(tmp_path: Path):
    able = {COLOUR: 0.9, PLACE: 0.7, RETRIEVAL["description"]: 0.4, RETRIEVAL["caption"]: 0.2}
    weak = {COLOUR: 0.6, PLACE: 0.9, RETRIEVAL["description"]: 0.1, RETRIEVAL["caption"]: 0.1}
    base, run = evaluated(tmp_path / "base", able), evaluated(tmp_path / "run", weak, **RUN)
    shown = {order: compare(order, tmp_path / "out") for order in ((base, run), (run, base))}
    row = table(tmp_path / "out").loc["behavioral, LoRA (n = 1)"]
    assert row["transfer drop"] == pytest.approx(((0.9 - 0.6) + (0.7 - 0.9)) / 2)
    assert row["retrieval drop"] == pytest.approx(((0.4 - 0.1) + (0.2 - 0.1)) / 2)
    assert lines(shown[base, run]) == lines(shown[run, base])
    assert lines(shown[base, run])["base (n = 1)"][-2:] == ["-", "-"]
    assert "drop" in shown[base, run]
    assert "drop" not in compare([run], None)
    other = evaluated(tmp_path / "few", {COLOUR: 0.6}, **{**RUN, "group": "few"})
    assert lines(compare([base, other], None))["behavioral, LoRA (n = 1)"][-1] == "-"


def test_what_was_not_measured_is_a_dash(tmp_path: Path):
    whole = evaluated(tmp_path / "whole", {PREFERENCE: 0.5, COLOUR: 0.25, ("transfer", "colour", "macro_f1"): 0.125})
    part = evaluated(tmp_path / "part", {COLOUR: 0.5, PREFERENCE: math.nan}, **RUN)
    text = compare([whole, part], tmp_path / "out")
    assert lines(text)["behavioral, LoRA (n = 1)"] == ["-", "50.0", "-", "-25.0"]
    assert lines(text)["base (n = 1)"] == ["50.0", "25.0", "12.5", "-"]
    row = table(tmp_path / "out").loc["behavioral, LoRA (n = 1)"]
    assert math.isnan(row["preference"])
    assert row["preference n"] == 0
    assert "IIA" not in text  # no model has it
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["table1.csv", "table1.md", "table1.tex"]


def test_the_tables_of_readers_and_norms(tmp_path: Path):
    values = {
        ("blv", "overall", "pearson"): 0.0751,
        ("blv", "overall", "spearman"): 0.5,
        ("blv", "relevance", "pearson given length"): -0.25,
        ("norms", "imageability", "r_through"): 0.125,
        ("norms", "imageability", "r_full"): -0.0625,
        ("norms", "attributions", "attribution_delta"): 7.0,
    }
    text = compare([evaluated(tmp_path / "base", values)], tmp_path / "out")
    assert lines(text, "table2") == {
        "model": ["overall", "relevance, given length"],
        "base (n = 1)": ["+0.075", "-0.250"],
    }
    assert lines(text, "table3") == {
        "model": ["imageability full", "imageability through"],
        "base (n = 1)": ["-0.062", "+0.125"],
    }
    assert not (tmp_path / "out" / "table1.csv").exists()
    assert table(tmp_path / "out", "table2").loc["base (n = 1)", "overall"] == 0.0751


def test_intervals_of_norms_resample_words_over_all_seeds_alike(tmp_path: Path):
    rng, words = np.random.default_rng(0), [f"word {i:02d}" for i in range(12)]
    ratings = rng.normal(size=12)
    ratings[3] = np.nan
    finite = np.isfinite(ratings)
    attributions = [0.4 * ratings + rng.normal(size=12) for _ in range(2)]
    for each in attributions:
        each[3] = 9.0
    paths, sampled = [], []
    for seed, each in enumerate(attributions):
        details = {
            "words": {"full": dict(zip(words, each.tolist(), strict=True)) | ({"alone": 5.0} if seed else {})},
            "ratings": {"imageability": dict(zip(words, ratings.tolist(), strict=True))},
        }
        r = np.corrcoef(each[finite], ratings[finite])[0, 1]
        values = {("norms", "imageability", "r_full"): float(r)}
        paths.append(evaluated(tmp_path / str(seed), values, details, **{**RUN, "seed": seed}))
        sampled.append(copied_correlations(each[finite], ratings[finite], np.arange(11), 2000, 0))
    text = compare(paths, tmp_path / "out")
    low, high = percentiles(np.mean(sampled, axis=0), range(11))
    (cell,) = lines(text, "table3")["behavioral, LoRA (n = 2)"]
    assert cell.endswith(f" [{low:+.3f} {high:+.3f}]")
    (alone,) = lines(compare(paths[:1], None), "table3")["behavioral, LoRA (n = 1)"]
    low, high = percentiles(sampled[0], range(11))
    assert alone.endswith(f" [{low:+.3f} {high:+.3f}]")
    assert alone.partition("[")[2] != cell.partition("[")[2]


@pytest.mark.parametrize(
    ("differing", "ends"),
    [
        ([{"layer": 11}, {"layer": 9}], ["layer 11", "layer 9"]),
        ([{"size": 8}, {"size": 64}, {"size": 16}], [f"size {size}" for size in (8, 64, 16)]),
        ([{"retain": 0.5}, {"retain": None}, {"retain": 2.0}], ["retain 0.5", "retain chosen", "retain 2"]),
        ([{"size": 2, "retain": 0.0}, {"retain": 0.0}], ["size 2", "size 64"]),
        ([{"name": "a/x"}, {"name": "a/y"}, {"name": "a/z"}], ["x", "y", "z"]),
        ([{"name": "a/x"}, {"name": "b/x"}, {"name": "c/x"}, {"name": "c/y"}], ["a/x", "b/x", "c/x", "y"]),
        ([{"layer": 9, "name": "x"}, {"name": "x"}, {"name": "y"}], ["layer 9", "x", "y"]),
        ([{"name": "same"}, {"name": "same"}], ["group-0", "group-1"]),
    ],
)
def test_models_of_one_label_are_told_apart(tmp_path: Path, differing: list[dict[str, Any]], ends: list[str]):
    runs = [
        evaluated(tmp_path / str(i), {PREFERENCE: 0.1 * i}, **{**RUN, "group": f"group-{i}", **about})
        for i, about in enumerate(differing)
    ]
    rows = lines(compare(runs, None))
    assert list(rows) == ["model", *(f"behavioral, LoRA ({end}) (n = 1)" for end in ends)]
    assert [cells for label, cells in rows.items() if label != "model"] == [[f"{10 * i:.1f}"] for i in range(len(runs))]
    assert list(lines(compare(runs[:1], None))) == ["model", "behavioral, LoRA (n = 1)"]


def test_two_runs_with_one_seed_are_refused(tmp_path: Path):
    first, second, third = seeds(tmp_path, {0: 0.5, 1: 0.75, 2: 1.0})
    again = evaluated(tmp_path / "again", {PREFERENCE: 0.25}, **{**RUN, "seed": 1})
    with raises(UserError, "behavioral, LoRA", 1, f"'{second}'", f"'{again}'"):
        compare([first, second, third, again], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert list(lines(compare([first, again, third], None))) == ["model", "behavioral, LoRA (n = 3)"]
    with raises(UserError, "base", 0):
        compare([evaluated(tmp_path / "a", {PREFERENCE: 0.5}), evaluated(tmp_path / "b", {PREFERENCE: 0.5})], None)


def test_different_bases_are_refused(tmp_path: Path):
    base, run = evaluated(tmp_path / "base", {PREFERENCE: 0.5}), evaluated(tmp_path / "run", {PREFERENCE: 0.75}, **RUN)
    foreign = evaluated(tmp_path / "foreign", {PREFERENCE: 0.75}, **{**RUN, "base": "c", "group": "other"})
    for paths in ([base, foreign], [run, foreign], [base, run, foreign]):
        with raises(UserError, 2):
            compare(paths, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    scores = evaluated(tmp_path / "scores", {PREFERENCE: 0.25}, label="scores of x", base="key", group="key")
    assert list(lines(compare([base, run, scores], None))) == [
        "model",
        "base (n = 1)",
        "behavioral, LoRA (n = 1)",
        "scores of x (n = 1)",
    ]


def test_an_evaluation_is_found_by_the_run_that_it_is_of(tmp_path: Path):
    run = write_tuning(tmp_path / "run")
    with raises(StoreError, f"'{run}'", "training.evaluate", "--model", run):
        read(run)
    evaluated(run / "evaluation", {PREFERENCE: 0.5}, **RUN)
    assert read(run) == read(run / "evaluation")
    assert read(run).values == {PREFERENCE: 0.5}
    assert read(run) != replace(read(run), values={PREFERENCE: 0.25})
    for nothing in (tmp_path / "nothing", Path("x" * 300)):
        with raises(StoreError, nothing):
            read(nothing)


@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (make_other_version, (VERSIONS["evaluation"] - 1, VERSIONS["evaluation"])),
        (lambda f: cell(f).write_text(cell(f).read_text().replace("0.5", "0.6")), "preference.json'"),
        (lambda f: rewrite(cell(f), kept(cell(f)) | {"rows": [{"task": "preference"}]}), '"of"'),
        (lambda f: (f / "manifest.json").write_text("{ cut sho"), "manifest.json"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json"),
        (lambda f: rewrite(f / "manifest.json", {"settings": versioned("evaluation")}), '"about"'),
        (lambda f: rewrite(f / "manifest.json", {"settings": versioned("sweep")}), "training.evaluate"),
        (lambda f: rewrite(f / "manifest.json", {}), '"settings"'),
        (lambda f: cell(f).unlink(), "run'"),
        (lambda f: (f / "evaluation").symlink_to("/"), "evaluation'"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_status_2(tmp_path: Path, capsys, spoil, value: object):
    folder = evaluated(tmp_path / "run", {PREFERENCE: 0.5})

    def status(out: str) -> int:
        config = EvaluateConfig(compare=(str(folder),), out=str(tmp_path / out))
        return cli.run(lambda: evaluate.assess(config), on_interrupt=str)

    assert status("out") == 0
    shown = capsys.readouterr()
    assert lines(shown.out)["base (n = 1)"] == ["50.0"]
    assert shown.err == ""
    assert (tmp_path / "out" / "table1.md").is_file()
    spoil(folder)
    refused(status("none"), capsys, value)
    with raises(StoreError, value):
        read(folder)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_the_command_prints_and_writes_without_torch(tmp_path: Path):
    first, second = seeds(tmp_path, {0: 0.5, 1: 0.75})
    command = [sys.executable, "-X", "importtime", "-m", "training.evaluate", "--compare", str(first), str(second)]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=True)
    assert done.stdout == compare([first, second], tmp_path / "out") + "\n"
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert {"pandas", "training.evaluation.compare"} <= imported
    assert not {"torch", "transformers"} & imported
