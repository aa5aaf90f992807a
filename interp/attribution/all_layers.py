"""Path integral of texts that is run once and gives attributions of any subspace at any layer by matrix products.

`interp.attribution.integral` pulls gradients back from one site, at a cost that grows with the number of layers and
subspaces. This module pushes the movement of each word forward to EOT at every layer, at a cost of about half a forward
pass for each token of the word. Both give the same numbers. For a single cell `integral` is cheaper, but a sweep always
uses this module, so that no attribution through a subspace depends on the other subspaces that are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from interp.attribution.baselines import default_baselines
from interp.attribution.convergence import points_needed
from interp.attribution.integral import CommonPart, PathSettings, attributions_of, path_scores
from interp.attribution.path_rule import path_rule
from interp.attribution.result import Attributions
from interp.clip.blocks import blocks, embed_ids, embed_stream, run_block, step_block
from interp.clip.forward_mode import CopiesState, move_tokens
from interp.clip.model import Clip, Tokens
from interp.clip.packing import group
from interp.clip.tensors import Embeddings, Float, Int, Tensor
from interp.measures import MEASURED
from interp.subspaces.rotation import Rotation
from interp.subspaces.subspace import Subspace, pulled

ROWS_AT_ONCE = 2048  # positions x moved tokens that fit into the caches


@dataclass(frozen=True, eq=False)
class TextPath:
    """Material of the integral of one text over s points, for the w tokens in which it differs from its baseline.

    Attributes:
        moved: places of these tokens in the text, shape (w,).
        streams: layer -> EOT's stream at each point, shape (s, d).
        moves: layer -> derivative of EOT's stream as each token moves, shape (w, s, d).
        slopes: layer -> gradient of the score with respect to EOT's stream, times the rule's weight, shape (s, d).
        full: attributions by every path, float64, shape (w,).
        score, baseline_score: scores of the text and of its baseline.
        points: number of points, s.
    """

    moved: Int[Tensor, " w"]
    streams: dict[int, Float[Tensor, "s d"]]
    moves: dict[int, Float[Tensor, "w s d"]]
    slopes: dict[int, Float[Tensor, "s d"]]
    full: np.ndarray
    score: float
    baseline_score: float
    points: int

    def through(self, layer: int, subspace: Subspace | None) -> np.ndarray:
        """Return attributions through a subspace at a layer, or through the whole stream there, float64, shape (w,)."""
        # Copy, since the last bits of a matrix product depend on the memory alignment of its operands. Operands that
        # are mapped from a file have another alignment.
        return passing(subspace, *(part[layer].clone() for part in (self.streams, self.moves, self.slopes)))

    def save(self, path: Path) -> None:
        """Write all fields to one safetensors file, from which `load` maps them into memory."""
        from safetensors.torch import save_file

        flat = {f"streams.{layer}": part.cpu().contiguous() for layer, part in self.streams.items()}
        flat |= {f"moves.{layer}": part.cpu() for layer, part in self.moves.items()}
        flat |= {f"slopes.{layer}": part.cpu() for layer, part in self.slopes.items()}
        scores = torch.tensor([self.score, self.baseline_score], dtype=torch.float64)
        counts = {"moved": self.moved, "points": torch.tensor(self.points)}
        save_file(flat | counts | {"full": torch.from_numpy(self.full), "scores": scores}, path)

    @classmethod
    def load(cls, path: Path) -> TextPath:
        """Read a file that `save` wrote; tensors are on the CPU."""
        from safetensors.torch import load_file

        flat = load_file(path)
        streams, moves, slopes = (
            {int(key.partition(".")[2]): part for key, part in flat.items() if key.startswith(name)}
            for name in ("streams.", "moves.", "slopes.")
        )
        score, baseline = flat["scores"].tolist()
        return cls(flat["moved"], streams, moves, slopes, flat["full"].numpy(), score, baseline, int(flat["points"]))


def passing(
    subspace: Subspace | None,
    streams: Float[Tensor, "s d"],
    moves: Float[Tensor, "w s d"],
    slopes: Float[Tensor, "s d"],
) -> np.ndarray:
    """Return attributions through a subspace, or through the whole stream, summed over points, float64, shape (w,).

    For a rotation, moves and slopes are both read along its directions. For any other subspace, the part of the slopes
    that passes through the subspace is taken at the stream of each point.
    """
    if isinstance(subspace, Rotation):
        moves, slopes = subspace.read(moves), subspace.read(slopes)
    elif subspace is not None:
        slopes = pulled(subspace, streams, slopes)
    return (moves.double() * slopes.double()).sum((1, 2)).cpu().numpy()


@dataclass(frozen=True, eq=False)
class PathRun:
    """Paths of n texts.

    Attributes:
        tokens: tokens of the texts, padded to length t.
        texts: path of each text.
    """

    tokens: Tokens
    texts: Sequence[TextPath]

    def through(self, layer: int, subspace: Subspace | None) -> np.ndarray:
        """Return attributions through a subspace at a layer, or through the whole stream there, float64, (n, t)."""
        return self._table([text.through(layer, subspace) for text in self.texts])

    def shared(self, layer: int) -> CommonPart:
        """Return the attributions through the whole stream at a layer, and the full attributions."""
        full = self._table([text.full for text in self.texts])
        score = np.array([text.score for text in self.texts])
        baseline = np.array([text.baseline_score for text in self.texts])
        points = np.array([text.points for text in self.texts])
        return CommonPart(self.through(layer, None), full, score, baseline, points)

    def attributions(self, layer: int, subspace: Subspace, shared: CommonPart) -> Attributions:
        """Return attributions by the routes that sweeps measure; `shared` is the result of `shared(layer)`."""
        return attributions_of(self.tokens, shared, self.through(layer, subspace), MEASURED)

    def _table(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        return table_of(self.tokens, [text.moved for text in self.texts], rows)


def table_of(tokens: Tokens, moved: Sequence[Tensor], rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return a table of all tokens, shape (n, t): the values of the moved tokens of each text, and zero elsewhere."""
    out = np.zeros(tuple(tokens.ids.shape))
    for place, where, row in zip(out, moved, rows, strict=True):
        place[where.numpy()] = row
    return out


