"""The sweep as a user meets it: small, but through the command line, with real processes."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image

from interp import cli
from interp.attribution.drawing import attributed_pairs
from interp.cli.types import parse_ints
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import embed_texts
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.contrast import PAPER
from interp.data.norms import load_norms
from interp.report.choice import best_cell
from interp.report.page.page import page
from interp.report.sweep_run import load_sweep
from interp.runs.cells import read_cell
from interp.runs.content import sealed
from interp.runs.directions import read_directions
from interp.runs.examples import read_examples
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.described import describe
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation
from interp.sweep import __main__ as sweep
from interp.sweep.config import SweepConfig, preset
from interp.sweep.executors.executor import tasks
from tests.oracles.plain_forward import one_line
from tests.run_folders import FIELDS
from training.ablation import _tuning

pytestmark = pytest.mark.slow

SMALL = [
    "--limit",
    "60",
    "--attributed",
    "4",
    "--n-steps",
    "3",
    "--max-steps",
    "10",
    "--layers",
    "4-5",
    "--sizes",
    "2,6",
]
FROZEN = ["--objective", "das"]


def run(*arguments: str) -> int:
    return sweep.main([*SMALL, *FROZEN, *arguments])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "interp.sweep", *SMALL, *FROZEN, *arguments]


@pytest.fixture(scope="module")
def model(small) -> str:
    return small.name


@pytest.fixture(scope="module")
def done(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep, computed in this process."""
    out = tmp_path_factory.mktemp("sweep") / "run"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
    return out


def tables(folder: Path) -> bytes:
    return (folder / "results.csv").read_bytes() + (folder / "results.parquet").read_bytes()


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
        assert frame.groupby("layer")[f"r_{norm}_full"].nunique().max() == 1  # the whole is the same for every subspace
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


@pytest.mark.thorough
def test_processes_share_the_cells_of_a_single_layer(done: Path, model: str, tmp_path: Path):
    """Sizes are searched together, in one process; then each process takes cells. The numbers stay the same."""
    out = tmp_path / "run"
    assert run("--model", model, "--out", str(out), "--jobs", "2", "--layers", "5") == 0
    alone = pd.read_csv(done / "results.csv").query("layer == 5").reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(out / "results.csv"), alone, check_exact=True)


def test_the_command_in_the_manifest_asks_for_the_same():
    config = sweep.SweepConfig(data="concadia:my 'data'", sizes="2,6", n_steps=7, skip_bad_images=True)
    first, *words = shlex.split(cli.command_line("python", config))
    assert first == "python"
    assert cli.parse(sweep.SweepConfig, "", "", "", words) == config
    assert cli.command_line("python", sweep.SweepConfig()) == "python"


