"""Zero-shot classification and retrieval with classification sets, against naive loops."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interp.clip.model import Clip, embed_images, embed_texts
from interp.data.toy.pairs import load_distinct
from interp.data.transfer import LabelledImages, load_transfer
from tests.data.test_transfer import picture
from tests.oracles.plain_forward import embed_one_by_one
from training.evaluation.retrieval import retrieval
from training.evaluation.zeroshot import zero_shot

pytestmark = pytest.mark.usefixtures("own_datasets_cache")


@pytest.mark.slow
def test_the_toy_model_does_as_its_report_says(toy: Clip):
    text = files("interp.data").joinpath("assets", "toy-clip", "pretraining.json").read_text()
    report = json.loads(text)["test"]["scenes"]
    tasks = load_transfer("toy")
    images = embed_images(toy, (tasks[0].open_image(i) for i in range(len(tasks[0]))))
    for task in tasks:
        accuracy = (zero_shot(toy, task, images) == task.labels).mean()
        assert accuracy == pytest.approx(report[f"zeroshot_{task.name}"], abs=0.03), task.name


def test_zero_shot_is_the_naive_loop(small: Clip):
    for task in load_transfer("toy", limit=30):
        images = embed_images(small, (task.open_image(i) for i in range(30)))
        classes = [embed_one_by_one(small, list(texts[:5])).mean(0) for texts in task.texts]
        expected = [
            int(torch.stack([torch.cosine_similarity(image, mean, dim=0) for mean in classes]).argmax())
            for image in images
        ]
        few = LabelledImages(
            task.name,
            tuple(texts[:5] for texts in task.texts),
            task.classes,
            task.labels,
            task.open_image,
            task.image_key,
        )
        guessed = zero_shot(small, few, images)
        np.testing.assert_array_equal(guessed, expected)
        assert len(set(guessed.tolist())) > 1


def test_classes_with_unequal_numbers_of_prompts(small: Clip):
    task = LabelledImages("x", (("red",), ("a blue star", "the blue"), ("war",) * 3), tuple("abc"), (), picture, str)
    texts = [embed_texts(small, list(each)).mean(0) for each in task.texts]
    guessed = zero_shot(small, task, torch.nn.functional.normalize(torch.stack(texts), dim=-1))
    assert guessed.tolist() == [0, 1, 2]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.integers(0, 1000))
def test_retrieval_is_the_naive_loop(groups: list[str], seed: int):
    generator = torch.Generator().manual_seed(seed)
    images, texts = (torch.randint(-1, 2, (len(groups), 3), generator=generator).float() for _ in range(2))  # many ties
    expected = [
        float(
            all(
                images[i] @ texts[i] > images[i] @ texts[j]
                for j in range(len(groups))
                if j != i and groups[i] == groups[j]
            )
        )
        for i in range(len(groups))
    ]
    assert retrieval(images, texts, groups).tolist() == expected


def test_the_toy_model_finds_texts_of_distinct_scenes(toy: Clip):
    pairs = load_distinct(2, 64)
    images = embed_images(toy, map(pairs.open_image, pairs.pairs))
    groups = [pair.group for pair in pairs.pairs]
    for kind in ("positive", "negative"):
        texts = embed_texts(toy, [getattr(pair, kind) for pair in pairs.pairs])
        assert retrieval(images, texts, groups).mean() > 0.95, kind
        assert retrieval(images, texts.roll(1, 0), groups).mean() < 0.1, kind
