"""Parts of the site's pages that come from the code: `<!-- help: sweep -->`, `<!-- measures: frozen -->`, ...

Pages do not repeat facts of the code, so they cannot become outdated.
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
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main([*name.split("/"), "--help"] if name != "all" else ["--help"])
    return f"```text\n{output.getvalue().rstrip()}\n```"


def table(head: str, rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table, given its first two lines."""
    return "\n".join([head, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def measures(kind: str) -> str:
    """Return a table of all measures of a sweep's cells, for a frozen or a fine-tuned model."""
    from interp.data.contrast import PAPER
    from interp.measures import sweep_schema
    from interp.subspaces.methods import find_methods

    methods = [method.name for method in find_methods("das,pca,means,gradient,lever,random")]
    schema = sweep_schema(PAPER, methods, ["imageability", "concreteness"], models=["tuned"] if kind == "tuned" else [])
    rows = (
        (f"`{schema.column(measure.key)}`", html.escape(measure.full_title), "yes" if measure.interval else "")
        for measure in schema
    )
    return table("| column | measure | interval |\n| --- | --- | --- |", rows)


def verdict(_: str) -> str:
    """Return a table of the questions of a verdict and of the rules for their answers."""
    from interp.data.contrast import PAPER
    from interp.evidence.verdict import VerdictMeasures
    from interp.evidence.verdict import verdict as answers

    rows = ((f"**{answer.name}**", html.escape(answer.rule)) for answer in answers(VerdictMeasures({}, PAPER, [])))
    return table("| question | rule for *yes* |\n| --- | --- |", rows)


def norms(_: str) -> str:
    """Return a table of the built-in norms."""
    from interp.data.norms import SOURCES

    rows = ((f"`{name}`", source.source) for name, source in SOURCES.items())
    return table("| name | source, scale |\n| --- | --- |", rows)


def architectures(_: str) -> str:
    """Return the architectures of open_clip that are CLIP."""
    from interp.clip.open_clip import KNOWN

    return ", ".join(f"`ViT-{name}`" for name in KNOWN)


def family(_: str) -> str:
    """Return a table of the costs of the smallest sweep by architecture, measured by `python -m benchmarks.family`."""
    results = json.loads((ROOT / "benchmarks" / "results" / "family-1-core.json").read_text(encoding="utf-8"))
    rows = (
        (name, f"{model['weights'] / 1e6:,.0f}", f"{model['seconds'] / 60:.1f}", f"{model['peak'] / 1e9:.1f}")
        for name, model in results["models"].items()
    )
    return table("| | million weights | minutes of one core | GB of memory |\n| --- | ---: | ---: | ---: |", rows)


def agreement(_: str) -> str:
    """Return a table of fast paths, their oracles and the errors, measured by `python -m tests.measure_agreement`."""
    results = json.loads((ROOT / "docs" / "agreement.json").read_text(encoding="utf-8"))
    rows = (
        (row["what"], row["oracle"], f"{row['compared']:,}", *(f"{row[key]:.0e}" if row[key] else 0 for key in ENDS))
        for row in results.values()
    )
    head = "| comparison | oracle | values | largest error | bound |\n| --- | --- | ---: | ---: | ---: |"
    return table(head, rows)


def file(name: str) -> str:
    """Return a file of the root without its title; links into docs/ become links to pages."""
    text = (ROOT / name).read_text(encoding="utf-8").partition("\n")[2]
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\]\(([A-Z]+)\.md\)", lambda match: f"]({match[1].lower()}.md)", text)


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
    """Replace the marks of a page by content.

    Raises:
        KeyError: a mark is unknown.
    """
    return MARK.sub(lambda match: TAKEN[match[1]](match[2] or ""), markdown)
