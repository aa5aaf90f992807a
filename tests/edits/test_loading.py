"""Tests of folders with an edit: each loads as a model, on any base, or gives a one-line error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from interp.clip.edits.edit import FILE, Edit
from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_images, embed_texts
from interp.data import load_pairs
from tests.edits.test_engine import loreft
from tests.wording import raises

TEXTS = ["a red circle", "two stars at the harbour"]


@pytest.fixture
def edited_folder(toy: Clip, tmp_path: Path) -> Path:
    """Return a folder with an edit of the toy."""
    loreft(toy, 9).made_for(toy).save(tmp_path / "edited")
    return tmp_path / "edited"


def save_model(clip: Clip, folder: Path) -> None:
    for part in (clip.model, clip.tokenizer, clip.processor):
        part.save_pretrained(folder)


def test_a_folder_with_an_edit_is_the_edited_model(toy: Clip, edited_folder: Path):
    edited, expected = load_clip(str(edited_folder)), loreft(toy, 9).apply(toy)
    assert torch.equal(embed_texts(edited, TEXTS), embed_texts(expected, TEXTS))
    assert not torch.allclose(embed_texts(edited, TEXTS), embed_texts(toy, TEXTS), atol=1e-3)
    assert (edited.name, edited.fingerprint) == (str(edited_folder), expected.fingerprint)
    assert edited.image_fingerprint == toy.image_fingerprint
    assert any("'toy'" in note for note in edited.notes)
    half = load_clip(str(edited_folder), dtype=torch.float64)
    assert half.model.dtype == torch.float64
    assert torch.allclose(embed_texts(half, TEXTS).float(), embed_texts(edited, TEXTS), atol=1e-6)


def test_an_edit_of_images_changes_images_alone(toy: Clip, tmp_path: Path):
    loreft(toy, 3, "vision").made_for(toy).save(tmp_path)
    pairs = load_pairs("toy")
    edited, images = load_clip(str(tmp_path)), [pairs.open_image(pair) for pair in pairs.pairs[:2]]
    assert torch.equal(embed_texts(edited, TEXTS), embed_texts(toy, TEXTS))
    assert not torch.allclose(embed_images(edited, images), embed_images(toy, images), atol=1e-3)
    assert edited.image_fingerprint != toy.image_fingerprint


def test_an_edit_of_an_edit(toy: Clip, edited_folder: Path, tmp_path: Path):
    once = load_clip(str(edited_folder))
    loreft(toy, 11, seed=1).made_for(once).save(tmp_path / "twice")
    assert Edit.load(tmp_path / "twice").base == str(edited_folder)
    twice = load_clip(str(tmp_path / "twice"), trust=True)
    expected = loreft(toy, 11, seed=1).apply(loreft(toy, 9).apply(toy))
    assert torch.equal(embed_texts(twice, TEXTS), embed_texts(expected, TEXTS))
    assert twice.fingerprint == expected.fingerprint
    with raises(ModelError, f"'{tmp_path / 'twice'}'", f"'{edited_folder}'", "--trust-run"):
        load_clip(str(tmp_path / "twice"))


def test_a_folder_with_weights_and_an_edit_is_its_own_base(toy: Clip, tmp_path: Path):
    save_model(toy, tmp_path)
    loreft(toy, 9).made_for(load_clip(str(tmp_path))).save(tmp_path)
    assert torch.equal(embed_texts(load_clip(str(tmp_path)), TEXTS), embed_texts(loreft(toy, 9).apply(toy), TEXTS))


def test_folders_that_hold_no_model(toy: Clip, small: Clip, edited_folder: Path, tmp_path: Path):
    loreft(toy, 9).save(tmp_path / "loose")
    with raises(ModelError, f"'{tmp_path / 'loose'}'"):
        load_clip(str(tmp_path / "loose"))
    damaged = (edited_folder / FILE).read_bytes()
    (edited_folder / FILE).write_bytes(damaged[:-4] + b"abcd")
    with raises(ModelError, f"'{edited_folder / FILE}'"):
        load_clip(str(edited_folder))
    (edited_folder / FILE).write_bytes(damaged)
    save_model(small, tmp_path / "small")
    other = load_clip(str(tmp_path / "small"))
    loreft(other, 2).made_for(other).save(tmp_path / "small" / "edited")
    with raises(ModelError, f"'{tmp_path / 'small' / 'edited'}'", "--trust-run"):
        load_clip(str(tmp_path / "small" / "edited"))
    assert load_clip(str(tmp_path / "small" / "edited"), trust=True).depth("text") == small.depth("text")
    save_model(toy, tmp_path / "small")
    with raises(ModelError, f"'{tmp_path / 'small'}'", f"'{tmp_path / 'small' / 'edited'}'"):
        load_clip(str(tmp_path / "small" / "edited"), trust=True)


def test_edits_in_a_circle(toy: Clip, tmp_path: Path):
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        path.mkdir()
    for path, other in zip(paths, reversed(paths), strict=True):
        replace(loreft(toy, 9), base=str(other)).save(path)
    with raises(ModelError, f"'{paths[0]}'", "edit.json"):
        load_clip(str(paths[0]), trust=True)
