"""Oracle of a sweep's measures of fine-tuned models, which uses plain passes in float64 like `small_sweep`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import stats
from torch.nn import functional

import interp
from tests.oracles.dyads import error_by_pairs, mean_by_pairs
from tests.oracles.evidence import Interval, controls, evidence
from tests.oracles.small_search import loss
from tests.oracles.small_sweep import attributed_articles, attributions, of_attributions, resampled
from tests.oracles.world import SOURCE_DRAWS, World, clean, draw_sources, exchange, gaps, won
from tests.oracles.world import embed as embed_at

AMONG = 64  # candidates of retrieval
PROMPT_DRAWS = 8  # draws of the pairs from which prompts of zero-shot classification take Z


def tuned_measures(
    base: World, folder: Path, data: str, layer: int, seed: int, *, classes: Path, attributed: int, n_steps: int
) -> dict[str, float]:
    """Return all measures of the model in a run folder.

    Args:
        base: model before training.
        classes: folder with a folder of images for each class, for the measurement of transfer.
    """
    world = load_tuned(base, folder)
    rotation = interp.Rotation.load(folder / "rotation.safetensors")
    basis = rotation.basis.double()
    out = {"val_loss": mean_loss(world, layer, basis, seed), "converged": float(rotation.facts["converged"])}
    values, shares = evidence(world, layer, basis, controls(world, layer, basis.shape[1], seed), seed)
    out |= values
    hits = preferred(world, "val")
    out["preference_val"] = sum(hits) / len(hits)
    out["preference_val_se"] = error_by_pairs(hits, world.all("val", "group"))
    both = list(zip(retrieval(world, "val"), retrieval(base, "val"), strict=True))
    out["retrieval_rise_val"] = sum(np.mean(ours[1]) - np.mean(theirs[1]) for ours, theirs in both) / 2
    hits = [[hits for hits, _ in retrieval(model, "test")] for model in (base, world)]
    lost = [(a + b - c - d) / 2 for (a, b), (c, d) in zip(*(zip(*both, strict=True) for both in hits), strict=True)]
    articles = world.all("test", "group")
    sets = enumerate(sets_of(world, "test"))
    numbered = [(f"set {number}", articles[i]) for number, members in sets for i in members]
    shares["retrieval_drop"] = mean_by_pairs(lost, *zip(*numbered, strict=True))
    lost = [theirs - ours for theirs, ours in zip(classified(base, classes), classified(world, classes), strict=True)]
    shares["transfer_drop"] = resampled(lost, range(len(lost)))
    shares["swap_transfer_lost"] = swap_transfer_lost(world, classes, layer, basis, seed)
    for name, each in shares.items():
        out[name], out[f"{name}_low"], out[f"{name}_high"] = each
    both = []
    for content in (False, True):
        options = layer, basis, attributed, n_steps
        # The base of an edit determines the smallest number of points.
        first = attributions(base, *options, content=content) if (folder / "edit.json").exists() else ()
        both.append(attributions(world, *options, content=content, base=first))
    texts, second = both
    measures = of_attributions(texts, second, attributed_articles(world, attributed))
    out |= {name: value for name, value in measures.items() if not name.startswith("n_")}
    return out


def load_tuned(base: World, folder: Path) -> World:
    """Load a trained model, with the pairs and images of its base, whose vision tower is unchanged."""
    return World(interp.load_clip(str(folder), dtype=torch.float64, trust=True), base.pairs, base.images)


def preferred(world: World, split: str) -> list[float]:
    """Return for each pair of a split 1 if the description scores higher."""
    return [won(gap) for gap in gaps(world, split, world.clip.depth("text"))]


def mean_loss(world: World, layer: int, basis: torch.Tensor, seed: int) -> float:
    """Return the IIT-DAS loss of all pairs of val, the mean over draws of sources."""
    generator, articles = torch.Generator().manual_seed(seed), world.all("val", "group")
    drawn = [draw_sources(articles, generator) for _ in range(SOURCE_DRAWS)]
    losses = [float(loss(world, "val", layer, basis, source, range(len(source)))) for source in drawn]
    return sum(losses) / SOURCE_DRAWS


def embed(world: World, texts: Sequence[str]) -> torch.Tensor:
    """Return unit-norm embeddings, computed for each text separately."""
    outputs = [
        world.clip.model.get_text_features(input_ids=torch.tensor([world.clip.tokenizer(text)["input_ids"]]))
        for text in texts
    ]
    return functional.normalize(torch.cat([output.pooler_output for output in outputs]), dim=-1)


def sets_of(world: World, split: str) -> list[list[int]]:
    """Return the sets of pairs of a split that compete for an image."""
    n = len(world.pairs[split])
    order = np.random.default_rng(0).permutation(n).tolist()
    sets = [order[start : start + AMONG] for start in range(0, n, AMONG)]
    return [members for members in sets if len(members) == AMONG] or sets


def retrieval(world: World, split: str) -> list[tuple[list[float], list[float]]]:
    """Return for each kind of text the hits and cross-entropies of picking a pair's own text within its set."""
    scale, out, sets = float(world.clip.model.logit_scale.exp()), [], sets_of(world, split)
    for kind in ("description", "caption"):
        texts, hits, losses = embed(world, world.all(split, kind)), [], []
        for members in sets:
            for i in members:
                logits = {j: scale * float(world.images[split][i] @ texts[j]) for j in members}
                hits.append(float(all(logits[i] > logits[j] for j in members if j != i)))
                losses.append(math.log(sum(math.exp(logits[j] - logits[i]) for j in members)))
        out.append((hits, losses))
    return out


