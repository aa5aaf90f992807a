"""Evaluations as a user meets them, and the four tasks against plain loops."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
import pingouin
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy import stats as scipy_stats
from sklearn.metrics import f1_score
from wordfreq import zipf_frequency

from interp import cli, stats
from interp.attribution.deletion import deletion_areas
from interp.attribution.drawing import attributed_pairs
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_images, embed_texts, tokenize
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.blv import QUESTIONS, RatedTexts, load_blv
from interp.data.contrast import PAPER
from interp.data.norms import load_norms
from interp.data.pairs import Pair
from interp.data.toy.pairs import load_distinct
from interp.data.transfer import load_transfer
from interp.data.words import is_content
from interp.runs.examples import EXAMPLES, picture_path, read_examples
from interp.runs.folder import RunFolder
from interp.subspaces.rotation import Rotation, random_basis
from tests.oracles.plain_forward import (
    embed_one_by_one,
    interchange_by_hook,
    one_line,
    random_texts,
    residuals,
)
from tests.run_folders import FIELDS, kept
from training import evaluate, finetune
from training.config import EvaluateConfig
from training.evaluation import of_model, tasks
from training.evaluation.aligned import Aligned
from training.evaluation.measures import Number, terminal_table
from training.evaluation.preferences import given_preferences, preferences

pytestmark = pytest.mark.slow

SMALL = ["--attributed", "4", "--n-steps", "3", "--transfer-limit", "20"]
TUNING = ["--layer", "4", "--size", "6", "--max-steps", "2", "--lora-rank", "2", "--lr", "0.01", "--cpu"]
ADAPTER = "adapter_model.safetensors"
Key = tuple[str, str, str]


def run(*arguments: str) -> int:
    return evaluate.main([*SMALL, "--trust-run", *arguments])


def tune(model: str, out: Path, *arguments: str) -> Path:
    """A fine-tuned run."""
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert finetune.main([*TUNING, "--model", model, "--out", str(out), *arguments]) == 0
    return out


def pairs_of_toy(limit: int, *splits: str) -> int:
    return sum(pair.split in splits for pair in load_pairs("toy", limit=limit).pairs)


def table(folder: Path) -> pd.DataFrame:
    """Rows by task, of and measure."""
    frame = pd.read_csv(folder / "results.csv", float_precision="round_trip")
    return frame.set_index(["task", "of", "measure"], verify_integrity=True).sort_index()


def by_key(rows: list[Number]) -> dict[Key, Number]:
    found = {(row.task, row.of, row.measure): row for row in rows}
    assert len(found) == len(rows)
    return found


def times(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("cells/*.json")}


@pytest.fixture(autouse=True)
def shared_cache(own_cache: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is found by its content, so the tests of this file can share it, for time."""
    monkeypatch.setenv("CLIP_DESCRIPTIONS_CACHE", str(tmp_path_factory.getbasetemp() / "images"))


@pytest.fixture(scope="module")
def model(small: Clip) -> str:
    return small.name


@pytest.fixture(scope="module")
def lora(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An IIT-DAS run on 60 pairs of the toy world."""
    return tune(model, tmp_path_factory.mktemp("lora") / "run", "--limit", "60", "--seed", "1")


@pytest.fixture(scope="module")
def full(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A behavioral run of all weights."""
    out = tmp_path_factory.mktemp("full") / "run"
    return tune(model, out, "--limit", "60", "--objective", "behavioral", "--tuning", "full")


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings of 15 texts of 5 images by 3 people each, with some left out, as published ones are kept."""
    folder, rng = tmp_path_factory.mktemp("blv"), np.random.default_rng(0)
    (folder / "images").mkdir()
    for i in range(5):
        picture = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(picture).resize((80, 70)).save(folder / "images" / f"image {i}.png")
    rows = [["context", "description", "imgstem", *QUESTIONS.values()]]
    for number, text in enumerate(random_texts(15, seed=3)):
        for _ in range(3):
            answers = [str(rating) if rng.random() < 0.9 else "NA" for rating in rng.integers(1, 6, 4)]
            rows.append([f"Article {number % 3}", f"{number}: {text}", f"image {number % 5}", *answers])
    with (folder / "blv_ratings.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def concadia(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pairs in 24 articles, all of one split, as the published sample is."""
    folder, rng = tmp_path_factory.mktemp("concadia"), np.random.default_rng(0)
    (folder / "resized").mkdir()
    items = []
    for i, (one, other) in enumerate(zip(random_texts(48, seed=1), random_texts(48, seed=2), strict=True)):
        Image.fromarray(rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)).save(folder / "resized" / f"{i}.jpg")
        texts = {"description": {"raw": one}, "caption": {"raw": other}}
        items.append({"article_id": f"A{i // 2}", "filename": f"{i}.jpg", "split": "val", **texts})
    (folder / "wiki_split.json").write_text(json.dumps({"images": items}))
    return folder


