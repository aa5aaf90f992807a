"""A sweep with texts that contain markup, and its page as a browser reads the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from html5lib import HTMLParser, treebuilders
from PIL import Image

from interp.report import __main__ as command

HOSTILE = ("<script>window.broken=1</script>", '"><img src=x onerror="window.broken=1">', "</script><b>&amp;")
OPTIONS = [
    "--layers",
    "4-5",
    "--sizes",
    "2,6",
    "--attributed",
    "5",
    "--n-steps",
    "3",
    "--max-steps",
    "10",
    "--objective",
    "das",
]


def write_pairs(folder: Path) -> None:
    draw = np.random.default_rng(0)
    (folder / "resized").mkdir(parents=True)
    items = []
    for number in range(40):
        name = f"{number}.png"
        colour = tuple(int(part) for part in draw.integers(0, 255, 3))
        Image.new("RGB", (300, 200), colour).save(folder / "resized" / name)
        texts = {
            "description": f"a red circle {HOSTILE[number % 3]} left",
            "caption": f"{HOSTILE[number % 3]} a harbour",
        }
        split = "train" if number < 24 else "val" if number < 32 else "test"
        raw = {kind: {"raw": text} for kind, text in texts.items()}
        items.append({"article_id": str(number), "filename": name, "split": split, **raw})
    (folder / "wiki_split.json").write_text(json.dumps({"images": items}))


def parsed(path: Path) -> Any:
    """Parse a document; the parser raises at the first error."""
    parser = HTMLParser(tree=treebuilders.getTreeBuilder("etree"), strict=True, namespaceHTMLElements=False)
    return parser.parse(path.read_text(encoding="utf-8"))


def remade(path: Path) -> Any:
    assert command.main([str(path)]) == 0
    return parsed(path / "report.html")


def words_of(document: Any) -> str:
    """Return the text that a reader sees."""
    for parent in list(document.iter()):
        for child in [element for element in parent if element.tag in ("script", "style")]:
            parent.remove(child)
    return " ".join("".join(document.itertext()).split())
