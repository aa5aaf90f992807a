"""A small sweep recomputed by the most obvious means: whole forward passes of transformers in float64, hooks, loops.

Nothing here is fast, and nothing is shared with the package but what loads models, data, norms and rotations. What
must be the same for two computations to agree (seeds, and how often something is drawn) is written out below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor
from torch.nn import functional

import interp
from tests.oracles.dyads import error_by_pairs, share_by_pairs

NORMS, ROUTES = ("imageability", "concreteness"), ("through", "around", "full")
OTHER = {"caption": "description", "description": "caption"}
FIELD = {"description": "positive", "caption": "negative", "group": "group"}  # of a pair
SUFFIX = {"caption": "c2d", "description": "d2c"}  # by the kind of the base
TARGET = {"caption": 1, "description": 0}  # which of [base, counterfactual] must win, by the kind of the base
SOURCE_DRAWS, RESAMPLES, RESAMPLING_SEED = 2, 2000, 0
RATE, BATCH, LOOK_EVERY, PATIENCE, LEAST_GAIN = 1e-2, 64, 20, 3, 5e-3


def control_seeds(seed: int) -> list[int]:
    """Seeds of the random subspaces that a cell of a seed is compared with."""
    own = [3 * seed, 3 * seed + 1, 3 * seed + 2]
    return [int(np.random.SeedSequence([one, 1]).generate_state(1)[0]) for one in own]


@dataclass(frozen=True, eq=False)
class World:
    """A model in float64, and the pairs and image embeddings of each split."""

    clip: Any
    pairs: Mapping[str, Sequence[Any]]
    images: Mapping[str, Tensor]

    def all(self, split: str, field: str) -> list[str]:
        """The `description`, `caption` or `group` (article) of each pair of a split."""
        return [getattr(pair, FIELD[field]) for pair in self.pairs[split]]


def load_world(model: str, data: str) -> World:
    """Load a model and data, and embed one image after another."""
    clip, loaded = interp.load_clip(model, dtype=torch.float64), interp.load_pairs(data)
    pairs = {name: [pair for pair in loaded.pairs if pair.split == name] for name in ("train", "val", "test")}
    images = {}
    for name, some in pairs.items():
        pixels = [clip.processor([loaded.open_image(pair)], return_tensors="pt")["pixel_values"] for pair in some]
        embedded = [clip.model.get_image_features(pixel_values=one.double()).pooler_output for one in pixels]
        images[name] = functional.normalize(torch.cat(embedded), dim=-1)
    return World(clip, pairs, images)


def score(
    world: World, texts: Sequence[str], images: Tensor, layer: int, change: Callable[[Tensor], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Scores of texts for the images beside them, and the streams at EOT after a block, before `change` alters them.

    The texts are padded behind their EOT, where no token before it can see.
    """
    ids = [world.clip.tokenizer(text)["input_ids"] for text in texts]
    longest, rows, eot = max(map(len, ids)), torch.arange(len(ids)), torch.tensor([len(one) - 1 for one in ids])
    padded = torch.tensor([one + [world.clip.eot] * (longest - len(one)) for one in ids])
    seen = []

    def hook(module: Any, inputs: Any, output: Tensor) -> Tensor:
        seen.append(output[rows, eot])
        output = output.clone()
        output[rows, eot] = seen[0] if change is None else change(seen[0])
        return output

    handle = world.clip.model.text_model.encoder.layers[layer - 1].register_forward_hook(hook)
    features = world.clip.model.get_text_features(input_ids=padded).pooler_output
    handle.remove()
    return (functional.normalize(features, dim=-1) * images).sum(-1), seen[0]


@cache
def clean(world: World, split: str, kind: str, layer: int) -> tuple[Tensor, Tensor]:
    """Scores and streams of the unchanged texts of a split."""
    return score(world, world.all(split, kind), world.images[split], layer)


def changed_scores(
    world: World, split: str, kind: str, layer: int, basis: Tensor, source: Sequence[int], rows: Sequence[int]
) -> Tensor:
    """Scores of the texts of one kind of some pairs, given Z from the texts of the other kind of their source pairs."""
    texts, given = world.all(split, kind), clean(world, split, OTHER[kind], layer)[1][[source[i] for i in rows]]
    projector = basis @ basis.T
    images = world.images[split][rows]
    return score(world, [texts[i] for i in rows], images, layer, lambda h: h + (given - h) @ projector)[0]


def draw_sources(n: int, generator: torch.Generator) -> list[int]:
    """The source of each of n pairs: in a random ring of all, the one before it."""
    ring = torch.randperm(n, generator=generator).tolist()
    before = {ring[place]: ring[place - 1] for place in range(n)}
    return [before[i] for i in range(n)]


