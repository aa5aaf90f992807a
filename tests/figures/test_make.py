"""`python -m figures.make`: files, tables, and refusals."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from figures import make, runs
from figures.layout import problems
from figures.names import FIGURES, TABLES
from figures.style import PAGE
from interp.errors import UserError
from interp.measures import MEASURED
from interp.runs.folder import RunFolder, update_manifest
from tests.figures.material import change_settings, figure, texts, write
from tests.run_folders import rewrite, write_evaluation, write_paper, write_sweep
from tests.wording import raises, refused
from training.evaluation.rendering import markdown

pytestmark = pytest.mark.slow


FONT = ("STIXGeneral",)


KIND = '{"settings": {"kind": "odd", "version": 1}}'


def test_all_figures_and_tables_are_written(written: tuple[Path, Path]):
    out, _ = written
    expected = {f"{name}.{end}" for name in FIGURES for end in ("pdf", "png", "alt.txt")}
    expected |= {f"{name}.{end}" for name in TABLES for end in ("csv", "md", "tex")}
    assert {path.name for path in out.iterdir()} == expected
    for name in FIGURES:
        with Image.open(out / f"{name}.png") as image:
            assert image.width == round(300 * PAGE)
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert image.info["Description"] == (out / f"{name}.alt.txt").read_text().strip()
        content = (out / f"{name}.pdf").read_bytes()
        assert content.startswith(b"%PDF")
        assert b"/TrueType" in content or b"/CIDFontType2" in content
        assert b"/Type3" not in content
        (box,) = set(re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ", content))
        assert float(box) == pytest.approx(72 * PAGE)
    table = pd.read_csv(out / "table2.csv")
    assert table["overall n"].tolist() == [1, 2, 2]


def test_the_same_runs_give_the_same_bytes(written: tuple[Path, Path], tmp_path: Path):
    out, folder = written
    assert make.main(["--run", str(folder / "paper"), str(folder / "sweep"), "--out", str(tmp_path)]) == 0
    for path in out.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_one_figure_alone(written: tuple[Path, Path], tmp_path: Path, capsys):
    _, folder = written
    assert make.main(["--run", str(folder / "sweep"), "--out", str(tmp_path), "--only", "fig_sweep"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"fig_sweep.{e}" for e in ("alt.txt", "pdf", "png")]
    assert "not made" not in capsys.readouterr().out


def test_what_cannot_be_made_is_named_with_what_it_needs(written: tuple[Path, Path], tmp_path: Path, capsys):
    _, folder = written
    assert make.main(["--run", str(folder / "sweep"), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "not made: fig_training needs fine-tuned runs: python -m training.finetune" in printed
    assert "not made: table1 needs evaluated models" in printed
    assert (tmp_path / "fig_norms.pdf").is_file()


@pytest.mark.parametrize(
    ("change", "arguments", "value"),
    [
        (None, "--only fig_nonsense", ("'fig_nonsense'", "fig_pairs")),
        (None, "", "--run"),
        (None, "--run {missing}", "missing'"),
        (None, "--run {sweep} --only fig_training table2", "fig_training"),
        (lambda at: write_sweep(at / "paper" / "second"), "--run {sweep} {paper}", ("sweep'", "second'")),
        (lambda at: (at / "empty").mkdir(), "--run {empty}", "empty'"),
        (lambda at: write_evaluation(at / "paper" / "twice"), "--run {paper}", ("base", "twice'")),
        (lambda at: write(at / "paper/iit-das-seed0/history.csv", "step"), "--run {paper}", "history.csv'"),
        *(
            (lambda at, table=table: write(at / "paper/iit-das-seed0/history.csv", table), "--run {paper}", value)
            for table, value in (
                ("step,val_loss,preference\n", "history.csv"),
                ("step,val_loss,preference\n1,1,1\n1,1,1\n", "history.csv"),
                ("step,val_loss,preference\n0.5,1,1\n", "history.csv"),
                ("step,val_loss,preference\n0,nan,1\n", (2, "val_loss", "'nan'")),
                ("step,val_loss,preference,iia_c2d\n0,1,1,[]\n", (2, "iia_c2d", "'[]'")),
                ("step,val_loss\n0,1\n", "preference"),
            )
        ),
        (
            lambda at: change_settings(at / "paper/iit-das-seed0/manifest.json", objective="lever"),
            "--run {paper}",
            ('["settings"]["objective"]', '"lever"'),
        ),
        (lambda at: (at / "sweep/examples/0.jpg").unlink(), "--run {sweep} --only fig_method", "0.jpg"),
        (lambda at: write(at / "sweep/examples/0.jpg"), "--run {sweep} --only fig_attributions", "0.jpg"),
        (
            lambda at: (at / "sweep/ratings.json").unlink(),
            "--run {sweep} --only fig_norms",
            ("fig_norms", "ratings.json"),
        ),
        (lambda at: (at / "sweep/examples.json").unlink(), "--run {sweep} --only fig_method", "fig_method"),
        (
            lambda at: (at / "paper/base/examples.json").unlink(),
            "--run {paper} --only fig_pairs",
            "fig_pairs",
        ),
        (lambda at: write(at / "sweep/manifest.json", KIND), "--run {sweep}", "odd"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(change, arguments: str, value: object, tmp_path: Path, capsys):
    write_sweep(tmp_path / "sweep")
    write_paper(tmp_path / "paper")
    if change is not None:
        change(tmp_path)
    places = {name: str(tmp_path / name) for name in ("sweep", "paper", "empty", "missing")}
    out = tmp_path / "out"
    refused(
        make.main([*(argument.format(**places) for argument in arguments.split()), "--out", str(out)]), capsys, value
    )
    assert not out.exists()


def test_letters_that_no_font_has_are_named(tmp_path: Path, capsys):
    write_sweep(tmp_path / "sweep", texts=(("a \u6f22\u5b57", "b c"),))
    arguments = ["--run", str(tmp_path / "sweep"), "--out", str(tmp_path / "out"), "--only", "fig_attributions"]
    assert make.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "note: fig_attributions: no installed font has \u5b57\u6f22; install a font" in printed
    assert "\u6f22" in (tmp_path / "out" / "fig_attributions.alt.txt").read_text()


def test_figures_need_no_torch(written: tuple[Path, Path], tmp_path: Path):
    _, folder = written
    arguments = ["--run", str(folder / "sweep"), str(folder / "paper"), "--out", str(tmp_path)]
    code = (
        f"import sys; from figures import make; assert make.main({arguments!r}) == 0; "
        "print([name for name in ('torch', 'transformers', 'matplotlib.pyplot') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_seeds_are_counted_where_they_were_measured(tmp_path: Path):
    paper = write_paper(tmp_path / "paper")
    evaluation = RunFolder(paper / "iit-das-seed0/evaluation")
    evaluation.cell_path("norms").unlink()
    update_manifest(evaluation, tasks=[task for task in evaluation.manifest()["tasks"] if task != "norms"])
    paper_runs = runs.find([paper])
    assert "word types: IIT-DAS, LoRA" in texts(figure("fig_norms", paper_runs))  # no means of several seeds
    (line,) = [
        line
        for line in markdown(paper_runs.tables["table3"]).splitlines()
        if line.startswith("| IIT-DAS, LoRA (n = 2)")
    ]
    assert line.count("(n = 1)") == 2 * len(MEASURED)
    assert "(n = 1)" not in markdown(paper_runs.tables["table1"]).replace("base (n = 1)", "")


def test_what_is_not_finished_is_left_out_and_named(tmp_path: Path, capsys):
    paper = write_paper(tmp_path / "paper")
    for run in ("iit-das-seed1", "behavioral-seed1/evaluation"):
        manifest = json.loads((paper / run / "manifest.json").read_text())
        del manifest["finished"]
        write(paper / run / "manifest.json", json.dumps(manifest))
    (paper / "iit-das-seed1" / "history.csv").unlink()
    assert make.main(["--run", str(paper), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "iit-das-seed1' is not finished, and is left out" in printed
    assert "behavioral-seed1' has no finished evaluation" in printed
    assert "| IIT-DAS, LoRA (n = 1) |" in (tmp_path / "out" / "table1.md").read_text()


def test_numbers_that_are_not_defined_are_dashes(tmp_path: Path):
    sweep, paper = write_sweep(tmp_path / "sweep"), write_paper(tmp_path / "paper")
    for path in sweep.glob("cells/*.json"):
        cell = json.loads(path.read_text())
        for text in cell["examples"]:
            text["through"] = [None] * len(text["words"])
            text["swap"]["counterfactual"] = None
        rewrite(path, cell)
    for path in paper.glob("*/evaluation/cells/norms.json"):
        cell = json.loads(path.read_text())
        cell["details"]["words"]["full"] = dict.fromkeys(cell["details"]["words"]["full"])
        rewrite(path, cell)
    for path in paper.glob("**/cells/preference.json"):
        cell = json.loads(path.read_text())
        cell["details"]["examples"][0]["negative"] = None
        rewrite(path, cell)
    all_runs = runs.find([sweep, paper])
    assert texts(figure("fig_attributions", all_runs)).count("-") == 6 + 5
    assert "counterfactual: -" in texts(figure("fig_method", all_runs))
    assert any("r is not defined" in text for text in texts(figure("fig_norms", all_runs)))
    assert "the wedding at the harbour" not in texts(figure("fig_pairs", all_runs))  # the pair that lacks a score
    for name in FIGURES:
        shown = figure(name, all_runs)
        assert "nan" not in " ".join(texts(shown)).lower().split()
        assert problems(shown) == []


def test_scores_that_were_given_stand_beside_models(tmp_path: Path):
    paper = write_paper(tmp_path / "paper", readers=True)

    def rate(path: Path, **settings: str | None) -> None:
        rewrite(path, json.loads(path.read_text()) | {"settings": settings})

    for path in paper.glob("**/cells/blv.json"):
        rate(path, ratings="r", prefix="A photo depicts ", against=None)
    given = write_evaluation(tmp_path / "paper" / "given", "scores of clipscores", readers=True)
    rate(given / "cells/blv.json", ratings="r", against=None)
    table = runs.find([paper]).tables["table2"]
    assert "scores of clipscores (n = 1)" in table.rows
    rate(given / "cells/blv.json", ratings="others", against=None)
    with raises(UserError, "ratings", str(given)):
        _ = runs.find([paper]).tables
