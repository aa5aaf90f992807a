"""Path integrals of a text in many edited models at once, at the price of little more than those of the base.

An edit changes EOT's stream after its layer. In a causal tower all other positions stay as they are, along the whole
path and with their derivatives. So each edited model takes one backward pass of EOT through the blocks above its layer,
to EOT's stream there and to the keys and values of the base, whose derivatives by each word are known.
`interp.attribution.integral` gives the same numbers, model by model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.attribution.all_layers import passing, steps_at_once, table_of
from interp.attribution.baselines import default_baselines
from interp.attribution.convergence import MOST_DOUBLINGS
from interp.attribution.integral import PathSettings, Shared, attributions_of
from interp.attribution.path_rule import path_rule
from interp.attribution.result import Attributions, Route, relative_delta
from interp.clip.blocks import blocks, embed_ids, embed_stream, step_block
from interp.clip.edits.edit import Edit
from interp.clip.forward_mode import Moves, move_tokens
from interp.clip.model import Clip, Tokens
from interp.clip.packing import group
from interp.clip.tensors import Embeddings, Float, Int, Tensor
from interp.subspaces.subspace import Subspace


@dataclass(frozen=True, eq=False)
class EditedPath:
    """Attributions of one text in an edited model, for the w tokens in which it differs from its baseline.

    Attributes:
        moved: places of these tokens in the text, shape (w,).
        through, stream, full: attributions through Z, through the whole edited stream, and by every path, float64,
            shape (w,).
        score, baseline_score: scores of the text and of its baseline.
        points: points of the path.
    """

    moved: Int[Tensor, " w"]
    through: np.ndarray
    stream: np.ndarray
    full: np.ndarray
    score: float
    baseline_score: float
    points: int

    @property
    def missed(self) -> float:
        """Part of the difference of scores that the attributions miss (`relative_delta`)."""
        score, baseline = np.array([self.score]), np.array([self.baseline_score])
        return float(relative_delta(self.full[None], score, baseline)[0])


def run_edited_paths(
    clip: Clip,
    tokens: Tokens,
    image: Embeddings,
    cells: Sequence[tuple[Edit, Subspace]],
    settings: PathSettings,
    tolerance: float | None = None,
) -> list[EditedPath]:
    """Attribute a text in each of several edited models.

    Args:
        clip: the model that is edited; its text tower is causal.
        tokens: tokens of the one text.
        image: unit-norm embedding of its image, shape (1, embed).
        cells: edits, each with a subspace Z of the edited stream at its site.
        settings: the rule, the points to begin with, and the baseline, shape (1, t).
        tolerance: largest relative error of a text, which gets twice the points until it has none, as by
            `integrate_until`; None to take `settings.n_steps` points.

    Raises:
        ValueError: the text tower is not causal.
    """
    if not clip.family.causal("text"):
        raise ValueError("the text tower is not causal: attribute each edited model for itself")
    out: dict[int, EditedPath] = {}
    for doubling in range(MOST_DOUBLINGS + 1):
        left = [i for i in range(len(cells)) if i not in out or out[i].missed > (tolerance or np.inf)]
        if not left:
            break
        points = settings.n_steps * 2**doubling
        out |= dict(zip(left, _run(clip, tokens, image, [cells[i] for i in left], settings, points), strict=True))
    return [out[i] for i in range(len(cells))]


def _run(
    clip: Clip,
    tokens: Tokens,
    image: Embeddings,
    cells: Sequence[tuple[Edit, Subspace]],
    settings: PathSettings,
    n_steps: int,
) -> list[EditedPath]:
    given = settings.baselines if settings.baselines is not None else default_baselines(clip, tokens)
    alphas, weights = path_rule(n_steps, settings.method)
    image = image.to(clip.device, clip.model.dtype).clone()  # autograd cannot keep what was computed in inference mode
    moved = (tokens.ids[0] != given[0]).nonzero()[:, 0]
    with torch.no_grad():
        ends = torch.cat([embed_ids(clip, ids.to(clip.device)) for ids in (tokens.ids, given)])
    delta, layers = ends[0] - ends[1], [edit.site.layer for edit, _ in cells]
    states = list(move_tokens(clip, ends, ends[0, :0], moved[:0]))
    with torch.no_grad():
        scores = [
            _score(clip, states, layer, edit(states[layer - 1].hidden[:, -1]), image).tolist()
            for layer, (edit, _) in zip(layers, cells, strict=True)
        ]
    through, stream, full = (np.zeros((len(cells), len(moved))) for _ in range(3))
    for steps in steps_at_once(clip, n_steps, len(delta), moved):
        path = ends[1] + alphas[steps].to(delta)[:, None, None] * delta
        states = list(move_tokens(clip, path, delta[moved], moved, keys_too=True))
        weigh = weights[steps].to(delta)[:, None]
        for i, (layer, (edit, subspace)) in enumerate(zip(layers, cells, strict=True)):
            at_site = states[layer - 1]
            site, moves = _edited(edit, at_site.hidden[:, -1], at_site.end)
            slope, bypass = _slope_and_bypass(clip, states, layer, site, image, weigh)
            through[i] += passing(subspace, site, moves, slope)
            whole = passing(None, site, moves, slope)
            stream[i] += whole
            full[i] += whole + bypass
    return [
        EditedPath(moved, through[i], stream[i], full[i], scores[i][0], scores[i][1], n_steps)
        for i in range(len(cells))
    ]


@torch.no_grad()
def _edited(
    edit: Edit, end: Float[Tensor, "s d"], moves: Float[Tensor, "s w d"]
) -> tuple[Float[Tensor, "s d"], Float[Tensor, "w s d"]]:
    """Return EOT's stream after an edit, and its derivative by each moved token."""
    if not moves.shape[1]:
        return edit(end), moves.transpose(0, 1)
    each = end[:, None].expand_as(moves).contiguous()
    turned: Any = torch.func.jvp(edit, (each,), (moves,))
    return turned[0][:, 0], turned[1].transpose(0, 1)


