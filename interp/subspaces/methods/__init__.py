"""Methods that find a subspace. Each method is one file in this folder and one line in the registry."""

from __future__ import annotations

from interp.clip.modes import gradients
from interp.clip.sites import Site
from interp.errors import UserError
from interp.subspaces.methods import calibrated, das, gradient, lever, masked_das, mean_difference, pca, random
from interp.subspaces.methods.method import Method
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.search import SearchConfig
from interp.subspaces.subspace import Subspace

_REGISTRY = (
    das,
    masked_das,
    calibrated,
    pca,
    mean_difference,
    gradient,
    lever,
    random,
)
METHODS: dict[str, Method] = {module.METHOD.name.key: module.METHOD for module in _REGISTRY}


def find_methods(keys: str) -> list[Method]:
    """Return the methods of a comma-separated list; the first method finds a cell's own subspace.

    Raises:
        UserError: a method is unknown, or listed twice.
    """
    names = [key.strip() for key in keys.split(",")]
    if unknown := [name for name in names if name not in METHODS]:
        raise UserError(f"there is no method '{unknown[0]}'; known: {', '.join(METHODS)}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"the method '{twice[0]}' is listed twice; list each method once")
    return [METHODS[name] for name in names]


@gradients()
def fit_rotation(
    method: str, train: PairRun, val: PairRun, site: Site, size: int, config: SearchConfig | None = None
) -> Subspace:
    """Find a subspace by any method of the registry; the methods of this package find rotations.

    Args:
        method: key of the method, as in `METHODS`.
        train: clean run of the pairs that the search uses; the run kept the site.
        val: clean run of the pairs that the search is evaluated on; the run kept the site.
        size: number of directions of the subspace, from 0 to the width d of the stream.

    Raises:
        UserError: there is no such method, or a search's loss is not a number.
        ValueError: the size does not fit the stream.
    """
    (chosen,) = find_methods(method)
    part = PairsAtSite(train, site)
    part.check_size(size)
    return chosen.fit(part, PairsAtSite(val, site), [size], config or SearchConfig())[0]
