"""Task `dose`: preference, abilities and agreement with readers as functions of the gain of Z."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from interp.cli.progress import Bar
from interp.clip.edits.edit import Edit
from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip, Tokens, length_batches, tokenize
from interp.clip.sites import BLOCK
from interp.clip.tensors import Embeddings, Float, Tensor
from interp.data.blv import QUESTIONS, RatedTexts
from interp.data.contrast import Contrast
from interp.data.transfer import LabelledImages
from interp.edits.construction import gain
from interp.errors import UserError
from interp.measures.schema import CORRELATION, SCORE, SHARE, Unit
from interp.stats import clustered_mean, clustered_share, correlate, preference
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.rotation import Rotation
from training.config import EvaluateConfig
from training.evaluation.abilities import ACCURACY, RETRIEVAL, AbilityTests, ability_tests
from training.evaluation.aligned_subspace import SETS
from training.evaluation.doses import ALPHAS, DOSED, at_alpha
from training.evaluation.loaded_model import EvaluatedPairs
from training.evaluation.numbers import Number, measured
from training.evaluation.tasks.blv import load_ratings, rated_images
from training.evaluation.tasks.task import Job, Task, TaskResult
from training.evaluation.tasks.transfer import load_sets

_BATCH = 256  # number of texts


@dataclass(frozen=True, eq=False)
class RatedBatch:
    """Rated texts for a model.

    Attributes:
        ratings: rated texts.
        tokens: tokens of the texts, each after the prefix.
        images: unit-norm embeddings of the image of each text, shape (n, embed).
    """

    ratings: RatedTexts
    tokens: Tokens
    images: Embeddings


@torch.inference_mode()
def embed_edited(
    clip: Clip, tokens: Tokens, edits: Sequence[Edit], on_text: Callable[[int], object] = lambda _: None
) -> Float[Tensor, "c n embed"]:
    """Embed texts under each of c edits at one site; a text is run once, and above the site only EOT's streams."""
    (site,) = {edit.site for edit in edits}
    out = torch.empty(len(edits), len(tokens), clip.embed_dim, device=clip.device, dtype=clip.model.dtype)
    for rows in length_batches(tokens.eot, _BATCH):
        run = clean_texts(clip, tokens.take(rows), [site])
        h = run.stream(site)
        out[:, rows] = run.push(site, torch.stack([edit(h) for edit in edits], dim=1)).transpose(0, 1)
        on_text(len(rows))
    return out


def dose(
    clip: Clip,
    edits: Mapping[float, Edit],
    pairs: EmbeddedPairs,
    tests: AbilityTests,
    rated: RatedBatch | None = None,
    on_text: Callable[[int], object] = lambda _: None,
) -> list[Number]:
    """Measure a model under several edits at one site; numbers are ordered by measure, then by gain.

    Args:
        clip: model.
        edits: gain -> edit.
        pairs: held-out pairs, with their images.
        tests: tests of abilities.
        rated: rated texts, if there are any.
        on_text: callback with the number of texts that were embedded, for a progress bar.
    """
    every = list(edits.values())
    held_out, able = (embed_edited(clip, tokens, every, on_text) for tokens in (pairs.tokens_for(clip), tests.tokens))
    read = [None] * len(every) if rated is None else embed_edited(clip, rated.tokens, every, on_text)
    rows = []
    for alpha, texts, others, described in zip(edits, held_out, able, read, strict=True):
        numbers = [*_preferred(pairs, texts), *_abilities(tests, others)]
        numbers += [] if rated is None or described is None else _agreement(rated, described)
        rows.append([replace(row, measure=at_alpha(row.measure, alpha)) for row in numbers])
    return [row for curve in zip(*rows, strict=True) for row in curve]


