"""Every number of a run, declared once: what it is of, its title and its unit. No torch.

A number is an estimate under a `Key`. `Schema.wide` makes one row of results.csv of the numbers of a cell, and
`Schema.read` takes it apart again; the ends of a 95 % interval have columns that end in ``_low`` and ``_high``. Where a
number is shown, and under which heading, is decided by `interp.report`.
"""

from interp.measures.attributions import RELATIONS, relations
from interp.measures.interventions import CEILINGS, evidence
from interp.measures.names import ALIGNED, CONTENT_ROUTES, EDIT, MEASURED, TRAINED, MethodName, Route, passes
from interp.measures.number import Key, Model, Numbers, without_model
from interp.measures.sweep import sweep_schema, trained_schema

__all__ = [
    "ALIGNED",
    "CEILINGS",
    "CONTENT_ROUTES",
    "EDIT",
    "MEASURED",
    "RELATIONS",
    "TRAINED",
    "Key",
    "MethodName",
    "Model",
    "Numbers",
    "Route",
    "evidence",
    "passes",
    "relations",
    "sweep_schema",
    "trained_schema",
    "without_model",
]
