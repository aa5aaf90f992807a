"""What pages of the site take for granted: data, models, runs, and a hub, in a folder and small."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.family import Member, write
from benchmarks.material import write_concadia
from interp.data.toy.pictures import ScenePicture
from interp.data.toy.scenes import sample_scenes
from tests.hub_server import Hub
from tests.run_folders import write_paper, write_sweep

ROOT = Path(__file__).parents[1]
TOY = ROOT / "interp" / "data" / "assets" / "toy-clip"


def pictures(folder: Path) -> None:
    """Images beside `pairs.csv`, and `questions.csv`: pairs of a colour and a size."""
    folder.mkdir(parents=True)
    rows = []
    for number, scene in enumerate(
        one for one in sample_scenes("val", 200, np.random.default_rng(0)) if not one.paired
    ):
        ScenePicture(scene, number).open().save(folder / f"{number}.png")
        rows.append((f"{number}.png", f"a {scene.colour} {scene.shape}", f"a {scene.size} {scene.shape}"))
    with (folder / "questions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "colour", "size"), *rows[:40]])


def concadia(folder: Path) -> None:
    """A few pairs in Concadia's format."""
    write_concadia(folder, 30, [8, 12, 16], np.random.default_rng(0))


def open_clip(folder: Path) -> None:
    """A checkpoint of open_clip's ViT-S-32 with random weights."""
    write(Member("S", 32, activation="gelu", arch="ViT-S-32"), folder)


def runs(folder: Path) -> None:
    """A sweep, as `make demo` leaves it."""
    write_sweep(folder, tuned=True, layers=(6, 7), sizes=(4, 16))


def paper(folder: Path) -> None:
    """Fine-tunings and evaluations, as `make paper-toy` leaves them."""
    write_paper(folder)


MATERIAL: dict[str, Callable[[Path], None]] = {
    "data/mine": pictures,
    "data/colours": pictures,
    "data/concadia": concadia,
    "models": open_clip,
    "runs/demo": runs,
    "runs/paper-toy": paper,
}


def publish(hub: Hub) -> None:
    """The embedded toy, by the name of the authors' CLIP."""
    names = [*TOY.glob("*.json"), *TOY.glob("*.safetensors")]
    hub.repos["openai/clip-vit-base-patch32"] = {path.name: path.read_bytes() for path in names}
