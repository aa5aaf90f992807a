"""Tests of texts and images in every accepted form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import interp
from interp.clip.inputs import as_images, as_texts
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data.errors import DataError
from interp.data.images import ORIENTATION

TEXTS = ["a red cat", "two dogs"]


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS),
        pd.Index(TEXTS),
        iter(TEXTS),
    ],
)
def test_texts_may_come_in_anything_that_holds_them(small: Clip, texts: Any):
    torch.testing.assert_close(interp.embed_texts(small, texts), interp.embed_texts(small, TEXTS), rtol=0, atol=0)


def test_a_single_string_is_one_text_everywhere(small: Clip):
    (text,) = TEXTS[:1]
    site, image = Site("text", 3), torch.nn.functional.normalize(torch.ones(1, small.embed_dim), dim=-1)
    assert len(interp.embed_texts(small, text)) == len(interp.tokenize(small, text)) == 1
    assert len(interp.clean_texts(small, text, [site])) == 1
    attributed = interp.MediatedIntegratedGradients(small).attribute(text, image)
    assert attributed.words == (("a", "red", "cat"),)


def test_no_texts_are_no_texts(small: Clip):
    nothing = torch.empty(0, small.embed_dim)
    assert interp.embed_texts(small, []).shape == nothing.shape
    assert len(interp.MediatedIntegratedGradients(small).attribute([], nothing)) == 0
    assert len(interp.clean_texts(small, [], [Site("text", 3)])) == 0


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None], "texts must be strings, but number 1 is None"),
        ([b"a"], "texts must be strings, but number 0 is a bytes"),
        (["a", ["b"]], "texts must be strings, but number 1 is a list"),
        (None, "texts must be a string or strings, not None"),
        (3, "texts must be a string or strings, not a int"),
    ],
)
def test_what_is_no_text_is_named(small: Clip, texts: Any, message: str):
    for function in (
        as_texts,
        lambda given: interp.embed_texts(small, given),
        lambda given: interp.tokenize(small, given),
    ):
        with pytest.raises(TypeError) as caught:
            function(texts)
        assert str(caught.value) == message


def test_words_are_cut_from_the_text_that_is_tokenized(toy: Clip):
    """Check that a combining accent belongs to its letter: "rosé" is not the word "rose"."""
    composed, decomposed = (interp.tokenize(toy, text) for text in ("a ros\u00e9", "a rose\u0301"))
    assert composed.words == decomposed.words == (("a", "ros\u00e9"),)
    assert torch.equal(composed.ids, decomposed.ids)


PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def seen(images: Any) -> list[np.ndarray]:
    return [np.asarray(image) for image in as_images(images)]


@pytest.mark.parametrize(
    "given",
    [
        lambda file: file,
        str,
        lambda file: [file],
        lambda file: (str(file),),
        Image.open,
        lambda file: [Image.open(file)],
        lambda _: PIXELS,
        lambda _: PIXELS[None],
        lambda _: [PIXELS],
        lambda _: PIXELS.astype(np.int64),
        lambda _: PIXELS.astype(np.uint16) * 257,
        lambda _: PIXELS / 255,
        lambda _: torch.from_numpy(PIXELS),
        lambda _: torch.from_numpy(PIXELS / 255).float(),
        lambda _: np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, dtype=np.uint8)]),
        lambda file: pd.Series([str(file)]),
        lambda file: np.array([str(file)]),
    ],
)
def test_an_image_may_be_a_path_a_pil_image_or_an_array(file: Path, given: Any):
    (pixels,) = seen(given(file))
    np.testing.assert_array_equal(pixels, PIXELS)


def test_greys_and_transparent_images_become_rgb():
    grey = PIXELS[..., 0]
    for form in (grey, grey[..., None], grey > 127):
        (pixels,) = seen([form])
        expected = 255 * form.astype(int) if form.dtype == bool else grey
        np.testing.assert_array_equal(pixels, expected.reshape(*grey.shape, 1).repeat(3, 2))
    (white,) = seen(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))
    assert white.min() == 255


@pytest.mark.parametrize(
    "images",
    [
        None,
        3,
        [None],
        ["a.png", 3],
        np.zeros((2, 3, 5)),
        np.zeros(4),
        np.full((4, 4), 2.0),
        np.full((4, 4), np.nan),
        -PIXELS.astype(int),
    ],
)
def test_what_is_no_image_is_named(small: Clip, images: Any, file: Path):
    if isinstance(images, list) and images[0] == "a.png":
        images = [file, 3]
    with pytest.raises(TypeError, match="image"):
        interp.embed_images(small, images)


def test_a_score_is_the_cosine_of_image_and_text(small: Clip, file: Path):
    images, texts = interp.embed_images(small, file), interp.embed_texts(small, TEXTS)
    torch.testing.assert_close(interp.score(small, file, TEXTS), interp.scores(images.expand(2, -1), texts))
    torch.testing.assert_close(
        interp.score(small, [file, PIXELS], TEXTS[0]), interp.scores(images, texts[:1]).repeat(2)
    )
    with pytest.raises(ValueError, match="2 images and 3 texts"):
        interp.score(small, [file, file], ["a", "b", "c"])


def test_things_are_shown_in_a_line(small: Clip):
    site = Site("text", 3)
    pairs = interp.image_features(small, interp.load_pairs("toy", limit=12))
    run = interp.pair_run(small, pairs, [site])
    things = [
        small,
        pairs,
        pairs.data,
        run,
        run.run,
        run.run.tokens,
        interp.clean_images(small, PIXELS, [Site("vision", 1)]),
    ]
    for thing in things:
        assert len(repr(thing)) < 300
        assert "\n" not in repr(thing)
        assert type(thing).__name__ in repr(thing)


def test_photos_are_turned_and_damaged_ones_named_whether_opened_or_not(small: Clip, tmp_path: Path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    photo = tmp_path / "turned.jpg"
    Image.fromarray(PIXELS).save(photo, exif=exif)
    from_path, from_image = (interp.embed_images(small, image) for image in (photo, Image.open(photo)))
    torch.testing.assert_close(from_path, from_image)
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:-100])
    with Image.open(tmp_path / "cut.jpg") as cut, pytest.raises(DataError, match="number 0"):
        interp.embed_images(small, cut)
    with pytest.raises(TypeError, match="no pixels"):
        interp.embed_images(small, Image.new("RGB", (0, 5)))
    (pixels,) = seen(torch.from_numpy(PIXELS / 255).bfloat16())
    np.testing.assert_allclose(pixels.astype(int), PIXELS, atol=1)
