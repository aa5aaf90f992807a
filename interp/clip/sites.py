"""Sites in CLIP: tower, layer, component and position, and the module and token that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args, runtime_checkable

from torch import nn

from interp.clip.components import COMPONENTS, find_component
from interp.clip.components.component import Component
from interp.clip.families.family import Tower
from interp.clip.model import Clip, Tokens
from interp.clip.tensors import Int, Tensor
from interp.errors import UserError

_Position = Literal["eot", "cls"]
BLOCK = "block"  # the component whose value is the residual stream itself
_OF_THE_TOWER = cast(_Position, None)  # placeholder for the tower's own position
_POSITIONS: dict[Tower, _Position] = {"text": "eot", "vision": "cls"}


class SiteError(UserError):
    """Error of a site that does not exist in the model."""


class SiteMismatch(UserError):
    """Error of two objects that must belong to one site but do not."""


@dataclass(frozen=True)
class Site:
    """Place in CLIP: a component of block `layer` of a tower, at EOT or CLS.

    Attributes:
        tower: ``text`` or ``vision``.
        layer: number of the block, counted from 1.
        component: ``block`` for the residual stream after the block; or a vector that a part of the block adds to the
            stream, ``attn`` or ``mlp``.
        position: ``eot`` in the text tower, ``cls`` in the vision tower; by default the position of the tower.

    Raises:
        SiteError: no CLIP has this tower, layer, component or position.
    """

    tower: Tower
    layer: int
    component: str = BLOCK
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
        try:
            find_component(self.component)
        except KeyError:
            names = ", ".join(COMPONENTS)
            raise SiteError(f"component '{self.component}' does not exist; known: {names}") from None

    @property
    def block(self) -> int:
        """Number of the block, counted from 0 as the authors' code does: layer - 1."""
        return self.layer - 1

    @property
    def label(self) -> str:
        """Name for files and people, for example ``text.11.eot`` or ``text.11.mlp.eot``."""
        component = () if self.component == BLOCK else (self.component,)
        return ".".join((self.tower, str(self.layer), *component, self.position))

    def __str__(self) -> str:
        return self.label

    @classmethod
    def parse(cls, label: str) -> Site:
        """Parse a label.

        >>> Site.parse("text.11.eot")
        Site(tower='text', layer=11, component='block', position='eot')
        >>> Site.parse("text.11.mlp.eot").component
        'mlp'
        """
        tower, layer, *component, position = label.split(".") if label.count(".") >= 2 else ("", "", "")
        if tower not in _POSITIONS or not (layer.isascii() and layer.isdigit()) or position != _POSITIONS[tower]:
            raise SiteError(
                f"'{label}' is not a site; expected TOWER.LAYER.POSITION or TOWER.LAYER.COMPONENT.POSITION, such as "
                "text.11.eot or vision.3.mlp.cls"
            )
        return cls(tower, int(layer), ".".join(component) if component else BLOCK)

    @property
    def part(self) -> Component:
        """Component of the block, with the functions that hook the component, read it and continue from it."""
        return find_component(self.component)

    def check(self, clip: Clip) -> None:
        """Raise `SiteError` unless the model has this layer."""
        depth = clip.depth(self.tower)
        if self.layer > depth:
            raise SiteError(
                f"layer {self.layer} does not exist: the {self.tower} tower of {clip.name} has layers 1 to {depth}"
            )

    def module(self, clip: Clip) -> nn.Module:
        """Return the module whose output is the value at this site."""
        self.check(clip)
        block = clip.family.blocks(clip.model, self.tower)[self.block]
        return self.part.module(block, clip.family.parts(block))

    def index(self, tokens: Tokens | None, n: int) -> Int[Tensor, " n"]:
        """Return the position of each of n inputs: EOT of each text, or 0 (CLS)."""
        import torch

        if self.tower == "vision":
            return torch.zeros(n, dtype=torch.long)
        if tokens is None:
            raise SiteError("a site in the text tower needs the tokens to find EOT")
        return tokens.eot


@runtime_checkable
class _AtSite(Protocol):
    """Object that belongs to values of one width at a site."""

    @property
    def site(self) -> Site:
        """Site of the values."""
        ...

    @property
    def width(self) -> int:
        """Width d of the values."""
        ...


def check_width(thing: _AtSite, clip: Clip) -> None:
    """Raise `SiteError` if the model does not have the site, `SiteMismatch` if its value there is of another width."""
    thing.site.check(clip)
    tower, width = thing.site.tower, clip.width(thing.site.tower)
    if thing.width != width:
        kind = type(thing).__name__.lower()
        raise SiteMismatch(f"the {kind} has width {thing.width}, but the {tower} tower of {clip.name} has {width}")
