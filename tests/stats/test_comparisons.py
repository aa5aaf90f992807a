"""Tests of the strengths of rivals from paired comparisons."""

from __future__ import annotations

import choix
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse.csgraph import connected_components

from interp.stats.comparisons import bradley_terry


@given(st.integers(2, 6).flatmap(lambda m: arrays(np.int64, (m, m), elements=st.integers(0, 9))))
def test_they_are_those_of_another_package(wins: np.ndarray):
    np.fill_diagonal(wins, 0)
    assume(connected_components(wins > 0, connection="strong")[0] == 1)
    theirs = choix.ilsr_pairwise_dense(wins.astype(float), tol=1e-12)
    assert bradley_terry(wins) == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_who_never_loses_has_no_strength_and_multiples_change_nothing():
    assert np.isnan(bradley_terry([[0, 3], [0, 0]])).all()
    wins = np.array([[0, 3.5, 2], [1, 0, 4], [2, 2.25, 0]])
    assert bradley_terry(7.3 * wins) == pytest.approx(bradley_terry(wins), abs=1e-9)
