"""Example of a subspace that is not a rotation: a rotation of features of the stream, which bend each coordinate.

This file resembles a user's featurizer: it holds the subspace, runs in its coordinates, and a method that finds it. Its
only links to the package are `Subspace`, `KINDS` and `METHODS`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.measures import MethodName
from interp.runs.content import is_intact, sealed
from interp.subspaces.clean_run import CleanRun
from interp.subspaces.methods import das
from interp.subspaces.methods.method import Method
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation, RotationError
from interp.subspaces.search import SearchConfig

KIND = "featurized"


@dataclass(frozen=True)
class Bend:
    """Map x = asinh(a h) / a of each coordinate, and its inverse; a = 0 is the identity."""

    a: float

    def features(self, h: Tensor) -> Tensor:
        """Return the features of values."""
        return torch.asinh(self.a * h) / self.a if self.a else h

    def stream(self, x: Tensor) -> Tensor:
        """Return the values of features."""
        return torch.sinh(self.a * x) / self.a if self.a else x


@dataclass(frozen=True, eq=False)
class Featurized:
    """Subspace of a rotation of features; a `Subspace`."""

    rotation: Rotation
    bend: Bend

    @property
    def site(self) -> Site:
        """Site of Z."""
        return self.rotation.site

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.rotation.size

    @property
    def width(self) -> int:
        """Width of the stream."""
        return self.rotation.width

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts of the search."""
        return self.rotation.facts

    @property
    def fingerprint(self) -> str:
        """Checksum of the rotation and the map."""
        return hashlib.sha256(f"{self.bend.a} {self.rotation.fingerprint}".encode()).hexdigest()

    def swap(self, base: Tensor, source: Tensor) -> Tensor:
        """Swap features; the rounding error of the map and its inverse is added back, so that swap(h, h) is h."""
        base_features = self.bend.features(base)
        moved = self.bend.stream(self.rotation.swap(base_features, self.bend.features(source)))
        return moved + (base - self.bend.stream(base_features)).detach()

    def read(self, h: Tensor) -> Tensor:
        """Return the rotated features."""
        return self.rotation.read(self.bend.features(h))

    def neutral(self, h: Tensor, value: Tensor) -> Tensor:
        """Return values with Z of the given value."""
        return self.swap(h, value.to(h).expand_as(h))

    def with_facts(self, facts: Mapping[str, Any]) -> Featurized:
        """Return the same subspace with other facts."""
        return replace(self, rotation=self.rotation.with_facts(facts))

    def check(self, clip: Clip) -> None:
        """Raise an error unless the site is in the model and of this width."""
        self.rotation.check(clip)

    def save(self, path: Path | str) -> None:
        """Write the basis, and a .json with the rest."""
        from safetensors.torch import save_file

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"basis": self.rotation.basis.contiguous()}, path)
        about = {"kind": KIND, "site": self.site.label, "a": self.bend.a, "facts": dict(self.facts)}
        path.with_suffix(".json").write_bytes(sealed(about).encode())

    @classmethod
    def load(cls, path: Path, about: bytes | None) -> Featurized:
        """Read what `save` wrote, given the .json."""
        from safetensors.torch import load_file

        if not is_intact(about or b""):
            raise RotationError(f"'{path}' was changed since it was saved")
        rest = json.loads(about or b"")
        basis = load_file(path)["basis"]
        return cls(Rotation(basis, Site.parse(rest["site"]), rest["facts"]), Bend(rest["a"]))


@dataclass(frozen=True, eq=False)
class FeatureRun:
    """Clean run whose values are features; a `CleanRun`."""

    run: CleanRun
    bend: Bend

    def __len__(self) -> int:
        return len(self.run)

    def take(self, rows: Tensor) -> FeatureRun:
        """Return the run of the inputs in the given rows."""
        return replace(self, run=self.run.take(rows))

    def stream(self, site: Site) -> Tensor:
        """Return features."""
        return self.bend.features(self.run.stream(site))

    def push(self, site: Site, h: Tensor) -> Tensor:
        """Push the values of features."""
        return self.run.push(site, self.bend.stream(h))

    def batches(self, size: int) -> list[Tensor]:
        """Return batches of the run."""
        return self.run.batches(size)


def seen(part: PairsAtSite, bend: Bend) -> PairsAtSite:
    """Return pairs whose streams are features."""
    return replace(part, pairs=replace(part.pairs, run=FeatureRun(part.pairs.run, bend)))


def method(bend: Bend) -> Method:
    """Return DAS in the coordinates of features."""

    def fit(train: PairsAtSite, val: PairsAtSite, sizes: Sequence[int], config: SearchConfig) -> list[Featurized]:
        rotations = das.fit(seen(train, bend), seen(val, bend), sizes, config)
        return [Featurized(rotation, bend) for rotation in rotations]

    return Method(MethodName(KIND, "feat.", "subspace of features found by DAS"), fit, searched=True)
