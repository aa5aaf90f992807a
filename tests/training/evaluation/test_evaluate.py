"""Measures and files of an evaluation."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats as scipy_stats

from interp import cli
from interp.clip.loading import load_clip
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.blv import QUESTIONS, load_blv
from interp.data.contrast import PAPER
from interp.runs.folder import RunFolder
from interp.runs.versions import VERSIONS
from interp.subspaces.rotation import Rotation, random_basis
from tests.run_folders import kept
from tests.training.evaluation.evaluating import by_key, of_test, pairs_of_toy, run, run_rotation, table, tune
from training import evaluate
from training.config import EvaluateConfig
from training.evaluation.aligned_subspace import AlignedSubspace
from training.evaluation.numbers import Number, terminal_table
from training.evaluation.tasks import units_of
from training.evaluation.tasks.blv import rated_scores
from training.evaluation.tasks.preference import measure_preference

pytestmark = pytest.mark.slow


def test_all_tasks_of_a_run_are_in_every_file(done: Path, lora: Path):
    frame, indexed = pd.read_csv(done / "results.csv", float_precision="round_trip"), table(done)
    assert frame["task"].unique().tolist() == ["preference", "transfer", "blv", "norms"]
    listed = json.loads((done / "results.json").read_text())
    pd.testing.assert_frame_equal(pd.DataFrame(listed), frame, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(done / "results.parquet"), frame)
    for split in ("val", "test"):
        assert indexed.loc["preference", split, "preference"]["n"] == pairs_of_toy(60, split)
        for name in ("iia", "iia_random"):
            for direction in ("c2d", "d2c"):
                assert 0 <= indexed.loc["preference", split, f"{name}_{direction}"]["value"] <= 1
    assert indexed.loc["preference", "all", "preference"]["n"] == pairs_of_toy(60, "val", "test")
    assert {key[1] for key in indexed.index if key[0] == "transfer"} == {
        "shape",
        "colour",
        "arrangement",
        "place",
        "retrieval",
        "all sets",
    }
    assert (indexed.loc[("transfer", "colour"), "n"] == 20).all()
    of_texts = indexed.loc[("blv", "overall"), "n"]
    assert (of_texts[~of_texts.index.str.startswith("order")] == 15).all()
    assert {"r_through", "r_around", "r_full"} <= set(indexed.loc["norms", "concreteness"].index)
    with_interval = indexed.dropna(subset=["low"])
    assert len(with_interval) > 30
    assert (with_interval["low"] <= with_interval["value"]).all()
    assert (with_interval["value"] <= with_interval["high"]).all()
    manifest = json.loads((done / "manifest.json").read_text())
    tuning = json.loads((lora / "manifest.json").read_text())
    assert manifest["settings"] == {
        "kind": "evaluation",
        "version": VERSIONS["evaluation"],
        "model": load_clip(str(lora), trust=True).fingerprint,
    }
    assert manifest["about"]["base"] == tuning["settings"]["base"]
    assert (manifest["about"]["label"], manifest["about"]["seed"]) == ("IIT-DAS, LoRA", 1)
    assert manifest["arguments"]["n_steps"] == 3
    again = cli.parse(EvaluateConfig, "", "", "", shlex.split(manifest["command"])[3:])
    assert json.loads(json.dumps(asdict(again))) == manifest["arguments"]
    assert "finished" in manifest


def test_evidence_is_of_the_split_that_was_held_out_last(done: Path):
    frame = table(done)
    assert frame.loc["preference", "test", "r2"]["n"] == pairs_of_toy(60, "test")
    assert -1 <= frame.loc["transfer", "all sets", "swap_transfer_lost"]["value"] <= 1
    with pytest.raises(KeyError):
        frame.loc["preference", "val", "r2"]


def test_without_controls_there_is_iia_and_no_evidence(lora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, tasks = tmp_path / "out", "preference,transfer"
    assert run("--model", str(lora), "--tasks", tasks, "--controls", "none", "--out", str(out)) == 0
    assert "Verdict" not in capsys.readouterr().out
    measures = set(table(out).index.get_level_values("measure"))
    assert "iia_c2d" in measures
    assert not measures & {"r2", "gap", "swap_transfer_lost", "iia_pca"}


def test_without_a_rotation_nothing_is_intervened_on(full: Path, model: str, ratings: Path, tmp_path: Path, capsys):
    for name, more in ((str(full), []), (model, ["--limit", "60", "--tasks", "preference,blv,norms"])):
        assert run("--model", name, "--blv", str(ratings), *more, "--out", str(tmp_path / "out")) == 0
        frame = table(tmp_path / "out")
        measures = set(frame.index.get_level_values("measure"))
        assert not {each for each in measures if each.startswith(("iia", "shift")) or each.endswith("through")}
        assert {"preference", "pearson given length", "r_full"} <= measures
        assert ({"accuracy", "macro_f1", "retrieval caption"} <= measures) == (name == str(full))
        assert ("pearson more than the other" in measures) == (name == str(full))
        assert frame.loc["preference", "all", "preference"]["n"] == pairs_of_toy(60, "val", "test")
        assert f"the other is {model}" in capsys.readouterr().out or name == model
        shutil.rmtree(tmp_path / "out")
    about = json.loads((full / "manifest.json").read_text())["settings"]
    assert about["objective"] == "behavioral"


def test_a_run_is_evaluated_on_what_it_was_not_trained_on(model: str, concadia: Path, tmp_path: Path, capsys):
    data = f"concadia:{concadia}"
    tuned = tune(model, tmp_path / "run", "--data", data, "--split", "val", "--limit", "30")
    counts = {}
    for name, options in {
        "own": [],
        "more": ["--limit", "40"],
        "same": ["--data", data],
        "other": ["--data", "toy", "--limit", "60"],
    }.items():
        assert run("--model", str(tuned), "--tasks", "preference", *options, "--out", str(tmp_path / name)) == 0
        frame = table(tmp_path / name)
        counts[name] = {split: int(frame.loc["preference", split, "preference"]["n"]) for split in ("val", "test")}
    for name, (spec, split, limit) in {
        "own": (data, "val", 30),
        "more": (data, "val", 40),
        "other": ("toy", None, 60),
    }.items():
        pairs = load_pairs(spec, split=split, limit=limit)
        assert counts[name] == {kind: len(pairs.split(kind)) for kind in ("val", "test")}
    assert counts["same"] == counts["own"]  # the run's split and limit go with its data
    assert len({tuple(each.values()) for each in counts.values()}) == 3
    trained = {pair.id for pair in load_pairs(data, split="val", limit=30).split("train").pairs}
    assert trained.isdisjoint(pair.id for pair in load_pairs(data, split="val", limit=40).split("test").pairs)
    assert "split 'val' alone was divided by group" in capsys.readouterr().out
    assert run("--model", str(tuned), "--tasks", "preference", "--splits", "test", "--out", str(tmp_path / "test")) == 0
    alone = table(tmp_path / "test")
    assert {label.partition(",")[0] for label in alone.index.get_level_values("of")} == {"test"}
    assert (
        alone.loc["preference", "test", "preference"]["value"]
        == (table(tmp_path / "own").loc["preference", "test", "preference"]["value"])
    )


def test_interventions_have_the_sources_that_were_trained_with(model: str, lora: Path, rotations: Path, tmp_path: Path):
    """Default sources are those of the run's training or of the facts of a rotation file, else random."""
    paired = tune(model, tmp_path / "paired", "--limit", "60", "--sources", "paired")
    with_facts = tmp_path / "told.safetensors"
    basis = Rotation.load(rotations / "right.safetensors").basis
    Rotation(basis, Site("text", 4), {"sources": "paired"}).save(with_facts)
    asked = {
        "paired": (paired, [], "paired"),
        "lora": (lora, [], "random"),
        "asked": (paired, ["random"], "random"),
        "told": (lora, ["--rotation", str(with_facts)], "paired"),
        "base": (Path(model), [], None),
    }
    for name, (evaluated_model, options, wanted) in asked.items():
        more = ["--sources", *options] if options == ["random"] else options
        limit = ["--limit", "60"] if name == "base" else []
        assert (
            run(
                "--model",
                str(evaluated_model),
                "--tasks",
                "preference",
                *more,
                *limit,
                "--out",
                str(tmp_path / name / "out"),
            )
            == 0
        )
        cell = kept(RunFolder(tmp_path / name / "out").cell_path("preference"))
        assert cell["settings"]["sources"] == wanted
    assert table(tmp_path / "paired" / "out").loc["preference", "test", "iia_c2d"]["value"] == (
        by_key(
            measure_preference(
                load_clip(str(paired), trust=True), of_test(paired), AlignedSubspace(run_rotation(paired), "paired", 0)
            )[0]
        )["preference", "test", "iia_c2d"].value
    )
    compared = [str(tmp_path / name / "out") for name in ("base", "paired")]
    assert evaluate.main(["--compare", *compared]) == 0  # the sources of a base do not matter
    assert evaluate.main(["--compare", *compared, str(tmp_path / "lora" / "out")]) == 2


