"""Attributions of captum's inputs, token ids or token embeddings: tensors of the same shape as the input."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from interp.attribution.baselines import default_baselines
from interp.attribution.convergence import integrate_until
from interp.attribution.integral import (
    TEXTS_AT_ONCE,
    CommonPart,
    GradientCut,
    PathSettings,
    StraightPaths,
    along,
    assemble,
    end_scores,
    path_scores,
)
from interp.clip.blocks import add_positions
from interp.clip.model import Clip, Tokens, length_batches
from interp.clip.tensors import Embeddings, Float, Int, Tensor
from interp.subspaces.subspace import Subspace


def score_embedded(
    clip: Clip, embedded: Float[Tensor, "n t d"], images: Embeddings, eot: Int[Tensor, " n"] | None = None
) -> Float[Tensor, " n"]:
    """Return the scores of texts with the images of the same rows; texts are token embeddings without positions.

    Args:
        clip: model.
        embedded: token embeddings.
        images: embeddings of the images.
        eot: place where each text ends; by default its last token.
    """
    ends = _ends(embedded, eot)
    return path_scores(
        clip, add_positions(clip, embedded.to(clip.device, clip.model.dtype)), ends, images.to(clip.device)
    )


def start_of(given: object, inputs: Tensor) -> Tensor | None:
    """Return baselines in the shape of the inputs, from the forms that captum takes: a tensor, one row, or a number.

    Args:
        given: baselines, of any type.
        inputs: token ids, shape (n, t), or token embeddings, shape (n, t, d).

    Raises:
        ValueError: the shapes differ, or baselines of token ids are not whole numbers.
    """
    if given is None:
        return None
    if not isinstance(given, (Tensor, int, float)):
        raise ValueError(f"baselines must be a number or a tensor, not {type(given).__name__}")
    numbers = given if isinstance(given, Tensor) else torch.tensor(given)
    if not inputs.is_floating_point() and bool((numbers != numbers.long()).any()):
        raise ValueError("baselines of texts and of token ids must be token ids, which are whole numbers")
    numbers = numbers.to(inputs.dtype)
    if not isinstance(given, Tensor):
        return torch.full_like(inputs, numbers.item())
    if given.shape[1:] != inputs.shape[1:] or len(given) not in (1, len(inputs)):
        raise ValueError(
            f"baselines must be a number, or have the shape of the inputs, {tuple(inputs.shape)}, or of one input row; "
            f"got {tuple(given.shape)}"
        )
    return numbers.expand(inputs.shape)


def check_images(clip: Clip, given: object, name: str) -> None:
    """Raise `ValueError` for an argument that cannot hold the images' embeddings.

    Args:
        clip: model.
        given: value of the argument.
        name: name of the argument, for the message.
    """
    if isinstance(given, Tensor):
        if given.ndim == 2 and given.shape[1] == clip.embed_dim and given.is_floating_point():
            return
        what = f"a tensor of {given.dtype} and shape {tuple(given.shape)}"
    else:
        what = "a number" if isinstance(given, (int, float)) else type(given).__name__
    raise ValueError(
        f"{name} must be the images' embeddings, a tensor of shape (n, {clip.embed_dim}), not {what}; "
        "pass baselines by keyword: baselines=..."
    )


def tokens_of(clip: Clip, ids: Int[Tensor, "n t"]) -> Tokens:
    """Return token ids as texts whose words are unknown.

    Raises:
        ValueError: a row has no end-of-text token.
    """
    is_eot = ids == clip.eot
    if not bool(is_eot.any(1).all()):
        row = int((~is_eot.any(1)).nonzero()[0, 0])
        raise ValueError(f"row {row} has no end-of-text token ({clip.eot}); every text must contain it")
    return Tokens(ids.cpu(), is_eot.int().argmax(1).cpu(), ((),) * len(ids), torch.full_like(ids.cpu(), -1), 0)


def attribute_ids(
    clip: Clip,
    tokens: Tokens,
    images: Embeddings,
    cut: tuple[int, Mapping[str, Subspace]],
    settings: PathSettings,
    tolerance: float | None,
) -> tuple[Float[Tensor, "n t"], Float[Tensor, " n"]]:
    """Attribute token ids by the only route of `settings`; return the attributions and the differences of scores.

    Args:
        clip: model.
        tokens: tokens of n texts.
        images: embeddings of the images.
        cut: layer, and Z if the route needs it.
        settings: settings of the path integral, with one route.
        tolerance: see `integrate_until`.
    """
    shared, through = integrate_until(clip, tokens, images, *cut, settings, tolerance)
    (route,) = settings.routes
    attributions = assemble(shared, through.get("z"), settings.routes)[route]
    return torch.from_numpy(attributions), torch.from_numpy(shared.score - shared.baseline_score)


def attribute_embeddings(
    clip: Clip,
    embedded: Float[Tensor, "n t d"],
    paths: tuple[Tensor, Tensor | None, Tensor | None],
    cut: tuple[int, Mapping[str, Subspace]],
    settings: PathSettings,
) -> tuple[Float[Tensor, "n t d"], Float[Tensor, " n"]]:
    """Attribute each dimension of token embeddings by the only route of `settings`.

    Args:
        clip: model.
        embedded: token embeddings, without positions.
        paths: images' embeddings, shape (n, embed); places where texts end, shape (n,), by default the last token; and
            embeddings at the start of the path, see `start_of`, by default those of BOS, padding and EOT.
        cut: layer, and Z if the route needs it.
        settings: settings of the path integral, with one route.

    Returns:
        Attributions, and differences of scores.

    Raises:
        ValueError: the shapes differ.
    """
    images, given_eot, given = paths
    eot = _ends(embedded, given_eot)
    if len(images) != len(embedded):
        raise ValueError(f"each text needs an image, got {len(images)} images for {len(embedded)} texts")
    start = _nothing(clip, eot, embedded.shape[1]) if given is None else given
    of_model = GradientCut.of(*cut, settings.routes)
    (route,) = settings.routes
    out = torch.zeros(embedded.shape, dtype=torch.float64)
    difference = torch.zeros(len(embedded), dtype=torch.float64)
    for rows in length_batches(eot, TEXTS_AT_ONCE):
        with torch.no_grad():
            first, last = (
                add_positions(clip, x.detach()[rows].to(clip.device, clip.model.dtype)) for x in (start, embedded)
            )
        batch = StraightPaths(first, last, eot[rows], images[rows].to(clip.device, clip.model.dtype))
        score, baseline = end_scores(clip, batch)
        integrals = {
            name: value.numpy() for name, value in along(clip, batch, of_model, settings, by_dimension=True).items()
        }
        shared = CommonPart(
            integrals.get("stream"), integrals.get("full"), score, baseline, np.full(len(rows), settings.n_steps)
        )
        out[rows] = torch.from_numpy(assemble(shared, integrals.get("z.z"), settings.routes)[route])
        difference[rows] = torch.from_numpy(score - baseline)
    return out, difference


def _ends(embedded: Float[Tensor, "n t d"], eot: Tensor | None) -> Int[Tensor, " n"]:
    """Return the places where texts end, on the CPU."""
    last = embedded.shape[1] - 1
    if eot is None:
        return torch.full((len(embedded),), last)
    places = eot.shape == (len(embedded),) and not eot.is_floating_point()
    if not places or bool(((eot < 0) | (eot > last)).any()):
        raise ValueError(f"eot must hold the place of a token, 0 to {last}, for each of {len(embedded)} texts")
    return eot.cpu()


def _nothing(clip: Clip, eot: Int[Tensor, " n"], length: int) -> Float[Tensor, "n t d"]:
    """Return the token embeddings of empty texts: BOS, padding, and EOT from the end of each text on."""
    ids = torch.full((len(eot), length), clip.eot)
    ids[:, 0] = int(clip.tokenizer.bos_token_id)
    blank = default_baselines(clip, Tokens(ids, eot, ((),) * len(eot), torch.full_like(ids, -1), 0))
    with torch.no_grad():
        embedded: Tensor = clip.family.table(clip.model)(blank.to(clip.device))
    return embedded
