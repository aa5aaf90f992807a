"""Creation of a study: score the pairs with each model, choose items, assign forms, and write the folder."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from interp.cli.progress import Bar
from interp.clip.bases import named_models
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.data.pairs import PairSet
from interp.errors import UserError
from interp.runs.files import write_atomic
from interp.runs.spreadsheet import csv_text
from interp.stats import settled
from training.evaluation.tasks.preference import pair_scores
from training.studies.design import IMAGES, Study, StudyItem
from training.studies.forms import make_forms
from training.studies.forms_page import write_forms
from training.studies.rule import RULE
from training.studies.sampling import choose_pairs

_LARGEST = 640  # maximum length of the longer side of a saved image, in pixels


def score_pairs(
    names: Sequence[str], pairs: PairSet, *, device: str, trust: bool
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the scores of both texts of each pair by each model, shape (2, pairs), and notes.

    Raises:
        UserError: two models have the same name.
    """
    scores: dict[str, np.ndarray] = {}
    notes: list[str] = []
    for name, trusted in named_models(names, trust=trust):
        if name in scores:
            raise UserError(f"--models lists {name} twice")
        clip = load_clip(name, device=device, trust=trusted)
        with Bar(total=len(pairs), desc=f"images, {Path(name).name}", unit="image") as bar:
            features = image_features(clip, pairs, on_image=bar.update)
        scores[name] = pair_scores(clip, features)
        notes += [*clip.notes, *features.notes]
    return scores, notes


def design_study(
    pairs: PairSet,
    scores: Mapping[str, np.ndarray],
    *,
    items: int,
    people: int,
    each: int,
    checks: int,
    repeats: int,
    seed: int,
    words: str = "",
) -> Study:
    """Choose items and assign forms.

    Args:
        scores: model -> scores of both texts of each pair, shape (2, pairs).
        items, people, each, checks, repeats: as for `choose_pairs` and `make_forms`.
        words: digest of the words of the page.
    """
    rng = np.random.default_rng([seed, 37])
    stacked = np.stack(list(scores.values()))
    chosen = choose_pairs(stacked, items, rng)
    digits = len(str(len(chosen)))
    made = [
        StudyItem(
            key=f"item-{number:0{digits}d}",
            pair=pairs.pairs[choice.pair].id,
            group=pairs.pairs[choice.pair].group,
            context=pairs.pairs[choice.pair].context.strip(),
            texts=(pairs.pairs[choice.pair].positive, pairs.pairs[choice.pair].negative),
            image=f"image-{number:0{digits}d}",
            stratum=choice.stratum,
            weight=choice.weight,
            scores={name: (float(both[0, choice.pair]), float(both[1, choice.pair])) for name, both in scores.items()},
        )
        for number, choice in enumerate(chosen, 1)
    ]
    forms = make_forms([item.key for item in made], people, each=each, checks=checks, repeats=repeats, rng=rng)
    signs = np.sign(settled(stacked[:, 0] - stacked[:, 1]))
    concordance = signs @ signs.T / len(pairs)
    first, second = pairs.contrast.kinds
    return Study(
        data=pairs.name,
        kinds=(first, second),
        models=tuple(scores),
        concordance=tuple(tuple(map(float, row)) for row in concordance),
        pairs=len(pairs),
        seed=seed,
        items=tuple(made),
        forms=tuple(forms),
        words=words,
    ).named()


def write_study(study: Study, pairs: PairSet, words: Mapping[str, Any], folder: Path, *, text_language: str) -> None:
    """Write the study folder, completely or not; the folder may exist if it is empty.

    Raises:
        DataError: an image cannot be read.
        OSError: the folder cannot be written, or is not empty.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write_files(study, pairs, words, made, text_language)
        made.chmod(0o755)  # mkdtemp makes folders that only the owner can read
        made.replace(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _write_files(study: Study, pairs: PairSet, words: Mapping[str, Any], folder: Path, text_language: str) -> None:
    """Write pages, codes, items, images and `study.json`."""
    write_forms(study, words, folder, text_language=text_language)
    rows = [{"code": code, "page": f"form-{form.name}.html"} for form in study.forms for code in form.codes]
    write_atomic(folder / "codes.csv", csv_text(pd.DataFrame(rows)))
    write_atomic(folder / "items.csv", csv_text(pd.DataFrame([_row(item, study) for item in study.items])))
    by_id = {pair.id: pair for pair in pairs.pairs}
    for item in study.items:
        picture = pairs.open_image(by_id[item.pair])
        picture.thumbnail((_LARGEST, _LARGEST))
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        write_atomic(folder / IMAGES / f"{item.image}.png", buffer.getvalue())
    write_atomic(folder / "rule.txt", f"{RULE}\n")
    study.save(folder)


def _row(item: StudyItem, study: Study) -> dict[str, Any]:
    """Return the row of an item in the table of items."""
    facts = {
        "item": item.key,
        "pair": item.pair,
        "group": item.group,
        "stratum": item.stratum,
        "weight": item.weight,
        study.kinds[0]: item.texts[0],
        study.kinds[1]: item.texts[1],
        "context": item.context,
    }
    return facts | {
        f"{model}: {kind}": score
        for model in study.models
        for kind, score in zip(study.kinds, item.scores[model], strict=True)
    }
