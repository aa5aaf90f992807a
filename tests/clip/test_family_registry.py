"""Tests of the lookup of model families, and of the only room that knows the parts of CLIP."""

from __future__ import annotations

from dataclasses import replace

import pytest
from transformers import BertConfig, BertModel

from interp.clip.errors import ModelError
from interp.clip.families import family_of
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.subspaces import clean_run, trainable_run
from interp.subspaces.clean_run import clean_texts
from tests.clip.test_families import OF_CLIP, ROOT
from tests.wording import raises


def test_an_unknown_class_is_one_line(toy: Clip):
    tower = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    stranger = replace(toy, model=BertModel(BertConfig(vocab_size=9, **tower)))
    with raises(ModelError, "BertModel", "CLIP"):
        clean_texts(stranger, ["a star"], [Site("text", 1)])


def test_a_class_that_extends_a_known_one_is_of_its_family(toy: Clip):
    class Mine(type(toy.model)):  # type: ignore[misc]
        pass

    assert family_of(Mine(toy.model.config)) is toy.family


def test_nothing_outside_of_the_room_names_the_parts_of_clip():
    clip_room = ROOT / "interp" / "clip"
    files = [path for room in ("interp", "training", "figures") for path in sorted((ROOT / room).rglob("*.py"))]
    outside = [path for path in files if clip_room not in path.parents]
    assert len(outside) > 100
    assert any(OF_CLIP.search(path.read_text("utf-8")) for path in clip_room.rglob("*.py"))
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in outside
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if OF_CLIP.search(line)
    ]
    assert lines == []


def test_the_engine_takes_one_vector_where_the_tower_is_causal(toy: Clip, monkeypatch: pytest.MonkeyPatch):
    """Check that the fast path is in use: nothing runs again above the site."""

    def refuse(*_given: object, **_named: object) -> None:
        raise AssertionError

    for module in (clean_run, trainable_run):
        monkeypatch.setattr(module, "run_again", refuse)
    run = clean_texts(toy, ["a star", "a red moon"], [Site("text", 9)])
    assert run.push(Site("text", 9), run.stream(Site("text", 9))).shape == (2, toy.embed_dim)
    assert run.grids == {}
