"""Page of a sweep: the values that its template shows."""

from __future__ import annotations

from typing import Any

from interp.drawing.markup import plural
from interp.measures import Key
from interp.report.choice import as_good, rule_of
from interp.report.page.attributions import norms
from interp.report.page.controls import evidence
from interp.report.page.directions import directions
from interp.report.page.labels import count, whose
from interp.report.page.maps import heatmap
from interp.report.page.rendering import render
from interp.report.page.tables import cells, moved, trained_cells, words
from interp.report.page.texts import examples
from interp.report.page.tradeoff import tradeoff
from interp.report.page.verdict import verdict_rows
from interp.report.reading import edit_controls, finding, no_preference, reading, unconverged, unsettled
from interp.report.sweep_run import SweepRun
from interp.runs.directions import LEAST_ARTICLES, LEAST_TEXTS

_SECTIONS = {
    "evidence": "Chosen cell and controls",
    "norms": "Attributions and word norms",
    "directions": "Directions of Z, with example texts",
    "examples-section": "Examples of attributed texts",
    "words": "Words",
    "cells": "All cells",
    "limits": "Limits of these numbers",
    "run": "Command, options and versions",
    "terms": "Terms",
}


def page(sweep: SweepRun) -> str:
    """Return the whole page.

    Raises:
        StoreError: a file of the run folder has unexpected content.
    """
    trained = bool(sweep.trained)
    values = {
        "title": f"Sweep of {sweep.model_name} on {sweep.manifest['arguments']['data']}",
        "sections": _SECTIONS,
        "finding": finding(sweep.frame, sweep.layout, sweep.contrast, sweep.trained_by),
        "nothing": None if trained else no_preference(sweep.frame, sweep.layout, sweep.contrast),
        "pairs": count(sweep.best_numbers[Key("test_pairs")].value),
        "heatmap": heatmap(sweep),
        "verdict": verdict_rows(sweep),
        "tradeoff": tradeoff(sweep) if trained else None,
        "warnings": _warnings(sweep),
        "edit_controls": edit_controls(sweep.chosen_edit, sweep.contrast),
        "choice": _choice(sweep),
        "reading": " ".join(reading(sweep.frame, sweep.layout, sweep.norms)),
        "whose": whose(sweep),
        "contrast": sweep.contrast,
        "controls": sweep.methods[1:],
        "evidence": evidence(sweep),
        "norms": norms(sweep),
        "directions": directions(sweep),
        "least_texts": LEAST_TEXTS,
        "least_articles": LEAST_ARTICLES,
        "cells": cells(sweep),
        "tuned": trained_cells(sweep, "tuned"),
        "edited": trained_cells(sweep, "edited"),
        "trained_by": sweep.trained_by,
        "words_of_tuned": sweep.shows_tuned,
        "examples": examples(sweep),
        "words": words(sweep),
        "moved": moved(sweep),
        "run": _run(sweep),
    }
    return render("page.html.j2", values)


def _choice(sweep: SweepRun) -> str:
    """Return the rule by which the cell was chosen, and the number of cells that the rule counts as equally good."""
    frame, rule = sweep.frame, rule_of(sweep.frame)
    near = len(as_good(frame, rule))
    others = (
        f"{near} of {plural(len(frame), 'cell')} are within one standard error"
        if near > 1
        else "No other cell is within one standard error"
    )
    return f"{rule.words} {others}."


def _warnings(sweep: SweepRun) -> list[str]:
    contrast = sweep.contrast
    warnings = [*sweep.manifest["notes"]]
    warnings += filter(None, (sweep.manifest.get("truncated"), sweep.manifest.get("wordless")))
    if sweep.strays:
        warnings.append(f"Files among the cells that belong to no cell are skipped: {', '.join(sweep.strays[:8])}")
    there = set(sweep.folder.names())
    if missing := [name for name in sweep.manifest["cells"] if name not in there]:
        more = " and more" if len(missing) > 8 else ""
        lack = f"{plural(len(missing), 'cell')} of the last command {'is' if len(missing) == 1 else 'are'} not finished"
        warnings.append(
            f"{lack}: {', '.join(missing[:8])}{more}. Reload the page while the sweep runs; "
            "if it has stopped, run the command below"
        )
    if lack := unconverged(sweep.frame):
        warnings.append(f"{lack} (--n-steps, {sweep.manifest['arguments']['n_steps']} here)")
    if lack := unsettled(sweep.frame):
        warnings.append(lack)
    if not sweep.examples:
        warnings.append("The run folder holds no example texts (examples.json)")
    if (sweep.frame[Key("iia", direction="up").column(contrast)] >= 0.99).all():
        warnings.append(
            f"Every cell reaches an IIA of 99 % from {contrast.negative} to {contrast.positive}, so IIA does not tell "
            "the cells apart. The score can be steered through each of these subspaces, but that does not show that "
            "the model uses them"
        )
    return warnings


def _run(sweep: SweepRun) -> dict[str, Any]:
    manifest, settings, arguments = sweep.manifest, sweep.manifest["settings"], sweep.manifest["arguments"]
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items() if version)
    norms = "; ".join(f"{name}: {source}" for name, source in manifest["norm_sources"].items())
    machine, resumed = manifest["machine"], manifest["resumed"]
    facts = {
        "started": manifest["started"],
        "finished": manifest.get("finished"),
        "seconds": manifest.get("seconds"),
        "pairs": settings["pairs"],
        "model": f"{arguments['model']}, fingerprint {settings['model']}",
        "data": f"{arguments['data']}, fingerprint {settings['data']}",
        "norms": norms,
        "code": manifest["git"],
        "versions": f"Python {manifest['python']}, {versions}",
        "machine": f"{machine['system']}, {machine['cpus']} cores, device {settings['device']}",
        "resumed": f"{len(resumed)} times" if resumed else None,
    }
    options = sweep.folder.manifest()["arguments"].items()  # in the order of the command's options
    chosen = {name: value for name, value in options if value not in (None, False)}
    return {
        "command": manifest["command"],
        "facts": {name: value for name, value in facts.items() if value is not None},
        "options": {f"--{name.replace('_', '-')}": value for name, value in chosen.items()},
    }
