"""Pictures under several names, and texts of both kinds."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interp.data import load_pairs
from interp.data.csv_pairs import load_csv

COUNT = 12


def write(folder: Path, rows: list[str], header: str = "image,description,caption") -> str:
    (folder / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")
    return f"csv:{folder / 'pairs.csv'}"


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """Write pictures, and a copy of each picture with another name."""
    draw = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(draw.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        shutil.copy(tmp_path / f"{number}.png", tmp_path / f"again-{number}.png")
    return tmp_path


def rows_of(twins: Path) -> list[str]:
    names = [f"{number}.png" for number in range(COUNT)]
    return [f"{name},described {name},captioned {name}" for name in [*names, *(f"again-{name}" for name in names)]]


@pytest.mark.parametrize("seed", range(10))
def test_one_picture_is_in_one_split_whatever_it_is_called(twins: Path, seed: int):
    pairs = load_pairs(write(twins, rows_of(twins)), seed=seed)
    splits = defaultdict[str, set[str]](set)
    for pair in pairs.pairs:
        splits[pairs.image_key(pair)].add(pair.split)
    assert len(splits) == COUNT
    assert all(len(each) == 1 for each in splits.values())
    assert pairs.notes[0] == (
        f"{COUNT} pictures with several names (first: '0.png' and 'again-0.png'): pairs of the same picture are in "
        "one group"
    )


def test_groups_that_share_a_picture_become_one_and_so_on(twins: Path):
    rows = ["0.png,a,b,x", "again-0.png,c,d,y", "1.png,e,f,y", "again-1.png,g,h,z", "2.png,i,j,w"]
    pairs = load_csv(twins / write(twins, rows, "image,description,caption,group").partition(":")[2])
    assert [pair.group for pair in pairs.pairs] == ["x", "x", "x", "x", "w"]


def test_pictures_that_lie_in_two_splits_are_named(twins: Path):
    rows = ["0.png,a,b,train", "again-0.png,c,d,test", "1.png,e,f,val"]
    notes = load_csv(twins / write(twins, rows, "image,description,caption,split").partition(":")[2]).notes
    assert "1 of 2 groups have pairs in more than one split" in notes[1]


def test_different_pictures_and_unreadable_ones_share_nothing(twins: Path):
    rows = [f"{number}.png,a{number},b{number}" for number in range(COUNT)] + ["x.png,a,b", "y.png,c,d"]
    pairs = load_csv(twins / write(twins, rows).partition(":")[2])
    assert len({pair.group for pair in pairs.pairs}) == COUNT + 2
    assert pairs.notes == ()


def test_texts_of_both_kinds_are_counted(twins: Path):
    rows = [f"{number}.png,described {number},captioned {number}" for number in range(COUNT)]
    rows[3], rows[5] = "3.png,a red  Star,x", "5.png,y,A red star"
    (note,) = (note for note in load_pairs(write(twins, rows)).notes if "kind" in note)
    assert note == "1 text has one kind in a pair and the other kind in another pair (first: 'a red star')"
    assert not any("kind" in note for note in load_pairs("toy").notes)
