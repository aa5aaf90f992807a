"""Exported edited models: plain weights with an edit, code that applies the edit, and exact merges into weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPModel

from interp.clip.edits import KINDS
from interp.clip.edits.edit import Edit
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_images, embed_texts
from interp.clip.sites import Site
from interp.subspaces.rotation import random_basis
from tests.edits.cards import code_of, of_texts, run_alone, run_here
from tests.edits.test_engine import loreft
from tests.oracles.plain_forward import random_texts
from tests.training.test_card import header
from tests.wording import refused
from training.export import main as export

TEXTS = [*random_texts(4, 0), "a red circle"]
CLOSE = {"atol": 1e-6, "rtol": 0.0}


def of_kind(kind: str, clip: Clip, site: Site) -> Edit:
    """Return an edit of a kind with random tensors."""
    sizes, draw = {"d": clip.width(site.tower), "k": 3}, torch.Generator().manual_seed(0)
    shapes = {name: [sizes[letter] for letter in letters] for name, letters in KINDS[kind].shapes.items()}
    return Edit(kind, site, {name: torch.randn(shape, generator=draw) / 4 for name, shape in shapes.items()})


def shift(clip: Clip, tower: str = "text", layer: int | None = None) -> Edit:
    """Return a LoReFT edit that adds a constant: its weight equals its rows."""
    site = Site(tower, layer or clip.depth(tower))  # type: ignore[arg-type]
    rows = random_basis(clip.width(site.tower), 3, torch.Generator().manual_seed(0)).T.contiguous()
    return Edit("loreft", site, {"rows": rows, "weight": rows, "bias": torch.tensor([1.0, -2.0, 0.5])})


def run_of(edit: Edit, clip: Clip, folder: Path) -> str:
    """Save an edit of a model, and return the name of its folder."""
    edit.made_for(clip).save(folder)
    return str(folder)


def code_for(out: Path) -> str:
    return code_of((out / "README.md").read_text()).replace('"FOLDER', f'"{out}')


def pictures() -> list[Image.Image]:
    draw = np.random.default_rng(0)
    return [Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(2)]


@pytest.mark.slow
def test_a_process_without_this_package_applies_the_edit(toy: Clip, tmp_path: Path, capsys):
    run = run_of(loreft(toy, 9), toy, tmp_path / "run")
    assert export([run, "--out", str(tmp_path / "out")]) == 0
    assert "embeddings by the written model differ by" in capsys.readouterr().out
    out = Path(shutil.move(tmp_path / "out", tmp_path / "moved"))
    shutil.rmtree(run)
    wanted = embed_texts(loreft(toy, 9).apply(toy), TEXTS)
    again = load_clip(str(out))
    torch.testing.assert_close(embed_texts(again, TEXTS), wanted, **CLOSE)
    torch.testing.assert_close(run_alone(of_texts(code_for(out), TEXTS), tmp_path), embed_texts(again, TEXTS), **CLOSE)
    plain, tokens = CLIPModel.from_pretrained(out).eval(), AutoTokenizer.from_pretrained(out)
    with torch.no_grad():  # without the edit, the written weights are the base
        unedited = plain.get_text_features(**tokens(TEXTS, padding=True, return_tensors="pt")).pooler_output
    unedited = torch.nn.functional.normalize(unedited, dim=-1)
    torch.testing.assert_close(unedited, embed_texts(toy, TEXTS), **CLOSE)
    assert (wanted - unedited).abs().max() > 1e-2


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_code_of_every_kind(kind: str, small: Clip, tmp_path: Path):
    edit = of_kind(kind, small, Site("text", 3))
    run, out = run_of(edit, small, tmp_path / "run"), tmp_path / "out"
    assert export([run, "--out", str(out), "--trust-run"]) == 0
    embedded = run_here(of_texts(code_for(out), TEXTS))
    torch.testing.assert_close(embedded, embed_texts(load_clip(str(out)), TEXTS), **CLOSE)
    torch.testing.assert_close(embedded, embed_texts(edit.apply(small), TEXTS), **CLOSE)
    assert (embedded - embed_texts(small, TEXTS)).abs().max() > 1e-3


def test_an_edit_of_images(small: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    edit, out = loreft(small, 2, "vision"), tmp_path / "out"
    assert export([run_of(edit, small, tmp_path / "run"), "--out", str(out), "--trust-run"]) == 0
    monkeypatch.chdir(tmp_path)
    image = pictures()[0]
    image.save("image.png")
    embedded = run_here(code_for(out))
    torch.testing.assert_close(embedded, embed_images(edit.apply(small), [image]), **CLOSE)
    torch.testing.assert_close(embedded, embed_images(load_clip(str(out)), [image]), **CLOSE)
    assert (embedded - embed_images(small, [image])).abs().max() > 1e-3


@pytest.mark.slow
def test_an_adapter_below_an_edit_is_merged(done: Path, tmp_path: Path):
    tuned = load_clip(str(done), trust=True)
    edit, out = loreft(tuned, 3), tmp_path / "out"
    assert export([run_of(edit, tuned, tmp_path / "run"), "--out", str(out), "--trust-run"]) == 0
    assert not list(out.glob("adapter*"))
    torch.testing.assert_close(embed_texts(load_clip(str(out)), TEXTS), embed_texts(edit.apply(tuned), TEXTS), **CLOSE)


def test_the_card_and_what_is_written_name_no_folder(small: Clip, tmp_path: Path):
    facts = {"data": f"csv:{tmp_path}/pairs.csv", "lr": 0.1, "history": [str(tmp_path)], "in": {"a": str(tmp_path)}}
    run, out = run_of(loreft(small, 3).with_facts(facts), small, tmp_path / "run"), tmp_path / "out"
    assert export([run, "--out", str(out), "--trust-run", "--license", "mit"]) == 0
    card = (out / "README.md").read_text()
    assert header(card)["library_name"] == "clip-descriptions"
    assert header(card)["license"] == "mit"
    assert "base_model" not in header(card)
    for line in (
        "# A CLIP with an edit",
        f"- base: `{Path(small.name).name}`",
        "- site: `text.3.eot`",
        "- data: `csv:pairs.csv`",
    ):
        assert line in card.splitlines()
    assert "does not show where the model keeps" in card
    assert json.loads((out / "edit.json").read_text())["base"] == "."
    for path in out.iterdir():
        for folder in (tmp_path, Path(small.name).parent):
            assert str(folder).encode() not in path.read_bytes(), path


@pytest.mark.parametrize("tower", ["text", "vision"])
def test_a_constant_shift_of_the_last_layer_is_merged(tower: str, small: Clip, tmp_path: Path):
    edit, out = shift(small, tower), tmp_path / "out"
    run = run_of(edit, small, tmp_path / "run")
    assert export([run, "--out", str(out), "--trust-run", "--merge"]) == 0
    assert not list(out.glob("edit.*"))
    again, edited = load_clip(str(out)), edit.apply(small)
    assert not again.notes
    texts, images = embed_texts(again, TEXTS), embed_images(again, pictures())
    torch.testing.assert_close(texts, embed_texts(edited, TEXTS), **CLOSE)
    torch.testing.assert_close(images, embed_images(edited, pictures()), **CLOSE)
    moved = (texts - embed_texts(small, TEXTS)).abs().max(), (images - embed_images(small, pictures())).abs().max()
    assert moved[tower == "vision"] > 1e-2
    card = (out / "README.md").read_text()
    assert header(card)["library_name"] == "transformers"
    assert "The edit is merged into the weights." in card
    assert "register_forward_hook" not in card


@pytest.mark.parametrize(("kind", "name"), [("direft", "weight"), ("gain", "alpha")])
def test_other_kinds_that_add_a_constant(kind: str, name: str, small: Clip, tmp_path: Path):
    edit = of_kind(kind, small, Site("text", small.depth("text")))
    assert edit.shift is None
    constant = replace(edit, tensors={**edit.tensors, name: torch.zeros_like(edit.tensors[name])})
    assert constant.shift is not None
    run, out = run_of(constant, small, tmp_path / "run"), tmp_path / "out"
    assert export([run, "--out", str(out), "--trust-run", "--merge"]) == 0
    wanted = embed_texts(constant.apply(small), TEXTS)
    torch.testing.assert_close(embed_texts(load_clip(str(out)), TEXTS), wanted, **CLOSE)


def test_what_is_refused(small: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    last, out = small.depth("text"), tmp_path / "out"
    edits = {"once": loreft(small, last), "below": shift(small, layer=last - 1)}
    names = {name: run_of(edit, small, tmp_path / name) for name, edit in edits.items()}
    names["twice"] = run_of(loreft(small, 3), load_clip(names["once"], trust=True), tmp_path / "twice")
    for name, options, values in (
        (names["twice"], [], (f"'{names['twice']}'", 2)),
        (names["once"], ["--format", "open_clip"], (f"'{names['once']}'", "--format open_clip")),
        (names["once"], ["--merge"], ("'loreft'", "--merge")),
        (names["below"], ["--merge"], (f"text.{last - 1}.eot", last, "--merge")),
        (small.name, ["--merge"], (f"'{small.name}'", "--merge")),
    ):
        capsys.readouterr()
        refused(export([name, "--out", str(out), "--trust-run", *options]), capsys, *values)
        assert not out.exists()


def test_what_is_written_is_compared_with_the_edited_model(
    small: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = run_of(loreft(small, 3), small, tmp_path / "run")
    monkeypatch.setattr("interp.edits.card.public", lambda edit: loreft(small, 3, seed=1))
    refused(export([run, "--out", str(tmp_path / "out"), "--trust-run"]), capsys, snapshot=False)
    assert not (tmp_path / "out").exists()
