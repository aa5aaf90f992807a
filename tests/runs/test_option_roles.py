"""Tests of the roles of options: settings of a run, options about the work, and harmless options."""

from __future__ import annotations

import dataclasses
from typing import get_type_hints

import pytest

from interp import cli
from interp.cli import IMPLIED, LOADED, SETTING, WORK
from interp.sweep.config import SweepConfig
from tests.runs.test_replay import AGAIN, WORKING, names
from training.config import EvaluateConfig, FinetuneConfig

# Options that take a text, but neither name anything to load nor concern the work.
HARMLESS = {
    SweepConfig: {"layers", "sizes", "seeds", "methods", "objective", "kinds", "split", "device"},
    FinetuneConfig: {"device", "lora_targets", "kinds", "split"},
    EvaluateConfig: {"tasks", "splits", "prefix", "kinds", "split", "device"},
}


# Options whose values are part of a result's identity, with the defaults of earlier results.
IDENTITY = {
    SweepConfig: {
        "sources": "random",
        "controls": "all",
        "objective": "iit-das",
        "methods": "das,pca,means,gradient,lever,random",
        "max_steps": 400,
        "tune_steps": None,
        "attributed": 32,
        "n_steps": 20,
        "device": "cpu",
    },
    FinetuneConfig: {
        "sources": "random",
        "objective": "iit-das",
        "tuning": "lora",
        "layer": 11,
        "size": 64,
        "joint_weight": 0.5,
        "calibration_weight": 0.1,
        "retain": None,
        "tower": "text",
        "lora_rank": 16,
        "lora_targets": "q_proj,k_proj,v_proj,out_proj",
        "lr": 6e-4,
        "rotation_lr": 3e-2,
        "batch_size": 64,
        "epochs": 3,
        "samples": None,
        "val_samples": 5000,
        "look_every": None,
        "patience": 3,
        "max_steps": None,
        "mixed_precision": None,
        "seed": 0,
    },
    EvaluateConfig: {
        "sources": None,
        "splits": "val,test",
        "controls": "all",
        "transfer_limit": None,
        "prefix": "",
        "seed": 0,
        "attributed": 64,
        "n_steps": 20,
        "device": "cpu",
    },
}


@pytest.mark.parametrize("config", AGAIN)
def test_the_role_of_every_option_was_looked_at(config: type):
    """Fail for a new option until its role is decided."""
    assert cli.settings_of(config()) == IDENTITY[config]
    assert names(config, WORK) == WORKING[config]
    assert names(config, *cli.Role) == {field.name for field in dataclasses.fields(config)}
    hints = get_type_hints(config)
    texts = {
        field.name
        for field in dataclasses.fields(config)
        if str in getattr(hints[field.name], "__args__", [hints[field.name]])
    }
    texts |= {name for name, hint in hints.items() if "tuple" in str(hint)}
    assert texts - names(config, WORK, LOADED) == HARMLESS[config] <= names(config, SETTING, IMPLIED)
