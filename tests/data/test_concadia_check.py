"""`python -m interp.data.concadia check`: it reports all differences from the published data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from interp.data.concadia import comparison
from interp.data.concadia.__main__ import main
from interp.data.concadia.comparison import PUBLISHED
from tests.wording import refused


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a copy that would be as published if the authors had published ten images."""
    monkeypatch.setattr(comparison, "PUBLISHED", {"train": 6, "val": 2, "test": 2})
    folder = tmp_path / "concadia"
    (folder / "resized").mkdir(parents=True)
    items = []
    for i in range(10):
        Image.new("RGB", (9, 9), (25 * i, 0, 0)).save(folder / "resized" / f"{i}.png")
        split = "train" if i < 6 else "val" if i < 8 else "test"
        texts = {kind: {"raw": f"{kind} {i}"} for kind in ("description", "caption")}
        items.append({"article_id": f"article {i // 2}", "filename": f"{i}.png", "split": split, **texts})
    (folder / "wiki_split.json").write_text(json.dumps({"images": items}))
    return folder


def change(folder: Path, how: Callable[[list[dict[str, Any]]], object]) -> None:
    content = json.loads((folder / "wiki_split.json").read_text())
    how(content["images"])
    (folder / "wiki_split.json").write_text(json.dumps(content))


def rows(output: str) -> dict[str, list[str]]:
    """Return subject of each check -> found value, published value, and verdict."""
    table = output.partition("\n\n")[0].splitlines()[1:]
    parts = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table]
    return {what: rest for what, *rest in parts}


def test_the_numbers_are_those_that_the_authors_give():
    assert PUBLISHED == {"train": 77_534, "val": 9_693, "test": 9_691}
    assert sum(PUBLISHED.values()) == 96_918


def test_a_whole_copy(whole: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(whole)]) == 0
    output = capsys.readouterr().out
    assert output.endswith(f"{whole}: as published\n")
    table = rows(output)
    assert table["items"] == ["10", "10", "ok"]
    assert table["split 'train'"] == ["6", "6", "ok"]
    assert table["images that can be opened"] == ["10", "10", "ok"]
    assert table["articles"] == ["5"]
    assert "DIFFERS" not in output


def test_all_that_is_wrong_is_said(whole: Path, capsys: pytest.CaptureFixture[str]):
    def spoil(items: list[dict[str, Any]]) -> None:
        items[0]["split"] = "dev"
        items[1]["filename"] = items[2]["filename"]
        items[3]["caption"]["raw"] = " "
        del items[4]["description"]
        items[5]["caption"]["raw"] = items[5]["description"]["raw"] = "the same"
        items[6]["description"]["raw"] = "the same"

    change(whole, spoil)
    (whole / "resized" / "7.png").unlink()
    (whole / "resized" / "8.png").write_bytes(b"no picture")
    shutil.copy(whole / "resized" / "5.png", whole / "resized" / "9.png")
    assert main(["check", str(whole)]) == 1
    output = capsys.readouterr().out
    table = rows(output)
    assert table["items"] == ["10", "10", "ok"]
    assert table["items that can be used"] == ["8", "10", "DIFFERS"]
    assert table["split 'train'"] == ["3", "6", "DIFFERS"]
    assert table["split 'dev'"] == ["1", "0", "DIFFERS"]
    assert table["repeated file names"] == ["1", "0", "DIFFERS"]
    assert table["images that can be opened"] == ["6", "8", "DIFFERS"]
    assert table["copies of other images"] == ["2"]  # one file name is repeated, one file was copied
    assert table["descriptions equal to the caption"] == ["1"]
    assert table["descriptions of several images"] == ["1"]
    assert "  item 3 has an empty caption\n  item 4 lacks 'description'\n" in output
    assert "7.png': the file does not exist" in output
    assert output.endswith("5 checks failed\n")
    capsys.readouterr()
    assert main(["check", str(whole), "--texts-only"]) == 1
    assert "opened" not in capsys.readouterr().out


def test_what_cannot_be_read_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for arguments, value in (
        (["check", str(tmp_path / "none")], str(tmp_path / "none")),
        (["check", str(tmp_path)], "wiki_split.json"),
        (["look", str(tmp_path)], "'look'"),
    ):
        refused(main(arguments), capsys, value)


def test_the_sample_is_no_whole_copy(published: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(published / "concadia-sample")]) == 1
    table = rows(capsys.readouterr().out)
    assert table["items"] == ["200", "96,918", "DIFFERS"]
    assert table["split 'val'"][0] == "200"
    assert table["images that can be opened"] == ["200", "200", "ok"]
