"""Small data, models, runs and a hub that the pages of the site presuppose."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from benchmarks.family import Member, write
from benchmarks.material import write_concadia
from interp.data.blv import QUESTIONS
from interp.data.toy.pictures import ScenePicture
from interp.data.toy.scenes import sample_scenes
from interp.data.transfer import KNOWN
from tests.hub_server import Hub
from tests.run_folders import write_paper, write_sweep
from tests.site_pages import blocks

AUTHORS = "openai/clip-vit-base-patch32"
ROOT = Path(__file__).parents[1]
TOY = ROOT / "interp" / "data" / "assets" / "toy-clip"


def pictures(folder: Path) -> None:
    """Write images, a `pairs.csv` next to them, and a `questions.csv`: pairs of a colour and a size."""
    folder.mkdir(parents=True)
    rows = []
    for number, scene in enumerate(
        scene for scene in sample_scenes("val", 200, np.random.default_rng(0)) if not scene.paired
    ):
        ScenePicture(scene, number).open().save(folder / f"{number}.png")
        rows.append((f"{number}.png", f"a {scene.colour} {scene.shape}", f"a {scene.size} {scene.shape}"))
    with (folder / "questions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "colour", "size"), *rows[:40]])


def concadia(folder: Path) -> None:
    """Write a few pairs in Concadia's format."""
    write_concadia(folder, 30, [8, 12, 16], np.random.default_rng(0))


def open_clip(folder: Path) -> None:
    """Write a checkpoint of open_clip's ViT-S-32 with random weights."""
    write(Member("S", 32, activation="gelu", arch="ViT-S-32"), folder)


def runs(folder: Path) -> None:
    """Write a sweep like that of `make demo`."""
    write_sweep(folder, tuned=True, layers=(6, 7), sizes=(4, 16))


def paper(folder: Path) -> None:
    """Write fine-tunings and evaluations like those of `make paper-toy`."""
    write_paper(folder)


def ratings(folder: Path) -> None:
    """Write a clone of the repository of the ratings, with a few ratings, and a clone of that of the scores."""
    images, table = folder / "behavioral_experiments/writing/data", folder / "analyses/contextclip/context_blv_data.csv"
    scores = folder / "metrics/clipscore/results/cosid-clipscores.csv"
    draw = np.random.default_rng(0)
    for path in (images / "x", table, scores):
        path.parent.mkdir(parents=True)
    rows, scored = [["context", "description", "imgstem", *QUESTIONS.values()]], [["texts", "clipscore"]]
    for number, scene in enumerate(sample_scenes("val", 12, draw)):
        ScenePicture(scene, number).open().save(images / f"{number}.jpeg")
        text = f"{number}: a {scene.size} {scene.colour} {scene.shape}"
        rows += [["Article", text, str(number), *map(str, draw.integers(1, 6, 4))] for _ in range(4)]
        scored.append([text, str(draw.uniform(0.2, 0.9))])
    for path, content in ((table, rows), (scores, scored)):
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(content)


def job(path: Path) -> None:
    """Write the script of the page on clusters, with the files that the script needs."""
    page = (ROOT / "docs" / "how-to" / "cluster.md").read_text(encoding="utf-8")
    (block,) = [block for block in blocks(page) if block.title == path.name]
    path.write_text(block.content, encoding="utf-8")
    (path.parent / "logs").mkdir()
    (path.parent / ".venv" / "bin").mkdir(parents=True)
    (path.parent / ".venv" / "bin" / "activate").touch()


MATERIAL: dict[str, Callable[[Path], None]] = {
    "data/mine": pictures,
    "data/colours": pictures,
    "data/concadia": concadia,
    "data/blv": ratings,
    "job.sh": job,
    "models": open_clip,
    "runs/demo": runs,
    "runs/paper-toy": paper,
}


def publish(hub: Hub, folder: Path) -> None:
    """Publish the authors' CLIP with random weights, of the depth and width of their settings, and classification sets.

    Args:
        folder: empty folder for the published files.
    """
    config = CLIPConfig.from_pretrained(TOY)
    config.text_config.update({"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 256})
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder / "clip")
    names = [path for path in TOY.glob("*.json") if path.name != "config.json"]
    names += [folder / "clip" / name for name in ("config.json", "model.safetensors")]
    hub.repos[AUTHORS] = {path.name: path.read_bytes() for path in names}
    draw = np.random.default_rng(0)
    for source in KNOWN.values():
        classes = datasets.ClassLabel(names=["star", "harbour", "square"])
        features = datasets.Features({"image": datasets.Image(), source.label: classes})
        images = [Image.fromarray(draw.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for _ in range(6)]
        rows = {"image": images, source.label: [number % 3 for number in range(len(images))]}
        path = folder / f"{source.split}-00000-of-00001.parquet"
        datasets.Dataset.from_dict(rows, features=features).to_parquet(path)
        hub.repos[f"datasets/{source.repo}"] = {f"data/{path.name}": path.read_bytes()}
