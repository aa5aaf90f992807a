"""Abilities of models that embed the same images; the material that all models share is prepared once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from interp.clip.blocks import embed_tokens
from interp.clip.image_features import EmbeddedPairs, embed_cached
from interp.clip.model import Clip, Tokens, tokenize
from interp.clip.tensors import Embeddings
from interp.data.pairs import digest
from interp.data.transfer import LabelledImages
from interp.stats import Estimate, clustered_mean, mean_of_means, student
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.subspace import Subspace
from training.evaluation.retrieval import retrieval, retrieval_sets
from training.evaluation.zeroshot import classify, swapped_prompts

ACCURACY, RETRIEVAL = "accuracy", "retrieval"  # kinds of ability
# (kind of ability, name) -> hit of each image or pair, or its share of hits
Able = Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True, eq=False)
class EmbeddedSet:
    """Classification set whose images have been embedded.

    Attributes:
        name: name of the set.
        prompts: number of prompts of each class.
        labels: class of each image, shape (n,).
        images: unit-norm embeddings, shape (n, embed), on the CPU.
        sample: identifier of the images, equal for two sets with the same images.
    """

    name: str
    prompts: tuple[int, ...]
    labels: np.ndarray
    images: Embeddings
    sample: str


@dataclass(frozen=True, eq=False)
class AbilityTests:
    """Tests of models with one tokenizer and one vision tower, which can be sent to other processes.

    Attributes:
        tokens: tokens of all texts: the prompts of each classification set, then the texts of the retrieval sets by
            kind.
        classified: classification sets.
        retrieved: pairs of the retrieval sets; their image embeddings are on the CPU.
        groups: set of each pair of `retrieved`.
    """

    tokens: Tokens
    classified: tuple[EmbeddedSet, ...]
    retrieved: EmbeddedPairs
    groups: tuple[str, ...]

    def of(self, clip: Clip) -> Able:
        """Return the hits of a model on each classification set, and in retrieval of each kind of text."""
        return self.hits(embed_tokens(clip, self.tokens))

    def hits(self, embedded: Embeddings) -> Able:
        """Return the hits of a model, given its embeddings of the texts of `tokens`."""
        counts = [sum(task.prompts) for task in self.classified]
        pairs, kinds = len(self.retrieved), self.retrieved.contrast.kinds
        texts = embedded.split([*counts, *(pairs for _ in kinds)])
        able: dict[tuple[str, str], np.ndarray] = {
            (ACCURACY, task.name): _hits(task, prompts) for task, prompts in zip(self.classified, texts, strict=False)
        }
        for kind, embeddings in zip(kinds, texts[len(counts) :], strict=True):
            able[RETRIEVAL, kind] = retrieval(self.retrieved.embeddings.to(embeddings), embeddings, self.groups)
        return able

    def drop(self, kind: str, base: Able, tuned: Able) -> Estimate:
        """Return the loss of a kind of ability: the `mean` of base minus tuned."""
        return self.mean(kind, {key: base[key].astype(float) - tuned[key] for key in base if key[0] == kind})

    def mean(self, kind: str, able: Able) -> Estimate:
        """Return the mean of a kind of ability over the sets of images, or over the kinds of text.

        The mean of accuracy is NaN without sets. The interval of accuracy resamples images; sets with equal images are
        resampled together. The interval of retrieval is the `clustered_mean` of the pairs, with the sets as
        clusters, since the texts of a set compete. In the toy world these are the only clusters. In other data, the
        pairs of an article may be in several sets, so two pairs depend on each other if they share a set or an article.
        There is no interval if there are too few sets or articles (`interp.stats.too_few`), or if all pairs have the
        same value.
        """
        values = {name: each.astype(float) for (ability, name), each in able.items() if ability == kind}
        if not values:
            return Estimate(math.nan, 0)
        if kind == RETRIEVAL:
            sets = np.array([f"set {number}" for number in self.groups])
            return clustered_mean(np.mean(list(values.values()), axis=0), sets, np.array(self.retrieved.groups))
        samples: dict[str, list[np.ndarray]] = {}
        for task in self.classified:
            samples.setdefault(task.sample, []).append(values[task.name])
        means = [np.mean(sets, axis=0) for sets in samples.values()]
        return mean_of_means([(mean, np.arange(len(mean))) for mean in means], [len(sets) for sets in samples.values()])

    def swap_lost(self, clip: Clip, base: Able, part: PairsAtSite, subspace: Subspace, seed: int) -> Estimate:
        """Return the loss of accuracy if the prompts get Z of other texts, half of which are positive.

        The value is the mean over the draws of `swapped_prompts`.

        The interval covers two independent errors: the error of images, as in `drop`, and the error of draws, mean ± t
        · √(variance between draws / draws). The distance of each end from the mean is the square root of the sum of
        both squared distances (Zou & Donner 2008). If all draws agree, the interval is that of images. The set of pairs
        to draw from is treated as fixed.

        Args:
            clip: model.
            base: hits of the model with unchanged prompts.
            part, subspace, seed: see `swapped_prompts`.
        """
        if not self.classified:
            return Estimate(math.nan, 0)
        counts = [sum(task.prompts) for task in self.classified]
        prompts = self.tokens.take(torch.arange(sum(counts)))
        draws: list[Able] = [
            {
                (ACCURACY, task.name): np.mean([_hits(task, texts) for texts in both], axis=0)
                for task, *both in zip(self.classified, *(each.split(counts) for each in kinds), strict=True)
            }
            for kinds in swapped_prompts(clip, prompts, part, subspace, seed)
        ]
        mean = self.drop(ACCURACY, base, {key: np.mean([draw[key] for draw in draws], axis=0) for key in draws[0]})
        lost = [float(np.mean([base[key].mean() - hits.mean() for key, hits in draw.items()])) for draw in draws]
        return _widened(mean, _half_width(lost))


def _half_width(draws: Sequence[float]) -> float:
    """Return the half-width of the interval of a mean over independent draws: t · s / √n."""
    return student(len(draws) - 1) * float(np.std(draws, ddof=1)) / math.sqrt(len(draws))


def _widened(estimate: Estimate, further: float) -> Estimate:
    """Return an estimate whose interval also covers another error, given the half-width of that error's interval."""
    low, high = (math.hypot(estimate.value - end, further) for end in (estimate.low, estimate.high))
    return replace(estimate, low=estimate.value - low, high=estimate.value + high)


def _hits(task: EmbeddedSet, prompts: Embeddings) -> np.ndarray:
    return classify(task.images.to(prompts), prompts, task.prompts) == task.labels


def ability_tests(
    clip: Clip,
    sets: list[LabelledImages],
    data: str,
    held_out: EmbeddedPairs,
    on_image: Callable[[], object] = lambda: None,
) -> AbilityTests:
    """Embed the images of classification sets, and of sets for retrieval among held-out pairs (`retrieved`).

    Args:
        clip: model.
        sets: classification sets.
        data: name of the data.
        held_out: held-out pairs.
        on_image: callback after each image of the classification sets that is embedded.
    """
    classified, prompts = [], []
    for task in sets:
        images, _ = embed_cached(clip, task.keys, task.open_image, on_image=on_image)
        counts = tuple(len(texts) for texts in task.texts)
        classified.append(EmbeddedSet(task.name, counts, np.array(task.labels), images.cpu(), digest(task.keys)))
        prompts += [text for texts in task.texts for text in texts]
    pairs, groups, _ = retrieval_sets(clip, data, held_out, seed=0)
    pairs = pairs.to("cpu")
    return AbilityTests(tokenize(clip, [*prompts, *pairs.texts]), tuple(classified), pairs, tuple(groups))
