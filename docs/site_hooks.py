"""Parts of the site's pages that are taken from the code: `<!-- help: sweep -->`, `<!-- measures: frozen -->`, ...

So no page repeats by hand what the code says, and none can lag behind it.
"""

from __future__ import annotations

import contextlib
import html
import io
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ENDS = ("error", "bound")  # of a comparison
MARK = re.compile(r"<!-- (\w+)(?:: (\S+))? -->")


def command_help(name: str) -> str:
    """Return the text that a command prints with --help; a step of a command comes after a slash."""
    from interp.cli.commands import main

    os.environ["COLUMNS"] = "110"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([*name.split("/"), "--help"] if name != "all" else ["--help"])
    return f"```text\n{said.getvalue().rstrip()}\n```"


def table(head: str, rows: Iterable[Iterable[object]]) -> str:
    """A table of Markdown, given its two first lines."""
    return "\n".join([head, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def measures(kind: str) -> str:
    """A table of every measure of a sweep's cells, of a frozen or of a fine-tuned model."""
    from interp.data.contrast import PAPER
    from interp.measures import sweep_schema
    from interp.subspaces.methods import find_methods

    methods = [one.name for one in find_methods("das,pca,means,gradient,lever,random")]
    schema = sweep_schema(PAPER, methods, ["imageability", "concreteness"], models=["tuned"] if kind == "tuned" else [])
    rows = (
        (f"`{schema.column(one.key)}`", html.escape(one.full_title), "yes" if one.interval else "") for one in schema
    )
    return table("| column | what it is | interval |\n| --- | --- | --- |", rows)


def verdict(_: str) -> str:
    """A table of the questions of a verdict and the rules by which they are answered."""
    from interp.data.contrast import PAPER
    from interp.evidence.verdict import VerdictMeasures
    from interp.evidence.verdict import verdict as answers

    rows = ((f"**{one.name}**", html.escape(one.rule)) for one in answers(VerdictMeasures({}, PAPER, [])))
    return table("| question | it is answered *yes* if |\n| --- | --- |", rows)


def norms(_: str) -> str:
    """A table of the norms that are known by name."""
    from interp.data.norms import SOURCES

    rows = ((f"`{name}`", one.source) for name, one in SOURCES.items())
    return table("| name | source, scale |\n| --- | --- |", rows)


def architectures(_: str) -> str:
    """The architectures of open_clip that are CLIP's."""
    from interp.clip.open_clip import KNOWN

    return ", ".join(f"`ViT-{name}`" for name in KNOWN)


def family(_: str) -> str:
    """A table of what the smallest sweep takes on each architecture, as `python -m benchmarks.family` measured it."""
    found = json.loads((ROOT / "benchmarks" / "results" / "family-1-core.json").read_text(encoding="utf-8"))
    rows = (
        (name, f"{one['weights'] / 1e6:,.0f}", f"{one['seconds'] / 60:.1f}", f"{one['peak'] / 1e9:.1f}")
        for name, one in found["models"].items()
    )
    return table("| | million weights | minutes of one core | GB of memory |\n| --- | ---: | ---: | ---: |", rows)


def agreement(_: str) -> str:
    """A table of fast paths, their oracles and the errors that `python -m tests.measure_agreement` met."""
    found = json.loads((ROOT / "docs" / "agreement.json").read_text(encoding="utf-8"))
    rows = (
        (one["what"], one["oracle"], f"{one['compared']:,}", *(f"{one[key]:.0e}" if one[key] else 0 for key in ENDS))
        for one in found.values()
    )
    head = "| what is compared | with | values | largest error | bound |\n| --- | --- | ---: | ---: | ---: |"
    return table(head, rows)


def file(name: str) -> str:
    """A file of the root, without its title; links into docs/ are links to pages, others stay as they are named."""
    text = (ROOT / name).read_text(encoding="utf-8").partition("\n")[2]
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\]\(([A-Z]+)\.md\)", lambda found: f"]({found[1].lower()}.md)", text)


TAKEN: dict[str, Callable[[str], str]] = {
    "help": command_help,
    "measures": measures,
    "verdict": verdict,
    "norms": norms,
    "architectures": architectures,
    "family": family,
    "agreement": agreement,
    "file": file,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put in what the marks of a page ask for.

    Raises:
        KeyError: a mark asks for what there is not.
    """
    return MARK.sub(lambda found: TAKEN[found[1]](found[2] or ""), markdown)
