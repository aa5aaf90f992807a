"""Ratings of a study in the format that `--blv` reads, and their correlation with each model's scores. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from interp.data.blv import QUESTIONS, RATINGS, RatedTexts, load_blv
from interp.data.files import MOST_IMAGE, read_file
from interp.errors import UserError, reason
from interp.runs.files import write_atomic
from interp.runs.spreadsheet import csv_text
from training.metrics.metrics import Metric
from training.metrics.numbers import MetricNumber, MetricScores, numbers_of
from training.studies.answers import ratings_of
from training.studies.design import IMAGES, Study
from training.studies.responses import Response

FOLDER = "blv"
_LENGTH = "length in characters"
_NOWHERE = "no article is known"


def write_ratings(study: Study, responses: Sequence[Response], study_folder: Path, out: Path) -> RatedTexts | None:
    """Write a folder that `--blv` reads, and return its content; return None if no text was rated.

    Raises:
        UserError: an image of the study cannot be read.
    """
    rows = [
        {
            "participant": code,
            "description": study.by_key[key].texts[text],
            "context": study.by_key[key].context.strip() or _NOWHERE,
            "imgstem": study.by_key[key].image,
        }
        | {column: ratings[question] for question, column in QUESTIONS.items()}
        for key, text, code, ratings in ratings_of(study, responses)
    ]
    if not rows:
        return None
    for image in dict.fromkeys(str(row["imgstem"]) for row in rows):
        source = study_folder / IMAGES / f"{image}.png"
        try:
            write_atomic(out / FOLDER / IMAGES / source.name, read_file(source, MOST_IMAGE))
        except OSError as error:
            raise UserError(f"cannot read '{source}': {reason(error)}; restore the whole study folder") from error
    write_atomic(out / FOLDER / RATINGS, csv_text(pd.DataFrame(rows)))
    return load_blv(out / FOLDER)


def agreement_with_ratings(study: Study, responses: Sequence[Response], rated: RatedTexts) -> list[MetricNumber]:
    """Return ceilings, correlations of models and of length with mean ratings, and paired differences of models.

    Args:
        rated: result of `write_ratings` for the responses. Its texts are in the order of their first ratings. Their
            spelling can differ, because a table protects texts that a spreadsheet would take for formulas.
    """
    places = list(dict.fromkeys((key, text) for key, text, *_ in ratings_of(study, responses)))
    scored = [_scored(model, [study.by_key[key].scores[model][text] for key, text in places]) for model in study.models]
    scored.append(_scored(_LENGTH, [float(len(study.by_key[key].texts[text])) for key, text in places]))
    return numbers_of(scored, [], [], rated)


def _scored(name: str, scores: Sequence[float]) -> MetricScores:
    values = np.array(scores, dtype=float)
    metric = Metric(name, name, lambda _part, _items: values, frozenset({"text"}), only_rated=True)
    return MetricScores(metric, None, {}, values)
