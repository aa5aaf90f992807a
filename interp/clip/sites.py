"""Where in CLIP to look: tower, layer and position, and the module and token that these name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

from torch import nn

from interp.clip.blocks import blocks
from interp.clip.model import Clip, Tokens, Tower
from interp.clip.tensors import Int, Tensor
from interp.errors import UserError

_Position = Literal["eot", "cls"]
_OF_THE_TOWER = cast(_Position, None)  # a default that is filled in
_POSITIONS: dict[Tower, _Position] = {"text": "eot", "vision": "cls"}


class SiteError(UserError):
    """There is no such place in the model."""


class SiteMismatch(UserError):
    """Two things that must belong to one site do not."""


@dataclass(frozen=True)
class Site:
    """A place in a residual stream: after block `layer` of a tower, at EOT or CLS.

    Attributes:
        tower: ``text`` or ``vision``.
        layer: counted from 1; the hidden state after that many blocks.
        position: ``eot`` in the text tower, ``cls`` in the vision tower; by default the tower's.

    Raises:
        SiteError: there is no such tower, layer or position in any CLIP.
    """

    tower: Tower
    layer: int
    position: _Position = _OF_THE_TOWER

    def __post_init__(self) -> None:
        if self.tower not in get_args(Tower):
            raise SiteError(f"tower '{self.tower}' does not exist; expected text or vision")
        if self.position is None:
            object.__setattr__(self, "position", _POSITIONS[self.tower])
        if self.position != _POSITIONS[self.tower]:
            raise SiteError(f"the {self.tower} tower is read at {_POSITIONS[self.tower]}, not at '{self.position}'")
        if self.layer < 1:
            raise SiteError(f"layer {self.layer} does not exist: layers are counted from 1")

    @property
    def block(self) -> int:
        """The block whose output this is, counted from 0 as the authors' code does: layer - 1."""
        return self.layer - 1

    @property
    def label(self) -> str:
        """For files and people, for example ``text.11.eot``."""
        return f"{self.tower}.{self.layer}.{self.position}"

    def __str__(self) -> str:
        return self.label

    @classmethod
    def parse(cls, label: str) -> Site:
        """Read a label.

        >>> Site.parse("text.11.eot")
        Site(tower='text', layer=11, position='eot')
        """
        tower, _, rest = label.partition(".")
        layer, _, position = rest.partition(".")
        if tower not in _POSITIONS or not layer.isdigit() or position != _POSITIONS[tower]:
            raise SiteError(f"'{label}' is not a site; expected text.LAYER.eot or vision.LAYER.cls")
        return cls(tower, int(layer))

    def check(self, clip: Clip) -> None:
        """Raise `SiteError` unless the model has this layer."""
        depth = clip.depth(self.tower)
        if self.layer > depth:
            raise SiteError(
                f"layer {self.layer} does not exist: the {self.tower} tower of {clip.name} has layers 1 to {depth}"
            )

    def module(self, clip: Clip) -> nn.Module:
        """The block whose output is this stream."""
        self.check(clip)
        return blocks(clip, self.tower)[self.block]

    def index(self, tokens: Tokens | None, n: int) -> Int[Tensor, " n"]:
        """The position of each of n inputs: EOT of each text, or 0 (CLS)."""
        import torch

        if self.tower == "vision":
            return torch.zeros(n, dtype=torch.long)
        if tokens is None:
            raise SiteError("a site in the text tower needs the tokens to find EOT")
        return tokens.eot
