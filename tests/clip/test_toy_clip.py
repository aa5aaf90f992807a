"""The model that ships is what the README says it is."""

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
from interp.data.toy.scenes import VALUES, sample_scenes
from interp.data.transfer import TOY_TASKS
from training import pretrain_toy
from training.pretrain_toy import Phase, PretrainConfig, Seeing, labels, learn_to_see, measure, pixels, pretrain

pytestmark = pytest.mark.slow

FOLDER = files("interp.data").joinpath("assets", "toy-clip")


def test_it_is_small_and_safe():
    names = {path.name: len(path.read_bytes()) for path in FOLDER.iterdir()}
    assert sum(names.values()) < 8e6
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert set(load_file(str(FOLDER.joinpath("model.safetensors"))).keys())


def test_able_and_undecided_on_scenes_it_has_never_seen(toy: Clip):
    """The model is measured again, on the combinations of the test split."""
    found = measure(toy.model, toy.tokenizer, "test", n=1024, rounds=8, seed=99)
    assert 0.45 <= found["preference"] <= 0.55
    assert found["retrieval_description"] >= 0.8
    assert found["retrieval_caption"] >= 0.8
    assert min(found[f"zeroshot_{name}"] for name in TOY_TASKS) >= 0.9


def test_the_report_beside_it_is_about_it(toy: Clip):
    report = json.loads(FOLDER.joinpath("pretraining.json").read_text())
    found = measure(toy.model, toy.tokenizer, "val", n=512, rounds=4, seed=5)
    for name in ("preference", "retrieval_description", "zeroshot_shape", "zeroshot_place"):
        assert found[name] == pytest.approx(report["val"][name], abs=0.08), name


def test_pretraining_sees_pictures_as_the_processor_gives_them(toy: Clip):
    from PIL import Image

    from interp.clip.model import pixel_values
    from interp.data.toy.pictures import render

    scene = sample_scenes("train", 1, np.random.default_rng(0))
    fed = pixels(scene, np.random.default_rng(1))
    image = Image.fromarray(render(scene[0], np.random.default_rng(1)))
    torch.testing.assert_close(pixel_values(toy, [image]), fed)


def test_the_same_seed_gives_the_same_model(tmp_path, monkeypatch):
    texts = list(islice(pretrain_toy.corpus(0), 2000))
    monkeypatch.setattr(pretrain_toy, "corpus", lambda seed: texts)
    monkeypatch.setattr(pretrain_toy, "measure", lambda *_a, **_k: {"preference": 0.4, "retrieval_caption": 0.2})
    short = Phase(3, 1e-3, 1, partial=0.5, control_from=0.0, gain=0.1, looked_at=128, alike=4, look_every=2)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        pretrain(PretrainConfig(Seeing(2, 1e-3, 1), short, short, short, batch_size=8, seed=seed), tmp_path / name)
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)
    report = json.loads((tmp_path / "a" / "pretraining.json").read_text())
    assert report["config"]["main"]["alike"] == 4
    assert report["chosen_steps"] == [3, 3, 3]


def test_labels_say_what_a_picture_shows():
    scenes = sample_scenes("train", 20, np.random.default_rng(0))
    for scene, row in zip(scenes, labels(scenes).tolist(), strict=True):
        names = [name for name in VALUES if name != "flag"]
        assert [list(VALUES[name])[i] for name, i in zip(names, row, strict=False)] == [
            getattr(scene, name) for name in names
        ]
        assert " ".join(list(VALUES["colour"])[i] for i in row[len(names) :]) == scene.flag


def test_only_the_image_tower_learns_to_see_and_only_the_rest_while_it_is_locked(tmp_path, monkeypatch):
    texts = list(islice(pretrain_toy.corpus(0), 2000))
    monkeypatch.setattr(pretrain_toy, "corpus", lambda seed: texts)
    monkeypatch.setattr(pretrain_toy, "measure", lambda *_a, **_k: {"preference": 0.5})
    model = build_model(tokenizer := load_toy_tokenizer())
    locked = Phase(2, 1e-3, 1, partial=0.5, control_from=0.0, gain=0.1, looked_at=128, locked=True)
    config = PretrainConfig(Seeing(2, 1e-3, 1), locked, locked, locked, batch_size=8)

    def moved(act) -> set[str]:
        before = {name: value.clone() for name, value in model.state_dict().items()}
        act()
        return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}

    seen = moved(lambda: learn_to_see(model, config, np.random.default_rng(0)))
    assert {name.split(".")[0] for name in seen} == {"vision_model"}
    model.half().float()  # as a phase leaves it, so that rounding moves nothing
    args = (model, tokenizer, config, locked, 0.5, np.random.default_rng(0), tmp_path / "log")
    read = moved(lambda: pretrain_toy.train_phase(*args))
    assert {name.split(".")[0] for name in read} >= {"text_model", "text_projection", "visual_projection"}
    assert not any(name.startswith("vision_model") for name in read)


def test_the_tokenizer_is_made_from_the_world(tmp_path):
    """The one that ships is what its command makes, and transformers loads it as CLIP's."""
    from transformers import AutoTokenizer, CLIPTokenizer

    made, ships = learn_tokenizer(pretrain_toy.corpus(0)), load_toy_tokenizer()
    assert made.get_vocab() == ships.get_vocab()
    assert isinstance(AutoTokenizer.from_pretrained(str(FOLDER)), CLIPTokenizer)
    assert 1500 <= len(ships) <= 4000
    texts = [*islice(pretrain_toy.corpus(1), 500), "quokkas in Zürich"]
    assert [made.tokenize(text) for text in texts] == [ships.tokenize(text) for text in texts]
