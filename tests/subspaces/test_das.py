from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data.contrast import DIRECTIONS
from interp.errors import UserError
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.losses import counterfactual_loss, das_losses
from interp.subspaces.methods import METHODS, find_methods, fit_rotation
from interp.subspaces.methods.das import fit, train_das
from interp.subspaces.methods.random import own_seed
from interp.subspaces.outcomes import evaluate
from interp.subspaces.pairs import PairRun, PairsAtSite, clean_scores, draw_sources
from interp.subspaces.rotation import Rotation, largest_angle, nothing, orthonormal, random_basis
from interp.subspaces.search import SearchConfig
from tests.oracles.plain_forward import random_texts, sites
from tests.wording import raises


@dataclass(frozen=True, eq=False)
class PlantedRun:
    """Clean run of a frozen network whose score rises with the norm within `planted`, if the rest fits the image."""

    h: Tensor
    planted: Tensor
    rest: Tensor

    def __len__(self) -> int:
        return len(self.h)

    def take(self, rows: Tensor) -> PlantedRun:
        return replace(self, h=self.h[rows])

    def stream(self, layer: int) -> Tensor:
        return self.h

    def push(self, layer: int, h: Tensor) -> Tensor:
        purpose = 0.7 * torch.tanh((h @ self.planted).norm(dim=-1, keepdim=True) / 4)
        content = 0.6 * functional.normalize(h @ self.rest, dim=-1)
        return torch.cat([content, purpose, (0.64 - purpose**2).sqrt()], dim=-1)

    def batches(self, size: int) -> list[Tensor]:
        return list(torch.arange(len(self)).split(size))


def planted_pairs(n: int, d: int, k: int, seed: int) -> tuple[PairRun, Tensor]:
    generator = torch.Generator().manual_seed(1)
    both = random_basis(d, d, generator)
    planted, rest = both[:, :k], both[:, k:]
    draw = torch.Generator().manual_seed(seed)
    content = torch.randn(n, d - k, generator=draw)
    purpose = (
        functional.normalize(torch.randn(2, n, k, generator=draw), dim=-1) * torch.tensor([4.0, 0.5])[:, None, None]
    )
    texts = [z @ planted.T + (content + 0.1 * torch.randn(n, d - k, generator=draw)) @ rest.T for z in purpose]
    images = functional.normalize(
        torch.cat([0.6 * functional.normalize(content, dim=-1), torch.full((n, 1), 0.7)], 1), dim=-1
    )
    images = torch.cat([images, torch.zeros(n, 1)], dim=1)
    return PairRun(PlantedRun(torch.cat(texts), planted, rest), images, 20.0), planted


@pytest.mark.slow
def test_a_planted_subspace_is_found():
    """The largest principal angle is below 5 degrees, and held-out IIA above 99 %."""
    (train, planted), (val, _), (test, _) = (planted_pairs(n, 24, 4, seed) for seed, n in enumerate((600, 200, 400)))
    rotation = train_das(train, val, Site("text", 1), 4, SearchConfig(max_steps=1500))
    assert rotation.facts["converged"]
    assert largest_angle(rotation.basis, planted) < 5
    outcomes = evaluate(test, rotation)
    assert min(outcomes.iia(direction) for direction in DIRECTIONS) > 0.99
    other = evaluate(test, Rotation(random_basis(24, 4, torch.Generator().manual_seed(9)), Site("text", 1)))
    assert other.iia() < 0.8
    assert largest_angle(random_basis(24, 4, torch.Generator().manual_seed(9)), planted) > 45


