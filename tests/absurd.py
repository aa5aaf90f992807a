"""Options with absurd values."""

from __future__ import annotations

import dataclasses
import importlib
from random import Random

from tests.damage import SHELL_TEXTS
from tests.good_inputs import COMMANDS
from tests.judging import Case

CONFIGS = {
    "interp.sweep.__main__": "SweepConfig",
    "interp.report.__main__": "ReportConfig",
    "interp.check.__main__": "CheckConfig",
    "interp.data.statistics": "Options",
    "training.finetune": "FinetuneConfig",
    "training.evaluate": "EvaluateConfig",
    "training.paper": "PaperConfig",
    "figures.make": "MakeConfig",
    "training.pretrain_toy": "Options",
}


ABSURD = (
    "-1",
    "0",
    "4294967295",
    "4294967296",
    "9" * 5000,
    "1e400",
    "nan",
    "inf",
    "-inf",
    "1.5",
    "",
    " ",
    "x",
    "٣",
    "½",
    ",",
    "1,",
    "1-",
    "-",
    "--",
    "9-1",
    "1-4294967295",
    "0-9999",
    "\udc80",
    "a\nb",
    "x" * 5000,
    "../..",
    "/dev/null",
    "/dev/zero",
    "/proc/self/mem",
    "nowhere",
    "a=b",
    "=",
    "concadia:",
    "csv:",
    "csv:norms.csv",
    "toy",
    "owner/name",
    "a/b/c",
    "model",
    "sweep",
    "tuning",
    "base",
    "concadia",
    "norms.csv",
    "scores.csv",
    "text,text",
    "true",
    "None",
    "all",
    "none",
    "cuda",
    "cuda:99",
    "meta",
    "mps",
    "cpu:1",
    *SHELL_TEXTS,
)


def absurd_options(case: Case, draw: Random) -> None:
    module = COMMANDS[case.command][0]
    config = getattr(importlib.import_module(module), CONFIGS[module])
    fields = dataclasses.fields(config)
    for _ in range(draw.choice((1, 1, 1, 2))):
        field = draw.choice(fields)
        if field.metadata.get("place"):
            case.options[0] = draw.choice(ABSURD)
            case.done.append(f"{field.name} = {case.options[0]!r:.60}")
            continue
        flag = f"--{field.name.replace('_', '-')}"
        values = [] if isinstance(field.default, bool) or draw.random() < 0.05 else [draw.choice(ABSURD)]
        case.options += [f"{flag}={values[0]}"] if values and draw.random() < 0.7 else [flag, *values]
        case.done.append(f"{flag} {values[0] if values else '(no value)'!r:.60}")
