"""Tests of the registry of objectives: a search alone, or a module that trains."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from interp.errors import UserError
from interp.measures import ALIGNED
from interp.sweep.config import FROZEN
from interp.sweep.objectives import find_objective
from tests.wording import raises
from training import cells
from training.config import FinetuneConfig


def test_each_objective_trains_nothing_or_is_one_of_the_fine_tuning():
    assert [find_objective(name) for name in FROZEN] == [None] * len(FROZEN)
    assert [find_objective(name) for name in ALIGNED] == [cells] * len(ALIGNED)
    assert set(ALIGNED) <= set(get_args(get_type_hints(FinetuneConfig)["objective"]))


@pytest.mark.parametrize("name", ["", "behavioral", "iit_das", "DAS"])
def test_an_unknown_objective_is_one_line_with_those_that_are_known(name: str):
    with raises(UserError, f"'{name}'", *FROZEN, *ALIGNED):
        find_objective(name)
