"""Conversion of rotations to pyvene's interventions and back: equal numbers and equal swaps."""

from __future__ import annotations

import pytest
import pyvene
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyvene.models.basic_utils import sigmoid_boundary

from interp.clip.sites import Site
from interp.clip.swap import swap
from interp.subspaces.as_pyvene import HALF, HARD, PyveneError, from_pyvene, to_pyvene
from interp.subspaces.rotation import Rotation, orthonormal
from tests.agreement import agree
from tests.wording import raises

SITE = Site("text", 3)
KINDS = ("low-rank", "rotated", "boundless")


def random_rotation(width: int, size: int, seed: int, dtype: torch.dtype = torch.float32) -> Rotation:
    generator = torch.Generator().manual_seed(seed)
    basis = orthonormal(torch.randn(width, size, generator=generator, dtype=torch.float64))
    return Rotation(basis.to(dtype), SITE)


@settings(max_examples=60)
@given(
    st.integers(2, 20).flatmap(lambda width: st.tuples(st.just(width), st.integers(1, width))),
    st.integers(0, 2**31),
    st.sampled_from(KINDS),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_there_and_back(sizes: tuple[int, int], seed: int, kind: str, dtype: torch.dtype):
    rotation = random_rotation(*sizes, seed, dtype)
    intervention = to_pyvene(rotation, kind)
    again = from_pyvene(intervention, SITE)
    agree("there and back", again.basis, rotation.basis)
    assert again.site == SITE
    assert again.facts.get("mask_error", 0.0) < 1e-100
    generator = torch.Generator().manual_seed(seed)
    base, source = torch.randn(2, 5, sizes[0], generator=generator, dtype=dtype)
    mixed = intervention(base.clone(), source.clone())
    torch.testing.assert_close(mixed, swap(base, source, rotation.basis), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_trained_and_stays_a_rotation(kind: str):
    rotation = random_rotation(12, 4, 0)
    intervention = to_pyvene(rotation, kind)
    goal = random_rotation(12, 4, 1)
    base, source = torch.randn(2, 64, 12, generator=torch.Generator().manual_seed(2))
    wanted = swap(base, source, goal.basis)
    optimizer = torch.optim.Adam([p for name, p in intervention.named_parameters() if "rotate" in name], lr=0.03)
    losses = []
    for _ in range(200):
        loss = (intervention(base.clone(), source.clone()) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5
    learned = from_pyvene(intervention, SITE)  # checks that the columns are orthonormal
    assert not torch.allclose(learned.basis, rotation.basis, atol=0.05)


def test_the_state_of_one_fits_another():
    rotation = random_rotation(10, 3, 0)
    for kind in KINDS:
        state = to_pyvene(rotation, kind).state_dict()
        other = to_pyvene(random_rotation(10, 3, 1), kind)
        other.load_state_dict(state)
        assert torch.equal(from_pyvene(other, SITE).basis, rotation.basis)


def test_what_pyvene_has_trained_is_taken():
    torch.manual_seed(0)
    base, source = torch.randn(2, 6, 16)
    low = pyvene.LowRankRotatedSpaceIntervention(embed_dim=16, low_rank_dimension=5)
    whole = pyvene.RotatedSpaceIntervention(embed_dim=16)
    whole.set_interchange_dim(7)
    boundless = pyvene.BoundlessRotatedSpaceIntervention(embed_dim=16)
    boundless.set_intervention_boundaries(0.5)
    boundless.set_temperature(torch.tensor(1e-4))
    masked = pyvene.SigmoidMaskRotatedSpaceIntervention(embed_dim=16)
    masked.masks.data = torch.tensor([1.0, -1.0, 1.0, -1.0] * 4)
    masked.set_temperature(torch.tensor(1e-3))
    for intervention, size in ((low, 5), (whole, 7), (masked, 8)):
        rotation = from_pyvene(intervention, SITE)
        assert (rotation.size, rotation.facts["pyvene"]) == (size, type(intervention).__name__)
        assert rotation.facts.get("mask_error", 0.0) == 0.0
        mixed = intervention(base.clone(), source.clone())
        torch.testing.assert_close(mixed, swap(base, source, rotation.basis), rtol=0, atol=1e-5)
    # The boundary is at direction 8. Half of direction 8 and half of the first direction are swapped; all between are.
    rotation = from_pyvene(boundless, SITE)
    assert rotation.size == 8
    assert rotation.facts["mask_error"] == pytest.approx(0.5 / 16)
    torch.testing.assert_close(rotation.basis, boundless.rotate_layer.weight[:, :8])


def test_a_soft_mask_is_reported():
    soft = pyvene.BoundlessRotatedSpaceIntervention(embed_dim=16)  # untrained, it swaps half of every direction
    rotation = from_pyvene(soft, SITE)
    assert 0.3 < rotation.facts["mask_error"] <= 0.5


def test_what_pyvene_has_not():
    with raises(PyveneError, 0):
        to_pyvene(Rotation(torch.empty(8, 0), SITE))
    with raises(PyveneError):
        from_pyvene(pyvene.VanillaIntervention(embed_dim=8), SITE)


def swapped(width: int, size: int, dtype: torch.dtype) -> list[float]:
    """Return the share of each direction that pyvene's `forward` swaps if its boundary is behind `size` directions."""
    share = torch.clamp(torch.tensor([size / width]).to(dtype), 1e-3, 1)
    places = (torch.arange(width) + HALF).to(dtype)
    mask = sigmoid_boundary(places, 0.0, share[0] * width, torch.tensor(HARD).to(dtype))
    return mask.tolist()


def is_whole(width: int, size: int, dtype: torch.dtype) -> bool:
    wanted = [1.0] * size + [0.0] * (width - size)
    shares = swapped(width, size, dtype)
    return all(abs(share - expected) <= 1e-6 for share, expected in zip(shares, wanted, strict=True))


def check_boundless(width: int, size: int, dtype: torch.dtype) -> None:
    """Check that the rotation is either refused or recovered with the same directions."""
    rotation = Rotation(torch.eye(width, size, dtype=dtype), SITE)
    if is_whole(width, size, dtype):
        again = from_pyvene(to_pyvene(rotation, "boundless"), SITE)
        assert torch.equal(again.basis, rotation.basis)
        assert again.facts["mask_error"] <= 1e-6
    else:
        with raises(PyveneError, size, width, str(dtype)[6:], snapshot=False):
            to_pyvene(rotation, "boundless")


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.integers(2, 600).flatmap(lambda width: st.tuples(st.just(width), st.integers(1, width))),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
)
def test_a_boundary_lies_at_the_last_direction_or_nowhere(sizes: tuple[int, int], dtype: torch.dtype):
    check_boundless(*sizes, dtype)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(1487, 8000).flatmap(lambda width: st.tuples(st.just(width), st.integers(1, width * 2 // 3000 or 1))))
def test_few_directions_of_many_are_refused(sizes: tuple[int, int]):
    if not is_whole(*sizes, torch.float32):  # the other cases take seconds; a few of them are tested below
        check_boundless(*sizes, torch.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "size", "kept"),
    [
        (1000, 1, True),
        (1486, 1, True),
        (1487, 1, False),
        (1500, 1, False),
        (1600, 1, False),
        (1500, 2, True),
        (2487, 2, False),
        (4096, 3, False),
        (512, 299, True),
    ],
)
def test_one_direction_of_more_than_a_thousand(width: int, size: int, kept: bool):
    assert is_whole(width, size, torch.float32) == kept
    check_boundless(width, size, torch.float32)
    if not kept:
        assert sum(swapped(width, size, torch.float32)) > size + 1e-6
