"""Edits without training: changes of a rotation's Z, and edits in closed form."""

from __future__ import annotations

import torch

from interp.clip.edits import leace
from interp.clip.edits.edit import Edit
from interp.clip.tensors import Float, Tensor
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation


def erase(rotation: Rotation, value: Float[Tensor, " d"]) -> Edit:
    """Return the edit that gives Z of every text the same neutral value.

    Args:
        value: a stream, such as `PairsAtSite.midpoint`.
    """
    return Edit("erase", rotation.site, {"basis": rotation.basis, "value": value})


def set_z(rotation: Rotation, value: Float[Tensor, " d"]) -> Edit:
    """Return the edit that gives Z of every text the value that Z has in one stream, as an interchange does.

    Args:
        value: a stream, such as that of a text or the mean of a kind.
    """
    return Edit("set", rotation.site, {"basis": rotation.basis, "value": value})


def gain(rotation: Rotation, middle: Float[Tensor, " d"], alpha: float) -> Edit:
    """Return the edit that multiplies the deviation of Z from a middle by 1 + alpha.

    Args:
        middle: the stream from which deviations are taken, such as `PairsAtSite.midpoint`.
        alpha: 0 changes nothing; -1 erases Z.
    """
    return Edit("gain", rotation.site, {"basis": rotation.basis, "value": middle, "alpha": torch.tensor(float(alpha))})


def leace_of(part: PairsAtSite) -> Edit:
    """Return the edit, in closed form, after which no linear function of the stream separates these pairs' kinds."""
    streams = part.streams
    labels = torch.ones(len(streams), 1, device=streams.device)
    labels[len(part) :] = -1
    tensors = {name: tensor.to(streams) for name, tensor in leace.fit(streams, labels).items()}
    return Edit("leace", part.site, tensors, {"pairs": len(part)})
