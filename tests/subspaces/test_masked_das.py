"""Tests of the search with a mask: sizes, schedule, kept directions, and the swap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from interp.clip.sites import Site
from interp.clip.swap import swap
from interp.data.contrast import DIRECTIONS
from interp.subspaces import search as search_module
from interp.subspaces.methods import METHODS, das, fit_rotation, masked_das
from interp.subspaces.methods.masked_das import PRICE, MaskedSpan, fit, swap_masked
from interp.subspaces.outcomes import evaluate
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.rotation import Rotation, largest_angle, random_basis
from interp.subspaces.search import Candidate, SearchConfig
from interp.subspaces.search import search as search_candidates
from interp.sweep import __main__ as sweep
from tests.subspaces.test_das import planted_pairs

SITE = Site("text", 1)


WIDTH = 24


@pytest.fixture(scope="module")
def planted() -> tuple[list[PairRun], Tensor]:
    """Return train, val and test pairs that differ within 3 of 24 directions, and these directions."""
    made = [planted_pairs(n, WIDTH, 3, seed) for seed, n in enumerate((600, 200, 400))]
    return [pairs for pairs, _ in made], made[0][1]


def search(pairs: list[PairRun], sizes: tuple[int, ...], config: SearchConfig) -> list[Rotation]:
    return fit(PairsAtSite(pairs[0], SITE), PairsAtSite(pairs[1], SITE), sizes, config)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 4))])
def test_as_many_directions_are_kept_as_were_planted(planted: tuple[list[PairRun], Tensor], seed: int):
    """The three planted directions are found for every number of candidates."""
    pairs, directions = planted
    for rotation in search(pairs, (8, 16, 24), SearchConfig(max_steps=1000, seed=seed)):
        assert rotation.size == 3
        assert largest_angle(rotation.basis, directions) < 5
        outcomes = evaluate(pairs[2], rotation)
        assert min(outcomes.iia(direction) for direction in DIRECTIONS) > 0.99


@pytest.mark.slow
def test_facts_tell_what_was_kept(planted: tuple[list[PairRun], Tensor]):
    """The lowest sum of loss and price wins, not the lowest loss or the last evaluation."""
    (rotation,) = search(planted[0], (8,), SearchConfig(max_steps=600))
    facts = rotation.facts
    assert (facts["method"], facts["candidates"], facts["directions"]) == ("masked-das", 8, rotation.size)
    steps, losses, kept = zip(*facts["history"], strict=True)
    assert steps[-1] == facts["steps"]
    assert max(kept) > rotation.size
    assert max(kept) <= 8
    best = min(range(len(steps)), key=lambda look: losses[look] + PRICE * kept[look])
    assert (facts["val_loss"], facts["directions"]) == (losses[best], kept[best])


class Shrinking(das.Span):
    """Candidate with three directions at the first evaluation and two at the second; its price is not in the steps."""

    def __init__(self, directions: Tensor, price: float) -> None:
        super().__init__(torch.eye(WIDTH), 3, 0)
        self.directions, self.price, self.size = directions, price, 3

    def at(self, progress: float) -> bool:
        self.size = 3 if progress < 1 else 2
        return True

    def subspace(self, site: Site) -> Rotation:
        return Rotation(self.directions[:, : self.size], site)

    def cost(self) -> float:
        return self.price * self.size


@pytest.mark.parametrize(("price", "size"), [(0.0, 3), (10.0, 2)])
def test_looks_weigh_a_loss_against_what_its_basis_costs(
    planted: tuple[list[PairRun], Tensor], price: float, size: int, monkeypatch: pytest.MonkeyPatch
):
    """A higher loss can win, but the reported loss excludes the price."""
    parts = [PairsAtSite(pairs, SITE) for pairs in planted[0][:2]]
    config = SearchConfig(max_steps=2, look_every=1)
    monkeypatch.setattr(search_module, "LEVEL", -1.0)  # the search never converges
    (rotation,) = search_candidates("test", *parts, [[Shrinking(planted[1], price)]], config)
    losses = {step: loss for step, loss, _ in rotation.facts["history"]}
    assert rotation.size == size
    assert losses[1] < losses[2]
    assert rotation.facts["val_loss"] == losses[1 if size == 3 else 2]


def test_no_search_ends_before_its_schedule(planted: tuple[list[PairRun], Tensor], monkeypatch: pytest.MonkeyPatch):
    """If every result counts as converged, DAS stops after the first round, but masked DAS follows its schedule."""
    monkeypatch.setattr(search_module, "AGREEMENT", 1e9)
    monkeypatch.setattr(search_module, "LEVEL", 1e9)
    config = SearchConfig(max_steps=60, look_every=5)
    parts = [PairsAtSite(pairs, SITE) for pairs in planted[0][:2]]
    assert das.fit(*parts, (8,), config)[0].facts["steps"] == 24
    assert fit(*parts, (8,), config)[0].facts["steps"] == 60


def test_sizes_searched_together_are_those_searched_alone(planted: tuple[list[PairRun], Tensor]):
    config, sizes = SearchConfig(max_steps=40, look_every=10), (8, 0, 3, 24)
    together = search(planted[0], sizes, config)
    for size, rotation in zip(sizes, together, strict=True):
        (alone,) = search(planted[0], (size,), config)
        assert rotation.size == alone.size <= size
        assert rotation.facts["candidates"] == size
        torch.testing.assert_close(rotation.basis, alone.basis, atol=1e-3, rtol=0)


def test_same_seed_same_rotation_other_seed_another(planted: tuple[list[PairRun], Tensor]):
    config = SearchConfig(max_steps=10, look_every=5)
    configs = (config, config, replace(config, seed=1))
    first, again, other = (search(planted[0], (4,), each)[0] for each in configs)
    assert torch.equal(first.basis, again.basis)
    assert largest_angle(first.basis, other.basis) > 1


@pytest.mark.slow
def test_no_candidates_and_none_kept(planted: tuple[list[PairRun], Tensor], tmp_path: Path):
    rotation = fit_rotation("masked-das", *planted[0][:2], SITE, 0)
    assert (rotation.size, rotation.facts["steps"], rotation.facts["directions"]) == (0, 0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masked_das, "PRICE", 10.0)
        rotation = fit_rotation("masked-das", *planted[0][:2], SITE, 5)
    assert rotation.basis.shape == (WIDTH, 0)
    rotation.save(tmp_path / "none.safetensors")
    assert Rotation.load(tmp_path / "none.safetensors").basis.shape == (WIDTH, 0)
    assert evaluate(planted[0][2], rotation).iia() == 0.5


def test_the_registry_knows_it_after_das():
    assert list(METHODS)[:2] == ["das", "masked-das"]
    assert METHODS["masked-das"].name.heading == "masked"
    assert isinstance(MaskedSpan(torch.eye(4), 2, 0), Candidate)


shapes = st.tuples(st.integers(1, 12), st.integers(0, 12)).filter(lambda shape: shape[1] <= shape[0])


seeds = st.integers(0, 10_000)


def streams(width: int, seed: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, torch.Generator]:
    draw = torch.Generator().manual_seed(seed)
    base, source = torch.randn(2, 5, width, generator=draw).to(dtype)
    return base, source, draw


@given(shapes, seeds)
def test_a_mask_of_ones_swaps_and_one_of_zeros_does_nothing(shape: tuple[int, int], seed: int):
    base, source, draw = streams(shape[0], seed)
    basis = random_basis(*shape, draw)
    torch.testing.assert_close(swap_masked(base, source, basis, torch.ones(shape[1])), swap(base, source, basis))
    torch.testing.assert_close(swap_masked(base, source, basis, torch.zeros(shape[1])), base, atol=0, rtol=0)


@given(shapes, seeds)
def test_inside_a_share_is_swapped_and_outside_nothing(shape: tuple[int, int], seed: int):
    base, source, draw = streams(shape[0], seed, torch.float64)
    whole, mask = random_basis(shape[0], shape[0], draw).double(), torch.rand(shape[1], generator=draw).double()
    basis, outside = whole[:, : shape[1]], whole[:, shape[1] :]
    changed = swap_masked(base, source, basis, mask)
    close = {"atol": 1e-5, "rtol": 0}  # random_basis is orthonormal to single precision
    torch.testing.assert_close(changed @ basis, (1 - mask) * (base @ basis) + mask * (source @ basis), **close)
    torch.testing.assert_close(changed @ outside, base @ outside, **close)
    torch.testing.assert_close(swap_masked(base, base, basis, mask), base, atol=0, rtol=0)


def test_a_mask_that_has_closed_on_its_directions_swaps_the_basis_that_is_kept():
    base, source, _ = streams(12, 0)
    span = MaskedSpan(torch.eye(12), 6, 0)
    span.logits.data = torch.tensor([3.0, -3.0, 3.0, -3.0, -3.0, 3.0])
    assert span.at(1.0)
    assert span.subspace(SITE).basis.shape == (12, 3)
    torch.testing.assert_close(span.swap(base, source), swap(base, source, span.subspace(SITE).basis))
    assert not span.at(0.0)
    assert (span.swap(base, source) - swap(base, source, span.subspace(SITE).basis)).abs().max() > 1e-3


def test_autocast_is_kept_out():
    base, source, _ = streams(16, 1)
    span = MaskedSpan(torch.eye(16), 8, 0)
    exact = span.swap(base, source)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(span.swap(base, source), exact)
    halves = span.swap(base.bfloat16(), source.bfloat16())
    assert halves.dtype == torch.bfloat16
    torch.testing.assert_close(halves.float(), exact, atol=0.05, rtol=0.02)


@given(shapes, seeds)
@settings(max_examples=20)
def test_the_basis_is_orthonormal_at_every_step(shape: tuple[int, int], seed: int):
    """The basis stays orthonormal after large steps."""
    base, source, draw = streams(shape[0], seed)
    span = MaskedSpan(torch.eye(shape[0]), shape[1], seed)
    optimizer = torch.optim.Adam([*span.parameters, torch.zeros(1, requires_grad=True)], lr=0.1)
    for step in range(8):
        span.at(step / 8)
        optimizer.zero_grad()
        weight = torch.randn(base.shape, generator=draw)
        ((span.swap(base, source) * weight).sum() + span.penalty()).backward()
        optimizer.step()
        basis, k = span.subspace(SITE).basis, int(span.kept().sum())
        assert basis.shape == (shape[0], k)
        assert k <= shape[1]
        assert span.cost() == pytest.approx(PRICE * k)
        torch.testing.assert_close(basis.T @ basis, torch.eye(k), atol=1e-5, rtol=0)


@given(st.integers(1, 12), seeds, st.floats(0, 1))
def test_the_penalty_pushes_every_logit_down(size: int, seed: int, progress: float):
    """The penalty alone closes the mask. It is the price of the directions, weighted by the mask."""
    span = MaskedSpan(torch.eye(12), size, seed)
    span.at(progress)
    span.logits.data = 0.1 * torch.randn(size, generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad(span.penalty(), span.logits)
    assert (gradient > 0).all()
    assert float(span.penalty().detach()) == pytest.approx(PRICE * float(span.mask().detach().sum()))


def swept(folder: Path, methods: str) -> pd.Series:
    asked = f"--limit 60 --attributed 4 --n-steps 3 --max-steps 10 --layers 5 --sizes 6 --methods {methods} --jobs 1"
    asked += " --objective das"
    assert sweep.main([*asked.split(), "--out", str(folder)]) == 0
    return pd.read_csv(folder / "results.csv").iloc[0]


@pytest.mark.slow
@pytest.mark.thorough
def test_a_sweep_reports_it_as_any_method(tmp_path: Path):
    row = swept(tmp_path / "run", "das,masked-das,pca,means,random")
    assert row["directions"] == 6
    assert row["iia_masked_das_low"] <= row["iia_masked_das"] <= row["iia_masked_das_high"]


@pytest.mark.slow
@pytest.mark.thorough
def test_a_sweep_goes_on_where_no_direction_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(masked_das, "START", -0.2)
    row = swept(tmp_path / "run", "masked-das,pca,means,random")
    (path,) = tmp_path.glob("run/rotations/*.safetensors")
    assert Rotation.load(path).size == row["directions"] == 0
    assert row["iia"] == 0.5
    assert row["shift_c2d"] == 0.0
