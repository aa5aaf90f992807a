"""Interface of a subspace Z at a site. A rotation is the linear case. `interp.subspaces.kinds` loads files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from interp.clip.model import Clip
from interp.clip.modes import gradients
from interp.clip.sites import Site
from interp.clip.tensors import Float, Streams, Tensor

_Same = TypeVar("_Same", bound="Subspace")


@runtime_checkable
class Subspace(Protocol):
    """Part Z of the value at a site that can be read, swapped and set to a neutral value.

    Equations that hold for every subspace, up to rounding: ``swap(h, h)`` is h, without rounding; ``read(swap(base,
    source))`` is ``read(source)``. With ``size`` 0 a swap changes nothing. ``swap`` is differentiable in both
    arguments.
    """

    @property
    def site(self) -> Site:
        """Site of Z."""
        ...

    @property
    def size(self) -> int:
        """Number k of coordinates of Z."""
        ...

    @property
    def width(self) -> int:
        """Width d of the value at the site."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts about the origin of Z, such as the settings of a search; JSON."""
        ...

    @property
    def fingerprint(self) -> str:
        """Checksum of everything that a swap depends on."""
        ...

    def swap(self, base: Float[Tensor, "*n d"], source: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the base values with Z of the source values."""
        ...

    def read(self, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n k"]:
        """Return the coordinates of values in Z."""
        ...

    def neutral(self, h: Streams, value: Float[Tensor, " d"]) -> Streams:
        """Return values in which Z has the value that it has in `value`, shape (d,), and the rest is kept."""
        ...

    def with_facts(self: _Same, facts: Mapping[str, Any]) -> _Same:
        """Return the same subspace with other facts."""
        ...

    def check(self, clip: Clip) -> None:
        """Raise `SiteError` if the model has no such site, `SiteMismatch` if its value there is of another width."""
        ...

    def save(self, path: Path | str) -> None:
        """Write the files that `interp.subspaces.kinds.load_subspace` reads: `path` and a .json of the same name."""
        ...


def pulled(subspace: Subspace, h: Streams, gradient: Streams) -> Streams:
    """Return the part of a gradient that passes through Z: the gradient for values that move only in Z.

    To first order, a swap of Z with a source h + v moves h by P v, and the result is P' g. For a rotation, P is R R'.

    Args:
        h: values at the site.
        gradient: g, the gradient of a scalar in these values.
    """
    with gradients():
        fixed = h.detach().clone()
        source = fixed.clone().requires_grad_()
        (out,) = torch.autograd.grad(subspace.swap(fixed, source), source, gradient.detach().clone())
    return out