def interventions(
    world: World, split: str, layer: int, basis: Tensor, seed: int
) -> dict[str, list[tuple[str, str, float, float]]]:
    """For each kind of base, and each draw and pair: the articles of base and source, 1 for a hit, and by how much the
    score moves."""
    generator, n = torch.Generator().manual_seed(seed), len(world.pairs[split])
    out: dict[str, list[tuple[str, str, float, float]]] = {"caption": [], "description": []}
    for _ in range(SOURCE_DRAWS):
        source = draw_sources(n, generator)
        for kind, rows in out.items():
            before = clean(world, split, kind, layer)[0].tolist()
            after = changed_scores(world, split, kind, layer, basis, source, range(n)).tolist()
            for i in range(n):
                rise = after[i] - before[i]
                hit = 0.5 if rise == 0 else float(rise > 0) if kind == "caption" else float(rise < 0)
                rows.append((world.pairs[split][i].group, world.pairs[split][source[i]].group, hit, rise))
    return out


def iias(
    world: World, split: str, layer: int, bases: Sequence[Tensor], seed: int
) -> dict[str, tuple[float, float, float]]:
    """IIA of both directions together, and of each: the mean over some subspaces, with its interval."""
    found = [interventions(world, split, layer, basis, seed) for basis in bases]
    out = {}
    for suffix, kinds in {"": tuple(SUFFIX), **{f"_{short}": (kind,) for kind, short in SUFFIX.items()}}.items():
        hits = np.mean([[hit for _, _, hit, _ in one[kind]] for one in found for kind in kinds], axis=0)
        bases, sources, _, _ = zip(*found[0][kinds[0]], strict=True)  # the same of each subspace and in both directions
        out[suffix] = share_by_pairs(hits, bases, sources)
    return out


def iia_error(world: World, split: str, layer: int, basis: Tensor, seed: int) -> float:
    """The standard error of the IIA of both directions."""
    up, down = interventions(world, split, layer, basis, seed).values()
    hits = [(one[2] + other[2]) / 2 for one, other in zip(up, down, strict=True)]
    return error_by_pairs(hits, [base for base, *_ in up], [source for _, source, *_ in up])


def resampled(values: Sequence[float], articles: Sequence[str]) -> tuple[float, float, float]:
    """A mean, and the middle 95 % of the means of samples made of whole articles drawn with replacement."""
    names, rng, means = sorted(set(articles)), np.random.default_rng(RESAMPLING_SEED), []
    of = {name: [value for value, article in zip(values, articles, strict=True) if article == name] for name in names}
    for _ in range(RESAMPLES):
        times = rng.multinomial(len(names), [1 / len(names)] * len(names))
        means.append(np.mean([value for name, count in zip(names, times, strict=True) for value in of[name] * count]))
    return float(np.mean(values)), *np.percentile(means, [2.5, 97.5]).tolist()


