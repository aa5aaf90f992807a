"""Conversion of rotations to pyvene's interventions and back: the same columns, number for number."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch

from interp.clip.pyvene import import_pyvene
from interp.clip.sites import Site
from interp.clip.tensors import Basis, Float, Int, Tensor
from interp.errors import UserError
from interp.subspaces.rotation import Rotation

Kind = Literal["low-rank", "rotated", "boundless"]
HARD = 1e-3  # temperature of a boundary; half a direction away from it, a mask is exactly 0 or 1 in float32
HALF = 0.5
LEAST = 1e-3  # smallest boundary in pyvene, as a share of the width
EXACT = 1e-6  # tolerance of a mask's distance from zeros and ones


class PyveneError(UserError):
    """Error of an intervention that pyvene does not have, or that has no subspace."""


def to_pyvene(rotation: Rotation, kind: Kind = "low-rank") -> Any:
    """Return a trainable intervention of pyvene that swaps Z; `from_pyvene` returns the same basis, bit for bit.

    Register the intervention at the output of block `site.block`, which pyvene counts from 0, after
    `interp.clip.pyvene.register()`. In the vision tower, the component is ``vision_block_output``. The name of another
    component is `site.part.pyvene`.

    Args:
        kind: ``low-rank``, a `LowRankRotatedSpaceIntervention` of these k columns; ``rotated``, a
            `RotatedSpaceIntervention` of d columns, of which the first k are these columns and are swapped; or
            ``boundless``, a `BoundlessRotatedSpaceIntervention` of the same d columns, with its boundary at k / d and a
            mask of zeros and ones. pyvene's default mask gives the first direction a weight of one half. Here,
            directions are shifted by half a step.

    Raises:
        PyveneError: k is 0, the kind is unknown, or pyvene's boundary cannot be at k. pyvene has no intervention for
            k = 0.
    """
    pyvene = import_pyvene()
    basis, width, size = rotation.basis, rotation.width, rotation.size
    if kind not in get_args(Kind):
        raise PyveneError(f"unknown kind '{kind}'; known: {', '.join(get_args(Kind))}")
    if size == 0:
        raise PyveneError(
            "pyvene has no intervention on a subspace of size 0; use a rotation with at least 1 direction"
        )
    if kind == "boundless":
        _check_boundary(width, size, basis.dtype)
    full = _complete_basis(basis.detach().cpu())
    if kind == "low-rank":
        intervention = pyvene.LowRankRotatedSpaceIntervention(embed_dim=width, low_rank_dimension=size)
    elif kind == "rotated":
        intervention = pyvene.RotatedSpaceIntervention(embed_dim=width)
        intervention.set_interchange_dim(size)
    else:
        intervention = pyvene.BoundlessRotatedSpaceIntervention(embed_dim=width)
        intervention.set_intervention_boundaries(size / width)
        intervention.set_temperature(torch.tensor(HARD))
        intervention.intervention_population.data = torch.arange(width) + HALF
    intervention.to(full.dtype)
    # The trained parameter rotates this matrix; its initial rotation is the identity.
    intervention.rotate_layer.parametrizations.weight[0].base = full
    return intervention


def from_pyvene(intervention: Any, site: Site) -> Rotation:
    """Return the rotation whose Z one of pyvene's interventions swaps: low-rank, rotated, boundless or masked.

    A mask keeps the directions of which it swaps more than half, and a boundary keeps the directions below it. The fact
    `mask_error` is the mean distance, over all directions, of the mask from zeros and ones. It is 0 if nothing is lost.

    Raises:
        PyveneError: the intervention has no rotation.
        RotationError: its columns are not orthonormal.
    """
    basis, facts = _swapped_basis(intervention)
    return Rotation(basis, site, facts)


def _swapped_basis(intervention: Any) -> tuple[Basis, dict[str, Any]]:
    """Return the basis of the subspace that an intervention swaps, and facts about it."""
    kind = type(intervention).__name__
    layer = getattr(intervention, "rotate_layer", None)
    if layer is None:
        raise PyveneError(f"a {kind} has no rotation, so it has no subspace to convert; use a rotated intervention")
    weight = layer.weight.detach().clone()
    facts: dict[str, Any] = {"pyvene": kind}
    if kind == "LowRankRotatedSpaceIntervention":
        return weight, facts
    if kind == "RotatedSpaceIntervention":
        return weight[:, : int(intervention.interchange_dim)], facts
    mask = _mask(intervention, kind)
    taken = mask > HALF
    return weight[:, taken], facts | {"mask_error": float((mask - taken.to(mask)).abs().mean())}


def _mask(intervention: Any, kind: str) -> Float[Tensor, " d"]:
    """Return the share of each direction that is swapped."""
    if kind == "BoundlessRotatedSpaceIntervention":
        boundary, temperature = intervention.intervention_boundaries.detach(), intervention.temperature.detach()
        return _below(boundary, intervention.intervention_population, temperature)
    if kind == "SigmoidMaskRotatedSpaceIntervention":
        return torch.sigmoid(intervention.masks.detach() / intervention.temperature.detach())
    raise PyveneError(
        f"cannot tell which subspace a {kind} swaps; use a low-rank, rotated, boundless or sigmoid-mask intervention"
    )


def _below(
    boundary: Float[Tensor, " one"], population: Float[Tensor, " d"] | Int[Tensor, " d"], temperature: Float[Tensor, ""]
) -> Float[Tensor, " d"]:
    """Return the share of each direction that pyvene swaps, given its boundary as a share of d.

    pyvene's masks also have a lower end at 0, which halves the first direction without reason. This end is left out.
    """
    return torch.sigmoid((boundary.clamp(LEAST, 1)[0] * len(population) - population) / temperature)


def _check_boundary(width: int, size: int, dtype: torch.dtype) -> None:
    """Raise `PyveneError` if pyvene would not swap exactly the first directions, each as a whole.

    pyvene's boundary is a share of the width in the intervention's dtype. One direction of 1,500 is below pyvene's
    smallest share, and in bfloat16 a share has three digits.
    """
    boundary, places = torch.tensor([size / width]), torch.arange(width) + HALF
    mask = _below(boundary.to(dtype), places.to(dtype), torch.tensor(HARD).to(dtype))
    if float((mask - (torch.arange(width) < size).to(mask)).abs().max()) > EXACT:
        raise PyveneError(
            f"pyvene's boundary, a share of the width of at least {LEAST:g}, cannot lie at direction {size} of {width} "
            f"in {str(dtype).removeprefix('torch.')}; use the kind low-rank or rotated"
        )


def _complete_basis(basis: Basis) -> Float[Tensor, "d d"]:
    """Return an orthonormal basis of the whole stream that begins with these columns."""
    rest = torch.linalg.svd(basis.double(), full_matrices=True)[0][:, basis.shape[1] :]
    return torch.cat([basis, rest.to(basis)], dim=1)