@pytest.fixture(scope="module")
def pairs(small: Clip) -> PairRun:
    run = clean_texts(small, random_texts(40, 0), sites(2, 5))
    images = functional.normalize(torch.randn(20, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    return PairRun(run, images, 7.0)


@given(st.integers(2, 50), st.integers(0, 1000))
def test_random_sources_are_other_pairs_each_once(n, seed):
    source = draw_sources(n, "random", torch.Generator().manual_seed(seed))
    assert sorted(source.tolist()) == list(range(n))
    assert (source != torch.arange(n)).all()


def test_paired_sources_and_too_few(generator):
    assert draw_sources(3, "paired", generator).tolist() == [0, 1, 2]
    with raises(ValueError, 2):
        draw_sources(1, "random", generator)


def test_loss_is_a_cross_entropy_of_two_logits(pairs: PairRun, generator):
    """The oracle takes two logits, a target and F.cross_entropy, one pair at a time."""
    basis, source, rows = (
        random_basis(24, 6, generator),
        draw_sources(20, "random", generator),
        torch.tensor([3, 11, 0]),
    )
    base = clean_scores(pairs, Site("text", 2)) * pairs.logit_scale
    got = das_losses(pairs, Site("text", 2), [Rotation(basis, Site("text", 2)).swap], source, base, rows)[0]
    turn, losses = Rotation(basis, Site("text", 2)), []
    for i in rows.tolist():
        j, x = int(source[i]), pairs.images[i]
        # First a caption with Z of a description, then a description with Z of a caption.
        for base_row, source_row, target in ((20 + i, j, 1), (i, 20 + j, 0)):
            text, from_text = (pairs.run.take(torch.tensor([row])) for row in (base_row, source_row))
            clean = text.push(turn.site, text.stream(turn.site))[0] @ x
            changed = interchange(text, from_text, turn)[0] @ x
            logits = torch.stack([clean, changed]) * 7.0
            losses.append(functional.cross_entropy(logits[None], torch.tensor([target])))
    torch.testing.assert_close(got, torch.stack(losses).mean())


def test_losses_of_known_logits():
    even = counterfactual_loss(torch.zeros(2), torch.zeros(2))
    assert float(even) == pytest.approx(np.log(2))
    right = counterfactual_loss(torch.tensor([0.0, 9.0]), torch.tensor([9.0, 0.0]))
    wrong = counterfactual_loss(torch.tensor([9.0, 0.0]), torch.tensor([0.0, 9.0]))
    assert float(right) < 1e-3 < 8 < float(wrong)


def test_an_intervention_that_changes_nothing_ties(pairs: PairRun):
    still = evaluate(pairs, nothing(24, Site("text", 2)))
    assert [still.iia(direction) for direction in DIRECTIONS] == [0.5, 0.5]


def test_outcomes_are_those_of_single_interventions(pairs: PairRun, generator):
    basis = random_basis(24, 8, generator)
    turn = Rotation(basis, Site("text", 5))
    outcomes = evaluate(pairs, turn, sources="paired")
    hits = {direction: [] for direction in DIRECTIONS}
    for i in range(20):
        for direction, base_row, source_row in ((DIRECTIONS[0], 20 + i, i), (DIRECTIONS[1], i, 20 + i)):
            text, from_text = (pairs.run.take(torch.tensor([row])) for row in (base_row, source_row))
            base = text.push(turn.site, text.stream(turn.site))[0] @ pairs.images[i]
            changed = interchange(text, from_text, turn)[0] @ pairs.images[i]
            hits[direction].append(bool(changed > base) if direction == DIRECTIONS[0] else bool(base > changed))
    for direction in DIRECTIONS:
        np.testing.assert_array_equal(outcomes.hits(direction), np.array(hits[direction], float))
    assert 0 < outcomes.iia() < 1


def test_same_seed_same_rotation_other_seed_another(pairs: PairRun):
    config = SearchConfig(max_steps=6, look_every=3, batch_size=8)
    first, again = (train_das(pairs, pairs, Site("text", 2), 3, config) for _ in range(2))
    assert torch.equal(first.basis, again.basis)
    other = train_das(pairs, pairs, Site("text", 2), 3, replace(config, seed=1))
    assert largest_angle(first.basis, other.basis) > 1


@pytest.mark.slow
def test_search_lowers_the_loss_and_keeps_the_best(pairs: PairRun):
    rotation = train_das(pairs, pairs, Site("text", 2), 6, SearchConfig(max_steps=60, look_every=5))
    looks = [loss for _, loss, _ in rotation.facts["history"]]
    assert rotation.facts["val_loss"] == min(looks) < looks[0]
    torch.testing.assert_close(rotation.basis.T @ rotation.basis, torch.eye(6), atol=1e-5, rtol=0)


@pytest.mark.parametrize("sizes", [(6,), (1, 24), (3, 8, 3, 16)])
def test_losses_of_several_bases_are_those_of_each(pairs: PairRun, sizes: tuple[int, ...], generator):
    free = [random_basis(24, size, generator).requires_grad_() for size in sizes]
    source, rows = draw_sources(20, "random", generator), torch.tensor([3, 11, 0, 19])
    base = clean_scores(pairs, Site("text", 2)) * pairs.logit_scale
    swaps = [Rotation(basis, Site("text", 2)).swap for basis in free]
    losses = das_losses(pairs, Site("text", 2), swaps, source, base, rows)
    assert losses.shape == (len(sizes),)
    together = torch.autograd.grad(losses.sum(), free)
    for basis, loss, gradient in zip(free, losses, together, strict=True):
        alone = das_losses(pairs, Site("text", 2), [Rotation(basis, Site("text", 2)).swap], source, base, rows)[0]
        torch.testing.assert_close(loss, alone)
        torch.testing.assert_close(gradient, torch.autograd.grad(alone, basis)[0], atol=1e-6, rtol=1e-4)
        assert gradient.abs().max() > 1e-3


@pytest.mark.slow
def test_sizes_searched_together_are_those_searched_alone(pairs: PairRun):
    """Results agree up to rounding, although the searches end at different steps."""
    config = SearchConfig(max_steps=30, look_every=2, batch_size=8)
    sizes = (2, 0, 9, 24)
    rotations = fit(PairsAtSite(pairs, Site("text", 2)), PairsAtSite(pairs, Site("text", 2)), sizes, config)
    assert [rotation.facts["steps"] > 0 for rotation in rotations] == [True, False, True, False]
    for size, rotation in zip(sizes, rotations, strict=True):
        alone = train_das(pairs, pairs, Site("text", 2), size, config)
        assert rotation.size == alone.size == size
        assert rotation.facts["steps"] == alone.facts["steps"]
        torch.testing.assert_close(rotation.basis, alone.basis, atol=1e-3, rtol=0)


def test_sizes_that_cannot_be(pairs: PairRun):
    assert train_das(pairs, pairs, Site("text", 2), 0).size == 0
    with raises(ValueError, 25):
        train_das(pairs, pairs, Site("text", 2), 25)


def basis_by(method: str, pairs: PairRun, size: int, seed: int = 0) -> Tensor:
    config = SearchConfig(seed=seed, max_steps=3)
    return fit_rotation(method, pairs, pairs, Site("text", 2), size, config).basis


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [0, 1, 7, 24])
def test_every_method_gives_an_orthonormal_basis(pairs: PairRun, method: str, size: int):
    basis = basis_by(method, pairs, size, seed=3)
    assert basis.shape[0] == 24
    assert basis.shape[1] <= size
    torch.testing.assert_close(basis.T @ basis, torch.eye(basis.shape[1]), atol=1e-5, rtol=0)


def test_methods_without_a_search_are_what_they_say(pairs: PairRun):
    streams = pairs.run.stream(Site("text", 2))
    centred = streams - streams.mean(0)
    _, _, right = torch.linalg.svd(centred, full_matrices=False)
    assert largest_angle(basis_by("pca", pairs, 3), orthonormal(right[:3].T)) < 0.1
    difference = functional.normalize(streams[:20].mean(0) - streams[20:].mean(0), dim=0)
    for size in (1, 5):  # there is only one direction
        assert largest_angle(basis_by("means", pairs, size), difference[:, None]) < 0.1
    assert largest_angle(basis_by("random", pairs, 3, seed=0), basis_by("random", pairs, 3, seed=1)) > 1


def test_a_control_never_draws_from_the_stream_of_a_search():
    """With the search's own seed, a random subspace would be the start of the search."""
    searches = set(range(10_000))
    control = METHODS["random"]
    controls = [own_seed(control_seed) for seed in range(100) for control_seed in control.seeds(seed)]
    assert len(set(controls)) == 2000
    assert not searches & set(controls)


def test_unknown_methods_are_named():
    assert [method.name.key for method in find_methods("pca, das")] == ["pca", "das"]
    with raises(UserError, "'dsa'"):
        find_methods("das,dsa")
    with raises(UserError, "'pca'"):
        find_methods("pca,das,pca")


def test_texts_and_images_must_match(pairs: PairRun):
    with raises(ValueError, 2, 19):
        PairRun(pairs.run, pairs.images[:19], 1.0)
