"""Card of an exported model: its origin, its measured numbers, and the limits of these numbers. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

from interp.data.contrast import Contrast
from interp.runs.cards import EditNotes, as_code, front_matter, licence_section, plain, public_name, python
from training.evaluation.compare import preference_of
from training.evaluation.evaluated_model import LABELS, EvaluatedModel
from training.evaluation.stored import Evaluation
from training.evaluation.tasks import units_of

# label of a setting on the card -> name of the setting in the manifest, which is an option of `training.finetune`
SETTINGS = {
    "tower": "tower",
    "learning rate": "lr",
    "batch size": "batch_size",
    "epochs": "epochs",
    "weight of retention": "retain",
    "seed": "seed",
}
OF_A_ROTATION = {
    "layer (from 1)": "layer",
    "directions": "size",
    "sources": "sources",
    "learning rate of the rotation": "rotation_lr",
}
OF_ADAPTERS = {"rank": "lora_rank", "adapted layers": "lora_targets"}
WEIGHTS = {
    "joint": {"weight of IIT-DAS": "joint_weight"},
    "iit-das-calibrated": {"weight of the calibration": "calibration_weight"},
}
_LIMITS = """\
- A high IIA is no evidence by itself: a direction in closed form also has a high IIA, even in models that were never
  trained for this preference.
- Preference was measured on pairs of one data set. It does not show how useful a text is to people who cannot see the
  image, and longer texts are easily mistaken for better texts.
- Fine-tuning costs other abilities: check transfer and retrieval before you use the model for anything else.
- Each interval is for one number alone. It treats the pairs of an article as dependent. It does not cover other seeds.
- Attributions and their correlations with word norms do not show causes."""
_TUNINGS = {
    "lora": "LoRA, merged",
    "full": "all weights",
    "edit": "an edit of the stream; all weights are unchanged",
}


def model_card(
    model: EvaluatedModel,
    evaluation: Evaluation | None,
    contrast: Contrast,
    *,
    form: str,
    licence: str | None,
    result: Mapping[str, Any],
    edit: EditNotes | None = None,
    language: str | None = None,
) -> str:
    """Return the card in Markdown, with the hub's header.

    The title claims no more than the interval of the preference allows.

    Args:
        model: a fine-tuned run, or a base.
        evaluation: evaluation of the model, if there is one.
        contrast: contrast that the model was fine-tuned with.
        form: transformers or open_clip.
        licence: identifier of the licence in the notation of the hub, if the licence is known.
        result: result in the run's manifest for the weights that were kept.
        edit: lines on the edit of the model, if it has one.
        language: code of the language of the texts, if it is known.
    """
    by_hook = edit is not None and bool(edit.code)
    library, base = "clip-descriptions" if by_hook else form, edit.base if edit else _base(model)
    lines = [
        *front_matter(library, base, licence, data=model.arguments.get("data"), language=language),
        *(_claim(evaluation, contrast) if model.is_run else [f"# A CLIP{' with an edit' if edit else ''}", ""]),
        *_origin(model, edit),
        *("", "## How to load it", "", *_loading("clip-descriptions" if by_hook else form), ""),
        *(("## Without this package", "", *edit.code, "") if edit is not None and edit.code else ()),
        *("## Measured numbers", ""),
    ]
    lines += _of_training(result, contrast) if evaluation is None else _results(evaluation, contrast)
    lines += ["", "## Limits of these numbers", "", _LIMITS, *(edit.limits if edit else ()), ""]
    return "\n".join([*lines, *licence_section(licence)])


def _claim(evaluation: Evaluation | None, contrast: Contrast) -> list[str]:
    """Return the title of a fine-tuned model's card, and its preference."""
    positive, negative = map(plain, contrast.kinds)
    aim = [f"# A CLIP fine-tuned to score a {positive} above a {negative} of the same image", ""]
    row = None if evaluation is None or not evaluation.contrast.agrees(contrast) else preference_of(evaluation)
    if row is None:
        return aim
    share, low, high = (f"{100 * value:.1f}" for value in (row.value, row.low, row.high))
    interval = "without an interval" if math.isnan(row.low) else f"[{low} {high}]"
    pairs = f"{row.n} {'' if row.of == 'all' else f'{row.of} '}pairs"
    measured = f"the {positive} of {share} % {interval} of {pairs}"
    if row.low > 0.5:
        title = f"# A CLIP that scores the {positive} of an image above its {negative} in {share} % of pairs"
        return [title, "", f"It prefers {measured}.", ""]
    if row.high < 0.5:
        return [*aim, f"It does the opposite: it prefers {measured}, fewer than half.", ""]
    return [*aim, f"It is not known to do so: it prefers {measured}.", ""]