def run_path(
    clip: Clip,
    tokens: Tokens,
    image: Embeddings,
    layers: Iterable[int],
    settings: PathSettings,
    tolerance: float | None = None,
    watch: Callable[[Sequence[CopiesState], Float[Tensor, "s 1"]], object] = lambda *_: None,
    keys_above: int | None = None,
) -> TextPath:
    """Move a text from its baseline, and keep the material of attributions at `layers`.

    The number of points is determined first, by gradients, at a fraction of the cost of the rest.

    Args:
        clip: model.
        tokens: tokens of the text.
        image: unit-norm embedding of its image, shape (1, embed).
        layers: layers at which attributions are needed.
        settings: rule, initial number of points, and baseline, shape (1, t).
        tolerance: largest relative error, as in `integrate_until`; None to take `settings.n_steps` points.
        watch: callback for each chunk of points, with the states after all blocks and the rule's weights.
        keys_above: layer above which the states hold derivatives of keys and values; None for no layer.
    """
    given = settings.baselines if settings.baselines is not None else default_baselines(clip, tokens)
    (n_steps,) = points_needed(clip, tokens, image, settings, tolerance).tolist() if tolerance else [settings.n_steps]
    points, weights = path_rule(n_steps, settings.method)
    depth, device, dtype = clip.depth("text"), clip.device, clip.model.dtype
    image = image.to(device, dtype).clone()  # autograd cannot save tensors from inference mode
    moved = (tokens.ids[0] != given[0]).nonzero()[:, 0]
    with torch.no_grad():
        ends = [embed_ids(clip, ids.to(device)) for ids in (tokens.ids, given)]
        score, baseline = path_scores(clip, torch.cat(ends), tokens.eot.repeat(2), image).tolist()
    delta = (ends[0] - ends[1])[0]
    kept, words, width = sorted(set(layers)), len(moved), clip.width("text")
    full = np.zeros(words)
    streams = {layer: torch.empty(n_steps, width, device=device, dtype=dtype) for layer in kept}
    moves = {layer: torch.empty(words, n_steps, width, device=device, dtype=dtype) for layer in kept}
    slopes = {layer: torch.empty(n_steps, width, device=device, dtype=dtype) for layer in kept}
    pairs = int((len(delta) - moved).sum()) if clip.family.causal("text") else len(delta) * words
    for steps in torch.arange(n_steps).split(max(1, ROWS_AT_ONCE // max(1, pairs))):
        path, weigh = ends[1] + points[steps].to(delta)[:, None, None] * delta, weights[steps].to(delta)[:, None]
        states = list(move_tokens(clip, path, delta[moved], moved, keys_above=keys_above))
        watch(states, weigh)
        slope = [part * weigh for part in _slopes(clip, states, image)]
        for layer in kept:
            streams[layer][steps] = states[layer - 1].hidden[:, -1].detach()
            moves[layer][:, steps] = states[layer - 1].end.transpose(0, 1)
            slopes[layer][steps] = slope[layer - 1]
        # Above the last layer nothing bypasses EOT.
        ends_moved = states[depth - 1].end.double() * slope[depth - 1].double()[:, None]
        full += ends_moved.sum((0, 2)).cpu().numpy()
    return TextPath(moved, streams, moves, slopes, full, score, baseline, n_steps)


def _slopes(clip: Clip, states: list[CopiesState], image: Embeddings) -> list[Tensor]:
    """Return the gradients of the scores with respect to EOT's stream at every layer.

    Gradients are computed at all layers, so that results do not depend, bit for bit, on the requested layers.
    """
    copies, length = states[0].keys.shape[:2]
    if not clip.family.causal("text"):  # a change of EOT's stream reaches the other positions
        hidden, ends = [states[0].hidden.clone().requires_grad_()], torch.full((copies,), length - 1)
        for block in blocks(clip, "text")[1:]:
            hidden.append(run_block(block, hidden[-1], causal=False, eot=ends)[0])
        scores = embed_stream(clip, "text", hidden[-1][:, -1]) @ image.T
        return [part[:, -1] for part in torch.autograd.grad(scores.sum(), hidden)]
    streams = streams_above(clip, states, 1, states[0].hidden[:, -1].clone().requires_grad_())
    return list(torch.autograd.grad((embed_stream(clip, "text", streams[-1]) @ image.T).sum(), streams))


def streams_above(
    clip: Clip, states: Sequence[CopiesState], layer: int, stream: Float[Tensor, "s d"]
) -> list[Float[Tensor, "s d"]]:
    """Return EOT's stream at a layer and at each layer above, for a causal tower.

    EOT attends to the keys and values of the given states.
    """
    copies, length = states[0].keys.shape[:2]
    same = torch.full((copies,), length - 1)  # equal lengths, so the copies keep their order
    earlier = group(torch.arange(copies) * length, same, stream.device).parts
    streams = [stream]
    for block, state in zip(blocks(clip, "text")[layer:], states[layer:], strict=True):
        streams.append(step_block(block, streams[-1], state.keys.flatten(0, 1), state.values.flatten(0, 1), earlier))
    return streams
