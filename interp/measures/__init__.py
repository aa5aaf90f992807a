"""What is measured: key, unit and place of every number in a run folder, declared once and read everywhere. No torch.

A key names a column of results.csv; with ``_low`` and ``_high`` behind it, the ends of its 95 % interval. Tables,
heatmaps, pages, figures and notebooks know a measure by this schema, and guess nothing from its name.
"""

from interp.measures.attributions import RELATIONS
from interp.measures.evaluation import CONTROLLED, evaluation_schema, evidence_names
from interp.measures.interventions import CEILINGS, evidence_keys
from interp.measures.names import ALIGNED, CONTENT_ROUTES, EVERYWHERE, MEASURED, MethodName, Route
from interp.measures.sweep import sweep_schema

__all__ = [
    "ALIGNED",
    "CEILINGS",
    "CONTENT_ROUTES",
    "CONTROLLED",
    "EVERYWHERE",
    "MEASURED",
    "RELATIONS",
    "MethodName",
    "Route",
    "evaluation_schema",
    "evidence_keys",
    "evidence_names",
    "sweep_schema",
]
