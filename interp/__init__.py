"""Causal interpretability for CLIP: rotations, interchange interventions, mediated attributions, sweeps.

The public names, in the order in which a newcomer meets them. Importing this package costs nothing: each name is
loaded when it is first used. The intervention itself is `interp.interchange.interchange`: here, the name of its module
is taken.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp.attribution import MediatedIntegratedGradients
    from interp.baselines import baseline_basis
    from interp.das import DASConfig, PairRun, evaluate, train_das
    from interp.data import load_pairs
    from interp.data.norms import load_norm
    from interp.data.pairs import Pair, PairSet
    from interp.features import image_features
    from interp.hooks import capture, patch
    from interp.interchange import clean_images, clean_texts
    from interp.loading import load_clip
    from interp.models import Clip, embed_images, embed_texts, scores, tokenize
    from interp.rotation import Rotation, random_basis
    from interp.sites import Site
    from interp.stats import correlate
    from interp.sweep_run import SweepRun, load_sweep
    from interp.words import Attributions

_HOME = {
    "load_clip": "loading", "Clip": "models", "tokenize": "models", "embed_texts": "models", "embed_images": "models",
    "scores": "models",
    "load_pairs": "data", "Pair": "data.pairs", "PairSet": "data.pairs", "image_features": "features",
    "Site": "sites", "Rotation": "rotation", "random_basis": "rotation",
    "clean_texts": "interchange", "clean_images": "interchange",
    "capture": "hooks", "patch": "hooks",
    "PairRun": "das", "DASConfig": "das", "train_das": "das", "evaluate": "das", "baseline_basis": "baselines",
    "MediatedIntegratedGradients": "attribution", "Attributions": "words",
    "load_norm": "data.norms", "correlate": "stats", "load_sweep": "sweep_run", "SweepRun": "sweep_run",
}  # fmt: skip

__all__ = [
    "Attributions", "Clip", "DASConfig", "MediatedIntegratedGradients", "Pair", "PairRun", "PairSet", "Rotation",
    "Site", "SweepRun", "baseline_basis", "capture", "clean_images", "clean_texts", "correlate", "embed_images",
    "embed_texts", "evaluate", "image_features", "load_clip", "load_norm", "load_pairs", "load_sweep", "patch",
    "random_basis", "scores", "tokenize", "train_das",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"interp.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'interp' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
