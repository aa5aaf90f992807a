"""Training of one cell of the toy, from an empty run folder to its last file: an edit compared with LoRA.

Both are trained like cells of a sweep: IIT-DAS by LoRA on texts, and an edit on the pairs of the clean run that all
cells share, whose time does not count.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from accelerate import Accelerator

from benchmarks.measure import Result, side_by_side
from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.pairs import SPLITS
from interp.subspaces.pairs import PairsAtSite, pairs_at
from training.config import FinetuneConfig, preset
from training.finetune_run import tune

_LAYERS, _SIZE, _MOST_REPEATS = (6, 10), 16, 3


def measure(repeats: int) -> Iterator[Result]:
    """Yield a goal for a low layer and for a high one; a repetition takes half a minute."""
    clip, pairs = load_clip("toy"), load_pairs("toy")
    features = image_features(clip, pairs).tokenized(clip)
    edit = FinetuneConfig(tuning="edit", objective="iit-das-calibrated", retain=0.0)
    for layer in _LAYERS:
        parts = {split: pairs_at(clip, features.split(split), Site("text", layer)) for split in SPLITS}
        yield side_by_side(
            (f"training of one cell of the toy as an edit, layer {layer}, k = {_SIZE}", "IIT-DAS by LoRA"),
            lambda layer=layer: _train(FinetuneConfig(layer=layer, size=_SIZE), clip, features),  # type: ignore[misc]
            lambda layer=layer, parts=parts: _train(  # type: ignore[misc]
                replace(edit, **{**preset(edit), "layer": layer, "size": _SIZE}), clip, features, parts
            ),
            goal=(">=", 10.0),
            repeats=min(repeats, _MOST_REPEATS),
        )


def _train(
    config: FinetuneConfig, clip: Clip, features: EmbeddedPairs, parts: Mapping[str, PairsAtSite] | None = None
) -> None:
    copied = replace(clip, model=copy.deepcopy(clip.model))
    with tempfile.TemporaryDirectory() as folder:
        tune(config, copied, features, Path(folder) / "run", Accelerator(cpu=True), parts=parts)