def _score(
    clip: Clip, states: Sequence[Moves], layer: int, stream: Float[Tensor, "s d"], image: Embeddings
) -> Float[Tensor, " s"]:
    """Return the scores with another stream of EOT after a layer."""
    copies, length = states[0].keys.shape[:2]
    same = torch.full((copies,), length - 1)  # so the copies stay in their order
    earlier = group(torch.arange(copies) * length, same, image.device).parts
    for block, state in zip(blocks(clip, "text")[layer:], states[layer:], strict=True):
        stream = step_block(block, stream, state.keys.flatten(0, 1), state.values.flatten(0, 1), earlier)
    return (embed_stream(clip, "text", stream) @ image.T)[:, 0]


@torch.enable_grad()
def _slope_and_bypass(
    clip: Clip,
    states: Sequence[Moves],
    layer: int,
    site: Float[Tensor, "s d"],
    image: Embeddings,
    weigh: Float[Tensor, "s 1"],
) -> tuple[Float[Tensor, "s d"], np.ndarray]:
    """Return the gradient of the scores with respect to EOT's stream at the site, times the rule's weights; and what
    reaches the score by keys and values of other positions alone, summed over points, float64, shape (w,).
    """
    above = [replace(state, keys=_leaf(state.keys), values=_leaf(state.values)) for state in states[layer:]]
    leaf, seen = _leaf(site), [part for state in above for part in (state.keys, state.values)]
    scores = _score(clip, [*states[:layer], *above], layer, leaf, image)
    slope, *gradients = torch.autograd.grad(scores.sum(), [leaf, *seen])
    bypass = np.zeros(states[0].end.shape[1])
    for state, by_key, by_value in zip(above, gradients[::2], gradients[1::2], strict=True):
        for gradient, moved in ((by_key, state.moved_keys), (by_value, state.moved_values)):
            assert moved is not None
            each = torch.einsum("std,stwd->sw", gradient, moved).double() * weigh
            bypass += each.sum(0).cpu().numpy()
    return slope * weigh, bypass


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_()


def edited_attributions(tokens: Tokens, texts: Sequence[EditedPath], routes: Sequence[Route]) -> Attributions:
    """Return the attributions of texts in one edited model.

    Args:
        tokens: tokens of the texts, in their order.
    """
    moved = [text.moved for text in texts]
    through, stream, full = (
        table_of(tokens, moved, [getattr(text, name) for text in texts]) for name in ("through", "stream", "full")
    )
    score, baseline, points = (
        np.array([getattr(text, name) for text in texts]) for name in ("score", "baseline_score", "points")
    )
    return attributions_of(tokens, Shared(stream, full, score, baseline, points), through, routes)


_ARRAYS = "through", "stream", "full"


def save_edited_paths(paths: Mapping[str, EditedPath], path: Path) -> None:
    """Write the paths of one text in edited models, by name, to a safetensors file."""
    from safetensors.torch import save_file

    flat: dict[str, Tensor] = {}
    for name, text in paths.items():
        flat |= {f"{name}.{array}": torch.from_numpy(getattr(text, array)) for array in _ARRAYS}
        flat[f"{name}.moved"] = text.moved.clone()
        flat[f"{name}.facts"] = torch.tensor([text.score, text.baseline_score, text.points], dtype=torch.float64)
    save_file(flat, path)


def load_edited_path(path: Path, name: str) -> EditedPath:
    """Read the path in one edited model."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        score, baseline, points = file.get_tensor(f"{name}.facts").tolist()
        through, stream, full = (file.get_tensor(f"{name}.{array}").numpy() for array in _ARRAYS)
        return EditedPath(file.get_tensor(f"{name}.moved"), through, stream, full, score, baseline, int(points))
