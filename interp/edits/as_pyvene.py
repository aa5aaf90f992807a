"""Exact conversion of edits to pyvene's interventions, which pyvene can save, load and train, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from interp.clip.edits import KINDS
from interp.clip.edits.edit import Edit, EditError
from interp.clip.pyvene import import_pyvene
from interp.clip.sites import Site
from interp.clip.tensors import Float, Tensor

_PYVENE: Any = import_pyvene()
_KIND = "kind"  # name of the buffer with the letters of the kind's name


class EditIntervention(_PYVENE.SourcelessIntervention, _PYVENE.TrainableIntervention):
    """Intervention without a source, with the tensors of an edit as parameters, by the names of the kind of edit.

    pyvene creates interventions before it loads their tensors, so a new intervention changes nothing.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.register_buffer(_KIND, torch.zeros(0, dtype=torch.uint8))

    def take(self, kind: str, tensors: Mapping[str, Tensor]) -> EditIntervention:
        """Set the kind and the tensors of an edit, and return the intervention."""
        self.register_buffer(_KIND, torch.tensor(list(kind.encode()), dtype=torch.uint8))
        for name, tensor in tensors.items():
            self.register_parameter(f"{name}_", torch.nn.Parameter(tensor.detach().clone()))
        return self

    @property
    def held(self) -> tuple[str, dict[str, Tensor]]:
        """Kind of the edit and its tensors; a new intervention has an empty kind and no tensors."""
        kind = bytes(self.kind.tolist()).decode()
        return kind, {name: getattr(self, f"{name}_") for name in KINDS[kind].shapes} if kind else {}

    def forward(self, base: Float[Tensor, "*n d"], _source: Any = None, _subspaces: Any = None, **_: Any) -> Tensor:
        """Return the changed streams."""
        kind, tensors = self.held
        if not kind:
            return base
        return KINDS[kind].change(base, {name: tensor.to(base) for name, tensor in tensors.items()})

    def load_state_dict(self, state: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load a state that pyvene saved, after making room for the tensors of its kind."""
        kind = bytes(state[_KIND].tolist()).decode()
        self.take(kind, {name: state[f"{name}_"] for name in KINDS[kind].shapes} if kind else {})
        return super().load_state_dict(state, *args, **kwargs)


def to_pyvene(edit: Edit) -> EditIntervention:
    """Return a trainable intervention of pyvene that makes the edit; `from_pyvene` returns the same edit.

    Register it at the output of block `site.block`, which pyvene counts from 0, after `interp.clip.pyvene.register()`.
    In the vision tower, the component is ``vision_block_output``.
    """
    return EditIntervention(embed_dim=edit.width).take(edit.kind, edit.tensors)


def from_pyvene(intervention: EditIntervention, site: Site) -> Edit:
    """Return the edit that an intervention makes.

    Raises:
        EditError: the intervention holds no edit.
    """
    kind, tensors = intervention.held
    if not kind:
        raise EditError("the intervention holds no edit; create it with to_pyvene, or load its saved state")
    return Edit(kind, site, {name: tensor.detach().clone() for name, tensor in tensors.items()})
