from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles as scipy_angles

from interp.clip.sites import Site
from interp.subspaces.rotation import (
    Rotation,
    RotationError,
    largest_angle,
    orthonormal,
    principal_angles,
    random_basis,
    swap,
    swap_span,
)
from tests.wording import raises


@st.composite
def swaps(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw base and source streams and a basis, in float64."""
    d = draw(st.integers(1, 20))
    k, n, seed = draw(st.integers(0, d)), draw(st.integers(1, 5)), draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    base, source = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return base, source, orthonormal(torch.randn(d, k, generator=generator, dtype=torch.float64))


@given(swaps())
def test_swapping_with_itself_changes_nothing(case):
    base, _, basis = case
    assert torch.equal(swap(base, base, basis), base)


@given(swaps())
def test_inside_is_the_sources_outside_is_the_bases(case):
    base, source, basis = case
    mixed = swap(base, source, basis)
    outside = torch.eye(base.shape[1], dtype=base.dtype) - basis @ basis.T
    torch.testing.assert_close(mixed @ basis, source @ basis)
    torch.testing.assert_close(mixed @ outside, base @ outside)


@given(swaps())
def test_swap_and_swap_back(case):
    base, source, basis = case
    torch.testing.assert_close(swap(swap(base, source, basis), base, basis), base)


@given(swaps())
def test_empty_and_whole_subspaces(case):
    base, source, _ = case
    d = base.shape[1]
    assert torch.equal(swap(base, source, torch.zeros(d, 0, dtype=base.dtype)), base)
    torch.testing.assert_close(swap(base, source, torch.eye(d, dtype=base.dtype)), source)


@given(swaps(), st.integers(0, 2**31))
def test_in_a_span_as_with_its_orthonormal_basis(case, seed):
    """Values, and gradients of base, source and free matrix, agree with those of autograd through QR."""
    *streams, basis = case
    generator = torch.Generator().manual_seed(seed)
    k = basis.shape[1]
    free = basis @ (torch.eye(k, dtype=basis.dtype) + 0.3 * torch.randn(k, k, generator=generator, dtype=basis.dtype))
    assume(k == 0 or torch.linalg.cond(free) < 50)
    leaves = [tensor.clone().requires_grad_() for tensor in (*streams, free)]
    direct, by_basis = swap_span(*leaves), swap(*leaves[:2], orthonormal(leaves[2]))
    torch.testing.assert_close(direct, by_basis)
    pull = torch.randn(direct.shape, generator=generator, dtype=direct.dtype)
    gradients = [torch.autograd.grad(out, leaves, pull) for out in (direct, by_basis)]
    for direct_gradient, basis_gradient in zip(*gradients, strict=True):
        torch.testing.assert_close(direct_gradient, basis_gradient, atol=1e-9, rtol=1e-7)


def test_the_gradient_of_a_span_lies_outside_of_it():
    generator = torch.Generator().manual_seed(0)
    base, source = torch.randn(2, 3, 9, generator=generator)
    free = torch.randn(9, 4, generator=generator).requires_grad_()
    (gradient,) = torch.autograd.grad(swap_span(base, source, free).square().sum(), free)
    assert gradient.abs().max() > 0.1
    torch.testing.assert_close(free.T @ gradient, torch.zeros(4, 4), atol=1e-5, rtol=0)


def test_half_precision_streams_are_swapped_in_the_span_of_a_float32_matrix():
    generator = torch.Generator().manual_seed(0)
    base, source = torch.randn(2, 3, 9, generator=generator)
    free = torch.randn(9, 4, generator=generator).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = swap_span(base.bfloat16(), source.bfloat16(), free)
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), swap(base, source, orthonormal(free)), atol=0.05, rtol=0.02)
    mixed.float().sum().backward()
    assert free.grad is not None
    assert free.grad.dtype == torch.float32
    assert free.grad.abs().max() > 0


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 2**31))
def test_orthonormal_columns_that_span_the_same(d, k, seed):
    k = min(k, d)
    free = torch.randn(d, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    basis = orthonormal(free)
    torch.testing.assert_close(basis.T @ basis, torch.eye(k, dtype=torch.float64))
    torch.testing.assert_close(basis @ (basis.T @ free), free)


def test_gradient_of_orthonormal():
    free = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(orthonormal, (free,))


def test_saved_and_loaded(tmp_path: Path):
    rotation = Rotation(random_basis(8, 3, torch.Generator().manual_seed(1)), Site("text", 2), {"steps": 3})
    rotation.save(tmp_path / "r.safetensors")
    again = Rotation.load(tmp_path / "r.safetensors")
    assert torch.equal(again.basis, rotation.basis)
    assert (again.site, again.facts, again.size, again.width) == (Site("text", 2), {"steps": 3}, 3, 8)


def test_damaged_files_are_named(tmp_path: Path):
    path = tmp_path / "r.safetensors"
    with raises(RotationError, f"'{path}'"):
        Rotation.load(path)
    Rotation(random_basis(8, 3, torch.Generator()), Site("text", 2)).save(path)
    path.write_bytes(path.read_bytes()[:-10])
    with raises(RotationError, f"'{path}'"):
        Rotation.load(path)


def test_a_rotation_that_was_changed_is_refused(tmp_path: Path):
    path, other = tmp_path / "r.safetensors", tmp_path / "other.safetensors"
    about = path.with_suffix(".json")
    Rotation(random_basis(8, 3, torch.Generator()), Site("text", 2), {"steps": 3}).save(path)
    Rotation(random_basis(8, 3, torch.Generator().manual_seed(1)), Site("text", 2)).save(other)
    tensors, text = path.read_bytes(), about.read_text()
    for spoil in (
        lambda: path.write_bytes(other.read_bytes()),
        lambda: about.write_text(text.replace("text.2.eot", "text.3.eot")),
        lambda: about.write_text(text.replace('"steps": 3', '"steps": 4')),
        lambda: about.write_text(re.sub(r'"checksum": "\w+",', "", text)),
    ):
        spoil()
        with raises(RotationError, f"'{path}'"):
            Rotation.load(path)
        path.write_bytes(tensors)
        about.write_text(text)
        assert Rotation.load(path).facts == {"steps": 3}


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "7", '{"site": 7, "facts": {}}', '{"site": "text.2.eot", "facts": {}}', "\x00"]
)
def test_what_says_where_a_rotation_belongs_is_checked(tmp_path: Path, text: str):
    path = tmp_path / "r.safetensors"
    Rotation(random_basis(8, 3, torch.Generator()), Site("text", 2)).save(path)
    path.with_suffix(".json").write_text(text)
    with raises(RotationError, path.with_suffix("").name) as caught:
        Rotation.load(path)
    assert len(str(caught.value)) < 400


def test_a_half_saved_rotation_is_none(tmp_path: Path):
    path = tmp_path / "r.safetensors"
    Rotation(random_basis(8, 3, torch.Generator()), Site("text", 2)).save(path)
    assert json.loads(path.with_suffix(".json").read_text())["site"] == "text.2.eot"
    path.with_suffix(".json").unlink()
    with raises(RotationError, f"'{path}'"):
        Rotation.load(path)


@pytest.mark.parametrize("basis", [torch.ones(4, 2), torch.eye(3)[:2].T.repeat(1, 2), torch.full((4, 1), torch.nan)])
def test_only_orthonormal_bases(basis: torch.Tensor):
    with raises(RotationError):
        Rotation(basis, Site("text", 1))


@given(st.integers(2, 12), st.integers(0, 2**31), st.data())
def test_principal_angles_are_those_of_scipy(d: int, seed: int, data: st.DataObject):
    generator = torch.Generator().manual_seed(seed)
    first, second = (random_basis(d, data.draw(st.integers(1, d)), generator).double() for _ in range(2))
    expected = np.rad2deg(scipy_angles(first.numpy(), second.numpy()))[::-1]
    angles = principal_angles(first, second)
    np.testing.assert_allclose(angles.numpy(), expected, atol=0.1)  # near 0, arccos is exact to about 0.03 degrees
    if first.shape == second.shape:
        assert float(angles[-1]) == pytest.approx(largest_angle(first, second), abs=0.1)


def test_angles_of_streams_of_other_widths():
    with raises(RotationError, 3, 4):
        principal_angles(torch.eye(3), torch.eye(4))


def test_largest_angle():
    x, y, z = torch.eye(3)
    assert largest_angle(torch.stack([x, y], 1), torch.stack([y, x], 1)) == pytest.approx(0, abs=1e-6)
    turned = torch.cos(torch.tensor(0.01)) * y + torch.sin(torch.tensor(0.01)) * z
    assert largest_angle(torch.stack([x, y], 1), torch.stack([x, turned], 1)) == pytest.approx(0.573, abs=1e-3)
    assert largest_angle(x[:, None], z[:, None]) == pytest.approx(90)
