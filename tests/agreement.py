"""Comparisons of the fast paths with their oracles, as the tests make them, and the errors that they found.

`python -m tests.measure_agreement` runs the comparisons, and writes the largest error of each row for the site.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Row:
    """Comparison of a fast path with its oracle.

    Attributes:
        what: name of the compared results, for the table.
        oracle: name of the oracle, for the table.
        bound: largest error that passes.
    """

    what: str
    oracle: str
    bound: float


ROWS = {
    "embeddings": Row("embeddings of texts, float32", "transformers, one text at a time", 1e-5),
    "blocks": Row("embeddings, and gradients of every weight, float64", "transformers and autograd", 1e-10),
    "attention": Row(
        "attention of texts packed without padding, and its gradient, float64", "torch, each text alone", 1e-12
    ),
    "counterfactual, pyvene": Row("counterfactual embeddings of texts, any layer and size, float32", "pyvene", 1e-5),
    "counterfactual, hook": Row("the same", "a plain hook", 1e-5),
    "counterfactual, float64": Row("the same", "the same engine in float64", 1e-5),
    "counterfactual, ViT-B/32": Row(
        "the same at the size of ViT-B/32, 256 directions", "pyvene, and a plain hook", 1e-5
    ),
    "counterfactual, images": Row("counterfactual embeddings of images, float32", "pyvene", 1e-5),
    "components": Row(
        "counterfactuals of what attention or MLP adds, and of blocks, both towers", "a plain hook, and pyvene", 1e-6
    ),
    "counterfactual, registered": Row(
        "counterfactuals of both towers, float32", "pyvene alone, after `interp.clip.pyvene.register()`", 1e-5
    ),
    "counterfactual, open_clip": Row("the same of a checkpoint of open_clip", "pyvene alone, after registration", 1e-5),
    "open_clip": Row("embeddings of a checkpoint of open_clip, float32", "its layout, in plain torch", 1e-5),
    "there and back": Row("a subspace taken to pyvene and back", "itself", 0.0),
    "edits": Row(
        "embeddings of edited models, and what is pushed from sites above, at and below the edit, both towers",
        "a plain hook",
        1e-6,
    ),
    "edits, pyvene": Row("embeddings of edited texts", "pyvene alone, saved and loaded", 1e-6),
    "edits, training": Row("loss and every gradient of a step of an edit, float64", "plain forward passes", 1e-10),
    "objectives": Row("loss and every gradient of each objective, float64", "plain forward passes", 1e-7),
    "calibration": Row("the same of calibrated IIT-DAS", "plain forward passes", 1e-7),
    "adapters": Row("loss and gradients with merged adapters, float64", "peft's own forward", 1e-10),
    "full": Row("attributions, route full, over the largest one", "captum's LayerIntegratedGradients", 1e-5),
    "conductance": Row("attributions through and around Z, over the largest one", "captum's NeuronConductance", 2e-5),
    "bypass": Row("attributions that bypass the site", "a hook that holds the stream there", 1e-6),
    "all layers": Row(
        "attributions pushed forward to all layers, over the largest one", "gradients pulled back from one", 2e-5
    ),
    "edited paths": Row(
        "attributions in many edited models along one path, over the largest one",
        "gradients in each edited model",
        2e-5,
    ),
    "of embeddings": Row("attributions of embeddings, over the largest one", "captum's IntegratedGradients", 1e-5),
    "contextual score": Row(
        "contextual scores of Kreiss et al. 2022, float64", "its formula by norms and cosines", 1e-10
    ),
    "partial correlation": Row("partial correlations", "pingouin", 1e-10),
    "coefficients": Row("standardized coefficients", "statsmodels", 1e-10),
    "clusters": Row("variances of means of clusters of even size", "statsmodels", 1e-10),
    "intervals": Row("intervals of clustered means, of ranges of values", "matrices over all pairs of units", 1e-9),
    "words": Row(
        "correlations over word types with their intervals, and reliabilities", "pair of types by pair of types", 1e-8
    ),
    "sweep": Row("each share of a cell of a small sweep", "recomputed from plain forward passes, float64", 1e-9),
    "sweep, rounded": Row("each other measure of it, but quotients", "the same", 1e-5),
}


@dataclass
class Met:
    """Errors, comparisons and tests of this process, by row."""

    errors: dict[str, float] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tests: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


MET = Met()


def agree(row: str, ours: Any, theirs: Any, *, over: float = 1.0, or_nan: bool = False) -> None:
    """Assert that two results differ by no more than a row's bound, and record the difference.

    Args:
        row: a key of `ROWS`.
        ours, theirs: tensors of one dtype and shape, arrays of one shape, or numbers.
        over: divisor of the error.
        or_nan: True to accept NaN where both results are NaN.
    """
    kinds = {value.dtype for value in (ours, theirs) if isinstance(value, torch.Tensor)}
    assert len(kinds) < 2, f"{row}: {' and '.join(sorted(map(str, kinds)))}"
    pair = [
        value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        for value in (ours, theirs)
    ]
    left, right = (np.atleast_1d(array).astype(np.float64) for array in pair)
    assert left.shape == right.shape, f"{row}: {left.shape} and {right.shape}"
    missing = np.isnan(left), np.isnan(right)
    assert (missing[0] == missing[1]).all() if or_nan else not np.any(missing), f"{row}: not a number"
    error = float(np.nanmax(np.abs(left - right), initial=0.0)) / float(over)
    MET.errors[row] = max(error, MET.errors.get(row, 0.0))
    MET.compared[row] += left.size
    MET.tests[row].add(os.environ.get("PYTEST_CURRENT_TEST", "").partition("[")[0].partition(" ")[0])
    assert error <= ROWS[row].bound, f"{row}: {error:.2g}, at most {ROWS[row].bound:.2g}"


def used(row: str) -> list[str]:
    """Return the files of tests that compare the results of a row."""
    return [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if path.name != "test_agreement.py" and f'agree("{row}"' in path.read_text(encoding="utf-8")
    ]
