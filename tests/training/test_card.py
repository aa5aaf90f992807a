"""Card of a training: it states every setting with its value, for each objective and tuning."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from interp.clip.model import Clip
from interp.data.contrast import PAPER, Contrast
from interp.runs.folder import RunFolder
from training import card as cards
from training.card import model_card
from training.config import FinetuneConfig
from training.evaluation.evaluated_model import EvaluatedModel, evaluated_model
from training.evaluation.numbers import Number
from training.evaluation.stored import Evaluation
from training.export import main as export
from training.finetune import main as finetune

# Values that differ from the defaults and from each other.
GIVEN: dict[str, Any] = {
    "tower": "both",
    "lr": 0.00123,
    "batch_size": 14,
    "epochs": 17,
    "retain": 0.875,
    "seed": 23,
    "layer": 5,
    "size": 6,
    "sources": "paired",
    "rotation_lr": 0.0456,
    "lora_rank": 9,
    "lora_targets": "fc1,q_proj",
    "joint_weight": 0.375,
    "calibration_weight": 0.625,
}
OBJECTIVES = {
    "behavioral": "behavioral",
    "iit-das": "IIT-DAS",
    "joint": "joint",
    "iit-das-calibrated": "calibrated IIT-DAS",
}
EVERY = {
    "tower": "both",
    "learning rate": "0.00123",
    "batch size": "14",
    "epochs": "17",
    "weight of retention": "0.875",
    "seed": "23",
}
ROTATION = {"layer (from 1)": "5", "directions": "6", "sources": "paired", "learning rate of the rotation": "0.0456"}
ADAPTERS = {"rank": "9", "adapted layers": "fc1,q_proj"}


RUN = EvaluatedModel(
    "run",
    {"model": "toy", "data": "toy"},
    asdict(FinetuneConfig(objective="behavioral", tuning="full")),
    {"base": "toy", "tokenizer": None},
)


def stated(who: EvaluatedModel) -> dict[str, str]:
    """Return the list of facts about the training in a model's card."""
    text = model_card(who, None, PAPER, form="transformers", licence=None, result={})
    made = text.partition("## How to load it")[0]
    return dict(re.findall(r"^- (.+?): `(.*)`$", made, re.MULTILINE))


