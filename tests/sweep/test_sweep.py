"""Tests of the files and the output of a finished sweep."""

from __future__ import annotations

import json
import platform
import re
import shutil
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from interp.attribution.sampling import attributed_pairs
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import embed_texts
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.contrast import PAPER
from interp.data.norms import load_norms
from interp.report.choice import best_cell
from interp.runs.cells import read_cell
from interp.runs.content import sealed
from interp.runs.directions import read_directions
from interp.runs.examples import read_examples
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.direction_examples import describe
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation
from interp.sweep.executors.local import one_thread
from tests.run_folders import FIELDS
from tests.sweep.sweeping import run

pytestmark = pytest.mark.slow


def test_a_finished_run_holds_all_that_is_promised(done: Path):
    frame = pd.read_csv(done / "results.csv")
    assert list(zip(frame["layer"], frame["block"], frame["size"], strict=True)) == [
        (4, 3, 2),
        (4, 3, 6),
        (5, 4, 2),
        (5, 4, 6),
    ]
    pd.testing.assert_frame_equal(frame, pd.read_parquet(done / "results.parquet"))
    for measure in ("iia", "iia_c2d", "iia_d2c", "preference"):
        assert (frame[f"{measure}_low"] <= frame[measure]).all()
        assert (frame[measure] <= frame[f"{measure}_high"]).all()
    np.testing.assert_allclose(frame["iia"], (frame["iia_c2d"] + frame["iia_d2c"]) / 2)
    assert (frame["iia_size0"] == 0.5).all()
    for norm in ("imageability", "concreteness"):
        assert (frame[f"n_{norm}"] > 20).all()
        for route in ("through", "around", "full"):
            values = frame[[f"r_{norm}_{route}{end}" for end in ("_low", "", "_high")]].to_numpy()
            assert (np.diff(values, axis=1) >= 0).all()
        assert (
            frame.groupby("layer")[f"r_{norm}_full"].nunique().max() == 1
        )  # the full attribution does not depend on the subspace
        assert frame[f"r_{norm}_through"].nunique() == 4
    manifest = json.loads((done / "manifest.json").read_text())
    assert manifest["arguments"]["layers"] == "4-5"
    assert manifest["cells_computed"] == 4
    assert manifest["certified"]["a text swapped with itself, against itself"] == 0
    assert 0 < manifest["certified"]["counterfactuals, against a plain hook"] < 1e-5
    assert manifest["settings"]["norms"].keys() == {"imageability", "concreteness"}
    for key in (Place(4, 2, 0), Place(5, 6, 0)):
        rotation = Rotation.load(done / "rotations" / f"{key.name}.safetensors")
        assert (rotation.size, rotation.site) == (key.size, Site("text", key.layer))
        words = json.loads((done / "cells" / f"{key.name}.json").read_text())["words"]
        assert words["through"].keys() == words["full"].keys() > {"the"}
    pictures = sorted(path.name for path in done.glob("heatmap-*.png"))
    assert {"heatmap-iia.png", "heatmap-preference.png", "heatmap-r-imageability-through.png"} <= set(pictures)
    for name in pictures:
        with Image.open(done / name) as picture:
            assert min(picture.size) > 200
    assert not (done / "cache").exists()
    assert manifest["cells"] == [Place(layer, size, 0).name for layer in (4, 5) for size in (2, 6)]
    command_of_it = "python -m interp.sweep --layers 4-5 --sizes 2,6 --max-steps 10 --objective das --jobs 1"
    assert manifest["command"].startswith(command_of_it)
    assert manifest["command"].endswith("--limit 60")
    assert (done / "report.html").stat().st_size > 10_000


def test_nothing_in_a_run_says_whose_it_is(done: Path):
    private = [socket.gethostname(), platform.release(), str(Path.home()), str(Path(__file__).parents[2])]
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in private))
    for path in done.rglob("*"):
        assert not pattern.search(path.name)
        if path.suffix in (".json", ".csv", ".html"):
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_seeds_and_sources_matter(done: Path, model: str, tmp_path: Path):
    assert run("--model", model, "--out", str(tmp_path / "a"), "--jobs", "1", "--seeds", "0,3", "--layers", "5") == 0
    frame = pd.read_csv(tmp_path / "a" / "results.csv")
    assert list(frame["seed"]) == [0, 3, 0, 3]
    assert frame.groupby("size")["das_val_loss"].nunique().min() == 2
    assert (
        run("--model", model, "--out", str(tmp_path / "b"), "--jobs", "1", "--sources", "paired", "--layers", "5") == 0
    )
    paired = pd.read_csv(tmp_path / "b" / "results.csv")
    first = pd.read_csv(done / "results.csv").query("layer == 5")
    assert not np.allclose(paired["iia"], first["iia"])


