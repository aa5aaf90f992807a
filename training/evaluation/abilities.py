"""What models that embed the same images can do: what does not change from model to model is made ready once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from interp.clip.blocks import embed_tokens
from interp.clip.image_features import EmbeddedPairs, embed_cached
from interp.clip.model import Clip, Tokens, tokenize
from interp.data.pairs import digest
from interp.data.transfer import LabelledImages
from interp.methods.pairs import PairsAtSite
from interp.stats import Estimate, mean_of_means
from interp.tensors import Basis, Embeddings
from training.evaluation import tasks
from training.evaluation.zeroshot import classify, retrieval, swapped_prompts

ACCURACY, RETRIEVAL = "accuracy", "retrieval"  # kinds of ability
# (kind of ability, which) -> of each image or pair whether it is a hit, or how often
Able = Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True, eq=False)
class Classified:
    """A classification set whose images have been embedded.

    Attributes:
        prompts: how many each class has.
        labels: the class of each image, shape (n,).
        images: unit-norm, shape (n, embed), on the CPU.
        sample: tells whether two sets have the same images.
    """

    name: str
    prompts: tuple[int, ...]
    labels: np.ndarray
    images: Embeddings
    sample: str


@dataclass(frozen=True, eq=False)
class AbilityTests:
    """Tests of models with one tokenizer and one vision tower; can be sent to other processes.

    Attributes:
        tokens: of all texts: the prompts of each classification set, then of the retrieval sets each kind.
        retrieved: pairs in sets, each of which is a group; their images on the CPU.
        groups: the set of each of these pairs.
    """

    tokens: Tokens
    classified: tuple[Classified, ...]
    retrieved: EmbeddedPairs
    groups: tuple[str, ...]

    def of(self, clip: Clip) -> Able:
        """What a model gets right of each classification set, and in retrieval of each kind of text."""
        counts = [sum(one.prompts) for one in self.classified]
        pairs, kinds = len(self.retrieved), self.retrieved.contrast.kinds
        texts = embed_tokens(clip, self.tokens).split([*counts, *(pairs for _ in kinds)])
        able: dict[tuple[str, str], np.ndarray] = {
            (ACCURACY, one.name): _hits(one, prompts) for one, prompts in zip(self.classified, texts, strict=False)
        }
        for kind, said in zip(kinds, texts[len(counts) :], strict=True):
            able[RETRIEVAL, kind] = retrieval(self.retrieved.embeddings.to(said), said, self.groups)
        return able

    def swapped(self, clip: Clip, part: PairsAtSite, basis: Basis, seed: int) -> Able:
        """What a model gets right of each classification set with Z of other texts in its prompts, of which half are
        positive: see `swapped_prompts`."""
        counts = [sum(one.prompts) for one in self.classified]
        prompts = self.tokens.take(torch.arange(sum(counts)))
        both = [each.split(counts) for each in swapped_prompts(clip, prompts, part, basis, seed)]
        return {
            (ACCURACY, one.name): np.mean([_hits(one, texts) for texts in each], axis=0)
            for one, *each in zip(self.classified, *both, strict=True)
        }

    def drop(self, kind: str, base: Able, tuned: Able) -> Estimate:
        """What is lost of a kind of ability, on average over the sets of images, or over the kinds of text.

        The interval resamples images, of sets that have the same ones together; or the groups of pairs (articles).
        """
        lost = {of: base[kind, of].astype(float) - tuned[kind, of] for known, of in base if known == kind}
        if kind == RETRIEVAL:
            return mean_of_means([(np.mean(list(lost.values()), axis=0), np.array(self.retrieved.groups))])
        samples: dict[str, list[np.ndarray]] = {}
        for one in self.classified:
            samples.setdefault(one.sample, []).append(lost[one.name])
        means = [np.mean(sets, axis=0) for sets in samples.values()]
        return mean_of_means([(mean, np.arange(len(mean))) for mean in means], [len(sets) for sets in samples.values()])


def _hits(one: Classified, prompts: Embeddings) -> np.ndarray:
    return classify(one.images.to(prompts), prompts, one.prompts) == one.labels


def ability_tests(
    clip: Clip, sets: list[LabelledImages], data: str, held_out: EmbeddedPairs,
    on_image: Callable[[], object] = lambda: None,
) -> AbilityTests:  # fmt: skip
    """Embed the images of classification sets, and of sets for retrieval among held-out pairs (`tasks.retrieved`).

    Args:
        data: by its name.
        on_image: called after each image of the classification sets that is embedded.
    """
    classified, said = [], []
    for one in sets:
        images, _ = embed_cached(clip, one.keys, one.open_image, on_image=on_image)
        counts = tuple(len(texts) for texts in one.texts)
        classified.append(Classified(one.name, counts, np.array(one.labels), images.cpu(), digest(one.keys)))
        said += [text for texts in one.texts for text in texts]
    pairs, groups, _ = tasks.retrieval_sets(clip, data, held_out, seed=0)
    pairs = pairs.to("cpu")
    return AbilityTests(tokenize(clip, [*said, *pairs.texts]), tuple(classified), pairs, tuple(groups))
