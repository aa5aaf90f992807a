"""What models that embed the same images can do: what does not change from model to model is made ready once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from interp.clip.blocks import embed_tokens
from interp.clip.image_features import EmbeddedPairs, embed_cached
from interp.clip.model import Clip, Tokens, tokenize
from interp.data.transfer import LabelledImages
from interp.tensors import Embeddings
from training.evaluation import tasks
from training.evaluation.zeroshot import classify, retrieval

Able = Mapping[tuple[str, str], float]  # (kind of ability, which) -> share


@dataclass(frozen=True, eq=False)
class Classified:
    """A classification set whose images have been embedded.

    Attributes:
        prompts: how many each class has.
        labels: the class of each image, shape (n,).
        images: unit-norm, shape (n, embed), on the CPU.
    """

    name: str
    prompts: tuple[int, ...]
    labels: np.ndarray
    images: Embeddings


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
        """Accuracy on each classification set, and retrieval of each kind of text."""
        counts = [sum(one.prompts) for one in self.classified]
        pairs, kinds = len(self.retrieved), self.retrieved.contrast.kinds
        texts = embed_tokens(clip, self.tokens).split([*counts, *(pairs for _ in kinds)])
        able: dict[tuple[str, str], float] = {}
        for one, prompts in zip(self.classified, texts, strict=False):
            guess = classify(one.images.to(prompts), prompts, one.prompts)
            able["accuracy", one.name] = float((guess == one.labels).mean())
        for kind, said in zip(kinds, texts[len(counts) :], strict=True):
            hits = retrieval(self.retrieved.embeddings.to(said), said, self.groups)
            able["retrieval", kind] = float(hits.mean())
        return able


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
        classified.append(Classified(one.name, counts, np.array(one.labels), images.cpu()))
        said += [text for texts in one.texts for text in texts]
    pairs, groups, _ = tasks.retrieval_sets(clip, data, held_out, seed=0)
    pairs = pairs.to("cpu")
    return AbilityTests(tokenize(clip, [*said, *pairs.texts]), tuple(classified), pairs, tuple(groups))