def test_the_table_marks_the_cell_that_val_chooses(done: Path, model: str, capsys: pytest.CaptureFixture[str]):
    assert run("--model", model, "--out", str(done), "--jobs", "1") == 0
    shown = capsys.readouterr().out
    best = best_cell(pd.read_csv(done / "results.csv"))
    marks = [line.split() for line in shown.splitlines() if line.lstrip().startswith(("* ", "*~ "))]
    (marked,) = [words for words in marks if "chosen" not in words]
    assert marked[1:4] == [str(int(best[name])) for name in ("layer", "block", "size")]
    assert "4 cells, 4 done before" in shown
    assert str(done / "results.csv") in shown


def test_examples_are_of_the_pairs_that_are_attributed(done: Path, model: str):
    """Compare texts, scores and sources of Z with a computation text by text."""
    clip, pairs = load_clip(model), load_pairs("toy", limit=60)
    test = pairs.split("test")
    features = image_features(clip, test)
    drawn, _ = attributed_pairs(clip, features, load_norms("imageability,concreteness"), 4)
    shown = read_examples(RunFolder(done))
    assert [example.id for example in shown] == [test.pairs[i].id for i in drawn]
    cell = read_cell(RunFolder(done), Place(4, 6, 0))
    assert cell is not None
    rotation = Rotation.load(done / "rotations" / "layer04-size006-seed0.safetensors")
    for text in cell["examples"]:
        pair, swap = drawn[text["pair"]], text["swap"]
        source = test.pairs[swap["source_pair"]]
        base_text, source_text = (
            getattr(example, FIELDS[kind])
            for example, kind in (
                (test.pairs[pair], text["kind"]),
                (source, PAPER.other(text["kind"])),
            )
        )
        base, given = (clean_texts(clip, [words], [Site("text", 4)]) for words in (base_text, source_text))
        image = features.embeddings[[pair]]
        for name, embedding in (
            ("base", embed_texts(clip, [base_text])),
            ("counterfactual", interchange(base, given, rotation)),
        ):
            assert swap[name] == pytest.approx(float((embedding * image).sum()), abs=1e-5)
        assert " ".join(text["words"]) == " ".join(base.tokens.words[0])
        assert swap["source"] == " ".join(given.tokens.words[0])


def test_what_z_says_in_the_chosen_cell_is_of_test_pairs_and_made_again_if_it_is_of_another_cell(
    done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    place = Place.of(best_cell(pd.read_csv(out / "results.csv")))
    rotation = Rotation.load(place.rotation_file(out))
    with one_thread():  # as in a sweep; several threads change the order of sums
        described = describe(rotation, load_clip(model), load_pairs("toy", limit=60).split("test"))
    kept = read_directions(RunFolder(out))
    assert kept is not None
    assert (kept.place, kept.leading) == (place, described.leading)
    assert len(kept.leading) == min(place.size, 3)
    content = json.loads((out / "directions.json").read_text())
    del content["checksum"]
    other = {**content, "cell": content["cell"] | {"layer": 9 - place.layer}, "directions": []}
    for spoiled, note in ((sealed(other), False), (json.dumps(content), True), ("{", True)):
        (out / "directions.json").write_text(spoiled)
        before = (out / "chosen.json").stat().st_mtime_ns
        assert run("--model", model, "--out", str(out)) == 0
        assert read_directions(RunFolder(out)) == kept
        assert ("directions.json" in capsys.readouterr().out) == note
        assert (out / "chosen.json").stat().st_mtime_ns == before


def test_without_controls_a_cell_has_its_own_iia_alone(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    assert run("--model", model, "--out", str(out), "--layers", "5", "--sizes", "2", "--controls", "none") == 0
    printed = capsys.readouterr().out
    (measures,) = [json.loads(path.read_text())["measures"] for path in (out / "cells").glob("*.json")]
    assert {"iia", "shift_c2d", "preference"} <= set(measures)
    assert not {"gap", "r2", "iia_random", "iia_whole", "neutral_preference"} & set(measures)
    assert not (out / "chosen.json").exists()
    assert (out / "directions.json").exists()
    assert "Verdict" not in printed
    assert "There is no verdict" in (out / "report.html").read_text()
