"""Tests that the errors on the site come from the comparisons of the tests."""

from __future__ import annotations

import ast
import json

import numpy as np
import pytest
import torch

from tests.agreement import MET, ROOT, ROWS, agree, used
from tests.measure_agreement import FILE


def test_every_row_is_compared_by_a_test_and_was_measured():
    measured = json.loads(FILE.read_text(encoding="utf-8"))
    assert list(measured) == list(ROWS)
    for name, row in ROWS.items():
        entry = measured[name]
        assert (entry["what"], entry["oracle"], entry["bound"]) == (row.what, row.oracle, row.bound)
        assert 0 <= entry["error"] <= row.bound
        assert entry["compared"] > 0
        assert {test.partition("::")[0] for test in entry["tests"]} == set(used(name))
        for test in entry["tests"]:
            file, function = test.split("::")
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_what_does_not_agree_fails(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(MET, "errors", {})
    monkeypatch.setattr(MET, "compared", dict.fromkeys(ROWS, 0))
    agree("full", torch.tensor([1.0, 2.0]), np.array([1.0, 2.0 + 1e-6]))
    assert MET.errors["full"] == pytest.approx(1e-6)
    assert MET.compared["full"] == 2
    agree("full", 100.0, 100.0 + 1e-4, over=100.0)
    with pytest.raises(AssertionError, match=r"full: 0\.0001, at most 1e-05"):
        agree("full", 1.0, 1.0001)
    for ours, theirs, or_nan in (([1.0, np.nan], [1.0, 1.0], True), ([np.nan], [np.nan], False)):
        with pytest.raises(AssertionError, match="not a number"):
            agree("full", ours, theirs, or_nan=or_nan)
    agree("full", [1.0, np.nan], [1.0, np.nan], or_nan=True)
    with pytest.raises(AssertionError, match=r"torch\.float32 and torch\.float64"):
        agree("full", torch.ones(1), torch.ones(1).double())
    with pytest.raises(AssertionError, match=r"\(2,\) and \(1,\)"):
        agree("full", [1.0, 1.0], [1.0])