@pytest.mark.parametrize("tuning", ["lora", "full"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_card_states_each_setting_with_its_value(objective: str, tuning: str):
    config = FinetuneConfig(objective=objective, tuning=tuning, **GIVEN)  # type: ignore[arg-type]
    who = EvaluatedModel("run", {"model": "toy", "data": "toy"}, asdict(config), {"base": "toy", "tokenizer": None})
    facts = stated(who)
    objective_stated = facts.pop("objective")
    assert objective_stated.lower() == OBJECTIVES[objective].lower()
    wanted = EVERY | {"base": "toy", "data": "toy", "tuning": "LoRA, merged" if tuning == "lora" else "all weights"}
    wanted |= {} if objective == "behavioral" else ROTATION
    wanted |= ADAPTERS if tuning == "lora" else {}
    wanted |= {"weight of IIT-DAS": "0.375"} if objective == "joint" else {}
    wanted |= {"weight of the calibration": "0.625"} if objective == "iit-das-calibrated" else {}
    assert facts == wanted


def test_what_a_card_states_is_an_option_of_a_training():
    options = {each.name for each in fields(FinetuneConfig)}
    tables = [cards.SETTINGS, cards.OF_A_ROTATION, cards.OF_ADAPTERS, *cards.WEIGHTS.values()]
    keys = [key for table in tables for key in table.values()]
    assert set(keys) <= options
    assert len(keys) == len(set(keys))
    assert set(keys) == set(GIVEN)  # each key has a value in the test above


@pytest.mark.slow
@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_the_card_of_a_run_states_what_its_manifest_holds(tmp_path: Path, tuning: str):
    options = {"tuning": tuning, "layer": 9, "size": 4, "lr": 0.00123, "rotation-lr": 0.0456, "seed": 3, "max-steps": 2}
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    assert finetune([*words, "--limit", "60", "--device", "cpu", "--out", str(tmp_path / "run")]) == 0
    settings = RunFolder(tmp_path / "run").settings
    facts = stated(evaluated_model(str(tmp_path / "run")))
    tables = [cards.SETTINGS, cards.OF_A_ROTATION, *([cards.OF_ADAPTERS] if tuning == "lora" else [])]
    for label, key in (item for table in tables for item in table.items()):
        assert facts[label] == str(settings[key])
    assert (facts["learning rate"], facts["learning rate of the rotation"]) == ("0.00123", "0.0456")
    assert (facts["layer (from 1)"], facts["directions"], facts["seed"]) == ("9", "4", "3")
    assert ("rank" in facts) == (tuning == "lora")


@pytest.mark.parametrize(
    ("low", "value", "high", "title", "stated_as"),
    [
        (
            0.7,
            0.8,
            0.9,
            "that scores the description of an image above its caption in 80.0 %",
            "prefers the description of 80.0 % [70.0 90.0] of 9 test pairs.",
        ),
        (
            0.45,
            0.55,
            0.65,
            "fine-tuned to",
            "It is not known to do so: it prefers the description of 55.0 %",
        ),
        (0.31, 0.41, 0.49, "fine-tuned to", "It does the opposite: it prefers the description of 41.0 % [31.0 49.0]"),
        (math.nan, 0.9, math.nan, "fine-tuned to", "of 90.0 % without an interval of 9 test pairs"),
    ],
)
def test_the_title_claims_what_the_interval_allows(low: float, value: float, high: float, title: str, stated_as: str):
    number = Number("preference", "test", "preference", value, 9, low, high)
    about = {"name": "run", "label": "behavioral, LoRA", "base": "b", "group": "g", "seed": 0}
    folder = RunFolder(Path("nowhere"))

    def card(contrast: Contrast) -> str:
        evaluation = Evaluation(about, {}, folder, {"preference": {}}, {}, {}, [], PAPER, [number])
        return model_card(RUN, evaluation, contrast, form="transformers", licence=None, result={})

    assert f"\n# A CLIP {title}" in card(PAPER)
    assert stated_as in card(PAPER)
    assert "\n# A CLIP fine-tuned to score a red above a blue" in card(Contrast("red", "blue"))
    assert "80.0 %" not in card(Contrast("red", "blue")).partition("## How to load it")[0]


def test_the_header_names_base_data_language_and_licence():
    given = {"form": "transformers", "result": {}, "licence": "mit", "language": "en"}
    named = replace(RUN, arguments={"data": "hf:me/pairs@main"}, named={"base": "me/clip@v1", "tokenizer": None})
    entries = header(model_card(named, None, PAPER, **given))
    wanted = {"base_model": "me/clip", "datasets": ["me/pairs"], "language": "en", "license": "mit"}
    assert {key: entries.get(key) for key in wanted} == wanted
    bare = header(model_card(RUN, None, PAPER, form="transformers", licence=None, result={}))
    assert not wanted.keys() & bare.keys()


def header(card: str) -> dict[str, object]:
    lines = card.split("---\n")[1].splitlines()
    return {key: json.loads(value) for key, _, value in (line.partition(": ") for line in lines)}


@pytest.mark.slow
def test_no_path_of_this_machine_is_in_a_card(small: Clip, tmp_path: Path):
    assert export([small.name, "--out", str(tmp_path / "base")]) == 0
    card = (tmp_path / "base" / "README.md").read_text()
    assert f"`{Path(small.name).name}`" in card
    assert str(Path(small.name).parent) not in card


def test_a_base_that_was_named_by_a_path_is_none_of_the_hub():
    settings = asdict(FinetuneConfig(objective="behavioral", tuning="full"))
    for named, shown in (
        ("../models/mine", "`mine`"),
        ("/elsewhere/models/mine", "`mine`"),
        ("me/mine@refs/pr/1", "`me/mine@refs/pr/1`"),
    ):
        who = EvaluatedModel(
            "run",
            {"model": "models/mine", "data": "csv:/elsewhere/my.csv"},
            settings,
            {"base": named, "tokenizer": None},
        )
        card = model_card(who, None, Contrast("a\n# b", "<c>"), form="transformers", licence=None, result={})
        assert f"- base: {shown}" in card
        assert "- data: `csv:my.csv`" in card
        assert header(card).get("base_model") == ("me/mine" if named.startswith("me/") else None)
        assert "\n# b" not in card
        assert "<c>" not in card
