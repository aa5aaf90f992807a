"""Tests that the embedded toy CLIP has the properties that the README states."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import islice

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from interp.clip.model import Clip
from interp.clip.toy_model import build_model, learn_tokenizer, load_toy_tokenizer
from interp.data.toy.scenes import sample_scenes
from interp.data.transfer import TOY_TASKS
from training import pretrain_toy
from training.pretrain_toy import LabelPhase, Phase, PretrainConfig, learn_to_see, measure, pretrain
from training.pretrain_worlds import CHARTS, SCENES, WORLDS, World

pytestmark = pytest.mark.slow

FOLDER = files("interp.data").joinpath("assets", "toy-clip")


def test_it_is_small_and_safe():
    names = {path.name: len(path.read_bytes()) for path in FOLDER.iterdir()}
    assert sum(names.values()) < 8e6
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert set(load_file(str(FOLDER.joinpath("model.safetensors"))).keys())


@pytest.mark.parametrize(("world", "named"), [(SCENES, TOY_TASKS), (CHARTS, ("marks", "measure", "event"))])
def test_able_and_undecided_on_pictures_it_has_never_seen(toy: Clip, world: World, named: tuple[str, ...]):
    """Measure the model again on the combinations of the test split."""
    measured = measure(toy.model, toy.tokenizer, "test", n=512, rounds=4, seed=99, world=world)
    assert 0.43 <= measured["preference"] <= 0.57
    assert measured["retrieval_description"] >= 0.8
    assert measured["retrieval_caption"] >= 0.8
    assert min(measured[f"zeroshot_{name}"] for name in named) >= 0.9


@pytest.mark.thorough
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_report_next_to_the_model_is_about_the_model(toy: Clip, world: World):
    report = json.loads(FOLDER.joinpath("pretraining.json").read_text())
    measured = measure(toy.model, toy.tokenizer, "val", n=512, rounds=4, seed=5, world=world)
    zero_shot = [f"zeroshot_{name}" for name in world.prompts]
    for name in ("preference", "retrieval_description", "retrieval_caption", *zero_shot):
        assert measured[name] == pytest.approx(report["val"][world.name][name], abs=0.08), name


def test_pretraining_sees_pictures_as_the_processor_gives_them(toy: Clip):
    from PIL import Image

    from interp.clip.model import pixel_values
    from interp.data.toy.pictures import render

    scene = sample_scenes("train", 1, np.random.default_rng(0))
    fed = SCENES.pixels(scene, np.random.default_rng(1))
    image = Image.fromarray(render(scene[0], np.random.default_rng(1)))
    torch.testing.assert_close(pixel_values(toy, [image]), fed)


def test_the_same_seed_gives_the_same_model(tmp_path, monkeypatch):
    texts = list(islice(pretrain_toy.corpus(0), 2000))
    monkeypatch.setattr(pretrain_toy, "corpus", lambda seed: texts)
    monkeypatch.setattr(pretrain_toy, "measure", lambda *_a, **_k: {"preference": 0.4, "retrieval_caption": 0.2})
    short = Phase(3, 1e-3, 1, partial=0.5, control_from=0.0, gain=0.1, looked_at=128, alike=4, look_every=2)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        config = PretrainConfig(
            LabelPhase(2, 1e-3, 1),
            short,
            short,
            short,
            batch_size=8,
            charts_batch_size=4,
            charts_looked_at=128,
            seed=seed,
        )
        pretrain(config, tmp_path / name)
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)
    report = json.loads((tmp_path / "a" / "pretraining.json").read_text())
    assert report["config"]["main"]["alike"] == 4
    assert report["chosen_steps"] == [3, 3, 3]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_labels_say_what_a_picture_shows(world: World):
    contents = world.sample("train", 20, np.random.default_rng(0))
    for content, row in zip(contents, world.labels(contents).tolist(), strict=True):
        named = {name: values[i] for (name, values), i in zip(world.seen.items(), row, strict=True)}
        for name, value in named.items():
            if hasattr(content, name):
                assert getattr(content, name) == value
        bands = [value for name, value in named.items() if name.endswith("band")]
        assert not bands or " ".join(bands) == content.flag
    assert len({len(values) for values in world.seen.values()}) > 1


def test_batches_hold_one_world_each():
    """Check that every third step has charts after scenes, and that similar contents have texts of one kind."""
    config = PretrainConfig()
    counts = [[(world.name, n) for world, n in pretrain_toy._batches(config, step)] for step in (1, 3)]
    assert counts == [[("scenes", 128)], [("scenes", 128), ("charts", 64)]]
    for world in WORLDS:
        pictures, texts = pretrain_toy._training_batch(world, 8, 0.5, 0.0, 4, None, np.random.default_rng(0))
        assert (pictures.shape, len(texts)) == ((8, 3, 64, 64), 8)


def test_only_the_image_tower_learns_to_see_and_only_the_rest_while_it_is_locked(tmp_path, monkeypatch):
    texts = list(islice(pretrain_toy.corpus(0), 2000))
    monkeypatch.setattr(pretrain_toy, "corpus", lambda seed: texts)
    monkeypatch.setattr(pretrain_toy, "measure", lambda *_a, **_k: {"preference": 0.5})
    model = build_model(tokenizer := load_toy_tokenizer())
    locked = Phase(2, 1e-3, 1, partial=0.5, control_from=0.0, gain=0.1, looked_at=128, locked=True)
    config = PretrainConfig(LabelPhase(2, 1e-3, 1), locked, locked, locked, batch_size=8, charts_batch_size=4)

    def moved(act) -> set[str]:
        before = {name: value.clone() for name, value in model.state_dict().items()}
        act()
        return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}

    seen = moved(lambda: learn_to_see(model, config, np.random.default_rng(0)))
    assert {name.split(".")[0] for name in seen} == {"vision_model"}
    model.half().float()  # as after a phase, so that rounding changes nothing
    shares = {world.name: 0.5 for world in WORLDS}
    args = (model, tokenizer, config, locked, shares, np.random.default_rng(0), tmp_path / "log")
    read = moved(lambda: pretrain_toy.train_phase(*args))
    assert {name.split(".")[0] for name in read} >= {"text_model", "text_projection", "visual_projection"}
    assert not any(name.startswith("vision_model") for name in read)


def test_the_tokenizer_is_made_from_the_world(tmp_path):
    """Check that the embedded tokenizer is the result of its command, and that transformers loads it as CLIP's."""
    from transformers import AutoTokenizer, CLIPTokenizer

    made, ships = learn_tokenizer(pretrain_toy.corpus(0)), load_toy_tokenizer()
    assert made.get_vocab() == ships.get_vocab()
    assert isinstance(AutoTokenizer.from_pretrained(str(FOLDER)), CLIPTokenizer)
    assert 1500 <= len(ships) <= 4000
    texts = [*islice(pretrain_toy.corpus(1), 500), "quokkas in Zürich"]
    assert [made.tokenize(text) for text in texts] == [ships.tokenize(text) for text in texts]
