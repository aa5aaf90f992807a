"""Tests of source texts and of scores after swaps, against plain loops and plain interchanges."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.nn import functional

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data.contrast import DIRECTIONS
from interp.evidence.controls import SwapOutcomes
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.outcomes import align, align_all
from interp.subspaces.pairs import PairRun, PairsAtSite, draw_sources
from interp.subspaces.rotation import Rotation, nothing, random_basis
from tests.oracles import world
from tests.oracles.plain_forward import random_texts, sites

SITE = Site("text", 2)
GROUPS = ("a", "a", "a", "b", "c", "c", "d", "e", "e", "f", "g", "h")
groups = st.lists(st.sampled_from("abcde"), min_size=2, max_size=40)


@pytest.fixture(scope="module")
def part(small: Clip) -> PairsAtSite:
    images = functional.normalize(torch.randn(12, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    return PairsAtSite(PairRun(clean_texts(small, random_texts(24, 0), sites(2, 5)), images, 7.0, GROUPS), SITE)


def draw(pair_groups: list[str], seed: int) -> list[int]:
    return draw_sources(len(pair_groups), "random", torch.Generator().manual_seed(seed), pair_groups).tolist()


@given(groups, st.integers(0, 1000))
def test_where_no_group_holds_more_than_half_each_pair_serves_another_group_once(pair_groups: list[str], seed: int):
    assume(2 * max(Counter(pair_groups).values()) <= len(pair_groups))
    source = draw(pair_groups, seed)
    assert sorted(source) == list(range(len(pair_groups)))
    assert all(pair_groups[i] != pair_groups[j] for i, j in enumerate(source))


@given(
    st.lists(st.sampled_from("bcde"), min_size=1, max_size=20), st.integers(1, 20), st.randoms(), st.integers(0, 1000)
)
def test_where_one_group_holds_more_than_half_some_serve_more_than_once(others, more: int, shuffled, seed: int):
    pair_groups = [*others, *["a"] * (len(others) + more)]
    shuffled.shuffle(pair_groups)
    source = draw(pair_groups, seed)
    assert all(pair_groups[i] != pair_groups[j] for i, j in enumerate(source))
    assert len(set(source)) < len(pair_groups)


@given(groups, st.integers(0, 1000))
def test_sources_are_drawn_by_the_documented_rule(pair_groups: list[str], seed: int):
    assert draw(pair_groups, seed) == world.draw_sources(pair_groups, torch.Generator().manual_seed(seed))


@given(st.integers(2, 20), st.integers(0, 1000))
def test_pairs_of_a_single_group_serve_each_other(n: int, seed: int):
    source = draw(["a"] * n, seed)
    assert sorted(source) == list(range(n))
    assert all(i != j for i, j in enumerate(source))
    assert source == draw(list(map(str, range(n))), seed)  # the result equals that of pairs without a group


@pytest.mark.parametrize("within", [False, True])
def test_each_counterfactual_is_a_plain_interchange(part: PairsAtSite, within: bool, generator: torch.Generator):
    basis = random_basis(24, 5, generator)
    turn = Rotation(basis, part.site)
    outcomes = align(part, turn, sources="random", seed=3, within=within)
    assert len(outcomes.sources) == 24
    assert outcomes.sources.tolist()[:12] != outcomes.sources.tolist()[12:]
    for row, source in enumerate(outcomes.sources.tolist()):
        pair = row % 12
        assert GROUPS[pair] != GROUPS[source]
        for way, offset in (("up", 12), ("down", 0)):  # captions come after descriptions
            source_offset = offset if within else 12 - offset
            text, given_text = (part.pairs.run.take(torch.tensor([i])) for i in (pair + offset, source + source_offset))
            image = part.pairs.images[pair]
            clean = float(text.push(SITE, text.stream(SITE))[0] @ image)
            assert outcomes.base[way][row] == pytest.approx(clean, abs=1e-6)
            changed = float(interchange(text, given_text, turn)[0] @ image)
            assert outcomes.counterfactual[way][row] == pytest.approx(changed, abs=1e-6)
    assert max(np.abs(outcomes.moves(way)).max() for way in DIRECTIONS) > 0.01


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("sources", ["random", "paired"])
def test_several_subspaces_are_swapped_as_each_alone(part: PairsAtSite, sources, within: bool, generator):
    bases = [random_basis(24, size, generator) for size in (1, 0, 7, 24)]
    together = align_all(part, [Rotation(basis, SITE) for basis in bases], sources=sources, seed=1, within=within)
    for basis, outcomes in zip(bases, together, strict=True):
        alone = align(part, Rotation(basis, SITE), sources=sources, seed=1, within=within)
        assert outcomes.sources.tolist() == alone.sources.tolist()
        for way in DIRECTIONS:
            np.testing.assert_array_equal(outcomes.base[way], alone.base[way])
            np.testing.assert_allclose(outcomes.counterfactual[way], alone.counterfactual[way], atol=1e-6)
    assert np.abs(together[0].moves("up") - together[2].moves("up")).max() > 1e-3 or (sources, within) == (
        "paired",
        True,
    )


def test_the_first_draw_is_what_one_draw_gives(part: PairsAtSite, generator: torch.Generator):
    basis = random_basis(24, 5, generator)
    first = align(part, Rotation(basis, SITE), sources="random", seed=3).first_draw()
    single_draw = align(part, Rotation(basis, SITE), sources="random", seed=3, draws=1)
    for name in ("sources", "groups", "source_groups"):
        assert getattr(first, name).tolist() == getattr(single_draw, name).tolist()
    for way in DIRECTIONS:
        np.testing.assert_array_equal(first.counterfactual[way], single_draw.counterfactual[way])
        np.testing.assert_array_equal(first.base[way], single_draw.base[way])


def test_a_text_given_its_own_z_stays_exactly_as_it_is(part: PairsAtSite, generator: torch.Generator):
    outcomes = align(part, Rotation(random_basis(24, 5, generator), SITE), sources="paired", seed=0, within=True)
    empty = nothing(24, SITE)
    across = align(part, empty, sources="random", seed=0)
    for way in DIRECTIONS:
        np.testing.assert_allclose(outcomes.moves(way), 0, atol=1e-7)
        assert (across.moves(way) == 0).all()
    still = SwapOutcomes(across, across, across)
    assert still.hits().tolist() == [0.5] * 24
    assert still.own.r2().value == 0