def test_a_sweep_is_run_again_from_its_manifest(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The same bits; what it names from elsewhere takes trust; what is typed beside it wins."""
    again = ["--config", str(done / "manifest.json"), "--out", str(tmp_path / "again"), "--jobs", "1"]
    with pytest.raises(SystemExit, match="2"):
        sweep.main(again)
    assert "which this command does not; add --trust-run to load that, or give --model beside" in one_line(capsys)
    assert not (tmp_path / "again").exists()
    assert sweep.main([*again, "--trust-run"]) == 0
    assert tables(tmp_path / "again") == tables(done)
    first, second = (json.loads((run / "manifest.json").read_text()) for run in (done, tmp_path / "again"))
    assert second["settings"] == first["settings"]
    assert "--config" not in second["command"]  # it can be run by itself
    other = ["--config", str(done), "--out", str(tmp_path / "other"), "--trust-run", "--jobs", "1"]
    assert sweep.main([*other, "--layers", "5", "--sizes", "2"]) == 0
    assert pd.read_csv(tmp_path / "other" / "results.csv")[["layer", "size"]].to_numpy().tolist() == [[5, 2]]


@pytest.mark.parametrize(
    ("processes", "searched_first", "computed"),
    [
        (2, [], [["4 2 0", "4 6 0", "4 2 1", "4 6 1"], ["5 2 0", "5 6 0", "5 2 1", "5 6 1"]]),
        (3, [], [["4 2 0", "4 6 0"], ["4 2 1", "4 6 1"], ["5 2 0", "5 6 0"], ["5 2 1", "5 6 1"]]),
        (5, [["4 2 0", "4 6 0"], ["4 2 1", "4 6 1"], ["5 2 0", "5 6 0"], ["5 2 1", "5 6 1"]],
         [["4 2 0"], ["4 6 0"], ["4 2 1"], ["4 6 1"], ["5 2 0"], ["5 6 0"], ["5 2 1"], ["5 6 1"]]),
    ],
)  # fmt: skip
def test_cells_stay_together_as_long_as_all_processes_have_work(processes: int, searched_first, computed):
    keys = [Place(layer, size, seed) for size in (6, 2) for layer in (5, 4) for seed in (0, 1)]
    found = [[[f"{k.layer} {k.size} {k.seed}" for k in some] for some in groups] for groups in tasks(keys, processes)]
    assert found == [searched_first, computed]


def test_processes_do_not_change_a_bit(done: Path, model: str, tmp_path: Path):
    out = tmp_path / "two"
    finished = subprocess.run(
        command("--model", model, "--out", str(out), "--jobs", "2"), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert tables(out) == tables(done)
    assert not (out / "cache").exists()


def test_killed_and_resumed_only_what_is_missing_is_computed(done: Path, model: str, tmp_path: Path):
    out = tmp_path / "killed"
    process = subprocess.Popen(
        command("--model", model, "--out", str(out), "--jobs", "2"), stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.time() + 120
    while not list(out.glob("cells/*.json")) and process.poll() is None and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)  # orphaned workers end by themselves ...
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob("cells/*.json")}
    time.sleep(2)  # ... and nothing is written any more
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("cells/*.json")} == finished
    assert 0 < len(finished) < 4
    left = time.time_ns()
    assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("cells/*.json")}
    assert {name: when for name, when in after.items() if name in finished} == finished
    assert all(when > left for name, when in after.items() if name not in finished)
    assert tables(out) == tables(done)
    assert not (out / "cache").exists()


def test_two_sweeps_do_not_share_a_folder(done: Path, model: str, capsys: pytest.CaptureFixture[str]):
    with FileLock(done / ".lock"):
        assert run("--model", model, "--out", str(done)) == 2
    assert "another process is at work" in one_line(capsys)


def test_what_is_missing_or_does_not_fit_is_computed_again_with_the_same_bits(
    done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """One thing each: a cell cut short with its rotation kept, one with a changed number, one that another one was
    copied over, a lost rotation; and then a cell together with its rotation, whose search is of all sizes again."""
    out = shutil.copytree(done, tmp_path / "run")
    cell, rotation = (out / name / "layer04-size006-seed0" for name in ("cells", "rotations"))
    cell, tensors, about = (path.with_suffix(end) for path, end in (
        (cell, ".json"), (rotation, ".safetensors"), (rotation, ".json"),
    ))  # fmt: skip
    before, text = tensors.stat().st_mtime_ns, cell.read_text()
    other = out / "cells" / "layer05-size002-seed0.json"
    spoils = {
        "cannot read": lambda: cell.write_text("{ cut sho"),
        "its checksum does not fit": lambda: cell.write_text(text.replace('"preference": 0.', '"preference": 0.1', 1)),
        "holds the cell layer04": lambda: other.write_text(text),
    }
    for number, (said, spoil) in enumerate(spoils.items()):
        spoil()
        assert run("--model", model, "--out", str(out), "--jobs", "1", "--layers", "4-5") == 0
        assert f"{said}" in (printed := capsys.readouterr().out), number
        assert "it is computed again" in printed
        assert tables(out) == tables(done)
        assert tensors.stat().st_mtime_ns == before
        assert json.loads((out / "manifest.json").read_text())["cells_computed"] == 1
    shutil.copy(out / "rotations" / "layer05-size006-seed0.json", about)
    shutil.copy(out / "rotations" / "layer05-size006-seed0.safetensors", tensors)
    assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
    assert "is the rotation of another cell" in capsys.readouterr().out
    for path in (cell, tensors, about):
        path.unlink()
    assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
    assert tables(out) == tables(done)
    assert tensors.read_bytes() == (done / "rotations" / tensors.name).read_bytes()
    assert "last digits" not in capsys.readouterr().out


@pytest.mark.thorough
def test_examples_that_were_changed_are_kept_again(done: Path, model: str, tmp_path: Path, capsys):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    before = {path.name: path.read_bytes() for path in (out / "examples").iterdir()}
    text = (out / "examples.json").read_text()
    for spoil, said in (
        (
            lambda: (out / "examples.json").write_text(text.replace('"positive": "', '"positive": "x', 1)),
            "its checksum does not fit",
        ),
        (lambda: (out / "examples" / "0.jpg").write_bytes(before["1.jpg"]), "0.jpg' was changed"),
        ((out / "examples" / "0.jpg").unlink, ""),
    ):
        spoil()
        if said:
            with pytest.raises(StoreError, match=said):
                page(load_sweep(out))
        assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
        assert said in capsys.readouterr().out
        assert (out / "examples.json").read_text() == text
        assert {path.name: path.read_bytes() for path in (out / "examples").iterdir()} == before


def test_a_damaged_cell_that_is_not_asked_for_is_said_before_anything_is_computed(
    done: Path, model: str, tmp_path: Path, capsys
):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    (out / "cells" / "layer04-size002-seed0.json").unlink()
    (out / "cells" / "layer05-size006-seed0.json").write_text("{")
    assert run("--model", model, "--out", str(out), "--jobs", "1", "--layers", "4") == 2
    assert "remove that file, or ask for layer 5, size 6 and seed 0 too" in one_line(capsys)
    assert not (out / "cells" / "layer04-size002-seed0.json").exists()


def test_a_manifest_that_is_none_is_left_as_it_is(done: Path, model: str, tmp_path: Path, capsys):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(manifest | {"norm_sources": 7}))
    before = (out / "manifest.json").read_bytes()
    assert run("--model", model, "--out", str(out)) == 2
    assert '["norm_sources"] is 7, not a mapping' in one_line(capsys)
    assert (out / "manifest.json").read_bytes() == before


def test_nothing_in_a_run_says_whose_it_is(done: Path):
    private = [socket.gethostname(), platform.release(), str(Path.home()), str(Path(__file__).parents[2])]
    said = re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in private))
    for path in done.rglob("*"):
        assert not said.search(path.name)
        if path.suffix in (".json", ".csv", ".html"):
            assert not said.search(path.read_text(encoding="utf-8")), path


def test_a_stray_file_among_the_cells_is_named_and_not_read(done: Path, tmp_path: Path):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    shutil.copy(out / "cells" / "layer04-size006-seed0.json", out / "cells" / "layer04-size006-seed0 (1).json")
    (out / "cells" / "notes.txt").write_text("mine")
    sweep_run = load_sweep(out)
    assert len(sweep_run.cells) == 4
    assert sweep_run.strays == ["cells/layer04-size006-seed0 (1).json", "cells/notes.txt"]
    assert "notes.txt" in page(sweep_run)


def test_a_run_can_be_widened_but_not_bent(done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = shutil.copytree(done, tmp_path / "run")
    assert (
        sweep.main([*SMALL[:-2], *FROZEN, "--sizes", "2,3,6", "--model", model, "--out", str(out), "--jobs", "1"]) == 0
    )
    assert json.loads((out / "manifest.json").read_text())["cells_computed"] == 2
    narrow, wide = pd.read_csv(done / "results.csv"), pd.read_csv(out / "results.csv")
    pd.testing.assert_frame_equal(wide[wide["size"] != 3].reset_index(drop=True), narrow)
    assert "searched beside other sizes than this command names (4: layer04-size002-seed0" in capsys.readouterr().out
    assert run("--model", model, "--out", str(out), "--sources", "paired") == 2
    assert 'sources = "random", not "paired"' in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "13"], "layer 13 does not exist: the text tower of toy has layers 1 to 12"),
        (["--layers", "0-3"], "0 is too small"),
        (["--layers", "9-6"], "--layers 9-6 runs backwards; write 6-9"),
        (["--layers", "six"], "'six' is neither a number nor a range"),
        (["--sizes", "4096"], "size 4096 does not fit: the text tower of toy has width 128"),
        (["--sizes", "0"], "0 is too small"),
        (["--model", "nowhere"], "no model 'nowhere'"),
        (["--data", "concadia:/nowhere"], "no folder '/nowhere'"),
        (["--data", "flickr"], "known: toy, concadia:FOLDER"),
        (["--norms", "valence"], "unknown norm 'valence'"),
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--limit", "3"], "at least 2 are needed"),
        (["--split", "dev"], "toy has no split 'dev'"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(tmp_path: Path, capsys, arguments: list[str], message: str):
    out = tmp_path / "run"
    assert run("--out", str(out), *arguments) == 2
    assert message in one_line(capsys)
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["--sources", "both"], ["--limit", "many"], ["--layer", "6", "--nonsense"]])
def test_what_the_parser_refuses_is_one_line_too(capsys, arguments: list[str]):
    with pytest.raises(SystemExit) as stopped:
        sweep.main(arguments)
    assert stopped.value.code == 2
    assert "--help" in one_line(capsys)


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys):
    (tmp_path / "file").write_text("")
    assert run("--out", str(tmp_path / "file" / "run")) == 2
    assert "cannot be written to; choose another folder" in one_line(capsys)
    assert run("--out", str(tmp_path / ("x" * 300))) == 2
    assert "File name too long; choose another folder" in one_line(capsys)


@pytest.fixture
def concadia(tmp_path: Path) -> Path:
    folder = tmp_path / "concadia"
    (folder / "resized").mkdir(parents=True)
    rng = np.random.default_rng(0)
    items = []
    for i in range(24):
        Image.fromarray(rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)).save(folder / "resized" / f"{i}.jpg")
        texts = {"description": {"raw": f"a red <b>star</b> {i}"}, "caption": {"raw": f"the “harbour” of Zürich {i}"}}
        items.append({"article_id": f"A{i // 2}", "filename": f"{i}.jpg", "split": "val", **texts})
    (folder / "wiki_split.json").write_text(json.dumps({"images": items}))
    return folder


def test_concadia_with_a_bad_image(model: str, concadia: Path, tmp_path: Path, capsys):
    (concadia / "resized" / "7.jpg").write_bytes(b"\xff\xd8 not much of a picture")
    out = tmp_path / "run"
    arguments = ["--model", model, "--data", f"concadia:{concadia}", "--split", "val", "--out", str(out), "--jobs", "1"]
    assert run(*arguments) == 2
    assert "1 of 24 images cannot be used: cannot read the image '7.jpg'" in one_line(capsys)
    assert not out.exists()
    assert run(*arguments, "--skip-bad-images") == 0
    assert "1 images left out" in capsys.readouterr().out
    assert any("7.jpg" in note for note in json.loads((out / "manifest.json").read_text())["notes"])


def test_help_reads_like_documentation_and_is_quick():
    started = time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-m", "interp.sweep", "--help"], capture_output=True, text=True, check=True
    ).stdout
    seconds = time.perf_counter() - started
    for word in ("examples:", "--layers 6-12", "concadia:", "results.csv", "imageability"):
        assert word in shown
    heavy = [sys.executable, "-X", "importtime", "-m", "interp.sweep", "--help"]
    imported = subprocess.run(heavy, capture_output=True, text=True, check=True).stderr
    assert not [
        line for line in imported.splitlines() if line.split("|")[-1].strip() in ("torch", "transformers", "pandas")
    ]
    assert seconds < 20  # it takes a fraction of a second; the imports above are what makes it slow


@pytest.mark.parametrize(("text", "numbers"), [("6-8,12", [6, 7, 8, 12]), ("4", [4]), (" 8, 2 ", [2, 8]), ("1-1", [1])])
def test_lists_of_numbers(text: str, numbers: list[int]):
    assert parse_ints(text, "--x") == numbers


def test_interrupted_runs_say_how_to_go_on(model: str, tmp_path: Path):
    out = tmp_path / "run"
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    long = command("--model", model, "--out", str(out), "--jobs", "2", "--max-steps", "2000", "--seeds", "0-40")
    process = subprocess.Popen(long, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    deadline = time.time() + 120
    while not list(out.glob("rotations/*.json")) and process.poll() is None and time.time() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "interrupted; finished cells are kept; the same command goes on" in error
    assert "Traceback" not in error


def test_each_cell_can_be_fine_tuned_too(done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The frozen measures stay as they are; beside them stand those of a trained model, which load_clip takes."""
    out = tmp_path / "run"
    tuned = ["--objective", "iit-das", "--tune-steps", "3", "--layers", "4", "--sizes", "2", "--jobs", "1"]
    assert run("--model", model, "--out", str(out), *tuned) == 0
    shown = capsys.readouterr().out
    assert "1 cells, 0 done before" in shown
    assert "and then fine-tune by IIT-DAS (LoRA, at most 3 steps)" in " ".join(shown.split())
    assert "At each cell a model is fine-tuned by IIT-DAS (LoRA)" in shown
    frame = pd.read_csv(out / "results.csv")
    frozen = pd.read_csv(done / "results.csv").query("layer == 4 and size == 2").reset_index(drop=True)
    # In `done` the rotation was searched beside another size, which changes last digits.
    pd.testing.assert_frame_equal(frame[frozen.columns], frozen, rtol=1e-3, atol=1e-4)
    row = frame.iloc[0]
    folder = out / "tuned" / "layer04-size002-seed0"
    rotation, clip = Rotation.load(folder / "rotation.safetensors"), load_clip(str(folder), trust=True)
    assert (rotation.site, rotation.size) == (Site("text", 4), 2)
    test = load_pairs("toy", limit=60).split("test")
    images = image_features(clip, test).embeddings
    both = [
        embed_texts(clip, [getattr(pair, FIELDS[kind]) for pair in test.pairs]) for kind in ("description", "caption")
    ]
    better = (images * both[0]).sum(-1) > (images * both[1]).sum(-1)
    assert row["tuned_preference"] == pytest.approx(float(better.float().mean()))
    assert clip.fingerprint != load_clip(model).fingerprint
    assert -1 <= row["tuned_transfer_drop"] <= 1
    assert row["tuned_iia"] == pytest.approx((row["tuned_iia_c2d"] + row["tuned_iia_d2c"]) / 2)
    for name in ("heatmap-tuned-preference.png", "heatmap-tuned-transfer-drop.png"):
        assert (out / name).is_file()
    before = {path: path.stat().st_mtime_ns for path in out.glob("tuned/*/adapter_model.safetensors")}
    (out / "cells" / "layer04-size002-seed0.json").unlink()
    assert run("--model", model, "--out", str(out), *tuned) == 0
    pd.testing.assert_frame_equal(pd.read_csv(out / "results.csv"), frame)
    assert {path: path.stat().st_mtime_ns for path in out.glob("tuned/*/adapter_model.safetensors")} == before


@pytest.mark.thorough
def test_each_cell_can_be_fine_tuned_by_calibrated_iit_das(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The runs of a sweep are of this objective, and its table and page say so."""
    out = tmp_path / "run"
    tuned = ["--objective", "iit-das-calibrated", "--tune-steps", "12", "--layers", "5", "--sizes", "6", "--jobs", "1"]
    assert run("--model", model, "--out", str(out), *tuned) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "and then fine-tune by calibrated IIT-DAS (LoRA, at most 12 steps)" in shown
    assert "At each cell a model is fine-tuned by calibrated IIT-DAS (LoRA)" in shown
    folder = out / "tuned" / "layer05-size006-seed0"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["settings"]["objective"] == "iit-das-calibrated"
    assert {"spread", "shift", "neutral"} <= set(pd.read_csv(folder / "history.csv"))
    row = pd.read_csv(out / "results.csv").iloc[0]
    assert row["tuned_val_loss"] == manifest["result"]["val_loss"]
    assert np.isfinite(row["tuned_iia"])
    page = (out / "report.html").read_text()
    assert "Fine-tuned by calibrated IIT-DAS [95 % interval]" in page
    assert "Models trained by calibrated IIT-DAS with" in page


@pytest.mark.parametrize(
    ("arguments", "attributed", "points"),
    [
        (["--objective", "iit-das", "--data", "concadia:x"], 100, 50),
        (["--objective", "iit-das", "--data", "concadia:x", "--n-steps", "7"], 100, 7),
        (["--objective", "iit-das"], 32, 20),
        (["--objective", "das", "--data", "concadia:x"], 32, 20),
    ],
)
def test_attributions_are_the_authors_where_models_are_fine_tuned_as_theirs(arguments, attributed: int, points: int):
    config = cli.parse(SweepConfig, "", "", "", arguments, preset)
    assert (config.attributed, config.n_steps) == (attributed, points)


def test_examples_are_of_the_pairs_that_are_attributed(done: Path, model: str):
    """Their texts and scores, and what Z was taken from, recomputed text by text."""
    clip, pairs = load_clip(model), load_pairs("toy", limit=60)
    test = pairs.split("test")
    features = image_features(clip, test)
    drawn, _ = attributed_pairs(clip, features, load_norms("imageability,concreteness"), 4)
    shown = read_examples(RunFolder(done))
    assert [one.id for one in shown] == [test.pairs[i].id for i in drawn]
    cell = read_cell(RunFolder(done), Place(4, 6, 0))
    assert cell is not None
    rotation = Rotation.load(done / "rotations" / "layer04-size006-seed0.safetensors")
    for text in cell["examples"]:
        pair, swap = drawn[text["pair"]], text["swap"]
        source = test.pairs[swap["source_pair"]]
        own, other = (getattr(one, FIELDS[kind]) for one, kind in (
            (test.pairs[pair], text["kind"]), (source, PAPER.other(text["kind"])),
        ))  # fmt: skip
        base, given = (clean_texts(clip, [said], [Site("text", 4)]) for said in (own, other))
        image = features.embeddings[[pair]]
        for name, embedding in (
            ("base", embed_texts(clip, [own])), ("counterfactual", interchange(base, given, rotation)),
        ):  # fmt: skip
            assert swap[name] == pytest.approx(float((embedding * image).sum()), abs=1e-5)
        assert " ".join(text["words"]) == " ".join(base.tokens.words[0])
        assert swap["source"] == " ".join(given.tokens.words[0])


def test_what_z_says_in_the_chosen_cell_is_of_test_pairs_and_made_again_if_it_is_of_another_cell(
    done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    place = Place.of(best_cell(pd.read_csv(out / "results.csv")))
    rotation = Rotation.load(place.rotation_file(out))
    said = describe(rotation, load_clip(model), load_pairs("toy", limit=60).split("test"))
    kept = read_directions(RunFolder(out))
    assert kept is not None
    assert (kept.place, kept.leading) == (place, said.leading)
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


def test_cells_are_fine_tuned_as_their_data_ask():
    """The toy's rates would wreck a real CLIP; the sweep's own options win over the preset's."""
    toy = _tuning(SweepConfig(objective="iit-das", tune_steps=7))
    real = _tuning(SweepConfig(objective="iit-das", model="m", data="concadia:x", limit=9))
    assert (toy.lr, toy.batch_size, toy.max_steps, toy.data) == (6e-4, 64, 7, "toy")
    assert (real.lr, real.batch_size, real.lora_rank, real.samples) == (1e-5, 12, 64, 100_000)
    assert (toy.patience is None, real.patience) == (False, None)
    assert (toy.objective, _tuning(SweepConfig(objective="iit-das-calibrated")).objective) == (
        "iit-das", "iit-das-calibrated",
    )  # fmt: skip
    assert (real.model, real.data, real.limit, real.sources) == ("m", "concadia:x", 9, "random")


def test_without_controls_a_cell_has_its_own_iia_alone(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run"
    assert run("--model", model, "--out", str(out), "--layers", "5", "--sizes", "2", "--controls", "none") == 0
    said = capsys.readouterr().out
    (measures,) = [json.loads(path.read_text())["measures"] for path in (out / "cells").glob("*.json")]
    assert {"iia", "shift_c2d", "preference"} <= set(measures)
    assert not {"gap", "r2", "iia_random", "iia_whole", "neutral_preference"} & set(measures)
    assert not (out / "chosen.json").exists()
    assert (out / "directions.json").exists()
    assert "Verdict" not in said
    assert "There is no verdict" in (out / "report.html").read_text()