def correlation(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Pearson's r, and the middle 95 % of it over samples of the units drawn with replacement."""
    both, rng, n, sampled = np.array([x, y]), np.random.default_rng(RESAMPLING_SEED), len(x), []
    for _ in range(RESAMPLES):
        sampled.append(np.corrcoef(np.repeat(both, rng.multinomial(n, [1 / n] * n), axis=1))[0, 1])
    return float(np.corrcoef(both)[0, 1]), *np.percentile(sampled, [2.5, 97.5]).tolist()


def random_subspace(width: int, size: int, seed: int) -> Tensor:
    """Normal vectors, each made orthogonal to those before it; rounded to float32, as a search starts from them."""
    drawn = torch.randn(width, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    columns: list[Tensor] = []
    for one in drawn.T:
        for other in columns:
            one = one - (one @ other) * other
        columns.append(one / one.norm())
    return torch.stack(columns, dim=1).float().double()


def principal_components(streams: Tensor, size: int) -> Tensor:
    """The first right singular vectors of centred streams."""
    return torch.linalg.svd(streams - streams.mean(0))[2][:size].T


def controls(world: World, layer: int, size: int, seed: int) -> dict[str, list[Tensor]]:
    """Subspaces that need no search: components, means completed by components of what is left, and random ones."""
    described, captioned = (clean(world, "train", kind, layer)[1] for kind in ("description", "caption"))
    streams = torch.cat([described, captioned])
    apart = functional.normalize(described.mean(0) - captioned.mean(0), dim=0)
    left = streams - torch.outer(streams @ apart, apart)
    means = torch.cat([apart[:, None], principal_components(left, size - 1)], dim=1)
    drawn = [random_subspace(streams.shape[1], size, one) for one in control_seeds(seed)]
    return {"pca": [principal_components(streams, size)], "means": [means], "random": drawn}


def loss(world: World, split: str, layer: int, basis: Tensor, source: Sequence[int], rows: Sequence[int]) -> Tensor:
    """Two-way cross-entropy over the logits [base, counterfactual], both directions half each."""
    halves, factor = [], world.clip.model.logit_scale.exp()
    for kind in ("caption", "description"):
        after = changed_scores(world, split, kind, layer, basis, source, rows)
        logits = factor * torch.stack([clean(world, split, kind, layer)[0][rows], after], dim=1)
        halves.append(functional.cross_entropy(logits, torch.full((len(rows),), TARGET[kind])))
    return (halves[0] + halves[1]) / 2


def loss_on_val(world: World, layer: int, basis: Tensor, seed: int) -> float:
    """The loss of all pairs of val, each with one source."""
    n = len(world.pairs["val"])
    return float(loss(world, "val", layer, basis, draw_sources(n, torch.Generator().manual_seed(seed)), range(n)))


def search(world: World, layer: int, size: int, seed: int, max_steps: int) -> tuple[Tensor, int]:
    """Adam on a matrix whose columns QR makes orthonormal in each step, until looks at val have shown no gain.

    Returns:
        The basis with the lowest loss at a look, and the number of the last step.
    """
    n, generator = len(world.pairs["train"]), torch.Generator().manual_seed(seed)
    best = random_subspace(clean(world, "train", "caption", layer)[1].shape[1], size, seed)
    free = best.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], lr=RATE)
    batches: list[list[int]] = []
    lowest = counted = float("inf")
    without_gain = 0
    for step in range(1, max_steps + 1):
        if not batches:  # a new pass over the pairs, with new sources
            source = draw_sources(n, generator)
            order = torch.randperm(n, generator=generator).tolist()
            batches = [order[start : start + BATCH] for start in range(0, n, BATCH)]
        optimizer.zero_grad()
        loss(world, "train", layer, torch.linalg.qr(free)[0], source, batches.pop(0)).backward()
        optimizer.step()
        if step % LOOK_EVERY == 0 or step == max_steps:
            basis = torch.linalg.qr(free.detach())[0]
            now = loss_on_val(world, layer, basis, seed)
            lowest, best = (now, basis) if now < lowest else (lowest, best)
            counted, without_gain = (now, 0) if now < counted - LEAST_GAIN else (counted, without_gain + 1)
        if without_gain == PATIENCE:
            break
    return best, step


def attribute(
    world: World, text: str, image: Tensor, layer: int, basis: Tensor, n_steps: int
) -> tuple[dict[str, np.ndarray], float]:
    """What each token of a text adds to its score by each route, and how far all miss the whole difference.

    Embeddings move from padding to the words on a straight line. The gradient of the score at the site, EOT after a
    block, is split into its part in the subspace and the rest, and each part alone is pulled back to the embeddings.
    """
    model, ids = world.clip.model, world.clip.tokenizer(text)["input_ids"]
    eot = len(ids) - 1
    tokens = torch.tensor([ids, [ids[0], *[world.clip.tokenizer.pad_token_id] * (eot - 1), ids[eot]]])
    end, start = model.text_model.embeddings(input_ids=tokens)

    def run(point: float) -> tuple[Tensor, Tensor, Tensor]:
        words, streams = (start + point * (end - start))[None].requires_grad_(), []
        embeddings, block = model.text_model.embeddings, model.text_model.encoder.layers[layer - 1]
        handles = [embeddings.register_forward_hook(lambda *_: words)]
        handles.append(block.register_forward_hook(lambda module, inputs, output: streams.append(output)))
        features = model.get_text_features(input_ids=tokens[:1]).pooler_output[0]
        for handle in handles:
            handle.remove()
        return words, streams[0], functional.normalize(features, dim=0) @ image

    sums = {route: np.zeros(eot - 1) for route in ROUTES}
    for point, weight in zip(*leggauss(n_steps), strict=True):
        words, streams, value = run((point + 1) / 2)
        (slope,) = torch.autograd.grad(value, streams, retain_graph=True)
        within, rest = torch.zeros_like(slope), torch.zeros_like(slope)
        within[0, eot] = basis @ (basis.T @ slope[0, eot])
        rest[0, eot] = slope[0, eot] - within[0, eot]
        cut = {"through": (streams, within), "around": (streams, rest), "full": (value, None)}
        for route, (what, cotangent) in cut.items():
            (gradient,) = torch.autograd.grad(what, words, cotangent, retain_graph=True)
            sums[route] += weight / 2 * (gradient[0] * (end - start)).sum(-1)[1:eot].numpy()
    difference = (run(1.0)[2] - run(0.0)[2]).item()
    return sums, float(sums["full"].sum()) - difference


