"""Path integrals of a text in many edited models at once, along one path.

An edit changes EOT's stream after its layer. In a causal tower, all other positions and their derivatives are unchanged
along the whole path. For each edited model, one backward pass of EOT through the blocks above the layer therefore
suffices. This pass yields the gradients with respect to EOT's stream at the layer and to the keys and values of the
base. The derivatives of these keys and values by each word are known. `interp.attribution.integral` gives the same
numbers for one model at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from interp.attribution.all_layers import TextPath, passing, run_path, streams_above, table_of
from interp.attribution.baselines import default_baselines
from interp.attribution.convergence import MOST_DOUBLINGS
from interp.attribution.integral import CommonPart, PathSettings, attributions_of
from interp.attribution.result import Attributions, Route, relative_delta
from interp.clip.blocks import embed_ids, embed_stream
from interp.clip.edits.edit import Edit
from interp.clip.forward_mode import CopiesState, move_change, move_tokens
from interp.clip.model import Clip, Tokens
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


def run_paths(
    clip: Clip,
    tokens: Tokens,
    image: Embeddings,
    layers: Iterable[int],
    cells: Sequence[tuple[Edit, Subspace]],
    settings: PathSettings,
    tolerance: float | None = None,
) -> tuple[TextPath, list[EditedPath]]:
    """Move a text from its baseline as `run_path` does, and attribute it in several edited models along the path.

    An edited model starts with as many points as the base. The number is doubled until its attributions converge, up to
    the maximum of `integrate_until`.

    Args:
        clip: base model with a causal text tower.
        tokens: tokens of the text.
        image: unit-norm embedding of its image, shape (1, embed).
        layers: layers at which attributions in the base are needed.
        cells: edits, at least one, each with a subspace Z of the edited stream at its site.
        settings: rule, initial number of points, and baseline, shape (1, t).
        tolerance: largest relative error, as in `run_path`.

    Raises:
        ValueError: the text tower is not causal.
    """
    if not clip.family.causal("text"):
        raise ValueError("the text tower is not causal, so edited models cannot share a path; use `integrate` for each")
    sums = _Sums(clip, tokens, image, cells, settings)
    lowest = min(edit.site.layer for edit, _ in cells)
    path = run_path(clip, tokens, image, layers, settings, tolerance, sums.add, lowest)
    out, points = dict(enumerate(sums.paths(path.points))), path.points
    while tolerance is not None and points < settings.n_steps * 2**MOST_DOUBLINGS:
        left = [i for i, text in out.items() if text.missed > tolerance]
        if not left:
            break
        points *= 2
        sums = _Sums(clip, tokens, image, [cells[i] for i in left], settings)
        run_path(clip, tokens, image, (), replace(settings, n_steps=points), watch=sums.add, keys_above=lowest)
        out |= dict(zip(left, sums.paths(points), strict=True))
    return path, list(out.values())


class _Sums:
    """Attributions of one text in edited models, summed over the points of its path."""

    def __init__(
        self,
        clip: Clip,
        tokens: Tokens,
        image: Embeddings,
        cells: Sequence[tuple[Edit, Subspace]],
        settings: PathSettings,
    ) -> None:
        given = settings.baselines if settings.baselines is not None else default_baselines(clip, tokens)
        # autograd cannot save tensors from inference mode
        self.clip, self.cells, self.image = clip, cells, image.to(clip.device, clip.model.dtype).clone()
        self.moved = (tokens.ids[0] != given[0]).nonzero()[:, 0]
        with torch.no_grad():
            ends = torch.cat([embed_ids(clip, ids.to(clip.device)) for ids in (tokens.ids, given)])
            states = list(move_tokens(clip, ends, ends[0, :0], self.moved[:0]))
            self.scores = [
                _score(clip, states, edit.site.layer, edit(states[edit.site.block].hidden[:, -1]), self.image).tolist()
                for edit, _ in cells
            ]
        self.through, self.stream, self.full = (np.zeros((len(cells), len(self.moved))) for _ in range(3))

    def add(self, states: Sequence[CopiesState], weigh: Float[Tensor, "s 1"]) -> None:
        """Add the attributions of a chunk of points of the path, weighted by the rule."""
        for i, (edit, subspace) in enumerate(self.cells):
            at_site = states[edit.site.block]
            site, moves = move_change(edit, at_site.hidden[:, -1], at_site.end)
            moves = moves.transpose(0, 1)
            slope, bypass = _slope_and_bypass(self.clip, states, edit.site.layer, site, self.image, weigh)
            whole = passing(None, site, moves, slope)
            self.through[i] += passing(subspace, site, moves, slope)
            self.stream[i] += whole
            self.full[i] += whole + bypass

    def paths(self, points: int) -> list[EditedPath]:
        """Return the attributions after all points have been added."""
        return [
            EditedPath(self.moved, through, stream, full, score, baseline, points)
            for through, stream, full, (score, baseline) in zip(
                self.through, self.stream, self.full, self.scores, strict=True
            )
        ]


def _score(
    clip: Clip, states: Sequence[CopiesState], layer: int, stream: Float[Tensor, "s d"], image: Embeddings
) -> Float[Tensor, " s"]:
    """Return the scores after EOT's stream at a layer is replaced."""
    end = streams_above(clip, states, layer, stream)[-1]
    return (embed_stream(clip, "text", end) @ image.T)[:, 0]


@torch.enable_grad()
def _slope_and_bypass(
    clip: Clip,
    states: Sequence[CopiesState],
    layer: int,
    site: Float[Tensor, "s d"],
    image: Embeddings,
    weigh: Float[Tensor, "s 1"],
) -> tuple[Float[Tensor, "s d"], np.ndarray]:
    """Return the gradient of the scores with respect to EOT's stream at the site, and the attributions that bypass it.

    The gradient is multiplied by the rule's weights. The bypassing attributions reach the score only through keys and
    values of other positions. They are summed over points, float64, shape (w,).
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
        tokens: tokens of the texts, in the order of the texts.
        texts: path of each text in the edited model.
        routes: routes to return.
    """
    moved = [text.moved for text in texts]
    through, stream, full = (
        table_of(tokens, moved, [getattr(text, name) for text in texts]) for name in ("through", "stream", "full")
    )
    score, baseline, points = (
        np.array([getattr(text, name) for text in texts]) for name in ("score", "baseline_score", "points")
    )
    return attributions_of(tokens, CommonPart(stream, full, score, baseline, points), through, routes)


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
    """Read the path of the text in one edited model."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        score, baseline, points = file.get_tensor(f"{name}.facts").tolist()
        through, stream, full = (file.get_tensor(f"{name}.{array}").numpy() for array in _ARRAYS)
        return EditedPath(file.get_tensor(f"{name}.moved"), through, stream, full, score, baseline, int(points))
