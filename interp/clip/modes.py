"""Modes of autograd that functions set for themselves, regardless of the caller's mode; also for use as decorators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from interp.clip.tensors import Tensor


@contextmanager
def gradients() -> Iterator[None]:
    """Record gradients during the body."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def no_gradients() -> Iterator[None]:
    """Record no gradients during the body; its tensors are ordinary ones, with which a loss can be computed."""
    with torch.inference_mode(False), torch.no_grad():
        yield


def ordinary(tensor: Tensor) -> Tensor:
    """Return a tensor with which a loss can be computed: a copy, if it was made in inference mode."""
    with torch.inference_mode(False):
        return tensor.clone() if tensor.is_inference() else tensor
