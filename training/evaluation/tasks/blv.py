"""Task `blv`: agreement of scores with ratings by blind and low-vision readers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from interp.clip.errors import ModelError
from interp.clip.image_features import embed_cached
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_texts, scores
from interp.clip.tensors import Embeddings
from interp.clip.trust import check_trust, name_in
from interp.data.blv import SOURCE, RatedTexts, load_blv
from interp.data.contrast import Contrast
from interp.data.pairs import digest
from interp.data.scores import text_scores
from interp.errors import UserError
from interp.measures.schema import CORRELATION, SHARE, Unit
from training.config import EvaluateConfig
from training.evaluation.evaluated_model import EvaluatedModel
from training.evaluation.loaded_model import LoadedModel
from training.evaluation.readers import AGREEMENT, CORRELATIONS, agreement_with_readers
from training.evaluation.tasks.task import Job, Task, TaskResult


def rated_scores(clip: Clip, rated: RatedTexts, prefix: str) -> np.ndarray:
    """Return the score of each rated text with its image."""
    texts = embed_texts(clip, [prefix + text.description for text in rated.texts])
    return scores(rated_images(clip, rated), texts).double().cpu().numpy()


def rated_images(clip: Clip, rated: RatedTexts) -> Embeddings:
    """Embed the image of each rated text."""
    names = sorted({text.image for text in rated.texts})
    keys = [rated.image_key(name) for name in names]
    images, _ = embed_cached(clip, keys, lambda i: rated.open_image(names[i]))
    return images[[names.index(text.image) for text in rated.texts]]


def load_ratings(config: EvaluateConfig, _data: str = "") -> RatedTexts:
    """Load the ratings; raise `UserError` if the options name no ratings, or if the ratings cannot be read."""
    if config.ratings is None:
        raise UserError(f"the task blv needs the ratings: add --blv FOLDER, where FOLDER is a clone of {SOURCE}")
    return load_blv(config.ratings)


def _job(on: LoadedModel, rated: RatedTexts) -> Job:
    config, who = on.config, on.who
    base, tokenizer = _base_and_tokenizer(who)
    against = config.against or base
    given = text_scores(Path(against), rated) if against is not None and os.path.isfile(against) else None
    other = None
    if against is not None and given is None:
        by_default = config.against is None
        tokenizer = tokenizer if by_default else None
        for what, named in (("base", against), ("tokenizer", tokenizer)) if by_default else ():
            check_trust(config.model, what, named or "toy", trust=config.trust_run)
        other = load_clip(against, tokenizer=tokenizer, device=config.device, trust=config.trust_run)
        if by_default and other.fingerprint != who.settings["base"]:
            raise ModelError(
                f"the base of '{config.model}' has changed: '{against}' has the fingerprint {other.fingerprint}, not "
                f"{who.settings['base']}; restore the base, or name another model with --against"
            )
    name = None if against is None else digest(map(repr, given)) if given is not None else other and other.fingerprint

    def compute() -> TaskResult:
        rival = given if other is None else rated_scores(other, rated, config.prefix)
        notes = [] if against is None else [f"in 'more than the other', the other is {against}"]
        return TaskResult(agreement_with_readers(rated, rated_scores(on.clip, rated, config.prefix), rival), notes)

    return Job("blv", {"ratings": rated.fingerprint, "prefix": config.prefix, "against": name}, compute)


def _base_and_tokenizer(who: EvaluatedModel) -> tuple[str | None, str | None]:
    """Return the base and the tokenizer of a run, or None for each of them that the run does not name."""
    if who.named is None:
        return None, None
    base, tokenizer = who.named["base"], who.named["tokenizer"]
    folder = Path(who.name)
    return name_in(folder, base), None if tokenizer is None else name_in(folder, tokenizer)


def _units(_: Contrast) -> Mapping[str, Unit]:
    forms = ("{}", "{} given length", "{} more than the other")
    names = [form.format(method) for method in CORRELATIONS for form in forms]
    orders = ("order within images", "order within images of length")
    return (
        dict.fromkeys((*names, "pearson of length"), replace(CORRELATION, form="+.3f"))
        | dict.fromkeys(orders, SHARE)
        | dict.fromkeys(AGREEMENT, replace(CORRELATION, form=".3f"))
    )


TASK = Task(_job, _units, load_ratings, on_pairs=False)
