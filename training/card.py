"""The card of a model that leaves: how it was made, what is known of it, and what that does not show. No torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

from interp.data.contrast import Contrast
from interp.drawing.markup import escape
from interp.errors import shown
from training.evaluation.compare import Evaluation
from training.evaluation.evaluated_model import LABELS, EvaluatedModel
from training.evaluation.tasks import units_of

_HUB_ID = r"[\w-][\w.-]*/[\w.-]+(@[\w./-]+)?"
# What a card states of a fine-tuning -> its setting in the manifest, which is an option of `training.finetune`.
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
- A high IIA is no evidence by itself: a direction in closed form has a high one in models that were never trained for
  this.
- Preference was measured on pairs of one data set. Whether a text is a good description of an image for somebody who
  does not see it is another question, and longer texts are easily taken for better ones.
- Fine-tuning costs other abilities: look at transfer and retrieval before you use the model for anything else.
- Intervals are of each number by itself, and heed that pairs come in articles; they say nothing of other seeds.
- Attributions and their correlations with word norms are no causes."""


def model_card(
    model: EvaluatedModel,
    evaluation: Evaluation | None,
    contrast: Contrast,
    *,
    form: str,
    licence: str | None,
    result: Mapping[str, Any],
) -> str:
    """Markdown with the hub's header.

    Args:
        model: a fine-tuned run, or a base.
        evaluation: its own, if there is one.
        contrast: that it was fine-tuned with.
        form: transformers or open_clip.
        licence: an identifier such as the hub's, if it is known.
        result: what the run's manifest says of the weights that were kept.
    """
    base = _base(model)
    on_hub = base is not None and re.fullmatch(_HUB_ID, base) is not None
    header = {"library_name": form, "tags": ["clip", "alt-text", "interpretability", "clip-descriptions"]}
    header |= {"base_model": str(base).partition("@")[0]} if on_hub else {}
    header |= {"license": licence} if licence else {}
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in header.items()), "---", ""]
    positive, negative = map(_plain, contrast.kinds)
    lines += [
        f"# A CLIP that scores a {positive} above a {negative} of the same image" if model.is_run else "# A CLIP",
        "",
    ]
    lines += [*_made(model), "", "## How to load it", "", *_loading(form), "", "## What is known of it", ""]
    lines += _of_training(result, contrast) if evaluation is None else _results(evaluation, contrast)
    lines += ["", "## What these numbers do not show", "", _LIMITS, "", "## Licence", ""]
    told = f"{licence}." if licence else "Not said: that of the base, of its training data and of yours decide."
    return "\n".join([*lines, told, ""])


def _made(model: EvaluatedModel) -> list[str]:
    """Return how the model came to be, as a list in Markdown."""
    if not model.is_run:
        return [f"Exported from {_code(PureWindowsPath(model.name).name)} by clip-descriptions, as it was."]
    settings, arguments = model.settings, model.arguments
    facts: dict[str, object] = {
        "objective": LABELS[settings["objective"]],
        "tuning": "LoRA, merged" if settings["tuning"] == "lora" else "all weights",
        "base": _public(_base(model)),
        "data": _public(arguments.get("data")),
    }
    stated = dict(SETTINGS)
    if settings["objective"] != "behavioral":
        stated |= OF_A_ROTATION
    stated |= WEIGHTS.get(settings["objective"], {})
    if settings["tuning"] == "lora":
        stated |= OF_ADAPTERS
    facts |= {label: settings[key] for label, key in stated.items()}
    head = "Fine-tuned with clip-descriptions after Zur et al. 2024 (https://arxiv.org/abs/2406.09458):"
    return [head, "", *(f"- {key}: {_code(value)}" for key, value in facts.items() if value is not None)]


def _loading(form: str) -> list[str]:
    if form == "transformers":
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
    return ["```python", *code, "```"]


def _results(evaluation: Evaluation, contrast: Contrast) -> list[str]:
    """Return a table of the evaluation, each number with its interval."""
    own, rows = evaluation.contrast, list[str]()
    if any("contrast" in task for task in evaluation.settings.values()) and not own.agrees(contrast):
        positive, negative = map(_plain, own.kinds)
        rows += [f"It was evaluated with other kinds of text: {positive}, to be preferred to {negative}.", ""]
    units = units_of((one.task for one in evaluation.numbers), own)
    rows += ["| task | of | measure | value | 95 % interval | n |", "| --- | --- | --- | ---: | ---: | ---: |"]
    for one in evaluation.numbers:
        unit = units[one.task][one.measure]
        value, low, high = (unit.text(number) for number in (one.value, one.low, one.high))
        interval = "" if one.low != one.low else f"[{low} {high}]"  # NaN
        sign = f" {unit.sign}" if unit.sign else ""
        rows.append(f"| {one.task} | {_plain(one.of)} | {_plain(one.measure)} | {value}{sign} | {interval} | {one.n} |")
    return rows


def _of_training(result: Mapping[str, Any], contrast: Contrast) -> list[str]:
    """Return the preference on val, where nothing else is known."""
    said = "It was not evaluated on held-out data: `python -m training.evaluate --model RUN` does so, with intervals."
    if not math.isfinite(float(result.get("preference", math.nan))):
        return [said]
    share = 100 * float(result["preference"])
    return [
        f"{said} On the validation pairs, by which its weights were chosen, it prefers the "
        f"{_plain(contrast.kinds[0])} of {share:.1f} % of images."
    ]


def _base(model: EvaluatedModel) -> str | None:
    """Return the base of a run as its folder names it; None of a base."""
    return None if model.named is None else model.named["base"]


def _public(name: str | None) -> str | None:
    """The name of a model or of data without the folders of this machine that it may stand in.

    A model's name is to be as a run's files have it (`interp.clip.trust.name_for`), where a path begins with a dot or
    a slash.
    """
    if name is None or re.fullmatch(_HUB_ID, name) or name.startswith("hf:"):
        return name
    found = re.match(r"csv:|concadia:|open_clip:[^/]*/", name)
    kind = found[0] if found else ""
    return kind + PureWindowsPath(name.removeprefix(kind)).name


def _code(value: object) -> str:
    """A value as code, whatever letters it has."""
    return f"`{str(value).replace('`', chr(39))}`"


def _plain(text: str) -> str:
    """Words on one line that are no markup, whatever they hold."""
    return escape(shown(text, 200)).replace("|", "\\|").replace("`", "'")
