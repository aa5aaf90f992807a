"""Reading of sweeps: any contrast and methods, missing measures, and damaged files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from figures import make
from interp import measures
from interp.data.contrast import Contrast
from interp.errors import UserError
from interp.measures import Key, MethodName
from interp.measures.schema import SCORE, Measure, Schema
from interp.report import sweep_run
from interp.report.displays import EVERYWHERE, sweep_layout
from interp.report.heatmaps import write_heatmaps
from interp.report.layout import Layout, MeasureDisplay
from interp.report.sweep_run import load_sweep
from interp.report.terminal import terminal_table
from interp.runs.files import StoreError
from tests.run_folders import PAPER_METHODS, Question, reseal, rewrite, write_sweep
from tests.wording import raises, refused

# Another contrast, kinds with the same initial, a method unknown to the code, and one control fewer.
WINES = Question(
    Contrast("white wine", "warm beer"), (MethodName("masked-das", "masked", "masked DAS"), *PAPER_METHODS[1:3])
)
PAPERS_WORDS = ("description", "caption", "c2d", "d2c", "c>d", "random")


@pytest.fixture
def wines(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "sweep", tuned=True, question=WINES)


@pytest.mark.slow
def test_tables_pictures_and_figures_take_their_words_from_the_run(wines: Path, tmp_path: Path, capsys):
    run = load_sweep(wines)
    assert run.contrast == WINES.contrast
    assert tuple(run.methods) == WINES.methods
    text = terminal_table(run.frame, run.layout, run.contrast, run.norms, verbose=True)
    text += run._repr_html_()
    for expected in ("warm_beer>white_wine", "warm beer given Z of white wine", "IIA pca", "IIA means"):
        assert expected in text.replace("&gt;", ">")
    pictures = [path.name for path in write_heatmaps(run.frame, tmp_path, run.layout)]
    assert "heatmap-shift-warm-beer2white-wine.png" in pictures
    assert "heatmap-tuned-iia-white-wine2warm-beer.png" in pictures
    text += " ".join(pictures) + run.plot("iia_warm_beer2white_wine").alt
    out = tmp_path / "out"
    names = ("fig_sweep", "fig_method", "fig_attributions")
    assert make.main(["--run", str(wines), "--out", str(out), "--only", *names]) == 0
    printed = capsys.readouterr().out
    assert "note:" not in printed
    for name in names:
        text += (out / f"{name}.alt.txt").read_text()
        assert "white wine" in (out / f"{name}.alt.txt").read_text()
    assert [word for word in PAPERS_WORDS if word in text] == []


@pytest.mark.slow
def test_a_measure_that_is_declared_is_shown_and_runs_without_it_are_read_as_before(tmp_path: Path, monkeypatch):
    """Tables and heatmaps show the measures of the layout that the run has."""
    run = load_sweep(write_sweep(tmp_path / "sweep"))
    before = terminal_table(run.frame, run.layout, run.contrast, run.norms), run._repr_html_()

    gap = Measure(Key("clean_gap"), "Mean difference of scores", SCORE)

    def declared(*arguments: Any, **options: Any) -> Schema:
        schema = measures.sweep_schema(*arguments, **options)
        return Schema(schema.contrast, (gap, *schema))

    def laid_out(schema: Schema, *rest: Any) -> Layout:
        added = [MeasureDisplay(gap, ("clean_gap",), EVERYWHERE, "gap", family="gap")] if gap.key in schema else []
        return Layout((*added, *sweep_layout(schema, *rest)))

    monkeypatch.setattr(sweep_run, "sweep_schema", declared)
    monkeypatch.setattr(sweep_run, "sweep_layout", laid_out)
    old = load_sweep(tmp_path / "sweep")
    assert (terminal_table(old.frame, old.layout, old.contrast, old.norms), old._repr_html_()) == before
    assert "heatmap-clean-gap.png" not in [path.name for path in write_heatmaps(old.frame, tmp_path, old.layout)]
    with raises(UserError, "'clean_gap'", "iia"):
        old.plot("clean_gap")

    new = replace(old, frame=old.frame.assign(clean_gap=0.125))
    head, _ = terminal_table(new.frame, new.layout, new.contrast, new.norms).split("\n", 2)[1:]
    assert "gap" in head.split()
    assert "+0.125" in new._repr_html_()
    assert "heatmap-clean-gap.png" in [path.name for path in write_heatmaps(new.frame, tmp_path, new.layout)]
    assert "Mean difference of scores" in new.plot("clean_gap").alt


@pytest.mark.slow
def test_long_names_of_kinds_are_shortened_where_they_must(tmp_path: Path, capsys):
    """The alt text of the figure has the full names."""
    kinds = Contrast("white wine of the southern coast", "warm beer from the northern islands")
    path = write_sweep(tmp_path / "sweep", question=Question(kinds, WINES.methods))
    names = ("fig_sweep", "fig_method", "fig_attributions")
    assert make.main(["--run", str(path), "--out", str(tmp_path / "out"), "--only", *names]) == 0
    assert "note:" not in capsys.readouterr().out
    for name in names:
        assert kinds.positive in (tmp_path / "out" / f"{name}.alt.txt").read_text().lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value", "quoted"),
    [
        ("contrast", "ab", ('["settings"]["contrast"]', '"ab"')),
        ("contrast", ["one"], ('["settings"]["contrast"]', '["one"]', 2)),
        ("contrast", ["same", "same"], "contrast"),
        ("contrast", [["a"], ["a"]], ('["settings"]["contrast"][0]', '["a"]')),
        ("methods", "das", ('["settings"]["methods"]', '"das"')),
        ("methods", [["das", "das"]], ('["settings"]["methods"][0]', '["das", "das"]', 3)),
        ("methods", ["das", "pca"], ('["settings"]["methods"][0]', '"das"')),
        ("methods", [["a", "a", "a"], ["b", "b", "b"], ["b", "b", "b"]], "'r2_own_b'"),
    ],
)
def test_settings_that_are_none_are_one_line(setting: str, value: Any, quoted: object, tmp_path: Path, capsys):
    path = write_sweep(tmp_path / "sweep")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["settings"][setting] = value
    (path / "manifest.json").write_text(json.dumps(manifest))
    reseal(path)
    with raises(StoreError, str(path / "manifest.json"), quoted):
        _ = load_sweep(path).schema
    refused(make.main(["--run", str(path), "--out", str(tmp_path / "out"), "--only", "fig_sweep"]), capsys, quoted)


@pytest.mark.slow
@pytest.mark.parametrize("value", ["</td><script>", [1], {"a": 1}, True, 1e400], ids=str)
@pytest.mark.parametrize(
    "where", [("cell", "size"), ("measures", "iia_pca"), ("measures", "iia_val"), ("cell",)], ids=".".join
)
def test_what_is_no_number_in_a_cell_is_one_line(where: tuple[str, ...], value: Any, tmp_path, capsys):
    """A notebook and a figure read the run as the page does."""
    path = write_sweep(tmp_path / "sweep")
    file = path / "cells" / "layer07-size004-seed0.json"
    there = cell = json.loads(file.read_text())
    for key in where[:-1]:
        there = there[key]
    there[where[-1]] = value
    rewrite(file, cell)
    values = str(file), "".join(f'["{key}"]' for key in where[:1])
    with raises(StoreError, values):
        load_sweep(path)
    refused(make.main(["--run", str(path), "--out", str(tmp_path / "out")]), capsys, values)


@pytest.mark.parametrize("value", ["text", [1], True, None])
def test_a_cell_without_measures_is_one_line(value: Any, tmp_path: Path):
    path = write_sweep(tmp_path / "sweep")
    file = path / "cells" / "layer07-size004-seed0.json"
    rewrite(file, json.loads(file.read_text()) | {"measures": value})
    with raises(StoreError, '["measures"]'):
        load_sweep(path)


@pytest.mark.parametrize("value", ["text", ["a"], 1])
def test_norms_that_are_none_are_one_line(value: Any, tmp_path: Path):
    path = write_sweep(tmp_path / "sweep")
    manifest = json.loads((path / "manifest.json").read_text())
    assert load_sweep(path).norms == ["imageability", "concreteness"]
    (path / "manifest.json").write_text(json.dumps(manifest | {"norm_sources": value}))
    with raises(StoreError, 'manifest.json" ["norm_sources"]'):
        load_sweep(path)
    (path / "manifest.json").write_text(json.dumps(manifest | {"norm_sources": {"nonsense": "made up"}}))
    with raises(StoreError, '"r_nonsense_through"'):
        load_sweep(path)
    (path / "manifest.json").write_text(json.dumps(manifest | {"norm_sources": {}}))
    assert load_sweep(path).norms == []


@pytest.mark.parametrize("fewer", [False, True])
def test_directions_are_told_where_fewer_were_found_than_asked_for(wines: Path, fewer: bool):
    for path in sorted((wines / "cells").iterdir()):
        cell = json.loads(path.read_text())
        cell["measures"]["directions"] = 1 if fewer else cell["cell"]["size"]
        rewrite(path, cell)
    run = load_sweep(wines)
    heads = terminal_table(run.frame, run.layout, run.contrast, run.norms).splitlines()[1].split()
    assert ("found" in heads) == fewer
    assert run.directions == (1 if fewer else run.best["size"])
