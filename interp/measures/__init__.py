"""Declaration of every number of a run: identity, title and unit. No torch.

A number is an estimate under a `Key`. `Schema.wide` turns the numbers of a cell into one row of results.csv, and
`Schema.read` reads that row. The ends of a 95 % interval have columns that end in ``_low`` and ``_high``.
`interp.report` decides on the place and the heading of each number.
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