def prompts(classes: Path) -> list[str]:
    """Return a prompt for each class."""
    return [f"A picture of {path.name}" for path in sorted(classes.iterdir())]


def swap_transfer_lost(world: World, classes: Path, layer: int, basis: torch.Tensor, seed: int) -> Interval:
    """Return the loss of hits if each prompt gets Z of the description, or of the caption, of a random test pair."""
    texts, n, generator = prompts(classes), len(world.pairs["test"]), torch.Generator().manual_seed(seed)
    images, drops = labelled(world, classes), []
    streams = [clean(world, "test", kind, layer)[1] for kind in ("description", "caption")]
    for _ in range(PROMPT_DRAWS):
        drawn = torch.randint(n, (len(texts),), generator=generator)
        swapped = [embed_at(world, texts, layer, exchange(basis, given[drawn]))[0] for given in streams]
        now = np.mean([hits_of(images, embeddings) for embeddings in swapped], axis=0)
        drops.append(np.array(hits_of(images, embed(world, texts))) - now)
    return with_draws(resampled(np.mean(drops, axis=0).tolist(), range(len(images))), np.mean(drops, axis=1))


def with_draws(of_images: Interval, drops: np.ndarray) -> Interval:
    """Return a mean over draws, with an interval that includes the variation between draws."""
    mean, low, high = of_images
    reach = stats.t(len(drops) - 1).ppf(0.975) * drops.std(ddof=1) / math.sqrt(len(drops))
    return mean, mean - math.sqrt((mean - low) ** 2 + reach**2), mean + math.sqrt((high - mean) ** 2 + reach**2)


def classified(world: World, classes: Path) -> list[float]:
    """Return for each image whether zero-shot classification is right."""
    return hits_of(labelled(world, classes), embed(world, prompts(classes)))


def labelled(world: World, classes: Path) -> list[tuple[int, torch.Tensor]]:
    """Return the class and the embedding of each image."""
    images = []
    for right, name in enumerate(sorted(path.name for path in classes.iterdir())):
        for path in sorted((classes / name).iterdir()):
            pixels = world.clip.processor([Image.open(path).convert("RGB")], return_tensors="pt")["pixel_values"]
            images.append((right, world.clip.model.get_image_features(pixel_values=pixels.double()).pooler_output[0]))
    return images


def hits_of(images: Sequence[tuple[int, torch.Tensor]], texts: torch.Tensor) -> list[float]:
    """Return for each image whether the text of its class fits it best."""
    return [float(int((texts @ image).argmax()) == right) for right, image in images]


def close_enough(got: Mapping[str, float | None], wanted: Mapping[str, float]) -> list[str]:
    """Return the names of measures that differ by more than rounding in float32.

    Shares must be equal. A measure in units of the gap, or of a shift, has the rounding error of scores divided by this
    unit.
    """
    exact = (
        "iia",
        "preference",
        "transfer",
        "retrieval_drop",
        "neutral_preference",
        "swap_retrieval",
        "swap_transfer",
        "auc",
    )
    exact += ("single_iia", "percentile", "attribution_points", "retrieval_left", "converged")
    in_gaps, out = ("r2", "ratio", "within_error", "gap_left", "single_share", "elsewhere"), []
    in_gaps += ("gap_kept_within", "left_below", "traits_r2")
    for key, value in wanted.items():
        name, number = key, got[key]
        tolerance = 1e-9 if name.startswith(exact) else 5e-5 + 5e-5 * abs(value) * name.startswith(in_gaps)
        if name == "through_gap_share":  # the ratio of two means in units of scores
            tolerance /= abs(wanted["attributed_gap"])
        if not (math.isnan(value) if number is None else abs(number - value) <= tolerance):
            out.append(f"{key}: {number}, not {value}")
    return out
