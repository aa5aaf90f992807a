"""Edit: a change of the residual stream at a site, as a function of that stream, and the files that hold it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from typing_extensions import TypedDict

from interp.clip.edits import KINDS
from interp.clip.edits.edited_model import edited, with_change
from interp.clip.edits.kind import Kind
from interp.clip.model import Clip
from interp.clip.paired_files import PairedFiles
from interp.clip.sites import BLOCK, Site, SiteError, check_width
from interp.clip.tensors import Basis, Float, Tensor, bytes_of
from interp.clip.trust import from_folder, name_for
from interp.errors import UserError

_KIND = "edit"  # in the files
_ZERO = 1e-6  # largest singular value that counts as zero; tensors are float32
FILE, ABOUT = "edit.safetensors", "edit.json"  # in a folder that holds an edit of a model


class EditError(UserError):
    """Error of tensors that do not form an edit, or of a file that does not hold an edit."""


class _EditFile(TypedDict):
    """Fields of the .json file of an edit."""

    kind: str
    edit: str
    site: str
    tensors: str
    base: str | None
    base_fingerprint: str | None
    facts: dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Edit:
    """Change of the stream at a site, as a function of that stream. All weights of the model stay as they are.

    Calling an edit with streams of shape (..., d) returns the changed streams; `apply` returns a model with the edit.

    Attributes:
        kind: name of its kind, see `interp.clip.edits`.
        site: site in the residual stream: component ``block``.
        tensors: tensors of the kind, by name.
        facts: facts about its origin, such as training settings; must be JSON.
        base: name of the model that the edit was made for; None if unknown. With a base, the folder of the edit can
            be loaded by `load_clip`.
        base_fingerprint: fingerprint of that model.

    Raises:
        EditError: the kind is unknown, or a tensor is missing or of another shape.
        SiteError: the site is not in the residual stream.
    """

    kind: str
    site: Site
    tensors: Mapping[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    base: str | None = None
    base_fingerprint: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EditError(f"unknown kind of edit '{self.kind}'; known: {', '.join(KINDS)}")
        if self.site.component != BLOCK:
            raise SiteError(
                f"an edit changes the residual stream, so the site must be a block's output, not {self.site}"
            )
        _check_shapes(self._kind, self.tensors)

    @property
    def _kind(self) -> Kind:
        return KINDS[self.kind]

    @property
    def width(self) -> int:
        """Width d of the stream."""
        return _sizes(self._kind, self.tensors)["d"]

    @property
    def size(self) -> int:
        """Number k of directions that the edit changes."""
        return _sizes(self._kind, self.tensors)["k"]

    @property
    def about(self) -> str:
        """Effect of the edit, as a sentence."""
        return self._kind.about

    @property
    def shift(self) -> Float[Tensor, " d"] | None:
        """Vector that the edit adds to every stream; None if the change depends on the stream."""
        constant, slope = self._affine()
        return None if slope.any() else constant

    @property
    def reads(self) -> Basis:
        """Orthonormal basis of the directions of the stream that the change depends on, shape (d, m).

        The change of an affine edit is h A + c, and the basis spans the columns of A. For LoReFT, that is the span of
        the rows of W - R.
        """
        left, strengths, _ = torch.linalg.svd(self._affine()[1])
        return left[:, strengths > _ZERO * max(1.0, float(strengths[0]))]

    def _affine(self) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
        """Return c and A of the change h A + c, in float64."""
        nothing = torch.zeros(self.width, self.width, dtype=torch.float64)
        along = torch.eye(self.width, dtype=torch.float64)
        result: Any = torch.func.jvp(self, (nothing,), (along,))  # edits are affine: their derivative is constant
        constants, slope = result
        return constants[0], slope - along

    def __call__(self, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the changed streams; differentiable in them and in the tensors."""
        with torch.autocast(h.device.type, enabled=False):
            return self._kind.change(h, {name: tensor.to(h) for name, tensor in self.tensors.items()})

    @cached_property
    def fingerprint(self) -> str:
        """Checksum of everything that the change depends on."""
        return hashlib.sha256(f"{self.kind} {self.site} {_digest(self.tensors)}".encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Edit({self.kind} of {self.size} of {self.width} directions at {self.site})"

    def with_facts(self, facts: Mapping[str, Any]) -> Edit:
        """Return the edit with other facts."""
        return replace(self, facts=dict(facts))

    def made_for(self, clip: Clip) -> Edit:
        """Return the edit with a model as its base.

        Raises:
            SiteError: the model does not have the site.
            SiteMismatch: its stream there is of another width.
        """
        self.check(clip)
        return replace(self, base=clip.name, base_fingerprint=clip.fingerprint)

    def check(self, clip: Clip) -> None:
        """Raise `SiteError` if the model does not have the site, `SiteMismatch` if its width there is different."""
        check_width(self, clip)

    def apply(self, clip: Clip) -> Clip:
        """Return a copy of a CLIP with the edit.

        The edit acts in every function and command, in captum, and in plain forward passes of `Clip.model`. The copy
        shares the weights, and the given CLIP stays as it is.

        Raises:
            SiteError: the model does not have the site.
            SiteMismatch: its stream there is of another width.
        """
        self.check(clip)
        return with_change(clip, self.site, self, f"{clip.name}+{self.kind}", self.fingerprint[:16])

    @contextmanager
    def on(self, clip: Clip) -> Iterator[None]:
        """Edit a CLIP during the body, and restore its model on exit.

        Raises:
            SiteError: the model does not have the site.
            SiteMismatch: its stream there is of another width.
        """
        self.check(clip)
        with edited(clip, self.site, self):
            yield

    def save(self, path: Path | str) -> None:
        """Write the tensors (.safetensors), and a .json of the same name with everything else and the checksums.

        Args:
            path: a .safetensors file, or a folder for `FILE`. If the edit has a base (`made_for`), `load_clip` and
                every ``--model`` accept this folder as a model.
        """
        path = _edit_file(path)
        about: dict[str, Any] = {"edit": self.kind, "site": self.site.label}
        base = None if self.base is None else name_for(path.parent, self.base)
        about |= {"base": base, "base_fingerprint": self.base_fingerprint, "facts": self.facts}
        _FILES.write(path, self.tensors, about)

    @classmethod
    def load(cls, path: Path | str) -> Edit:
        """Load an edit that `save` wrote.

        Raises:
            EditError: a file is missing or damaged, or was changed after it was saved.
        """
        path = _edit_file(path)

        def make(tensors: dict[str, Tensor], content: _EditFile) -> Edit:
            base = None if content["base"] is None else from_folder(path.parent, content["base"])
            site = Site.parse(content["site"])
            return cls(content["edit"], site, tensors, content["facts"], base, content["base_fingerprint"])

        return _FILES.read(path, make)


def _edit_file(path: Path | str) -> Path:
    """Return the .safetensors file that a path to an edit means: the path itself, or `FILE` in a folder."""
    path = Path(path)
    return path if path.suffix == ".safetensors" else path / FILE


def _digest(tensors: Mapping[str, Tensor]) -> str:
    summed = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        summed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        summed.update(bytes_of(tensor.detach().cpu()))
    return summed.hexdigest()


_FILES = PairedFiles(_KIND, _EditFile, lambda tensors: {"tensors": _digest(tensors)}, EditError)


def _sizes(kind: Kind, tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the size of each letter in a kind's shapes."""
    return {
        letter: size
        for name, letters in kind.shapes.items()
        for letter, size in zip(letters, tensors[name].shape, strict=True)
    }


def _check_shapes(kind: Kind, tensors: Mapping[str, Tensor]) -> None:
    if tensors.keys() != kind.shapes.keys():
        wanted, given = ", ".join(kind.shapes), ", ".join(tensors)
        raise EditError(f"an edit of kind '{kind.name}' needs the tensors {wanted}; got {given or 'none'}")
    sizes: dict[str, int] = {}
    for name, letters in kind.shapes.items():
        shape = tuple(tensors[name].shape)
        fits = len(shape) == len(letters) and all(
            sizes.setdefault(letter, size) == size for letter, size in zip(letters, shape, strict=True)
        )
        if not fits or not bool(torch.isfinite(tensors[name]).all()):
            raise EditError(
                f"the tensor {name} of an edit of kind '{kind.name}' must hold finite numbers of the shape "
                f"({', '.join(letters)}), got {shape}"
            )
