from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.evidence.arbitrary import alphabetical_halves
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.outcomes import align
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.rotation import nothing
from tests.oracles.plain_forward import random_texts

SITE = Site("text", 2)


def made(small: Clip, n: int) -> tuple[PairRun, list[str]]:
    texts = random_texts(2 * n, 3)
    images = functional.normalize(torch.randn(n, 16, generator=torch.Generator().manual_seed(1)), dim=-1)
    groups = tuple(f"article {i // 2}" for i in range(n))
    return PairRun(clean_texts(small, texts, [SITE]), images, 7.0, groups), texts[n:]


@given(st.integers(2, 15))
def test_halves_are_negative_texts_in_alphabetical_order_each_with_its_own_image(small: Clip, n: int):
    pairs, negatives = made(small, n)
    halves = alphabetical_halves(pairs, negatives)
    assert len(halves) == n // 2
    rows = [int(row) - n for row in halves.run.rows]  # type: ignore[attr-defined]
    assert len(set(rows)) == len(rows)
    first, second = rows[: n // 2], rows[n // 2 :]
    assert max(negatives[i].casefold() for i in first) <= min(negatives[i].casefold() for i in second)
    torch.testing.assert_close(halves.targets, pairs.images[rows], rtol=0, atol=0)
    torch.testing.assert_close(halves.run.stream(SITE), pairs.run.stream(SITE)[[n + i for i in rows]], rtol=0, atol=0)
    assert halves.clusters == tuple(pairs.groups[i] for i in first)


def test_scores_of_pseudo_pairs_are_those_of_each_text_with_its_own_image(small: Clip):
    pairs, negatives = made(small, 12)
    halves = alphabetical_halves(pairs, negatives)
    n, site = len(halves), Site("text", 2)
    scores = PairsAtSite(pairs, site).clean[:12]  # negative texts come first
    rows = halves.run.rows - 12  # type: ignore[attr-defined]
    expected = torch.cat([scores[rows[n:]], scores[rows[:n]]])
    torch.testing.assert_close(PairsAtSite(halves, site).clean, expected, rtol=1e-5, atol=1e-6)
    still = align(PairsAtSite(halves, site), nothing(24, site), sources="random", seed=0)
    assert still.iia() == 0.5
