"""The path integral of texts, run once: from it the attributions of any subspace at any layer are a matrix product.

`interp.attribution` pulls gradients back from one site, at a price that grows with layers and subspaces; here each
word's movement is pushed forward to EOT at every layer, at a price that grows with the length of the text. Both give
the same numbers; a sweep, with its many cells, takes this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from interp.attribution import Shared, default_baselines, path_rule, path_scores
from interp.models import Clip, Tokens
from interp.ragged import group
from interp.tangents import Moves, move_tokens
from interp.tensors import Basis, Embeddings, Float, Tensor
from interp.towers import blocks, embed_ids, finish, step_block

ROWS_AT_ONCE = 4096  # of positions x moved tokens; bounds memory


@dataclass(frozen=True, eq=False)
class PathRun:
    """What the integrals of n texts over s points need, for w words in all (tokens that are neither BOS nor EOT).

    Attributes:
        moves: layer -> derivative of EOT's stream as each word moves, shape (w, s, d).
        slopes: layer -> gradient of the text's score with respect to EOT's stream, times the rule's weight, shape
            (n, s, d). Of the last layer too, where nothing bypasses EOT.
        depth: the last layer.
        score, baseline_score: of each text and of its baseline.
    """

    tokens: Tokens
    moves: dict[int, Float[Tensor, "w s d"]]
    slopes: dict[int, Float[Tensor, "n s d"]]
    depth: int
    score: np.ndarray
    baseline_score: np.ndarray

    def through(self, layer: int, basis: Basis) -> np.ndarray:
        """Attributions through a subspace at a layer, float64, shape (n, t)."""
        basis = basis.to(self.moves[layer])
        return self._integrate(self.moves[layer] @ basis, self.slopes[layer] @ basis)

    def shared(self, layer: int) -> Shared:
        """Attributions through the whole stream at a layer, and in full."""
        stream = self._integrate(self.moves[layer], self.slopes[layer])
        full = self._integrate(self.moves[self.depth], self.slopes[self.depth])
        return Shared(stream, full, self.score, self.baseline_score)

    def _integrate(self, moves: Float[Tensor, "w s k"], slopes: Float[Tensor, "n s k"]) -> np.ndarray:
        out = np.zeros(tuple(self.tokens.ids.shape))
        first = 0
        for row, words in enumerate((self.tokens.eot - 1).tolist()):
            parts = moves[first : first + words].double() * slopes[row].double()
            out[row, 1 : words + 1] = parts.sum((1, 2)).cpu().numpy()
            first += words
        return out

    def save(self, path: Path) -> None:
        """Write the tensors to one safetensors file, from which `load` maps them into memory."""
        from safetensors.torch import save_file

        flat = {f"moves.{layer}": part.cpu() for layer, part in self.moves.items()}
        flat |= {f"slopes.{layer}": part.cpu() for layer, part in self.slopes.items()}
        flat |= {"score": torch.from_numpy(self.score), "baseline_score": torch.from_numpy(self.baseline_score)}
        save_file(flat, path)

    @classmethod
    def load(cls, clip: Clip, tokens: Tokens, path: Path) -> PathRun:
        """Read what `save` wrote of a run of these tokens."""
        from safetensors.torch import load_file

        flat = load_file(path)
        moves, slopes = (
            {int(key.partition(".")[2]): part.to(clip.device) for key, part in flat.items() if key.startswith(name)}
            for name in ("moves.", "slopes.")
        )
        ends = flat["score"].numpy(), flat["baseline_score"].numpy()
        return cls(tokens, moves, slopes, clip.depth("text"), *ends)


def run_paths(
    clip: Clip,
    tokens: Tokens,
    images: Embeddings,
    layers: Iterable[int],
    *,
    n_steps: int,
    method: str = "gausslegendre",
    on_text: Callable[[], object] = lambda: None,
) -> PathRun:
    """Move texts from their default baselines, and keep what attributions at `layers` need.

    Args:
        images: unit-norm embeddings, one for each text.
        on_text: called after each text, for a progress bar.
    """
    points, weights = path_rule(n_steps, method)
    depth, device, dtype = clip.depth("text"), clip.device, clip.model.dtype
    kept, words = sorted({*layers, depth}), (tokens.eot - 1).tolist()
    shape = (n_steps, clip.width("text"))
    moves = {layer: torch.empty(sum(words), *shape, device=device, dtype=dtype) for layer in kept}
    slopes = {layer: torch.empty(len(tokens), *shape, device=device, dtype=dtype) for layer in kept}
    scores = np.zeros((2, len(tokens)))
    first = 0
    for row, count in enumerate(words):
        some = tokens.take(torch.tensor([row]))
        image = images[row : row + 1].to(device, dtype)
        with torch.no_grad():
            ends = [embed_ids(clip, ids.to(device)) for ids in (some.ids, default_baselines(clip, some))]
            for place, embedded in enumerate(ends):
                scores[place, row] = float(path_scores(clip, embedded, some.eot, image))
        delta = (ends[0] - ends[1])[0]
        pairs = count * (count + 3) // 2
        for steps in torch.arange(n_steps).split(max(1, ROWS_AT_ONCE // max(1, pairs))):
            path = ends[1] + points[steps].to(delta)[:, None, None] * delta
            states = list(move_tokens(clip, path, delta[1 : count + 1]))
            slope = _slopes(clip, states, kept, image)
            for layer in kept:
                moves[layer][first : first + count, steps] = states[layer - 1].end.transpose(0, 1)
                slopes[layer][row, steps] = slope[layer] * weights[steps].to(delta)[:, None]
        first += count
        on_text()
    return PathRun(tokens, moves, slopes, depth, scores[0], scores[1])


def _slopes(clip: Clip, states: list[Moves], layers: list[int], image: Embeddings) -> dict[int, Tensor]:
    """Gradients of the scores with respect to EOT's stream at each layer, pushed through the blocks above.

    From layer 1 always, so that no bit depends on the layers asked for.
    """
    copies, length = states[0].keys.shape[:2]
    earlier = group(torch.arange(copies) * length, torch.full((copies,), length - 1), image.device)
    streams = {1: states[0].hidden[:, -1].clone().requires_grad_()}
    for number in range(1, len(states)):
        block, state = blocks(clip, "text")[number], states[number]
        streams[number + 1] = step_block(
            block, streams[number], state.keys.flatten(0, 1), state.values.flatten(0, 1), earlier
        )
    total = (finish(clip, "text", streams[len(states)]) @ image.T).sum()
    return dict(zip(layers, torch.autograd.grad(total, [streams[layer] for layer in layers]), strict=True))
