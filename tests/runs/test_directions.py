from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from interp.data.pairs import Pair, PairSet
from interp.runs.directions import (
    FILE,
    PICTURES,
    Directions,
    End,
    EndText,
    EndWord,
    LeadingDirection,
    keep_directions,
    pairs_at_ends,
    read_directions,
    with_pictures,
)
from interp.runs.examples import Example, picture_path
from interp.runs.files import StoreError
from interp.runs.place import Place
from tests.run_folders import a_run, rewrite
from tests.wording import raises

PLACE = Place(8, 16, 0)
PAIRS = PairSet(
    "made up",
    tuple(Pair(name, f"a {name}", f"the {name}", "test", name) for name in ("star", "moon", "sun")),
    lambda pair: Image.new("RGB", (400, 200), {"star": "red", "moon": "blue"}.get(pair.id, "green")),
    lambda pair: pair.id,
)
UPPER = End((EndText("alt", "a star", 2.5, "star"), EndText("caption", "the moon", 2.0, "moon")), ())
LOWER = End((EndText("caption", "the star", -1.5, "star"),), (EndWord("the", -0.75, 7),))
LEADING = (
    LeadingDirection("the first", 0.5, 0.75, UPPER, LOWER),
    LeadingDirection("the second", 0.25, math.nan, End((), ()), LOWER),
)


def test_what_is_kept_is_read(tmp_path: Path):
    folder = a_run(tmp_path)
    assert read_directions(folder) is None
    assert pairs_at_ends(LEADING) == ["star", "moon"]
    keep_directions(folder, PLACE, "", LEADING[:1], PAIRS)
    sums = [hashlib.sha256((tmp_path / PICTURES / f"{i}.jpg").read_bytes()).hexdigest() for i in range(2)]
    shown = {
        name: Example(name, f"a {name}", f"the {name}", f"{i}.jpg", sums[i]) for i, name in enumerate(("star", "moon"))
    }
    assert read_directions(folder) == Directions(PLACE, "", LEADING[:1], shown)
    for name, colour in (("star", 0), ("moon", 2)):
        with Image.open(picture_path(folder, shown[name], PICTURES)) as picture:
            assert picture.size == (192, 96)
            pixel = picture.getpixel((5, 5))
            assert isinstance(pixel, tuple)
            assert pixel[colour] == max(pixel) > 200
    assert len(list((tmp_path / PICTURES).iterdir())) == 2
    keep_directions(
        folder, PLACE._replace(layer=9), "edit", (LeadingDirection("another", 1.0, 0.5, LOWER, End((), ())),), PAIRS
    )
    assert [path.name for path in (tmp_path / PICTURES).iterdir()] == [
        "0.jpg"
    ]  # the pictures of the earlier cell are gone


def test_they_are_whole_with_their_pictures_as_they_were_written(tmp_path: Path):
    folder = a_run(tmp_path)
    assert with_pictures(folder) is None
    keep_directions(folder, PLACE, "", LEADING, PAIRS)
    assert with_pictures(folder) == read_directions(folder) is not None
    picture = tmp_path / PICTURES / "0.jpg"
    picture.write_bytes(picture.read_bytes() + b"x")
    with raises(StoreError, "0.jpg"):
        with_pictures(folder)
    picture.unlink()
    assert with_pictures(folder) is None
    assert read_directions(folder) is not None


def test_what_is_not_defined_is_read_as_such(tmp_path: Path):
    keep_directions(a_run(tmp_path), PLACE, "", LEADING, PAIRS)
    directions = read_directions(a_run(tmp_path))
    assert directions is not None
    assert math.isnan(directions.leading[1].auc)
    assert directions.leading[1].summary == "25.0\N{NO-BREAK SPACE}% of the variance in Z, AUC -"
    keep_directions(a_run(tmp_path), PLACE, "", (), PAIRS)
    assert read_directions(a_run(tmp_path)) == Directions(PLACE, "", (), {})


def changed(content: Any, path: tuple[Any, ...], value: object) -> None:
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "quoted"),
    [
        (("cell",), 3, ('["cell"]', 3)),
        (("cell", "layer"), "x", ('["cell"]["layer"]', '"x"')),
        (("directions",), 3, ('["directions"]', 3)),
        (("directions", 0, "share"), "much", ('["directions"][0]["share"]', '"much"')),
        (("directions", 0, "title"), 1, ('["directions"][0]["title"]', 1)),
        (("directions", 0, "upper"), {}, ('["directions"][0]["upper"]', '"texts"')),
        (("directions", 0, "lower", "words", 0, "texts"), 1.5, ('["texts"]', 1.5)),
        (("directions", 0, "upper", "texts", 1, "pair"), "sun", "'sun'"),
        (("pairs", 0, "image"), None, ('["pairs"][0]["image"]', "null")),
        (("pairs",), [], "'moon'"),
    ],
)
def test_a_damaged_file_is_one_line_that_says_where(
    tmp_path: Path, path: tuple[Any, ...], value: object, quoted: object
):
    folder = a_run(tmp_path)
    keep_directions(folder, PLACE, "", LEADING, PAIRS)
    content = json.loads((tmp_path / FILE).read_text())
    changed(content, path, value)
    rewrite(tmp_path / FILE, content)
    with raises(StoreError, Path(FILE).name, quoted):
        read_directions(folder)
    (tmp_path / FILE).write_text("{ cut sho")
    with raises(StoreError, Path(FILE).name):
        read_directions(folder)
