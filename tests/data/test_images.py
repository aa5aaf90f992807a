"""Image files of every kind, as models get them."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from interp.data.errors import DataError
from interp.data.images import FIRST_FRAME, ON_WHITE, SCALED, changes_of, in_words, open_rgb
from tests.wording import raises


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def opened(content: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    picture = open_rgb("x", lambda _: content)
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int), changes_of(picture)


def ring(mode: str = "RGBA") -> Image.Image:
    """Return a black ring on a transparent ground."""
    out = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
    ImageDraw.Draw(out).ellipse((8, 4, 48, 44), outline=(0, 0, 0, 255), width=5)
    return out.quantize(8) if mode == "P" else out.convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [("RGBA", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "WEBP"), ("RGBA", "GIF"), ("RGBA", "TIFF")],
)
def test_transparent_parts_are_white(mode: str, form: str):
    pixels, changes = opened(encoded(ring(mode), form, **({"lossless": True} if form == "WEBP" else {})))
    assert changes == (ON_WHITE,)
    expected = np.where(np.asarray(ring())[..., 3:] > 0, 0, 255)
    np.testing.assert_allclose(pixels, expected.repeat(3, 2), atol=2)


def test_a_pixel_that_is_half_transparent_is_half_white():
    pixels, _ = opened(encoded(Image.new("RGBA", (4, 4), (100, 0, 0, 128)), "PNG"))
    np.testing.assert_allclose(pixels[0, 0], [100 * 128 / 255 + 127, 127, 127], atol=1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "CMYK", "P", "1"])
def test_opaque_pictures_are_as_they_were(mode: str):
    red = Image.new("RGB", (8, 6), (255, 0, 0))
    picture = red.quantize(2) if mode == "P" else red.convert(mode)
    pixels, changes = opened(encoded(picture, "TIFF"))
    assert changes == ()
    np.testing.assert_array_equal(pixels, np.asarray(picture.convert("RGB")))


RAMP = np.tile(np.arange(0, 65536, 257), (16, 1))  # each of the 256 greys


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (RAMP.astype(np.uint16), "PNG"),
        (RAMP.astype(np.uint16), "TIFF"),
        (RAMP.astype(np.int32), "TIFF"),
        ((RAMP * 32767).astype(np.int32), "TIFF"),
        ((RAMP / 65535).astype(np.float32), "TIFF"),
        ((RAMP / 257).astype(np.float32), "TIFF"),
    ],
)
def test_greys_of_16_and_32_bits_keep_their_steps(values: np.ndarray, form: str):
    pixels, changes = opened(encoded(Image.fromarray(values), form))
    assert changes == (SCALED,)
    np.testing.assert_array_equal(pixels[0], np.arange(256)[:, None].repeat(3, 1))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(form: str):
    red, blue = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if form == "WEBP" else {}
    pixels, changes = opened(encoded(red, form, save_all=True, append_images=[blue], **options))
    assert changes == (FIRST_FRAME,)
    assert pixels[0, 0].tolist() == [255, 0, 0]


def test_pictures_of_phones_need_an_extra(monkeypatch: pytest.MonkeyPatch):
    import pillow_heif

    pillow_heif.register_heif_opener()
    content = encoded(Image.new("RGB", (64, 64), (0, 128, 0)), "HEIF")
    np.testing.assert_allclose(opened(content)[0][0, 0], [0, 128, 0], atol=3)
    np.testing.assert_allclose(
        opened(encoded(Image.new("RGB", (64, 64), (0, 128, 0)), "AVIF"))[0][0, 0], [0, 128, 0], atol=3
    )
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with raises(DataError, "clip-descriptions[heic]"):
        opened(content)


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000), (600_000, 1), (1010, 10)])
def test_a_strip_is_refused_by_its_size_before_it_becomes_a_square(size: tuple[int, int]):
    with raises(DataError, size):
        opened(encoded(Image.new("L", size), "PNG"))


def test_the_longest_strip_that_is_read():
    assert opened(encoded(Image.new("L", (1000, 10)), "PNG"))[0].shape == (10, 1000, 3)


def test_changes_are_counted():
    assert in_words([ON_WHITE, SCALED, ON_WHITE], total=7) == (
        f"1 of 7 images: {SCALED}",
        f"2 of 7 images: {ON_WHITE}",
    )
    assert in_words([], total=7) == ()