def _preferred(pairs: EmbeddedPairs, texts: Embeddings) -> list[Number]:
    """Return preference accuracy, and the mean difference of the scores of a pair's texts."""
    scores = (texts * pairs.embeddings.to(texts).repeat(2, 1)).sum(-1)
    positive, negative = scores.double().cpu().numpy().reshape(2, -1)
    split, groups = pairs.pairs[0].split, np.array(pairs.groups)
    return [
        measured("dose", split, "preference", clustered_share(preference(positive, negative), groups)),
        measured("dose", split, "gap", clustered_mean(positive - negative, groups)),
    ]


def _abilities(tests: AbilityTests, texts: Embeddings) -> list[Number]:
    """Return means over the kinds of text, and over the sets of images."""
    hits = tests.hits(texts)
    return [
        measured("dose", scope, kind, tests.mean(kind, hits))
        for scope, kind in ((RETRIEVAL, RETRIEVAL), (SETS, ACCURACY))
    ]


def _agreement(rated: RatedBatch, texts: Embeddings) -> list[Number]:
    """Return correlations with mean ratings, as `training.evaluation.tasks.blv` does."""
    scores = (texts * rated.images.to(texts)).sum(-1).double().cpu().numpy()
    every = rated.ratings.texts
    images = [text.image for text in every]
    return [
        measured("dose", question, "pearson", correlate(scores, [text.ratings[question] for text in every], images))
        for question in QUESTIONS
    ]


def _load(config: EvaluateConfig, data: str) -> tuple[list[LabelledImages], RatedTexts | None]:
    return load_sets(config, data), None if config.ratings is None else load_ratings(config)


def _job(on: EvaluatedPairs, loaded: tuple[list[LabelledImages], RatedTexts | None]) -> Job:
    sets, ratings = loaded
    config, clip, aligned, reference = on.config, on.clip, on.aligned, on.reference
    if aligned is None:
        raise UserError(
            "the task dose needs a rotation: name its file with --rotation, or evaluate a run with a rotation"
        )
    rotation = aligned.subspace
    if not isinstance(rotation, Rotation) or rotation.site.component != BLOCK:
        raise UserError(f"the task dose needs a rotation of the residual stream, not {rotation!r}")
    if reference is None:
        raise UserError(
            "the task dose needs train pairs, for the middle between the kinds: leave out --controls none, or choose "
            "data with train pairs"
        )

    def compute() -> TaskResult:
        middle = aligned.part(clip, reference).midpoint
        held_out = on.features.take(on.held_out)
        with Bar(total=sum(map(len, sets)), desc="dose", unit="image") as bar:
            tests = ability_tests(clip, sets, on.data, held_out, bar.update)
        rated = None if ratings is None else _rated_batch(clip, ratings, config.prefix)
        texts = len(held_out.texts) + len(tests.tokens) + (0 if rated is None else len(rated.tokens))
        with Bar(total=texts, desc="dose", unit="text") as bar:
            edits = {alpha: gain(rotation, middle, alpha) for alpha in ALPHAS}
            rows = dose(clip, edits, held_out, tests, rated, bar.update)
        return TaskResult(rows, [note for each in sets for note in each.notes])

    settings = {
        **on.settings,
        **on.referred,
        "alphas": list(ALPHAS),
        "sets": {each.name: each.fingerprint for each in sets},
    }
    if ratings is not None:
        settings |= {"ratings": ratings.fingerprint, "prefix": config.prefix}
    return Job("dose", settings, compute)


def _rated_batch(clip: Clip, ratings: RatedTexts, prefix: str) -> RatedBatch:
    tokens = tokenize(clip, [prefix + text.description for text in ratings.texts])
    return RatedBatch(ratings, tokens, rated_images(clip, ratings))


def _units(_: Contrast) -> Mapping[str, Unit]:
    units = {**dict.fromkeys(DOSED, SHARE), "gap": SCORE, "pearson": replace(CORRELATION, form="+.3f")}
    return {at_alpha(measure, alpha): unit for measure, unit in units.items() for alpha in ALPHAS}


TASK = Task(_job, _units, _load, evidence=True, downloads=True)