def words_of(world: World, text: str) -> list[tuple[str, list[int]]]:
    """Each word of a text, in lower case, and which of the tokens between BOS and EOT are its pieces."""
    found: list[tuple[str, list[int]]] = [("", [])]
    pieces = world.clip.tokenizer.convert_ids_to_tokens(world.clip.tokenizer(text)["input_ids"][1:-1])
    for number, piece in enumerate(pieces):
        word, tokens = found.pop()
        found.append((word + piece.removesuffix("</w>"), [*tokens, number]))
        if piece.endswith("</w>"):
            found.append(("", []))
    return found[:-1]


def drawn_pairs(world: World, count: int) -> list[int]:
    """Test pairs drawn at random from those of which both texts hold a word that one of the norms rates."""
    rated = {word for norm in NORMS for word in interp.load_norm(norm).ratings}
    both = list(zip(world.all("test", "description"), world.all("test", "caption"), strict=True))
    able = [i for i, texts in enumerate(both) if all(rated & {word for word, _ in words_of(world, t)} for t in texts)]
    return sorted(np.random.default_rng(0).permutation(able)[:count].tolist())


def attributions(
    world: World, layer: int, basis: Tensor, attributed: int, n_steps: int
) -> tuple[dict[str, dict[str, list[float]]], float]:
    """By route, all that each word adds where it occurs in texts of attributed test pairs; and the largest miss."""
    said: dict[str, dict[str, list[float]]] = {route: {} for route in ROUTES}
    misses = []
    for kind in ("description", "caption"):
        for i in drawn_pairs(world, attributed):
            text, image = world.all("test", kind)[i], world.images["test"][i]
            values, miss = attribute(world, text, image, layer, basis, n_steps)
            misses.append(abs(miss))
            for route in ROUTES:
                for word, tokens in words_of(world, text):
                    said[route].setdefault(word, []).append(float(values[route][tokens].sum()))
    return said, max(misses)


def measures(
    world: World, rotation: Path, layer: int, size: int, seed: int, *, max_steps: int, attributed: int, n_steps: int
) -> tuple[dict[str, float], dict[str, dict[str, list[float]]], Tensor]:
    """All that a sweep says of a cell, but for the time it took.

    Args:
        rotation: the file of what the sweep has found, which is what is measured.

    Returns:
        The measures, the attributions of words, as `attributions` gives them, and the basis that `search` finds.
    """
    basis = interp.Rotation.load(rotation).basis.double()
    width, out = len(basis), {"test_pairs": float(len(world.pairs["test"]))}
    found, out["das_steps"] = search(world, layer, size, seed, max_steps)
    out["das_val_loss"] = loss_on_val(world, layer, basis, seed)
    done = interventions(world, "test", layer, basis, seed)
    described, captioned = (clean(world, "test", kind, layer)[0].tolist() for kind in ("description", "caption"))
    preferred = [float(a > b) for a, b in zip(described, captioned, strict=True)]
    shares = {"preference": share_by_pairs(preferred, world.all("test", "group"))}
    for kind, rows in done.items():
        out[f"shift_{SUFFIX[kind]}"] = sum(rise for *_, rise in rows) / len(rows)
    out["iia_val"], out["directions"] = iias(world, "val", layer, [basis], seed)[""][0], float(basis.shape[1])
    out["iia_val_se"] = iia_error(world, "val", layer, basis, seed)
    compared = {"": [basis]} | {f"_{name}": bases for name, bases in controls(world, layer, size, seed).items()}
    compared |= {"_size0": [torch.zeros(width, 0, dtype=torch.float64)], "_whole": [torch.eye(width).double()]}
    for name, bases in compared.items():
        shares |= {f"iia{name}{suffix}": each for suffix, each in iias(world, "test", layer, bases, seed).items()}
    for name, each in shares.items():
        out[name], out[f"{name}_low"], out[f"{name}_high"] = each
    said, out["attribution_delta"] = attributions(world, layer, basis, attributed, n_steps)
    for norm in NORMS:
        ratings = interp.load_norm(norm).ratings
        rated = sorted(word for word in said["full"] if word in ratings)
        out[f"n_{norm}"] = len(rated)
        for route in ROUTES:
            means, stem = [np.mean(said[route][word]) for word in rated], f"r_{norm}_{route}"
            out[stem], out[f"{stem}_low"], out[f"{stem}_high"] = correlation(means, [ratings[word] for word in rated])
    return out, said, found
