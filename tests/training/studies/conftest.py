from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from interp.data.pairs import Pair, PairSet
from training.studies.creation import design_study
from training.studies.design import Study

MODELS = ("base", "updated", "third")


def pairs_of(n: int, seed: int = 0) -> PairSet:
    rng = np.random.default_rng(seed)
    letters = rng.integers(3, 60, size=(n, 2))
    return PairSet(
        "invented",
        tuple(
            Pair(f"p{i}", f"{i} " + "a" * length, f"{i} " + "b" * other, "test", f"g{i // 2}", f"About {i // 2}")
            for i, (length, other) in enumerate(letters)
        ),
    )


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Study]:
    """Return a function that designs a study of invented pairs and scores; the models agree on half of the pairs."""

    def make(
        *, n: int = 200, models: int = 2, items: int = 24, people: int = 24, each: int = 24, seed: int = 0, **more: int
    ) -> Study:
        rng = np.random.default_rng([seed, 1])
        scores = {name: rng.normal(0, 0.1, (2, n)) for name in MODELS[:models]}
        options = {"checks": 2, "repeats": 2} | more
        return design_study(pairs_of(n), scores, items=items, people=people, each=each, seed=seed, **options)

    return make
