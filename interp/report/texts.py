"""Example texts, shaded by attribution, with a choice of cell and route."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interp.attribution.result import MEASURED
from interp.report.naming import paired
from interp.results.sweep_run import SweepRun
from interp.runs.examples import picture_path
from interp.runs.place import Place
from interp.show.colours import NEGATIVE, POSITIVE
from interp.show.markup import escape, shaded, signed


def examples(sweep: SweepRun) -> str:
    with_examples = {where: cell["examples"] for where, cell in sweep.cells.items() if cell.get("examples")}
    if not sweep.examples or not with_examples:
        return "<p>The run folder holds no example texts; a new run keeps them.</p>"
    best = Place.of(sweep.best)
    shown_key = best if best in with_examples else next(iter(with_examples))
    shown = with_examples[shown_key]
    sizes = [abs(value) for texts in with_examples.values() for text in texts for value in text["full"]]
    reach = float(np.nan_to_num(np.nanquantile(sizes, 0.98))) if sizes else 1.0
    slim = {
        "/".join(map(str, where)): [
            {**{route: [_json(value) for value in text[route]] for route in MEASURED},
             "swap": {"source": text["swap"]["source"],
                      **{name: _json(text["swap"][name]) for name in ("base", "counterfactual")}}}
            for text in texts
        ]
        for where, texts in with_examples.items()
    }  # fmt: skip
    data = {"reach": reach, "positive": POSITIVE, "negative": NEGATIVE, "cells": slim}
    # "<" would let a text end the script element.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    articles = [_example(sweep, number, shown, reach) for number in range(min(len(sweep.examples), len(shown) // 2))]
    return (
        "<p>What each word adds to the score of its text with the image, a cosine: blue and + raise it, orange and − "
        "lower it. <em>Through</em> counts only what acts by way of the subspace Z of the cell, <em>around</em> what "
        "acts by the rest of the stream there, <em>full</em> everything. Below each text stands what becomes of its "
        f"score when Z is taken from a text of the other kind.</p>{_picker(with_examples, shown_key)}"
        f'<p id="picked" role="status" class="soft">{escape(_named(shown_key))}, through</p>'
        f'<div id="examples">{"".join(articles)}</div><script type="application/json" id="attributions">{text}</script>'
    )


def _json(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else round(value, 5)


def _named(where: Place) -> str:
    return f"Layer {where.layer} (block {where.block}), size {where.size}, seed {where.seed}"


def _picker(cells: Mapping[Place, object], chosen: Place) -> str:
    selects = []
    for axis, name in enumerate(Place._fields):
        options = "".join(
            f"<option{' selected' if value == chosen[axis] else ''}>{value}</option>"
            for value in sorted({there[axis] for there in cells})
        )
        selects.append(f'<label>{name} <select name="{name}" autocomplete="off">{options}</select></label>')
    routes = "".join(
        f'<label><input type="radio" name="route" value="{route}" autocomplete="off"'
        f"{' checked' if route == 'through' else ''}> {route}</label>"
        for route in MEASURED
    )
    return f'<form id="picker">{"".join(selects)}<fieldset><legend>route</legend>{routes}</fieldset></form>'


def _example(sweep: SweepRun, number: int, shown: Sequence[Mapping[str, Any]], reach: float) -> str:
    example, half = sweep.examples[number], len(shown) // 2
    texts = []
    for row in (number, half + number):
        text = shown[row]
        other = sweep.contrast.other(text["kind"])
        swap = text["swap"]
        whose = "its own" if paired(sweep) else "another image's"
        texts.append(
            f"<h3>{escape(text['kind'].capitalize())}, score {signed(text['score'])}</h3>"
            f'<p data-text="{row}">{shaded(text["words"], text["through"], reach)}</p>'
            f'<p class="soft" data-swap="{row}">With Z from {whose} {other}, “<span class="source">'
            f'{escape(swap["source"])}</span>”: <span class="before">{signed(swap["base"])}</span> becomes '
            f'<span class="after">{signed(swap["counterfactual"])}</span></p>'
        )
    try:
        picture = base64.b64encode(picture_path(sweep.folder, example).read_bytes()).decode()
        image = f'<img src="data:image/jpeg;base64,{picture}" alt="{escape(example.positive)}">'
    except OSError:
        image = f"<p>The picture {escape(example.image)} is missing.</p>"
    return f"<article>{image}<div>{''.join(texts)}</div></article>"