def _origin(model: EvaluatedModel, edit: EditNotes | None) -> list[str]:
    """Return the origin of the model, as a list in Markdown."""
    if not model.is_run:
        source = f"Exported from {as_code(PureWindowsPath(model.name).name)} by clip-descriptions"
        return [f"{source}, unchanged."] if edit is None else [f"{source}.", "", *edit.made]
    settings, arguments = model.settings, model.arguments
    facts: dict[str, object] = {
        "objective": LABELS[settings["objective"]],
        "tuning": _TUNINGS[settings["tuning"]],
        "base": public_name(_base(model)),
        "data": public_name(arguments.get("data")),
    }
    stated = dict(SETTINGS)
    if settings["objective"] != "behavioral":
        stated |= OF_A_ROTATION
    stated |= WEIGHTS.get(settings["objective"], {})
    if settings["tuning"] == "lora":
        stated |= OF_ADAPTERS
    facts |= {label: settings[key] for label, key in stated.items()}
    head = "Fine-tuned with clip-descriptions after Zur et al. 2024 (https://arxiv.org/abs/2406.09458):"
    stated_facts = [f"- {key}: {as_code(value)}" for key, value in facts.items() if value is not None]
    return [head, "", *stated_facts, *(("", *edit.made) if edit else ())]


def _loading(form: str) -> list[str]:
    if form == "clip-descriptions":
        code = ["import interp", "", 'clip = interp.load_clip("FOLDER or owner/name")']
    elif form == "transformers":
        code = [
            "from transformers import AutoModel, AutoProcessor",
            "",
            'model = AutoModel.from_pretrained("FOLDER or owner/name")',
            'processor = AutoProcessor.from_pretrained("FOLDER or owner/name")',
        ]
    else:
        code = [
            "import open_clip",
            "",
            'model, preprocess = open_clip.create_model_from_pretrained("local-dir:FOLDER")  # or hf-hub:owner/name',
            'tokenizer = open_clip.get_tokenizer("local-dir:FOLDER")',
        ]
    return python(*code)


def _results(evaluation: Evaluation, contrast: Contrast) -> list[str]:
    """Return a table of the evaluation, each number with its interval."""
    evaluated, rows = evaluation.contrast, list[str]()
    if any("contrast" in task for task in evaluation.settings.values()) and not evaluated.agrees(contrast):
        positive, negative = map(plain, evaluated.kinds)
        rows += [f"The evaluation has other kinds of text: it measures preference for {positive} over {negative}.", ""]
    units = units_of((number.task for number in evaluation.numbers), evaluated)
    rows += ["| task | of | measure | value | 95 % interval | n |", "| --- | --- | --- | ---: | ---: | ---: |"]
    for number in evaluation.numbers:
        unit = units[number.task][number.measure]
        value, low, high = map(unit.text, (number.value, number.low, number.high))
        interval = "" if number.low != number.low else f"[{low} {high}]"  # NaN
        sign = f" {unit.sign}" if unit.sign else ""
        cells = (number.task, plain(number.of), plain(number.measure), f"{value}{sign}", interval, str(number.n))
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _of_training(result: Mapping[str, Any], contrast: Contrast) -> list[str]:
    """Return the preference on val, for a model without an evaluation."""
    sentence = (
        "The model was not evaluated on held-out data. `python -m training.evaluate --model RUN` evaluates it, with "
        "intervals."
    )
    if not math.isfinite(float(result.get("preference", math.nan))):
        return [sentence]
    share = 100 * float(result["preference"])
    return [
        f"{sentence} On the validation pairs, which its weights were chosen on, the model prefers the "
        f"{plain(contrast.kinds[0])} of {share:.1f} % of images."
    ]


def _base(model: EvaluatedModel) -> str | None:
    """Return the name of a run's base in its folder; None for a base."""
    return None if model.named is None else model.named["base"]
