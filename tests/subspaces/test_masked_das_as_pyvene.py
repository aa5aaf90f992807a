"""Tests of the swap with a mask against pyvene's boundless DAS."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from interp.subspaces.methods.masked_das import MaskedSpan, swap_masked
from tests.subspaces.test_masked_das import seeds, streams


def pyvene(kind: str, frame: Tensor, temperature: float) -> Any:
    """Return a masked intervention of pyvene in float64, whose weight is the rotation without a parametrization."""
    from pyvene.models import interventions
    from torch.nn.utils import parametrize

    peer = getattr(interventions, kind)(embed_dim=len(frame)).double()
    parametrize.remove_parametrizations(peer.rotate_layer, "weight")
    peer.rotate_layer.weight.data = frame.clone()
    peer.set_temperature(torch.tensor(temperature, dtype=torch.float64))
    return peer


def turning(frame: Tensor, gradient: Tensor) -> Tensor:
    """Return the derivatives of a function of the rotation as columns i and j turn towards each other, for all i and j.

    pyvene differentiates with respect to all d columns of W, and we with respect to k columns before QR. As matrices
    the two gradients differ: pyvene's gradient has a part for moves after which W is not a rotation, and W W' h is not
    h. Along the moves W A with A skew, which keep W orthonormal, the derivatives must agree. QR does not change these
    moves, so it does not matter whether they are made before or after QR.
    """
    inside = frame.T @ gradient
    return inside - inside.T


@given(st.integers(0, 8), seeds, st.floats(0.05, 5.0))
@settings(max_examples=25)
def test_streams_and_gradients_are_those_of_pyvene(size: int, seed: int, temperature: float):
    """The peer is pyvene's sigmoid mask, with the other d - k directions masked out."""
    close = {"atol": 1e-8, "rtol": 1e-8}
    base, source, draw = streams(8, seed, torch.float64)
    frame = torch.linalg.qr(torch.randn(8, 8, generator=draw, dtype=torch.float64)).Q
    logits, weight = torch.randn(size, generator=draw).double(), torch.randn(base.shape, generator=draw).double()

    span = MaskedSpan(torch.eye(8, dtype=torch.float64), size, 0)
    span.free, span.logits = (tensor.clone().requires_grad_() for tensor in (frame[:, :size], logits))
    span.temperature = temperature
    peer = pyvene("SigmoidMaskRotatedSpaceIntervention", frame, temperature)
    peer.masks.data = torch.cat([logits, torch.full((8 - size,), -1e4, dtype=torch.float64)])

    our_base, our_source, peer_base, peer_source = (tensor.clone().requires_grad_() for tensor in 2 * (base, source))
    ours, theirs = span.swap(our_base, our_source), peer(peer_base, peer_source)
    torch.testing.assert_close(ours, theirs, **close)
    (ours * weight).sum().backward()
    (theirs * weight).sum().backward()
    torch.testing.assert_close(our_base.grad, peer_base.grad, **close)
    torch.testing.assert_close(our_source.grad, peer_source.grad, **close)
    torch.testing.assert_close(span.logits.grad, peer.masks.grad[:size], **close)
    our_turning = turning(frame, torch.cat([span.free.grad, torch.zeros(8, 8 - size)], dim=1))
    torch.testing.assert_close(our_turning, turning(frame, peer.rotate_layer.weight.grad), **close)
    if size and temperature > 1:  # no mask is closed
        assert our_turning.abs().max() > 1e-4
        assert (span.free.grad - peer.rotate_layer.weight.grad[:, :size]).abs().max() > 1e-4  # hence `turning`


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.1, 1.0, 50.0])
def test_with_a_boundary_for_a_mask_it_is_boundless_das(seed: int, temperature: float):
    close = {"atol": 1e-8, "rtol": 1e-8}
    base, source, draw = streams(8, seed, torch.float64)
    frame = torch.linalg.qr(torch.randn(8, 8, generator=draw, dtype=torch.float64)).Q
    weight = torch.randn(base.shape, generator=draw).double()
    peer = pyvene("BoundlessRotatedSpaceIntervention", frame, temperature)
    (theirs := peer(base, source)).backward(weight)

    turned, boundary = frame.clone().requires_grad_(), torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    place = torch.arange(8)
    mask = torch.sigmoid(place / temperature) * torch.sigmoid((8 * boundary - place) / temperature)
    (ours := swap_masked(base, source, turned, mask)).backward(weight)
    torch.testing.assert_close(ours, theirs, **close)
    torch.testing.assert_close(boundary.grad, peer.intervention_boundaries.grad[0], **close)
    torch.testing.assert_close(turning(frame, turned.grad), turning(frame, peer.rotate_layer.weight.grad), **close)
    assert boundary.grad.abs() > 1e-6
