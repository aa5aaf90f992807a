"""Page of a sweep: the values that its template shows."""

from __future__ import annotations

from typing import Any

from interp.drawing.markup import plural
from interp.measures import Key
from interp.report.choice import as_good, rule_of
from interp.report.displays import DROPS
from interp.report.page.attributions import norms
from interp.report.page.controls import evidence
from interp.report.page.directions import directions
from interp.report.page.labels import count, percent, place, whose
from interp.report.page.maps import heatmaps
from interp.report.page.rendering import render
from interp.report.page.tables import cells, moved, trained_cells, words
from interp.report.page.texts import examples
from interp.report.page.tradeoff import tradeoff
from interp.report.page.verdict import judging
from interp.report.reading import edit_controls, no_preference, reading, unconverged, unsettled
from interp.report.sweep_run import SweepRun
from interp.report.tables import is_tuned
from interp.runs.directions import LEAST_ARTICLES, LEAST_TEXTS

_SECTIONS = {
    "verdict": "The verdict",
    "tradeoff": "Preference and its cost",
    "evidence": "The chosen cell",
    "norms": "Norms",
    "directions": "What Z says",
    "heatmaps": "Layers and sizes",
    "cells": "All cells",
    "examples-section": "Example texts",
    "words": "Words",
    "limits": "What these numbers do not show",
    "run": "What was run",
    "terms": "Terms",
}


def page(sweep: SweepRun) -> str:
    """Return the whole page.

    Raises:
        StoreError: a file of the run folder has unexpected content.
    """
    values = {
        "title": f"Sweep of {sweep.model_name} on {sweep.manifest['arguments']['data']}",
        "sections": {name: title for name, title in _SECTIONS.items() if name != "tradeoff" or sweep.trained},
        "edit_controls": edit_controls(sweep.chosen_edit, sweep.contrast),
        "tradeoff": tradeoff(sweep) if sweep.trained else None,
        "summary": _summary(sweep),
        "warnings": _warnings(sweep),
        "whose": whose(sweep),
        "contrast": sweep.contrast,
        "controls": sweep.methods[1:],
        "verdict": judging(sweep),
        "evidence": evidence(sweep),
        "norms": norms(sweep),
        "directions": directions(sweep),
        "least_texts": LEAST_TEXTS,
        "least_articles": LEAST_ARTICLES,
        "heatmaps": heatmaps(sweep),
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


def _summary(sweep: SweepRun) -> dict[str, str | None]:
    best, frame = sweep.best, sweep.frame
    random = any(method.key == "random" for method in sweep.methods[1:])
    tuned, rule = is_tuned(frame), rule_of(frame)
    numbers = sweep.best_numbers
    result = f"IIA {percent(numbers[Key('iia')])}"
    if tuned:
        lost = (sweep.layout[key] for key in DROPS)
        changes = " and ".join(f"{one.text(best)} points in {one.heading}" for one in lost)
        preferred = percent(numbers[Key("preference", model="tuned")])
        result = (
            f"trained there by {sweep.trained_by}, the model scores {sweep.contrast.positive} above "
            f"{sweep.contrast.negative} in {preferred} of pairs, and changes by {changes}; a search on the frozen "
            f"model there has an {result}"
        )
    near = len(as_good(frame, rule))
    many = (
        f"{near} of {plural(len(frame), 'cell')} are as good as the highest there"
        if near > 1
        else "No other cell is as good"
    )
    return {
        "cells": plural(len(frame), "cell"),
        "place": place(best),
        "result": result,
        "pairs": count(numbers[Key("test_pairs")].value),
        "random": percent(numbers[Key("iia", "random")]) if random else None,
        "rule": f"It is chosen by a rule: {rule.said}. {many}.",
        "preference": percent(numbers[Key("preference")]),
        "nothing": None if tuned else no_preference(frame, sweep.layout, sweep.contrast),
        "reading": " ".join(reading(frame, sweep.layout, sweep.norms)),
    }


def _warnings(sweep: SweepRun) -> list[str]:
    contrast = sweep.contrast
    said = [*sweep.manifest["notes"]]
    said += filter(None, (sweep.manifest.get("truncated"), sweep.manifest.get("wordless")))
    if sweep.strays:
        said.append(f"Files that are of no cell lie among the cells, and are not read: {', '.join(sweep.strays[:8])}")
    there = set(sweep.folder.names())
    if missing := [name for name in sweep.manifest["cells"] if name not in there]:
        more = " and more" if len(missing) > 8 else ""
        lack = f"{plural(len(missing), 'cell')} that the last command asked for {'is' if len(missing) == 1 else 'are'}"
        said.append(f"{lack} not there: {', '.join(missing[:8])}{more}; the command below goes on with them")
    if lack := unconverged(sweep.frame):
        said.append(f"{lack} (--n-steps, {sweep.manifest['arguments']['n_steps']} here)")
    if lack := unsettled(sweep.frame):
        said.append(lack)
    if not sweep.examples:
        said.append("The run folder holds no example texts (examples.json)")
    if (sweep.frame[Key("iia", direction="up").column(contrast)] >= 0.99).all():
        said.append(
            f"Every cell reaches an IIA of 99 % from {contrast.negative} to {contrast.positive}, so IIA does not tell "
            "the cells apart: the score can be steered through each of these subspaces, which is not to say that the "
            "model uses them"
        )
    return said


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
