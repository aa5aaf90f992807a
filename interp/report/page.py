"""The whole page of a sweep. Every text that comes from data or from a user is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from interp.report.evidence import evidence, heatmaps
from interp.report.naming import argument_of, paired, percent, place
from interp.report.tables import cells, words
from interp.report.texts import examples
from interp.results.sweep_run import SweepRun
from interp.show.markup import escape, plural

FACTS = ' class="facts"'
UNCONVERGED = 0.01  # of a cosine: above it a sum of attributions is visibly not the difference of scores


def page(sweep: SweepRun) -> str:
    """The whole page."""
    sections = {
        "evidence": ("The chosen cell", evidence(sweep)), "heatmaps": ("Layers and sizes", heatmaps(sweep)),
        "cells": ("All cells", cells(sweep)), "examples-section": ("Example texts", examples(sweep)),
        "words": ("Words", words(sweep)), "run": ("What was run", _run(sweep)), "terms": ("Terms", _terms(sweep)),
    }  # fmt: skip
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, (title, _) in sections.items())
    body = "".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>'
        for name, (title, content) in sections.items()
    )
    title = f"Sweep of {argument_of(sweep, 'model')} on {argument_of(sweep, 'data')}"
    assets = files("interp.report") / "assets"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>\n{(assets / 'report.css').read_text()}</style></head>\n<body>"
        f'<header><h1>{escape(title)}</h1>{_summary(sweep)}<nav aria-label="Sections"><ul>{links}</ul></nav></header>'
        f"<main>{_warnings(sweep)}{body}</main>\n"
        f"<script>\n{(assets / 'report.js').read_text()}</script></body></html>\n"
    )


def _summary(sweep: SweepRun) -> str:
    best, frame = sweep.best, sweep.frame
    same = int((frame["iia_val"] == best["iia_val"]).sum())
    others = ""
    if same > 1:
        do = "does" if same == 2 else "do"
        others = f" {plural(same - 1, 'other cell')} {do} as well there; of equals the smallest and earliest is taken."
    return (
        f"<p>{plural(len(frame), 'cell')}. Validation chooses {place(best)}: IIA {escape(percent(best, 'iia'))} on "
        f"{int(best['test_pairs'])} held-out pairs, where a random subspace of the same size has "
        f"{escape(percent(best, 'iia_random'))}.{others} The unchanged model prefers the description in "
        f"{escape(percent(best, 'preference'))} of pairs.</p>"
    )


def _warnings(sweep: SweepRun) -> str:
    said = [*sweep.manifest.get("notes", [])]
    said += [sweep.manifest["truncated"]] if "truncated" in sweep.manifest else []
    there = set(sweep.folder.names())
    if missing := [name for name in sweep.manifest.get("cells", []) if name not in there]:
        more = " and more" if len(missing) > 8 else ""
        lack = f"{plural(len(missing), 'cell')} that the last command asked for {'is' if len(missing) == 1 else 'are'}"
        said.append(f"{lack} not there: {', '.join(missing[:8])}{more}; the command below goes on with them")
    largest = float(sweep.frame["attribution_delta"].max())
    if largest > UNCONVERGED:
        said.append(
            f"Not all attributions have converged: of one text they miss the difference of scores by {largest:.3f}. "
            f"More points bring it down (--n-steps, {argument_of(sweep, 'n_steps')} here)"
        )
    if not sweep.examples:
        said.append("The run folder holds no example texts: it was made before they were kept")
    if (sweep.frame["iia_c2d"] >= 0.99).all():
        said.append(
            "Every cell reaches an IIA of 99 % from caption to description, so IIA does not tell the cells apart: "
            "the score can be steered through each of these subspaces, which is not to say that the model uses them"
        )
    if not said:
        return ""
    items = "".join(f"<li>{escape(text)}.</li>" for text in said)
    return (
        '<section class="warnings" aria-labelledby="warnings"><h2 id="warnings">Warnings and notes</h2>'
        f"<ul>{items}</ul></section>"
    )


def _run(sweep: SweepRun) -> str:
    manifest, settings = sweep.manifest, sweep.manifest["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items() if version)
    norms = "; ".join(f"{name}: {source}" for name, source in manifest.get("norm_sources", {}).items())
    machine = manifest.get("machine", {})
    facts = {
        "started": manifest.get("started"), "finished": manifest.get("finished"), "seconds": manifest.get("seconds"),
        "pairs": settings.get("pairs"), "model": f"{argument_of(sweep, 'model')}, fingerprint {settings.get('model')}",
        "data": f"{argument_of(sweep, 'data')}, fingerprint {settings.get('data')}", "norms": norms,
        "code": manifest.get("git"), "versions": f"Python {manifest.get('python')}, {versions}",
        "machine": f"{machine.get('system')}, {machine.get('cpus')} cores, device {settings.get('device')}",
        "resumed": f"{len(manifest['resumed'])} times" if manifest.get("resumed") else None,
    }  # fmt: skip
    chosen = {name: value for name, value in manifest.get("arguments", {}).items() if value not in (None, False)}
    known = {name: value for name, value in facts.items() if value is not None}
    options = {f"--{name.replace('_', '-')}": value for name, value in chosen.items()}
    return (
        f"<p>To run it again, or to go on where it stopped:</p><pre>{escape(manifest.get('command', ''))}</pre>"
        f"{_definitions(known, FACTS)}<h3>Options</h3>{_definitions(options, FACTS)}"
    )


def _definitions(said: Mapping[str, object], attributes: str = "") -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in said.items())
    return f"<dl{attributes}>{items}</dl>"


def _terms(sweep: SweepRun) -> str:
    whose = "its own" if paired(sweep) else "another image's"
    terms = {
        "Score": "The cosine of the embeddings of an image and a text.",
        "Z, layer, size": "Z is a subspace, of that many dimensions, of the text tower's residual stream at a text's "
        "last token, after the layer's block.",
        "IIA, interchange intervention accuracy": "How often the score comes out as it must if Z carries “this is a "
        f"description”: a caption that is given the value that Z has in {whose} description scores higher than "
        f"before, a description that is given Z of {whose} caption lower.",
        "Shift": "By how much the intervention moves the score, on average.",
        "Preference accuracy": "How often the unchanged model scores the description above the caption.",
        "Routes": "Mediated integrated gradients divide what a word adds to the score by the paths that it takes: "
        "through Z, around it by the rest of the stream at the same place, or past the place altogether (bypass); "
        "together they are full.",
        "Source": "The method is that of Zur, Kreiss, D'Oosterlinck, Potts & Geiger 2024, Updating CLIP to Prefer "
        "Descriptions Over Captions (arXiv 2406.09458).",
    }
    return _definitions(terms)
