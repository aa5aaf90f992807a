"""The path integral of texts, run once: from it the attributions of any subspace at any layer are a matrix product.

`interp.attribution` pulls gradients back from one site, at a price that grows with layers and subspaces; here each
word's movement is pushed forward to EOT at every layer, at a price of about half a forward pass for each of its
tokens. Both give the same numbers; for a single cell the other way is cheaper, but a sweep takes this one always, so
that no number depends on which cells are computed together.
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

ROWS_AT_ONCE = 2048  # of positions x moved tokens: what the caches hold


@dataclass(frozen=True, eq=False)
class PathRun:
    """What the integrals of n texts over s points need, for w words in all (tokens that are neither BOS nor EOT).

    Attributes:
        moves: layer -> derivative of EOT's stream as each word moves, shape (w, s, d).
        slopes: layer -> gradient of the text's score with respect to EOT's stream, times the rule's weight, shape
            (n, s, d).
        full: attributions by every path, float64, shape (n, t).
        score, baseline_score: of each text and of its baseline.
    """

    tokens: Tokens
    moves: dict[int, Float[Tensor, "w s d"]]
    slopes: dict[int, Float[Tensor, "n s d"]]
    full: np.ndarray
    score: np.ndarray
    baseline_score: np.ndarray

    def through(self, layer: int, basis: Basis) -> np.ndarray:
        """Attributions through a subspace at a layer, float64, shape (n, t)."""
        return self._integrate(layer, basis.to(self.moves[layer]))

    def shared(self, layer: int) -> Shared:
        """Attributions through the whole stream at a layer, and in full."""
        return Shared(self._integrate(layer, None), self.full, self.score, self.baseline_score)

    def _integrate(self, layer: int, basis: Basis | None) -> np.ndarray:
        out, first = np.zeros(tuple(self.tokens.ids.shape)), 0
        for row, words in enumerate((self.tokens.eot - 1).tolist()):
            # Copied, since the last bits of a matrix product depend on where in memory its operands lie, and those
            # that are mapped from a file lie elsewhere.
            parts = self.moves[layer][first : first + words].clone(), self.slopes[layer][row].clone()
            out[row, 1 : words + 1] = _products(*(parts if basis is None else (part @ basis for part in parts)))
            first += words
        return out

    def save(self, path: Path) -> None:
        """Write the tensors to one safetensors file, from which `load` maps them into memory."""
        from safetensors.torch import save_file

        flat = {f"moves.{layer}": part.cpu() for layer, part in self.moves.items()}
        flat |= {f"slopes.{layer}": part.cpu() for layer, part in self.slopes.items()}
        flat |= {
            "full": torch.from_numpy(self.full),
            "score": torch.from_numpy(self.score),
            "baseline_score": torch.from_numpy(self.baseline_score),
        }
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
        return cls(tokens, moves, slopes, *(flat[name].numpy() for name in ("full", "score", "baseline_score")))


def _products(moves: Float[Tensor, "w s k"], slopes: Float[Tensor, "s k"]) -> np.ndarray:
    return (moves.double() * slopes.double()).sum((1, 2)).cpu().numpy()


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
    kept, words = sorted(set(layers)), (tokens.eot - 1).tolist()
    shape = (n_steps, clip.width("text"))
    moves = {layer: torch.empty(sum(words), *shape, device=device, dtype=dtype) for layer in kept}
    slopes = {layer: torch.empty(len(tokens), *shape, device=device, dtype=dtype) for layer in kept}
    scores, full = np.zeros((2, len(tokens))), np.zeros(tuple(tokens.ids.shape))
    first = 0
    for row, count in enumerate(words):
        some = tokens.take(torch.tensor([row]))
        image = images[row : row + 1].to(device, dtype)
        with torch.no_grad():
            ends = [embed_ids(clip, ids.to(device)) for ids in (some.ids, default_baselines(clip, some))]
            scores[:, row] = path_scores(clip, torch.cat(ends), some.eot.repeat(2), image).double().cpu().numpy()
        delta = (ends[0] - ends[1])[0]
        pairs = count * (count + 3) // 2
        for steps in torch.arange(n_steps).split(max(1, ROWS_AT_ONCE // max(1, pairs))):
            path = ends[1] + points[steps].to(delta)[:, None, None] * delta
            states = list(move_tokens(clip, path, delta[1 : count + 1]))
            slope = [part * weights[steps].to(delta)[:, None] for part in _slopes(clip, states, image)]
            for layer in kept:
                moves[layer][first : first + count, steps] = states[layer - 1].end.transpose(0, 1)
                slopes[layer][row, steps] = slope[layer - 1]
            # Past the last layer nothing bypasses EOT.
            full[row, 1 : count + 1] += _products(states[depth - 1].end.transpose(0, 1), slope[depth - 1])
        first += count
        on_text()
    return PathRun(tokens, moves, slopes, full, scores[0], scores[1])


def _slopes(clip: Clip, states: list[Moves], image: Embeddings) -> list[Tensor]:
    """Gradients of the scores with respect to EOT's stream at every layer; of all, so that no bit depends on which
    are asked for."""
    copies, length = states[0].keys.shape[:2]
    earlier = group(torch.arange(copies) * length, torch.full((copies,), length - 1), image.device)
    streams = [states[0].hidden[:, -1].clone().requires_grad_()]
    for block, state in zip(blocks(clip, "text")[1:], states[1:], strict=True):
        streams.append(step_block(block, streams[-1], state.keys.flatten(0, 1), state.values.flatten(0, 1), earlier))
    return list(torch.autograd.grad((finish(clip, "text", streams[-1]) @ image.T).sum(), streams))
