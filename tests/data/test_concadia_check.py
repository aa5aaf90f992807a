"""`python -m interp.data.concadia check`: what is not as published, all of it."""

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
    """A copy that is as published, had the authors published ten images."""
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
    """What was looked at -> what was found, what is published, and the verdict."""
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
    found = rows(output)
    assert found["items"] == ["10", "10", "ok"]
    assert found["split 'train'"] == ["6", "6", "ok"]
    assert found["images that can be opened"] == ["10", "10", "ok"]
    assert found["articles"] == ["5"]
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
    found = rows(output)
    assert found["items"] == ["10", "10", "ok"]
    assert found["items that can be used"] == ["8", "10", "DIFFERS"]
    assert found["split 'train'"] == ["3", "6", "DIFFERS"]
    assert found["split 'dev'"] == ["1", "0", "DIFFERS"]
    assert found["images that are named twice"] == ["1", "0", "DIFFERS"]
    assert found["images that can be opened"] == ["6", "8", "DIFFERS"]
    assert found["images that are the same as another"] == ["2"]  # one is named twice, one was copied
    assert found["descriptions that are the caption too"] == ["1"]
    assert found["descriptions that are those of several images"] == ["1"]
    assert "  item 3 has an empty caption\n  item 4 lacks 'description'\n" in output
    assert "7.png': it is not there" in output
    assert output.endswith("5 things are not as published\n")
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
    found = rows(capsys.readouterr().out)
    assert found["items"] == ["200", "96,918", "DIFFERS"]
    assert found["split 'val'"][0] == "200"
    assert found["images that can be opened"] == ["200", "200", "ok"]