def test_the_default_folder_is_the_runs_own(full: Path, model: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copied = shutil.copytree(full, tmp_path / "run")
    assert run("--model", "run", "--tasks", "preference") == 0
    assert table(copied / "evaluation").loc["preference", "test", "preference"]["n"] == pairs_of_toy(60, "test")
    shutil.copytree(model, tmp_path / "My Model")
    assert run("--model", "My Model", "--tasks", "preference", "--limit", "40") == 0
    assert table(tmp_path / "runs" / "evaluate-my-model").loc["preference", "test", "preference"]["n"] == pairs_of_toy(
        40, "test"
    )


def test_a_rotation_for_a_base(model: str, tmp_path: Path):
    frames = {}
    for name, seed, layer in (("first", 0, 3), ("other", 1, 4)):
        basis = random_basis(24, 7, torch.Generator().manual_seed(seed))
        Rotation(basis, Site("text", layer)).save(tmp_path / f"{name}.safetensors")
        arguments = ["--model", model, "--tasks", "preference,norms", "--limit", "60", "--out", str(tmp_path / name)]
        assert run(*arguments, "--rotation", str(tmp_path / f"{name}.safetensors")) == 0
        frames[name] = table(tmp_path / name)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert manifest["certified"]["a text swapped with itself, against itself"] == 0
        assert 0 < manifest["certified"]["counterfactuals, against a plain hook"] < 1e-5
    assert run(*arguments[:-1], str(tmp_path / "none")) == 0
    plain = table(tmp_path / "none")
    same = [key for key in plain.index if key[2].startswith("preference") or key[2] == "r_full"]
    assert len(same) > 8
    for each in frames.values():
        np.testing.assert_allclose(each.loc[same, "value"], plain.loc[same, "value"], atol=1e-4)
        assert {"iia_c2d", "shift_c2d"} <= set(each.loc["preference", "test"].index)
    assert ("preference", "test", "iia_c2d") not in plain.index
    for key in (("preference", "test", "shift_c2d"), ("norms", "concreteness", "r_through")):
        assert len({each.loc[key, "value"] for each in frames.values()}) == 2


def test_readers_difference_from_the_base_another_model_and_scores(lora: Path, model: str, ratings, tmp_path, toy):
    rated = load_blv(ratings)
    rng = np.random.default_rng(0)
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        table_of_scores = {text.description: rng.normal() for text in rated.texts}
        csv.writer(file).writerows([["description", "score"], *table_of_scores.items(), ["an unrated text", 0.5]])
    scores = rated_scores(load_clip(str(lora), trust=True), rated, "")
    others = {
        model: rated_scores(load_clip(model), rated, ""),
        "toy": rated_scores(toy, rated, ""),
        str(tmp_path / "scores.csv"): np.array(list(table_of_scores.values())),
    }
    seen = set()
    for number, (against, other) in enumerate({None: others[model], **others}.items()):
        out = tmp_path / str(number)
        more = [] if against is None else ["--against", against]
        assert run("--model", str(lora), "--tasks", "blv", "--blv", str(ratings), *more, "--out", str(out)) == 0
        for question in QUESTIONS:
            y = np.array([text.ratings[question] for text in rated.texts])
            for method in ("pearson", "spearman"):
                r = getattr(scipy_stats, f"{method}r")
                row = table(out).loc["blv", question, f"{method} more than the other"]
                assert row["value"] == pytest.approx(r(scores, y).statistic - r(other, y).statistic, abs=1e-6)
        seen.add(table(out).loc["blv", "overall", "pearson more than the other"]["value"])
    assert len(seen) == 3  # the first two are the same model
    arguments = ["--tasks", "blv", "--blv", str(ratings), "--scores", str(tmp_path / "scores.csv")]
    with (tmp_path / "worse.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["description", "score"], *zip(table_of_scores, scores, strict=True)])
    assert run(*arguments, "--against", str(tmp_path / "worse.csv"), "--out", str(tmp_path / "given")) == 0
    given = table(tmp_path / "given").loc["blv", "overall", "pearson more than the other"]["value"]
    y = [text.ratings["overall"] for text in rated.texts]
    expected = (
        scipy_stats.pearsonr(list(table_of_scores.values()), y).statistic - scipy_stats.pearsonr(scores, y).statistic
    )
    assert given == pytest.approx(expected, abs=1e-6)


def test_readers_alone_need_no_pairs(model: str, ratings: Path, concadia: Path, tmp_path: Path):
    moved = shutil.copytree(concadia, tmp_path / "concadia")
    tuned = tune(model, tmp_path / "run", "--data", f"concadia:{moved}")
    shutil.rmtree(moved)
    assert run("--model", str(tuned), "--tasks", "blv", "--blv", str(ratings), "--out", str(tmp_path / "out")) == 0
    assert set(table(tmp_path / "out").index.get_level_values("task")) == {"blv"}
    assert run("--model", str(tuned), "--tasks", "norms", "--out", str(tmp_path / "norms")) == 2
    assert not (tmp_path / "norms").exists()


def test_a_fit_rotation_and_few_pairs_will_do_with_paired_sources(model: str, rotations: Path, tmp_path: Path):
    arguments = ["--model", model, "--tasks", "preference", "--rotation", str(rotations / "right.safetensors")]
    assert run(*arguments, "--limit", "3", "--sources", "paired", "--out", str(tmp_path / "out")) == 0
    assert table(tmp_path / "out").loc["preference", "val", "iia_c2d"]["n"] == 1


def test_a_base_that_has_no_tokenizer_of_its_own(model: str, ratings: Path, tmp_path: Path):
    base = shutil.copytree(model, tmp_path / "base")
    (base / "tokenizer.json").unlink()
    tuning = ["--limit", "60", "--tokenizer", model, "--tuning", "full", "--objective", "behavioral"]
    tuned = tune(str(base), tmp_path / "run", *tuning)
    assert run("--model", str(tuned), "--tasks", "blv", "--blv", str(ratings), "--out", str(tmp_path / "out")) == 0
    assert ("blv", "overall", "pearson more than the other") in table(tmp_path / "out").index


def test_the_table_of_the_terminal():
    rows = [
        Number("preference", "test", "preference", 0.525, 40, 0.375, 0.671),
        Number("preference", "test", "preference, caption longer", float("nan"), 0),
        Number("blv", "overall", "pearson", -0.0751, 68, -0.25, 0.125),
        Number("preference", "test", "mean caption score", 0.5, 40),
    ]
    lines = [line.split("  ") for line in terminal_table(rows, units_of(["preference", "blv"], PAPER)).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[1:] == [
        ["preference", "test", "preference", "52.5 %", "[37.5 67.1]", "40"],
        ["preference", "test", "preference, caption longer", "-", "0"],
        ["blv", "overall", "pearson", "-0.075", "[-0.250 +0.125]", "68"],
        ["preference", "test", "mean caption score", "+0.500", "40"],
    ]