@pytest.fixture(scope="module")
def done(lora: Path, ratings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four tasks of the LoRA run."""
    out = tmp_path_factory.mktemp("evaluation") / "lora"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert run("--model", str(lora), "--blv", str(ratings), "--out", str(out)) == 0
    return out


# the command on published data


def test_the_published_scores_agree_with_readers_as_published(published: Path, tmp_path: Path, capsys):
    """Golden: Kreiss et al. 2022; the correlation of a text's length with its overall rating does far better."""
    blv, out = published / "blv", tmp_path / "out"
    arguments = ["--tasks", "blv", "--scores", str(blv / "reference_clipscores.csv"), "--blv", str(blv)]
    assert evaluate.main([*arguments, "--out", str(out)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for question, r in {"overall": 0.075, "imaginability": 0.105, "relevance": 0.085, "irrelevance": 0.089}.items():
        (row,) = [line for line in lines if line[:3] == ["blv", question, "pearson"] and line[3][0] in "+-"]
        assert (float(row[3]), row[-1]) == (r, "68")
        found = table(out).loc["blv", question, "pearson"]
        assert round(found["value"], 3) == r
        assert found["low"] < r < found["high"]
    length = table(out).loc["blv", "overall", "pearson of length"]
    assert (round(length["value"], 2), length["n"]) == (0.57, 68)
    assert "than the other" not in (out / "results.csv").read_text()


@pytest.mark.parametrize("with_data", [True, False])
def test_the_published_scores_prefer_descriptions_as_published(published: Path, tmp_path: Path, capsys, with_data):
    """Golden: vanilla CLIP prefers the description in 104 of the 200 pairs. Four more tie, three of them since both of
    their texts are the same; with texts at hand, these three are left out."""
    sample, out = published / "concadia-sample", tmp_path / "out"
    data = ["--data", f"concadia:{sample}"] if with_data else []
    scores = str(sample / "reference_clipscores.csv")
    assert evaluate.main(["--tasks", "concadia", "--scores", scores, *data, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    found = table(out)
    row = found.loc["concadia", "val" if with_data else "all", "preference"]
    assert (row["value"] * row["n"], row["n"]) == ((104.5, 197) if with_data else (106, 200))
    assert row["low"] < 0.5 < row["high"]
    assert "  53.0 %  " in shown
    assert ("3 of 200 pairs are left out" in shown) == with_data
    assert ("nothing is known of splits and lengths" in shown) != with_data
    parts = found[found.index.get_level_values("measure").str.startswith("preference, ")]
    assert len(parts) == (2 if with_data else 0)
    assert not with_data or 0 < parts["n"].sum() <= 200


# the command on models


def test_all_tasks_of_a_run_are_in_every_file(done: Path, lora: Path):
    frame, found = pd.read_csv(done / "results.csv", float_precision="round_trip"), table(done)
    assert frame["task"].unique().tolist() == ["concadia", "transfer", "blv", "norms"]
    listed = json.loads((done / "results.json").read_text())
    pd.testing.assert_frame_equal(pd.DataFrame(listed), frame, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(done / "results.parquet"), frame)
    for split in ("val", "test"):
        assert found.loc["concadia", split, "preference"]["n"] == pairs_of_toy(60, split)
        for name in ("iia", "iia, random subspace"):
            for direction in ("c2d", "d2c"):
                assert 0 <= found.loc["concadia", split, f"{name} {direction}"]["value"] <= 1
    assert found.loc["concadia", "all", "preference"]["n"] == pairs_of_toy(60, "val", "test")
    assert {key[1] for key in found.index if key[0] == "transfer"} == {
        "shape", "colour", "arrangement", "place", "retrieval", "all sets",
    }  # fmt: skip
    assert (found.loc[("transfer", "colour"), "n"] == 20).all()
    assert (found.loc[("blv", "overall"), "n"] == 15).all()
    assert {"pearson through", "pearson around", "pearson full"} <= set(found.loc["norms", "concreteness"].index)
    known = found.dropna(subset=["low"])
    assert len(known) > 30
    assert (known["low"] <= known["value"]).all()
    assert (known["value"] <= known["high"]).all()
    manifest = json.loads((done / "manifest.json").read_text())
    tuning = json.loads((lora / "manifest.json").read_text())
    assert manifest["settings"] == {
        "kind": "evaluation",
        "version": 7,
        "model": load_clip(str(lora), trust=True).fingerprint,
    }
    assert manifest["about"]["base"] == tuning["settings"]["base"]
    assert (manifest["about"]["label"], manifest["about"]["seed"]) == ("IIT-DAS, LoRA", 1)
    assert manifest["arguments"]["n_steps"] == 3
    again = cli.parse(EvaluateConfig, "", "", "", shlex.split(manifest["command"])[3:])
    assert json.loads(json.dumps(asdict(again))) == manifest["arguments"]
    assert "finished" in manifest


def test_evidence_is_of_the_split_that_was_held_out_last(done: Path):
    found = table(done)
    assert found.loc["concadia", "test", "r2"]["n"] == pairs_of_toy(60, "test")
    assert -1 <= found.loc["transfer", "all sets", "swap transfer lost"]["value"] <= 1
    with pytest.raises(KeyError):
        found.loc["concadia", "val", "r2"]


def test_without_controls_there_is_iia_and_no_evidence(lora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, tasks = tmp_path / "out", "concadia,transfer"
    assert run("--model", str(lora), "--tasks", tasks, "--controls", "none", "--out", str(out)) == 0
    assert "Verdict" not in capsys.readouterr().out
    measures = set(table(out).index.get_level_values("measure"))
    assert "iia c2d" in measures
    assert not measures & {"r2", "gap", "swap transfer lost", "control's iia"}


def test_without_a_rotation_nothing_is_intervened_on(full: Path, model: str, ratings: Path, tmp_path: Path, capsys):
    for name, more in ((str(full), []), (model, ["--limit", "60", "--tasks", "concadia,blv,norms"])):
        assert run("--model", name, "--blv", str(ratings), *more, "--out", str(tmp_path / "out")) == 0
        found = table(tmp_path / "out")
        measures = set(found.index.get_level_values("measure"))
        assert not {each for each in measures if each.startswith(("iia", "shift")) or each.endswith("through")}
        assert {"preference", "pearson given length", "pearson full"} <= measures
        assert ({"accuracy", "macro_f1", "retrieval caption"} <= measures) == (name == str(full))
        assert ("pearson more than the other" in measures) == (name == str(full))
        assert found.loc["concadia", "all", "preference"]["n"] == pairs_of_toy(60, "val", "test")
        assert f"than {model}" in capsys.readouterr().out or name == model
        shutil.rmtree(tmp_path / "out")
    about = json.loads((full / "manifest.json").read_text())["settings"]
    assert about["objective"] == "behavioral"


def test_a_run_is_evaluated_on_what_it_was_not_trained_on(model: str, concadia: Path, tmp_path: Path, capsys):
    data = f"concadia:{concadia}"
    own = tune(model, tmp_path / "run", "--data", data, "--split", "val", "--limit", "30")
    counts = {}
    for name, options in {
        "own": [],
        "more": ["--limit", "40"],
        "same": ["--data", data],
        "other": ["--data", "toy", "--limit", "60"],
    }.items():
        assert run("--model", str(own), "--tasks", "concadia", *options, "--out", str(tmp_path / name)) == 0
        found = table(tmp_path / name)
        counts[name] = {split: int(found.loc["concadia", split, "preference"]["n"]) for split in ("val", "test")}
    for name, (spec, split, limit) in {
        "own": (data, "val", 30), "more": (data, "val", 40), "other": ("toy", None, 60),
    }.items():  # fmt: skip
        pairs = load_pairs(spec, split=split, limit=limit)
        assert counts[name] == {kind: len(pairs.split(kind)) for kind in ("val", "test")}
    assert counts["same"] == counts["own"]  # the run's split and limit go with its data
    assert len({tuple(each.values()) for each in counts.values()}) == 3
    trained = {pair.id for pair in load_pairs(data, split="val", limit=30).split("train").pairs}
    assert trained.isdisjoint(pair.id for pair in load_pairs(data, split="val", limit=40).split("test").pairs)
    assert "split 'val' alone was divided by group" in capsys.readouterr().out
    assert run("--model", str(own), "--tasks", "concadia", "--splits", "test", "--out", str(tmp_path / "test")) == 0
    alone = table(tmp_path / "test")
    assert {of.partition(",")[0] for of in alone.index.get_level_values("of")} == {"test"}
    assert (
        alone.loc["concadia", "test", "preference"]["value"]
        == (table(tmp_path / "own").loc["concadia", "test", "preference"]["value"])
    )


def test_interventions_have_the_sources_that_were_trained_with(model: str, lora: Path, rotations: Path, tmp_path: Path):
    """Unless others are asked for: of a run its own, of a rotation that is named those that it says, else random."""
    paired = tune(model, tmp_path / "paired", "--limit", "60", "--sources", "paired")
    told = tmp_path / "told.safetensors"
    basis = Rotation.load(rotations / "right.safetensors").basis
    Rotation(basis, Site("text", 4), {"sources": "paired"}).save(told)
    asked = {
        "paired": (paired, [], "paired"), "lora": (lora, [], "random"), "asked": (paired, ["random"], "random"),
        "told": (lora, ["--rotation", str(told)], "paired"), "base": (Path(model), [], None),
    }  # fmt: skip
    for name, (of, options, wanted) in asked.items():
        more = ["--sources", *options] if options == ["random"] else options
        limit = ["--limit", "60"] if name == "base" else []
        assert run("--model", str(of), "--tasks", "concadia", *more, *limit, "--out", str(tmp_path / name / "out")) == 0
        cell = kept(RunFolder(tmp_path / name / "out").cell_path("concadia"))
        assert cell["settings"]["sources"] == wanted
    assert table(tmp_path / "paired" / "out").loc["concadia", "test", "iia c2d"]["value"] == (
        by_key(
            tasks.concadia(
                load_clip(str(paired), trust=True), of_test(paired), Aligned(run_rotation(paired), "paired", 0)
            )[0]
        )["concadia", "test", "iia c2d"].value
    )
    compared = [str(tmp_path / name / "out") for name in ("base", "paired")]
    assert evaluate.main(["--compare", *compared]) == 0  # what sources a base would have had does not matter
    assert evaluate.main(["--compare", *compared, str(tmp_path / "lora" / "out")]) == 2


def of_test(run: Path) -> EmbeddedPairs:
    """The test pairs of a run, with their images."""
    return image_features(load_clip(str(run), trust=True), load_pairs("toy", limit=60).split("test"))


def run_rotation(run: Path) -> Rotation:
    """The rotation beside a run's weights."""
    return Rotation.load(run / "rotation.safetensors")


def test_the_pairs_that_are_attributed_are_drawn(lora: Path, done: Path, tmp_path: Path):
    """From those with rated words in both texts, by the seed; not the first ones."""
    tuned, held_out, norms = load_clip(str(lora), trust=True), of_test(lora), load_norms("imageability,concreteness")
    drawn, _ = attributed_pairs(tuned, held_out, norms, 4, 0)
    assert drawn != list(range(4))
    _, words = tasks.norms(tuned, held_out.take(drawn), run_rotation(lora), norms, n_steps=3)
    there = kept(RunFolder(done).cell_path("norms"))["details"]["words"]
    assert there["full"].keys() == words["full"].keys()
    assert there["through"] == pytest.approx(words["through"], abs=1e-6)
    assert run("--model", str(lora), "--tasks", "norms", "--seed", "1", "--out", str(tmp_path / "out")) == 0
    assert (
        kept(RunFolder(tmp_path / "out").cell_path("norms"))["details"]["words"]["full"].keys() != words["full"].keys()
    )


def test_attributions_are_of_the_last_split_that_was_asked_for(model: str, concadia: Path, tmp_path: Path):
    data = ["--data", f"concadia:{concadia}", "--split", "val"]
    pairs = load_pairs(f"concadia:{concadia}", split="val")
    rated = {word for norm in load_norms("imageability,concreteness") for word in norm.ratings}
    counts = {
        name: sum(
            all(rated & set(text.split()) for text in (pair.positive, pair.negative))
            for pair in pairs.split(name).pairs
        )
        for name in ("train", "val", "test")
    }  # fmt: skip
    assert len(set(counts.values())) > 1
    for splits, last in (("val,train", "val"), ("train", "train"), ("test,val", "test")):
        out = tmp_path / splits
        arguments = ["--model", model, *data, "--tasks", "norms", "--attributed", "99", "--splits", splits]
        assert run(*arguments, "--out", str(out)) == 0
        assert table(out).loc["norms", "attributions", "largest delta"]["n"] == 2 * counts[last]


def test_examples_are_the_first_held_out_pairs_with_their_scores(lora: Path, done: Path):
    folder = RunFolder(done)
    shown = read_examples(folder)
    test = load_pairs("toy", limit=60).split("test").pairs[:EXAMPLES]
    assert [(one.id, one.negative) for one in shown] == [(pair.id, pair.negative) for pair in test]
    scored = kept(folder.cell_path("concadia"))["details"]["examples"]
    assert [one["id"] for one in scored] == [pair.id for pair in test]
    tuned = load_clip(str(lora), trust=True)
    images = embed_images(tuned, [load_pairs("toy").open_image(pair) for pair in test])
    for kind in ("description", "caption"):
        expected = (images * embed_one_by_one(tuned, [getattr(pair, FIELDS[kind]) for pair in test])).sum(-1)
        np.testing.assert_allclose([one[FIELDS[kind]] for one in scored], expected.numpy(), atol=1e-5)
    pictures = [Image.open(io.BytesIO(picture_path(folder, one).read_bytes())) for one in shown]
    assert [picture.size for picture in pictures] == [(64, 64)] * EXAMPLES


def test_the_default_folder_is_the_runs_own(full: Path, model: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copied = shutil.copytree(full, tmp_path / "run")
    assert run("--model", "run", "--tasks", "concadia") == 0
    assert table(copied / "evaluation").loc["concadia", "test", "preference"]["n"] == pairs_of_toy(60, "test")
    shutil.copytree(model, tmp_path / "My Model")
    assert run("--model", "My Model", "--tasks", "concadia", "--limit", "40") == 0
    assert table(tmp_path / "runs" / "evaluate-my-model").loc["concadia", "test", "preference"]["n"] == pairs_of_toy(
        40, "test"
    )


def test_what_is_done_is_not_done_again_unless_it_was_asked_otherwise(done: Path, lora: Path, ratings, tmp_path):
    out = shutil.copytree(done, tmp_path / "out")
    arguments = ["--model", str(lora), "--blv", str(ratings), "--out", str(out), "--tasks", "concadia,norms,blv"]
    before, first = times(out), (out / "results.csv").read_bytes()
    assert run(*arguments) == 0
    assert (times(out), (out / "results.csv").read_bytes()) == (before, first)
    for options, redone in {
        ("--n-steps", "4"): {"norms"},
        ("--sources", "paired"): {"concadia"},
        ("--prefix", "A photo depicts "): {"blv"},
        ("--limit", "50"): {"concadia", "norms"},
    }.items():
        arguments += options
        assert run(*arguments) == 0
        after = times(out)
        assert {name for name in after if after[name] != before[name]} == redone, options
        assert (out / "results.csv").read_bytes() != first
        before = after
    assert len(json.loads((out / "manifest.json").read_text())["resumed"]) == 5


def test_an_evaluation_is_run_again_from_its_manifest(done: Path, tmp_path: Path):
    assert evaluate.main(["--config", str(done), "--trust-run", "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "results.csv").read_bytes() == (done / "results.csv").read_bytes()


def test_other_tasks_of_the_same_folder_stay_in_its_tables(done: Path, lora: Path, tmp_path: Path, capsys):
    out = shutil.copytree(done, tmp_path / "out")
    assert run("--model", str(lora), "--tasks", "norms", "--attributed", "3", "--out", str(out)) == 0
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "%" in line or "[" in line]
    assert set(shown) == {"task", "norms"}
    before, after = table(done), table(out)
    assert before.index.equals(after.index)
    changed = after.index[~((after["value"] == before["value"]) | after["value"].isna())]
    assert set(changed.get_level_values("task")) == {"norms"}
    words = json.loads((done / "cells" / "norms.json").read_text())["details"]["words"]
    assert words.keys() == {"through", "around", "full"}
    assert words["through"].keys() == words["full"].keys() > {"the"}


def test_a_damaged_cell_is_computed_again(done: Path, lora: Path, ratings: Path, tmp_path: Path):
    out = shutil.copytree(done, tmp_path / "out")
    (out / "cells" / "norms.json").write_text("{ cut sho")
    (out / "results.csv").unlink()
    assert run("--model", str(lora), "--blv", str(ratings), "--out", str(out)) == 0
    assert (out / "results.csv").read_bytes() == (done / "results.csv").read_bytes()
    assert {name for name, when in times(out).items() if when != times(done)[name]} == {"norms"}


def test_interrupted_and_resumed_gives_the_same(done: Path, lora: Path, ratings, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    arguments = ["--model", str(lora), "--blv", str(ratings), "--out", str(out)]

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patcher:
        patcher.setattr(tasks, "blv", interrupted)
        assert run(*arguments) == 130
    captured = capsys.readouterr()
    assert "interrupted; finished tasks are kept; the same command goes on" in captured.err
    finished = times(out)
    assert finished.keys() == {"concadia", "transfer"}
    assert not (out / "results.csv").exists()
    assert run(*arguments) == 0
    assert {name: when for name, when in times(out).items() if name in finished} == finished
    for name in ("results.csv", "results.json", "results.parquet"):
        assert (out / name).read_bytes() == (done / name).read_bytes()


def test_a_folder_is_one_models(done: Path, lora: Path, model: str, tmp_path: Path, capsys):
    out = shutil.copytree(done, tmp_path / "out")
    assert run("--model", model, "--tasks", "concadia", "--limit", "60", "--out", str(out)) == 2
    assert f"'{out}' holds a run with model = " in one_line(capsys)
    assert {path.name: path.read_bytes() for path in out.glob("*.*")} == {
        path.name: path.read_bytes() for path in done.glob("*.*")
    }
    assert run("--model", str(lora), "--tasks", "concadia", "--out", str(lora)) == 2
    assert f"'{lora}' holds a run with kind = " in one_line(capsys)
    assert json.loads((lora / "manifest.json").read_text())["settings"]["kind"] == "finetune"


def test_a_rotation_for_a_base(model: str, tmp_path: Path):
    found = {}
    for name, seed, layer in (("first", 0, 3), ("other", 1, 4)):
        basis = random_basis(24, 7, torch.Generator().manual_seed(seed))
        Rotation(basis, Site("text", layer)).save(tmp_path / f"{name}.safetensors")
        arguments = ["--model", model, "--tasks", "concadia,norms", "--limit", "60", "--out", str(tmp_path / name)]
        assert run(*arguments, "--rotation", str(tmp_path / f"{name}.safetensors")) == 0
        found[name] = table(tmp_path / name)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert manifest["certified"]["a text swapped with itself, against itself"] == 0
        assert 0 < manifest["certified"]["counterfactuals, against a plain hook"] < 1e-5
    assert run(*arguments[:-1], str(tmp_path / "none")) == 0
    plain = table(tmp_path / "none")
    same = [key for key in plain.index if key[2].startswith("preference") or key[2] == "pearson full"]
    assert len(same) > 8
    for each in found.values():
        np.testing.assert_allclose(each.loc[same, "value"], plain.loc[same, "value"], atol=1e-4)
        assert {"iia c2d", "shift c2d"} <= set(each.loc["concadia", "test"].index)
    assert ("concadia", "test", "iia c2d") not in plain.index
    for key in (("concadia", "test", "shift c2d"), ("norms", "concreteness", "pearson through")):
        assert len({each.loc[key, "value"] for each in found.values()}) == 2


def test_readers_difference_from_the_base_another_model_and_scores(lora: Path, model: str, ratings, tmp_path, toy):
    rated = load_blv(ratings)
    rng = np.random.default_rng(0)
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        table_of_scores = {text.description: rng.normal() for text in rated.texts}
        csv.writer(file).writerows([["description", "score"], *table_of_scores.items(), ["an unrated text", 0.5]])
    own = tasks.rated_scores(load_clip(str(lora), trust=True), rated, "")
    others = {
        model: tasks.rated_scores(load_clip(model), rated, ""),
        "toy": tasks.rated_scores(toy, rated, ""),
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
                found = table(out).loc["blv", question, f"{method} more than the other"]
                assert found["value"] == pytest.approx(r(own, y).statistic - r(other, y).statistic, abs=1e-6)
        seen.add(table(out).loc["blv", "overall", "pearson more than the other"]["value"])
    assert len(seen) == 3  # the first two are the same model
    arguments = ["--tasks", "blv", "--blv", str(ratings), "--scores", str(tmp_path / "scores.csv")]
    with (tmp_path / "worse.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["description", "score"], *zip(table_of_scores, own, strict=True)])
    assert run(*arguments, "--against", str(tmp_path / "worse.csv"), "--out", str(tmp_path / "given")) == 0
    given = table(tmp_path / "given").loc["blv", "overall", "pearson more than the other"]["value"]
    y = [text.ratings["overall"] for text in rated.texts]
    expected = (
        scipy_stats.pearsonr(list(table_of_scores.values()), y).statistic - scipy_stats.pearsonr(own, y).statistic
    )
    assert given == pytest.approx(expected, abs=1e-6)


def test_readers_alone_need_no_pairs(model: str, ratings: Path, concadia: Path, tmp_path: Path):
    moved = shutil.copytree(concadia, tmp_path / "concadia")
    own = tune(model, tmp_path / "run", "--data", f"concadia:{moved}")
    shutil.rmtree(moved)
    assert run("--model", str(own), "--tasks", "blv", "--blv", str(ratings), "--out", str(tmp_path / "out")) == 0
    assert set(table(tmp_path / "out").index.get_level_values("task")) == {"blv"}
    assert run("--model", str(own), "--tasks", "norms", "--out", str(tmp_path / "norms")) == 2
    assert not (tmp_path / "norms").exists()


def test_given_scores_of_pairs_by_hand(concadia: Path, tmp_path: Path, capsys):
    pairs = load_pairs(f"concadia:{concadia}", as_published=True).pairs
    rng = np.random.default_rng(0)
    values = {pair.id: rng.normal(size=2).round(1) for pair in pairs}

    def write(names) -> str:
        with (tmp_path / "scores.csv").open("w", newline="") as file:
            rows = [[name, *values.get(name, (0.0, 0.0))] for name in names]
            csv.writer(file).writerows([["filename", "description_score", "caption_score"], *rows])
        return str(tmp_path / "scores.csv")

    arguments = ["--data", f"concadia:{concadia}", "--tasks", "concadia"]
    scores = write([*reversed(values), "another.jpg"])
    assert run(*arguments, "--scores", scores, "--out", str(tmp_path / "out")) == 0
    longer = [pair for pair in pairs if len(pair.negative) > len(pair.positive)]
    hits = [values[pair.id][0] > values[pair.id][1] for pair in longer]
    row = table(tmp_path / "out").loc["concadia", "val", "preference, caption longer"]
    assert (row["value"], row["n"]) == (sum(hits) / len(hits), len(longer))
    assert 0 < row["value"] < 1
    assert run(*arguments, "--scores", write(list(values)[1:]), "--out", str(tmp_path / "part")) == 2
    assert "has no scores for 1 of the 48 pairs" in one_line(capsys)
    assert not (tmp_path / "part").exists()


# what cannot be done


@pytest.fixture(scope="module")
def rotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("rotations"), torch.Generator().manual_seed(0)
    for name, width, site in (
        ("wide", 32, Site("text", 3)),
        ("deep", 24, Site("text", 9)),
        ("seen", 32, Site("vision", 2)),
    ):
        Rotation(random_basis(width, 4, draw), site).save(folder / f"{name}.safetensors")
    Rotation(random_basis(24, 4, draw), Site("text", 3)).save(folder / "right.safetensors")
    return folder


def test_the_pairs_that_evidence_refers_to_are_drawn_at_random(small: Clip, monkeypatch: pytest.MonkeyPatch):
    every = load_pairs("toy", limit=60)
    features = image_features(small, every)
    rotation = Rotation(random_basis(24, 7, torch.Generator().manual_seed(0)), Site("text", 3))
    train = [pair.id for pair in every.pairs if pair.split == "train"]

    def drawn(seed: int, most: int) -> list[str]:
        monkeypatch.setattr(of_model, "REFERENCE", most)
        config, aligned = EvaluateConfig(seed=seed), Aligned(rotation, "random", seed)
        on = of_model.EvaluatedPairs(config, small, "toy", every, features, aligned)
        found, notes = of_model._reference(on, every)
        assert found is not None
        assert notes == []
        torch.testing.assert_close(
            found.embeddings, features.take([every.pairs.index(p) for p in found.pairs]).embeddings
        )
        return [pair.id for pair in found.pairs]

    assert drawn(0, len(train)) == drawn(1, 2048) == train
    some = drawn(0, 10)
    assert some == drawn(0, 10) == [name for name in train if name in some]
    assert len(set(some)) == 10
    assert len({tuple(one) for one in (some, drawn(1, 10), train[:10])}) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "concadia,tansfer"], "there is no task 'tansfer'; known: concadia, transfer, blv, norms"),
        (["--tasks", ","], "there is no task ''"),
        (["--tasks", "blv"], "the task blv needs the ratings: add --blv FOLDER"),
        (["--tasks", "blv", "--blv", "/nowhere"], "no folder '/nowhere'"),
        (["--tasks", "blv", "--blv", "BLV", "--against", "nobody"], "no model 'nobody'"),
        (["--data", "concadia:/nowhere"], "no folder '/nowhere'"),
        (["--data", "flickr"], "known: toy, concadia:FOLDER"),
        (["--split", "dev"], "toy has no split 'dev'; splits that are there: train (1024), val (192), test (256)"),
        (["--splits", "val,dev"], "toy has no split 'dev'"),
        (["--tasks", "transfer", "--transfer", "mine=/nowhere"], "mine: no file or folder '/nowhere'"),
        (["--tasks", "transfer", "--transfer", "cifar"], "unknown classification set 'cifar'"),
        (["--tasks", "transfer", "--templates", "/nowhere"], "cannot read '/nowhere'"),
        (["--rotation", "ROTATIONS/wide.safetensors"], "is for width 32 of the text tower, the text tower of "),
        (["--rotation", "ROTATIONS/seen.safetensors"], "is for width 32 of the vision tower, the text tower of "),
        (["--rotation", "ROTATIONS/deep.safetensors"], "layer 9 does not exist: the text tower of "),
        (["--rotation", "ROTATIONS/none.safetensors"], "cannot read a rotation from"),
        (["--rotation", "ROTATIONS/right.safetensors", "--limit", "3"], "val has 1 pair, random sources need 2"),
        (["--tasks", "norms", "--norms", "valence"], "unknown norm 'valence'"),
        (["--model", "nowhere"], "no model 'nowhere'"),
        (["--model", "x" * 300], f"no model '{'x' * 79}…'"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--n-steps", "0"], "--n-steps must be at least 1"),
        (["--seed", "-1"], "--seed must be at least 0"),
        (["--scores", "SCORES", "--tasks", "transfer"], "the task transfer needs a model; give --model instead"),
        (["--scores", "SCORES", "--tasks", "norms,blv", "--blv", "BLV"], "the task norms needs a model"),
        (["--scores", "SCORES", "--tasks", "concadia,blv", "--blv", "BLV"], "--scores is a file for one task"),
        (["--scores", "SCORES", "--tasks", "blv"], "the task blv needs the ratings"),
        (["--scores", "SCORES", "--tasks", "blv", "--blv", "/nowhere"], "no folder '/nowhere'"),
        (["--scores", "SCORES", "--tasks", "blv", "--blv", "BLV"], "has no scores for 15 of the 15 rated texts"),
        (["--scores", "SCORES"], "these are scores of single texts, not of pairs"),
        (["--scores", "/nowhere"], "cannot read '/nowhere'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(
    model: str, ratings: Path, rotations: Path, tmp_path: Path, capsys, arguments: list[str], message: str
):
    (tmp_path / "scores.csv").write_text("description,clipscore\na star,0.5\n")
    names = {"BLV": str(ratings), "ROTATIONS": str(rotations), "SCORES": str(tmp_path / "scores.csv")}
    for name, path in names.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    out = tmp_path / "out"
    assert run("--model", model, "--limit", "60", "--out", str(out), *arguments) == 2
    assert message in one_line(capsys)
    assert not out.exists()


def test_a_fit_rotation_and_few_pairs_will_do_with_paired_sources(model: str, rotations: Path, tmp_path: Path):
    arguments = ["--model", model, "--tasks", "concadia", "--rotation", str(rotations / "right.safetensors")]
    assert run(*arguments, "--limit", "3", "--sources", "paired", "--out", str(tmp_path / "out")) == 0
    assert table(tmp_path / "out").loc["concadia", "val", "iia c2d"]["n"] == 1


def spoil_weights(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    weights["logit_scale"] += 0.01
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def test_a_run_of_a_base_that_has_changed(model: str, ratings: Path, tmp_path: Path, capsys):
    base = shutil.copytree(model, tmp_path / "base")
    lora = tune(str(base), tmp_path / "lora", "--limit", "60")
    full = tune(str(base), tmp_path / "full", "--limit", "60", "--tuning", "full", "--objective", "behavioral")
    blv = ["--tasks", "blv", "--blv", str(ratings)]
    for number, own in enumerate((lora, full)):
        assert run("--model", str(own), *blv, "--out", str(tmp_path / f"before {number}")) == 0
    spoil_weights(base)
    capsys.readouterr()
    for own, chosen in ((lora, ["--tasks", "concadia"]), (lora, blv), (full, blv)):
        assert run("--model", str(own), *chosen, "--out", str(tmp_path / "out")) == 2
        assert f"was fine-tuned from another base: '{base}' now has the fingerprint" in one_line(capsys)
        assert not (tmp_path / "out").exists()
    # all weights of a full run are its own; just the comparison lacks its other side
    assert run("--model", str(full), "--tasks", "concadia", "--out", str(tmp_path / "out")) == 0
    assert run("--model", str(full), *blv, "--against", "toy", "--out", str(tmp_path / "out")) == 0


def test_a_run_that_lacks_a_file(lora: Path, tmp_path: Path, capsys):
    copied = shutil.copytree(lora, tmp_path / "run")
    for name, message in (
        ("rotation.json", "cannot read a rotation from"),
        (ADAPTER, f"{ADAPTER}' is missing, which the run left"),
        ("adapter_config.json", f"the folder '{copied}' holds no config.json"),
    ):
        assert run("--model", str(copied), "--tasks", "concadia", "--out", str(tmp_path / name)) == 0
        content = (copied / name).read_bytes()
        (copied / name).unlink()
        capsys.readouterr()
        assert run("--model", str(copied), "--tasks", "concadia", "--out", str(tmp_path / "out")) == 2
        assert message in one_line(capsys)
        (copied / name).write_bytes(content)
    (copied / "manifest.json").write_text('{"settings": {"kind": "finetune"}}')
    assert run("--model", str(copied), "--tasks", "concadia", "--out", str(tmp_path / "out")) == 2
    assert 'manifest.json" ["settings"] is {"kind": "finetune"}' in one_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_base_that_has_no_tokenizer_of_its_own(model: str, ratings: Path, tmp_path: Path):
    base = shutil.copytree(model, tmp_path / "base")
    (base / "tokenizer.json").unlink()
    tuning = ["--limit", "60", "--tokenizer", "toy", "--tuning", "full", "--objective", "behavioral"]
    own = tune(str(base), tmp_path / "run", *tuning)
    assert run("--model", str(own), "--tasks", "blv", "--blv", str(ratings), "--out", str(tmp_path / "out")) == 0
    assert ("blv", "overall", "pearson more than the other") in table(tmp_path / "out").index


# the tasks, against loops


def some_pairs(n: int, splits: tuple[str, ...], seed: int = 0) -> list[Pair]:
    one, other = random_texts(n, seed), random_texts(n, seed + 100)
    return [Pair(str(i), one[i], other[i], splits[i % len(splits)], f"group {i // 3}") for i in range(n)]


@pytest.mark.parametrize("splits", [("test",), ("val", "test"), ("val", "test", "train")])
def test_preferences_are_those_of_a_loop(splits: tuple[str, ...]):
    pairs = some_pairs(31, splits)
    pairs[4] = replace(pairs[4], negative=pairs[4].positive)  # neither is longer
    descriptions, captions = np.random.default_rng(0).normal(size=(2, 31)).round(1)
    captions[5] = descriptions[5]  # a tie counts half
    captions[6], captions[7] = descriptions[6] - 0.1, descriptions[7] + 0.1
    found = by_key(preferences(pairs, PAPER, descriptions, captions))
    names = [*splits, "all"] if len(splits) > 1 else list(splits)
    assert [key[1] for key in found][:: len(found) // len(names)] == names
    for name in names:
        counts: dict[str, list[float]] = {"": [], ", description longer": [], ", caption longer": []}
        groups: dict[str, list[str]] = {kind: [] for kind in counts}
        sums = [0.0, 0.0]
        for pair, description, caption in zip(pairs, descriptions, captions, strict=True):
            if name in (pair.split, "all"):
                kinds = [""]
                kinds += [", description longer"] if len(pair.positive) > len(pair.negative) else []
                kinds += [", caption longer"] if len(pair.negative) > len(pair.positive) else []
                for kind in kinds:
                    counts[kind].append(float(description > caption) + 0.5 * float(description == caption))
                    groups[kind].append(pair.group)
                sums = [sums[0] + description, sums[1] + caption]
        for kind, hits in counts.items():
            row = found["concadia", name, f"preference{kind}"]
            assert (row.value, row.n) == (pytest.approx(fmean(hits)), len(hits))
            clustered, alone = (stats.clustered_share(hits, each) for each in (groups[kind], range(len(hits))))
            assert (row.low, row.high) == pytest.approx((clustered.low, clustered.high), abs=0, nan_ok=True)
            assert kind or name != names[-1] or (row.low, row.high) != (alone.low, alone.high)
        for kind, total in zip(("description", "caption"), sums, strict=True):
            row = found["concadia", name, f"mean {kind} score"]
            assert row.value == pytest.approx(total / len(counts[""]), abs=1e-12)
            assert row.n == len(counts[""])
    alone = by_key(given_preferences(PAPER, descriptions, captions))
    whole = names[-1]
    for measure in ("preference", "mean description score", "mean caption score"):
        known = found["concadia", whole, measure]
        if measure == "preference":  # of which articles are not known
            known = replace(known, **{end: getattr(alone["concadia", "all", measure], end) for end in ("low", "high")})
        assert alone["concadia", "all", measure] == replace(known, of="all")


def test_a_tie_counts_half():
    pairs = some_pairs(30, ("test",))
    ties = by_key(preferences(pairs, PAPER, np.ones(30), np.ones(30)))["concadia", "test", "preference"]
    wins = by_key(preferences(pairs, PAPER, np.ones(30) + 1.1e-6, np.ones(30)))["concadia", "test", "preference"]
    assert (ties.value, ties.low + ties.high) == (0.5, pytest.approx(1.0))
    assert (wins.value, wins.high) == (1.0, 1.0)


@pytest.fixture(scope="module")
def world(small: Clip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Pair], torch.Tensor]]:
    """Held-out toy pairs and their images."""
    pairs = load_pairs("toy", limit=60)
    kept = replace(pairs, pairs=tuple(pair for pair in pairs.pairs if pair.split != "train"))
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(tmp_path_factory.mktemp("world")))
        yield list(kept.pairs), image_features(small, kept).embeddings


def test_a_model_prefers_as_its_scores_say(small: Clip, world):
    pairs, images = world
    texts = {kind: [getattr(pair, FIELDS[kind]) for pair in pairs] for kind in ("description", "caption")}
    one, other = ((images * embed_one_by_one(small, each)).sum(-1).numpy() for each in texts.values())
    assert np.abs(one - other).min() > 1e-4  # no tie for rounding to decide
    expected = by_key(preferences(pairs, PAPER, one, other))
    rotation = Rotation(random_basis(24, 5, torch.Generator().manual_seed(0)), Site("text", 3))
    for aligned in (None, Aligned(rotation, "random", 0)):
        rows, both = tasks.concadia(small, EmbeddedPairs(tuple(pairs), images), aligned)
        found = by_key(rows)
        np.testing.assert_allclose(both, [one, other], atol=1e-5)  # in the order of the pairs, whatever their splits
        for key, row in expected.items():
            assert found[key].value == pytest.approx(row.value, abs=1e-5, nan_ok=row.n == 0)
            assert found[key].n == row.n
        assert (len(found) == len(expected)) == (aligned is None)
    swapped = [replace(pair, positive=pair.negative, negative=pair.positive) for pair in pairs]
    reverse = by_key(tasks.concadia(small, EmbeddedPairs(tuple(swapped), images), None)[0])
    key = ("concadia", "test", "preference")
    assert reverse[key].value == pytest.approx(1 - expected[key].value)
    assert reverse[key].value != expected[key].value


def test_interventions_are_those_of_a_hook(small: Clip, world):
    pairs, images = world
    rotation = Rotation(random_basis(24, 8, torch.Generator().manual_seed(0)), Site("text", 3))
    found = by_key(tasks.concadia(small, EmbeddedPairs(tuple(pairs), images), Aligned(rotation, "paired", 0))[0])
    assert found != by_key(
        tasks.concadia(small, EmbeddedPairs(tuple(pairs), images), Aligned(rotation, "random", 0))[0]
    )
    for split in ("val", "test"):
        rows = [i for i, pair in enumerate(pairs) if pair.split == split]
        descriptions, captions = (
            [getattr(pairs[i], FIELDS[kind]) for i in rows] for kind in ("description", "caption")
        )
        for short, base, source in (("c2d", captions, descriptions), ("d2c", descriptions, captions)):
            clean = (images[rows] * embed_one_by_one(small, base)).sum(-1)
            swapped = interchange_by_hook(small, base, source, Site("text", 3), rotation.basis)
            gain = (images[rows] * swapped).sum(-1) - clean
            hits = gain > 0 if short == "c2d" else gain < 0
            assert gain.abs().min() > 1e-6
            assert found["concadia", split, f"iia {short}"].value == pytest.approx(hits.float().mean().item())
            assert found["concadia", split, f"iia {short}"].n == len(rows)
            shift = found["concadia", split, f"shift {short}"].value
            assert shift == pytest.approx(gain.mean().item(), abs=1e-6)
            assert abs(shift) > 1e-4


def test_zero_shot_classes_are_those_of_a_loop(small: Clip):
    sets = load_transfer("toy", limit=30)
    rows, _, notes = tasks.transfer(small, sets)
    found = by_key(rows)
    assert len(found) == 2 * len(sets) == 8
    assert set(notes) == {"30 of the 1024 images of toy are used"}
    shares = set()
    for each in sets:
        means = [embed_one_by_one(small, list(texts)).mean(0) for texts in each.texts]
        classes = [mean / mean.norm() for mean in means]
        images = embed_images(small, [each.open_image(i) for i in range(len(each))])
        guess = [int(np.argmax([float(image @ one) for one in classes])) for image in images]
        hits = sum(g == label for g, label in zip(guess, each.labels, strict=True))
        row = found["transfer", each.name, "accuracy"]
        assert (row.value, row.n) == (hits / 30, 30)
        expected = f1_score(list(each.labels), guess, average="macro", zero_division=0.0)
        assert found["transfer", each.name, "macro_f1"].value == pytest.approx(expected)
        shares.add(row.value)
    assert len(shares) > 1


def best_of_its_set(images: torch.Tensor, texts: torch.Tensor, sets: list[list[int]]) -> float:
    """The share of images whose own text scores higher than every other text of the set."""
    hits = 0
    for members in sets:
        for i in members:
            own = float(images[i] @ texts[i])
            hits += all(own > float(images[i] @ texts[j]) for j in members if j != i)
    return hits / sum(map(len, sets))


def test_retrieval_in_the_toy_world_is_that_of_a_loop(small: Clip, world):
    pairs, images = world
    rows, notes = tasks.retrievals(small, "toy", EmbeddedPairs(tuple(pairs), images), seed=0)
    drawn = load_distinct(of=64, seed=0)
    seen = image_features(small, drawn).embeddings
    sets = [[i for i, pair in enumerate(drawn.pairs) if pair.group == str(number)] for number in range(16)]
    assert {len(members) for members in sets} == {64}
    for kind in ("description", "caption"):
        texts = embed_texts(small, [getattr(pair, FIELDS[kind]) for pair in drawn.pairs])
        row = by_key(rows)["transfer", "retrieval", f"retrieval {kind}"]
        assert (row.value, row.n) == (pytest.approx(best_of_its_set(seen, texts, sets)), 1024)
        assert 0 < row.low < row.value < row.high
    assert notes == []
    assert rows[0].value != rows[1].value


@pytest.mark.parametrize(("count", "used"), [(130, 128), (64, 64), (40, 40)])
def test_retrieval_among_other_pairs_is_that_of_a_loop(small: Clip, count: int, used: int):
    pairs = some_pairs(count, ("test",), seed=5)
    kinds = ("description", "caption")
    texts = {kind: embed_texts(small, [getattr(pair, FIELDS[kind]) for pair in pairs]) for kind in kinds}
    noise = torch.randn(count, 16, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.normalize(texts["description"] + 0.02 * noise, dim=-1)
    rows, notes = tasks.retrievals(small, "concadia:x", EmbeddedPairs(tuple(pairs), images), seed=2)
    order = np.random.default_rng(2).permutation(count)[:used].tolist()
    sets = [order[start : start + 64] for start in range(0, used, 64)]
    found = by_key(rows)
    for kind, embedded in texts.items():
        row = found["transfer", "retrieval", f"retrieval {kind}"]
        assert (row.value, row.n) == (pytest.approx(best_of_its_set(images, embedded, sets)), used)
    assert found["transfer", "retrieval", "retrieval description"].value > 0.2
    assert found["transfer", "retrieval", "retrieval caption"].value < 0.1
    assert notes == ([] if count >= 64 else ["retrieval is among 40 pairs, all that were held out"])


def test_rated_texts_are_scored_with_their_image(small: Clip, ratings: Path):
    rated = load_blv(ratings)
    images = {text.image: embed_images(small, [rated.open_image(text.image)])[0] for text in rated.texts}
    found = {}
    for prefix in ("", "a picture of "):
        texts = embed_one_by_one(small, [prefix + text.description for text in rated.texts])
        expected = [float(row @ images[text.image]) for row, text in zip(texts, rated.texts, strict=True)]
        found[prefix] = tasks.rated_scores(small, rated, prefix)
        np.testing.assert_allclose(found[prefix], expected, atol=1e-5)
    assert np.abs(np.subtract(*found.values())).min() > 1e-4


def test_correlations_with_readers_are_those_of_scipy(ratings: Path):
    rated = load_blv(ratings)
    texts = [replace(text, image=f"image {number % 9}") for number, text in enumerate(rated.texts)]
    rated = RatedTexts(
        rated.name,
        (*texts[:-1], replace(texts[-1], ratings={**texts[-1].ratings, "overall": float("nan")})),
        rated.open_image,
        rated.image_key,
    )
    scores, rival = np.random.default_rng(0).normal(size=(2, len(rated)))
    found = by_key(tasks.blv(rated, scores, rival))
    alone = by_key(tasks.blv(rated, scores))
    assert alone == {key: row for key, row in found.items() if "other" not in key[2]}
    assert len(found) == 7 * 4
    length = np.array([len(text.description) for text in rated.texts], dtype=float)
    for question in QUESTIONS:
        y = np.array([text.ratings[question] for text in rated.texts])
        kept = ~np.isnan(y)
        assert kept.sum() == len(rated) - (question == "overall")

        def ranked(values: np.ndarray, kept: np.ndarray = kept) -> np.ndarray:
            return scipy_stats.rankdata(values[kept])

        def plain(values: np.ndarray, kept: np.ndarray = kept) -> np.ndarray:
            return values[kept]

        for method, of in (("pearson", plain), ("spearman", ranked)):
            one, other, ratings_, given = of(scores), of(rival), of(y), of(length)
            r = np.corrcoef(one, ratings_)[0, 1]
            assert r == pytest.approx(getattr(scipy_stats, f"{method}r")(scores[kept], y[kept]).statistic)
            partial = np.corrcoef(residuals(one, given), residuals(ratings_, given))[0, 1]
            expected = {method: r, f"{method} given length": partial}
            expected[f"{method} more than the other"] = r - np.corrcoef(other, ratings_)[0, 1]
            for name, value in expected.items():
                row = found["blv", question, name]
                assert (row.value, row.n) == (pytest.approx(value, abs=1e-9), kept.sum())
                assert row.low < row.value < row.high
            assert abs(r - partial) > 1e-6
        expected_length = scipy_stats.pearsonr(length[kept], y[kept]).statistic
        assert found["blv", question, "pearson of length"].value == pytest.approx(expected_length)


def held(types: list[str], rows: pd.Index, texts: tuple[tuple[str, ...], ...]) -> list[list[float]]:
    """Frequency, length and kind of some word types: positive texts are the first half."""
    some, positive = [types[row] for row in rows], [word for text in texts[: len(texts) // 2] for word in text]
    every = [word for text in texts for word in text]
    frequency = [zipf_frequency(word, "en") for word in some]
    return [frequency, [len(word) for word in some], [positive.count(word) / every.count(word) for word in some]]


def test_norms_are_correlated_over_word_types(small: Clip, world):
    pairs, images = world[0][:6], world[1][:6]
    chosen = load_norms("imageability,concreteness")
    rotation = Rotation(random_basis(24, 5, torch.Generator().manual_seed(0)), Site("text", 3))
    texts = [pair.positive for pair in pairs] + [pair.negative for pair in pairs]
    both = torch.cat([images, images])
    plain = by_key(tasks.norms(small, EmbeddedPairs(tuple(pairs), images), None, chosen, n_steps=3)[0])
    rows, means = tasks.norms(small, EmbeddedPairs(tuple(pairs), images), rotation, chosen, n_steps=3)
    routed = by_key(rows)
    every = {"largest delta", "largest relative delta", "texts not converged", "most points"}
    every |= {f"area, {order}" for order in ("deletion", "insertion", "random order")}
    for found, routes in ((plain, ["full"]), (routed, ["through", "around", "full"])):
        stems = ("pearson", "spearman", "partial", "disattenuated", "coverage")
        of_route = {f"{stem} {route}" for stem in stems for route in routes}
        of_route |= {f"pearson {route}, content words" for route in routes}
        assert {key[2] for key in found} == every | of_route
    attributor = MediatedIntegratedGradients(small, rotation, routes=("through", "around", "full"))
    seen = attributor.attribute(texts, both, n_steps=3, tolerance=0.01)
    for route in ("through", "around", "full"):
        values: dict[str, list[float]] = {}
        for words, owners, tokens in zip(seen.words, seen.word_of, seen.tokens[route], strict=True):
            for number, word in enumerate(words):
                values.setdefault(word, []).append(sum(tokens[owners == number]))
        assert means[route] == pytest.approx({word: np.mean(each) for word, each in values.items()})
        for norm in chosen:
            types = sorted(values)
            frame = pd.DataFrame({"x": [np.mean(values[word]) for word in types], "y": norm.of(types)}).dropna()
            row = routed["norms", norm.name, f"pearson {route}"]
            assert (row.value, row.n) == (pytest.approx(frame["x"].corr(frame["y"]), abs=1e-9), len(frame))
            assert row.n < len(types)
            assert row.low < row.value < row.high
            row = routed["norms", norm.name, f"spearman {route}"]
            assert row.value == pytest.approx(frame["x"].corr(frame["y"], method="spearman"), abs=1e-9)
            assert (row.n, row.low < row.value < row.high) == (len(frame), True)
            frame["frequency"], frame["length"], frame["kind"] = held(types, frame.index, seen.words)
            row = routed["norms", norm.name, f"partial {route}"]
            given = pingouin.partial_corr(frame, "x", "y", ["frequency", "length", "kind"]).r.item()
            assert (row.value, row.n) == (pytest.approx(given, abs=1e-9), len(frame))
            content = frame[[is_content(word) for word in np.array(types)[frame.index]]]
            row = routed["norms", norm.name, f"pearson {route}, content words"]
            assert (row.value, row.n) == (pytest.approx(content["x"].corr(content["y"]), abs=1e-9), len(content))
            assert 2 < len(content) < len(frame)
            sizes = [(word, abs(one)) for word, each in values.items() for one in each]
            rated = sum(size for word, size in sizes if word in norm.ratings)
            row = routed["norms", norm.name, f"disattenuated {route}"]
            articles = [pair.group for pair in pairs] * 2
            seen_in = {word: {articles[text] for text, some in enumerate(seen.words) if word in some} for word in types}
            assert row.n == sum(len(seen_in[np.array(types)[i]]) > 1 for i in frame.index)
            row = routed["norms", norm.name, f"coverage {route}"]
            assert (row.value, row.n) == (pytest.approx(rated / sum(size for _, size in sizes)), 12)
    for norm in chosen:
        key = ("norms", norm.name, "pearson full")
        assert plain[key].value == pytest.approx(routed[key].value, abs=1e-5)
        assert plain[key].value != pytest.approx(routed[*key[:2], "pearson through"].value, abs=1e-3)
    assert means["through"] != pytest.approx(means["full"])
    delta = np.abs(seen.tokens["full"].sum(1) - (seen.score - seen.baseline_score)).max()
    row = routed["norms", "attributions", "largest delta"]
    assert (row.value, row.n) == (pytest.approx(delta), 12)
    of_all = {name: routed["norms", "attributions", name].value for name in every}
    assert of_all["most points"] == seen.points.max() > 3
    assert of_all["largest relative delta"] == pytest.approx(seen.relative_delta.max())
    assert of_all["texts not converged"] == np.mean(seen.relative_delta > 0.01)
    areas = deletion_areas(small, tokenize(small, texts), both, seen)
    for name, each in (("deletion", areas.deletion), ("insertion", areas.insertion), ("random order", areas.random)):
        assert of_all[f"area, {name}"] == pytest.approx(each.mean(), abs=1e-6)
    assert of_all["area, deletion"] < of_all["area, random order"] < of_all["area, insertion"]


def test_the_table_of_the_terminal():
    rows = [
        Number("concadia", "test", "preference", 0.525, 40, 0.375, 0.671),
        Number("concadia", "test", "preference, caption longer", float("nan"), 0),
        Number("blv", "overall", "pearson", -0.0751, 68, -0.25, 0.125),
        Number("concadia", "test", "mean caption score", 0.5, 40),
    ]
    lines = [line.split("  ") for line in terminal_table(rows, PAPER).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[1:] == [
        ["concadia", "test", "preference", "52.5 %", "[37.5 67.1]", "40"],
        ["concadia", "test", "preference, caption longer", "-", "0"],
        ["blv", "overall", "pearson", "-0.075", "[-0.250 +0.125]", "68"],
        ["concadia", "test", "mean caption score", "+0.500", "40"],
    ]


def test_what_a_run_names_is_loaded_only_if_that_is_allowed(full: Path, capsys: pytest.CaptureFixture[str], tmp_path):
    """Of a run with all weights, whose base is only needed to compare with."""
    copied = shutil.copytree(full, tmp_path / "copied", ignore=shutil.ignore_patterns("evaluation"))
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["arguments"]["data"] = "csv:/etc/passwd"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    out = ["--out", str(tmp_path / "out")]
    assert evaluate.main([*SMALL, "--model", str(copied), "--tasks", "concadia", *out]) == 2
    assert "takes its data from 'csv:/etc/passwd', which this command does not name; add --trust-run" in one_line(
        capsys
    )
    assert not (tmp_path / "out").exists()


def test_the_base_to_compare_with_is_loaded_only_if_that_is_allowed(
    full: Path, ratings: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    arguments = ["--model", str(full), "--tasks", "blv", "--blv", str(ratings), "--out", str(tmp_path / "out")]
    assert evaluate.main([*SMALL, *arguments]) == 2
    assert "takes its base from" in one_line(capsys)
    assert run(*arguments) == 0
