"""Rotation: an orthonormal basis of the subspace Z of a residual stream, and its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from typing_extensions import TypedDict

from interp.clip.model import Clip
from interp.clip.paired_files import PairedFiles
from interp.clip.sites import Site, check_width
from interp.clip.swap import swap
from interp.clip.tensors import Basis, Float, Streams, Tensor, bytes_of
from interp.drawing.markup import table
from interp.errors import UserError

KIND = "rotation"  # in the files


class RotationError(UserError):
    """Error of a matrix that is not an orthonormal basis, or of a file that does not hold one."""


@dataclass(frozen=True, eq=False, repr=False)
class Rotation:
    """Orthonormal basis R of k directions in the d-dimensional stream at a site; a `Subspace`.

    Attributes:
        basis: matrix with orthonormal columns, shape (d, k); k may be 0 (the empty subspace) up to d (all of the
            stream).
        site: site of the stream.
        facts: facts about its origin, such as the settings of a search; must be JSON.

    Raises:
        RotationError: the columns are not orthonormal to 1e-4.
    """

    basis: Basis
    site: Site
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.basis.ndim != 2 or self.basis.shape[1] > self.basis.shape[0]:
            raise RotationError(f"a rotation has shape (d, k) with k <= d, got {tuple(self.basis.shape)}")
        exact = self.basis.detach().double()
        error = float((exact.T @ exact - torch.eye(self.size, dtype=torch.float64, device=exact.device)).abs().sum())
        if not error <= 1e-4 * max(1, self.size):
            raise RotationError(f"the columns are not orthonormal (|R'R - I| sums to {error:.2g}); use orthonormal()")

    @property
    def size(self) -> int:
        """Number k of directions."""
        return self.basis.shape[1]

    @property
    def width(self) -> int:
        """Width d of the stream."""
        return self.basis.shape[0]

    def swap(self, base: Float[Tensor, "*n d"], source: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the base values with Z of the source values, as `swap` does."""
        return swap(base, source, self.basis)

    def read(self, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n k"]:
        """Return the coordinates of values along the directions, h R."""
        return h @ self.basis.to(h)

    def neutral(self, h: Streams, value: Float[Tensor, " d"]) -> Streams:
        """Return values in which Z has the value that it has in `value`, shape (d,), and the rest is kept."""
        return self.swap(h, value.to(h).expand_as(h))

    def with_facts(self, facts: Mapping[str, Any]) -> Rotation:
        """Return the same rotation with other facts."""
        return replace(self, facts=dict(facts))

    def check(self, clip: Clip) -> None:
        """Raise `SiteError` if the model has no such site, `SiteMismatch` if its stream there is of another width."""
        check_width(self, clip)

    @property
    def fingerprint(self) -> str:
        """Checksum of the site and the basis."""
        return hashlib.sha256(f"{KIND} {self.site} {_digest(self.basis)}".encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Rotation({self.size} of {self.width} directions at {self.site})"

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: the site, the size and the facts."""
        facts = {name: value for name, value in self.facts.items() if name != "history"}
        rows = [["site", self.site.label], ["directions", f"{self.size} of {self.width}"]]
        return table(["rotation", ""], [*rows, *([name, str(value)] for name, value in facts.items())])

    def save(self, path: Path | str) -> None:
        """Write `path` (.safetensors) with the basis, and a .json of the same name with site, facts and checksums."""
        _FILES.write(Path(path), {"basis": self.basis}, {"site": self.site.label, "facts": self.facts})

    @classmethod
    def load(cls, path: Path | str, about: bytes | None = None) -> Rotation:
        """Load a rotation that `save` wrote.

        Args:
            about: content of the .json file, if it has been read.

        Raises:
            RotationError: a file is missing or damaged, or was changed after it was saved.
        """

        def make(tensors: dict[str, Tensor], content: _RotationFile) -> Rotation:
            return cls(tensors["basis"], Site.parse(content["site"]), content["facts"])

        return _FILES.read(Path(path), make, about)


class _RotationFile(TypedDict):
    kind: str
    site: str
    facts: dict[str, Any]
    basis: str


def _digest(basis: Basis) -> str:
    return hashlib.sha256(bytes_of(basis)).hexdigest()


_FILES = PairedFiles(KIND, _RotationFile, lambda tensors: {"basis": _digest(tensors["basis"])}, RotationError)


def whole(width: int, site: Site) -> Rotation:
    """Return the subspace that is the whole stream at a site."""
    return Rotation(torch.eye(width), site)


def nothing(width: int, site: Site) -> Rotation:
    """Return the empty subspace at a site, whose swap changes nothing."""
    return Rotation(torch.zeros(width, 0), site)


def swap_span(base: Streams, source: Streams, free: Float[Tensor, "d k"]) -> Streams:
    """Return base streams with Z of the source streams, where Z is the span of a free matrix's columns.

    The result equals `swap` with the orthonormal basis of the span, and is differentiable in all three arguments. The
    backward pass costs a few products with the streams, where that of QR takes products of d x k matrices.
    """
    with torch.autocast(base.device.type, enabled=False):
        return _SwapSpan.apply(base, source, free)


class _SwapSpan(torch.autograd.Function):
    """Swap h = base + P delta, with delta = source - base, and P = X (X'X)^-1 X' = Q Q', where X = Q R.

    With P' = P and dP = (1 - P) dX R^-1 Q' + its transpose, a gradient g of h gives
    dL/dX = (1 - P) (g (Q' delta)' + delta (Q' g)') R^-T, of rank no larger than twice the number of streams.
    """

    @staticmethod
    def forward(ctx: Any, base: Streams, source: Streams, free: Tensor) -> Streams:
        q, r = torch.linalg.qr(free)
        delta = (source - base).to(q)
        inside = delta @ q
        ctx.save_for_backward(q, r, delta, inside)
        return base + (inside @ q.T).to(base)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, r, delta, inside = ctx.saved_tensors
        wide = grad.to(q)
        turned = wide @ q
        along = turned @ q.T
        outside = torch.cat([wide - along, delta - inside @ q.T])
        other = torch.linalg.solve_triangular(r.T, torch.cat([inside, turned]), upper=False, left=False)
        return (grad - along).to(grad), along.to(grad), outside.T @ other


def orthonormal(free: Float[Tensor, "d k"]) -> Basis:
    """Return the orthonormal basis of a free matrix's columns, by QR; differentiable, unique (positive diagonal)."""
    q, r = torch.linalg.qr(free)
    return q * torch.where(r.diagonal() < 0, -1.0, 1.0).to(q)


def random_basis(width: int, size: int, generator: torch.Generator) -> Basis:
    """Return a uniformly random orthonormal basis, shape (width, size)."""
    return orthonormal(torch.randn(width, size, generator=generator, dtype=torch.float64)).float()


def principal_angles(a: Float[Tensor, "d j"], b: Float[Tensor, "e k"]) -> Float[Tensor, " m"]:
    """Return the principal angles between two subspaces, in degrees, ascending, one per direction of the smaller.

    The first angle is the angle between the two closest directions, one in each subspace. The next angles are defined
    in the same way, within the orthogonal complements of the earlier directions (Bjorck & Golub 1973).
    """
    if a.shape[0] != b.shape[0]:
        raise RotationError(f"angles need two subspaces of the same width, got widths {a.shape[0]} and {b.shape[0]}")
    cosines = torch.linalg.svdvals(a.double().T @ b.double())
    return torch.rad2deg(torch.arccos(cosines.clamp(max=1.0)))


def overlap(a: Float[Tensor, "d j"], b: Float[Tensor, "d k"]) -> float:
    """Return the mean squared cosine of the principal angles: 1 if one subspace holds the other, 0 if orthogonal.

    Two random subspaces of k of d directions have an overlap of k/d on average. The overlap is NaN if a subspace has no
    directions.
    """
    cosines = torch.linalg.svdvals(a.double().T @ b.double()) if min(a.shape[1], b.shape[1]) else torch.empty(0)
    return float(cosines.square().mean())


def largest_angle(a: Basis, b: Basis) -> float:
    """Return the largest principal angle between two subspaces of the same size, in degrees.

    The angle is 0 if the subspaces are the same, and 90 if one direction of a subspace is orthogonal to the whole other
    subspace.
    """
    if a.shape != b.shape:
        raise RotationError(f"angles need two subspaces of the same shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    # The sine is the norm of the part of b outside of a. For small angles it is precise, and the cosine is not.
    a, b = a.double(), b.double()
    outside = torch.linalg.matrix_norm(b - a @ (a.T @ b), ord=2).clamp(max=1.0)
    return float(torch.rad2deg(torch.arcsin(outside)))
