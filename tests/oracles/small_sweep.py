"""Oracle of a small sweep: whole forward passes of transformers in float64, hooks and loops.

Nothing here is fast. Only the functions that load models, data, norms and rotations are shared with the package. Values
that must be equal for two computations to agree (seeds and numbers of draws) are repeated below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor
from torch.nn import functional

import interp
from interp.data.words import FUNCTION_WORDS
from tests.oracles.dyads import error_by_pairs, mean_by_pairs, ratio_by_pairs
from tests.oracles.evidence import clusters, controls, evidence, hits, iias
from tests.oracles.norm_statistics import partial, relations
from tests.oracles.plain_forward import percentiles
from tests.oracles.small_search import Found, loss_on_val, search
from tests.oracles.word_types import jackknife
from tests.oracles.world import World, interventions

NORMS, ROUTES = ("imageability", "concreteness"), ("through", "around", "full")
RESAMPLES, RESAMPLING_SEED = 2000, 0


def resampled(values: Sequence[float], articles: Sequence[str]) -> tuple[float, float, float]:
    """Return a mean with a bootstrap interval over samples of whole articles, drawn with replacement."""
    names, rng, means = sorted(set(articles)), np.random.default_rng(RESAMPLING_SEED), []
    by_article: dict[str, list[float]] = {name: [] for name in names}
    for value, article in zip(values, articles, strict=True):
        by_article[article].append(value)
    for _ in range(RESAMPLES):
        times = rng.multinomial(len(names), [1 / len(names)] * len(names))
        sample = [value for name, count in zip(names, times, strict=True) for value in by_article[name] * count]
        means.append(np.mean(sample))
    return float(np.mean(values)), *percentiles(np.array(means), articles)


def iia_error(world: World, split: str, layer: int, basis: Tensor, seed: int) -> float:
    """Return the standard error of the IIA of both directions."""
    outcomes = interventions(world, split, layer, basis, seed)
    return error_by_pairs(hits(outcomes), *clusters(outcomes["caption"]))


def is_content(word: str) -> bool:
    """Return whether a word begins with a letter and is not a function word."""
    return word[0].isalpha() and word not in FUNCTION_WORDS


@dataclass(frozen=True)
class AttributedText:
    """Attributions of the words of a text.

    Attributes:
        words: words of the text, in order.
        values: route -> attribution of each word.
        score, baseline: scores of the text and of its baseline.
        points: number of points of the path.
    """

    words: Sequence[str]
    values: Mapping[str, Sequence[float]]
    score: float
    baseline: float
    points: int

    @property
    def miss(self) -> float:
        """Absolute error of the sum of attributions, relative to the difference of scores."""
        return abs(sum(self.values["full"]) - (self.score - self.baseline))

    @property
    def relative(self) -> float:
        """Error `miss` over the difference of scores, or over 0.05 if the difference is smaller."""
        return self.miss / max(abs(self.score - self.baseline), 0.05)


def attribute(
    world: World,
    text: str,
    image: Tensor,
    layer: int,
    basis: Tensor,
    n_steps: int,
    *,
    content: bool = False,
    least: int = 0,
) -> AttributedText:
    """Attribute the score of a text to its words by each route, with 1 to 16 times `n_steps` points.

    The number of points is doubled until a text's attributions miss less than 1 % of the whole difference.

    Args:
        content: True if only tokens of content words begin as padding.
        least: smallest number of points.
    """
    for times in (1, 2, 4, 8, 16):
        if times * n_steps < least:
            continue
        attributed = attribute_once(world, text, image, layer, basis, times * n_steps, content)
        if attributed.relative <= 0.01:
            break
    return attributed


def attribute_once(
    world: World, text: str, image: Tensor, layer: int, basis: Tensor, n_steps: int, content: bool
) -> AttributedText:
    """Attribute the score of a text to its words, with a fixed number of points.

    Embeddings move from padding to the words on a straight line. The gradient of the score at the site, EOT after a
    block, is split into its part in the subspace and the rest, and each part alone is pulled back to the embeddings.
    """
    model, ids = world.clip.model, world.clip.tokenizer(text)["input_ids"]
    eot, word_pieces = len(ids) - 1, words_of(world, text)
    begins = list(ids)
    for word, pieces in word_pieces:
        for piece in pieces:
            if is_content(word) or not content:
                begins[piece + 1] = world.clip.tokenizer.pad_token_id
    tokens = torch.tensor([ids, begins])
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
    values = {route: [float(total[pieces].sum()) for _, pieces in word_pieces] for route, total in sums.items()}
    return AttributedText([word for word, _ in word_pieces], values, run(1.0)[2].item(), run(0.0)[2].item(), n_steps)


def words_of(world: World, text: str) -> list[tuple[str, list[int]]]:
    """Return each word of a text, in lower case, with the numbers of its tokens, counted after BOS."""
    words: list[tuple[str, list[int]]] = [("", [])]
    pieces = world.clip.tokenizer.convert_ids_to_tokens(world.clip.tokenizer(text)["input_ids"][1:-1])
    for number, piece in enumerate(pieces):
        word, tokens = words.pop()
        words.append((word + piece.removesuffix("</w>"), [*tokens, number]))
        if piece.endswith("</w>"):
            words.append(("", []))
    return words[:-1]


def drawn_pairs(world: World, count: int) -> list[int]:
    """Draw test pairs at random from the pairs whose texts both contain a word that a norm rates."""
    rated = {word for norm in NORMS for word in interp.load_norm(norm).ratings}
    both = list(zip(world.all("test", "description"), world.all("test", "caption"), strict=True))
    able = [i for i, texts in enumerate(both) if all(rated & {word for word, _ in words_of(world, t)} for t in texts)]
    return sorted(np.random.default_rng(0).permutation(able)[:count].tolist())


def attributions(
    world: World,
    layer: int,
    basis: Tensor,
    attributed: int,
    n_steps: int,
    *,
    content: bool = False,
    base: Sequence[AttributedText] = (),
) -> list[AttributedText]:
    """Return attributions of the descriptions of the attributed test pairs, then of their captions.

    Args:
        content: True to attribute only the content words of every other pair, beginning with the first pair.
        base: attributions in another model; each text gets at least as many points as there.
    """
    drawn = [i for number, i in enumerate(drawn_pairs(world, attributed)) if not content or number % 2 == 0]
    texts = [
        (world.all("test", kind)[i], world.images["test"][i]) for kind in ("description", "caption") for i in drawn
    ]
    least = [text.points for text in base] or [0] * len(texts)
    return [
        attribute(world, text, image, layer, basis, n_steps, content=content, least=points)
        for (text, image), points in zip(texts, least, strict=True)
    ]


def attributed_articles(world: World, count: int) -> list[str]:
    """Return the articles of the attributed test pairs."""
    return [world.all("test", "group")[i] for i in drawn_pairs(world, count)]


def by_type(texts: Sequence[AttributedText], route: str) -> dict[str, list[float]]:
    """Return the attributions of all occurrences of each word."""
    out: dict[str, list[float]] = {}
    for text in texts:
        for word, value in zip(text.words, text.values[route], strict=True):
            out.setdefault(word, []).append(value)
    return out


def places(texts: Sequence[AttributedText], articles: Sequence[str]) -> dict[str, list[int]]:
    """Return the number of the article of each occurrence of a word; descriptions of the pairs come first."""
    out: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        for word in text.words:
            out.setdefault(word, []).append(sorted(set(articles)).index(articles[number % len(articles)]))
    return out


def of_attributions(
    texts: Sequence[AttributedText], from_content: Sequence[AttributedText], articles: Sequence[str]
) -> dict[str, float]:
    """Return all measures of attributions."""
    n = len(texts) // 2
    values = {route: [text.values[route] for text in texts] for route in ROUTES}
    rated_by = {norm: interp.load_norm(norm).ratings for norm in NORMS}
    out = relations([text.words for text in texts], values, articles, rated_by)
    both = [*texts, *from_content]
    out["attribution_delta"] = max(text.miss for text in both)
    out["attribution_delta_relative"] = max(text.relative for text in both)
    twice = [number for number in range(2 * n) if number % n % 2 == 0]
    missed = [text.relative > 0.01 for text in texts]
    for number, other in zip(twice, from_content, strict=True):
        missed[number] |= other.relative > 0.01
    out["attribution_unconverged"] = sum(missed) / len(missed)
    out["attribution_points"] = max(text.points for text in both)
    sums = [sum(text.values["through"]) for text in texts]
    through, gap = [sums[i] - sums[n + i] for i in range(n)], [texts[i].score - texts[n + i].score for i in range(n)]
    gaps = {"through_gap": mean_by_pairs(through, articles, articles)}
    gaps["attributed_gap"] = mean_by_pairs(gap, articles, articles)
    gaps["through_gap_share"] = ratio_by_pairs(through, gap, articles, articles)
    for name, ends in gaps.items():
        out[name], out[f"{name}_low"], out[f"{name}_high"] = ends
    out["score_text"] = float(np.mean([text.score for text in texts]))
    out["score_baseline_padding"] = float(np.mean([text.baseline for text in texts]))
    out["score_baseline_content"] = float(np.mean([text.baseline for text in from_content]))
    pairs = [
        (text.values["through"][i], other.values["through"][i])
        for text, other in zip((texts[number] for number in twice), from_content, strict=True)
        for i, word in enumerate(text.words)
        if is_content(word)
    ]
    out["baseline_agreement"] = float(np.corrcoef(np.array(pairs).T)[0, 1])
    for norm in NORMS:
        ratings = rated_by[norm]
        rated = sorted(word for word in by_type(texts, "full") if word in ratings)
        content = [word for word in rated if is_content(word)]
        out[f"n_{norm}"], out[f"n_{norm}_content"] = len(rated), len(content)
        for route in ROUTES:
            whole = sum(abs(value) for text in texts for value in text.values[route])
            rated_sizes = [
                abs(value)
                for text in texts
                for word, value in zip(text.words, text.values[route], strict=True)
                if word in ratings
            ]
            out[f"attribution_coverage_{norm}_{route}"] = sum(rated_sizes) / whole
            sets = {"": (texts, rated), "_content": (texts, content)}
            if route != "around":
                sets["_content_baseline"] = (from_content, content)
            for suffix, (chosen, words) in sets.items():
                values, stem = by_type(chosen, route), f"r_{norm}_{route}{suffix}"
                measured = [word for word in words if word in values]
                columns = np.array([[float(np.mean(values[word])), ratings[word]] for word in measured]).T
                pairs = articles if len(chosen) == len(texts) else articles[::2]
                interval = jackknife(columns, [places(chosen, pairs)[word] for word in measured], partial, fisher=True)
                out[stem], out[f"{stem}_low"], out[f"{stem}_high"] = interval
    return out


def measures(
    world: World, rotation: Path, layer: int, size: int, seed: int, *, max_steps: int, attributed: int, n_steps: int
) -> tuple[dict[str, float], dict[str, dict[str, list[float]]], Found]:
    """Return all measures of a cell except its time.

    Args:
        rotation: file of the subspace that the sweep has found.

    Returns:
        The measures, the attributions of all occurrences of each word by route, and the result of `search`.
    """
    basis = interp.Rotation.load(rotation).basis.double()
    out = {"test_pairs": float(len(world.pairs["test"])), "directions": float(basis.shape[1])}
    result = search(world, layer, size, seed, max_steps)
    out |= {"das_steps": float(result.steps), "converged": result.converged}
    out["das_val_loss"] = loss_on_val(world, layer, basis, seed)
    out["iia_val"] = iias([interventions(world, "val", layer, basis, seed)])[""][0]
    out["iia_val_se"] = iia_error(world, "val", layer, basis, seed)
    values, intervals = evidence(world, layer, basis, controls(world, layer, size, seed), seed)
    out |= values
    for name, each in intervals.items():
        out[name], out[f"{name}_low"], out[f"{name}_high"] = each
    texts, second = (
        attributions(world, layer, basis, attributed, n_steps, content=content) for content in (False, True)
    )
    out |= of_attributions(texts, second, attributed_articles(world, attributed))
    return out, {route: by_type(texts, route) for route in ROUTES}, result
