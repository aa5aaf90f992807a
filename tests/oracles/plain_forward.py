"""Slow, simple versions of the package's fast functions, and small models to test both on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from interp.clip.hooks import capture, patch
from interp.clip.model import Clip, tokenize
from interp.clip.sites import Site
from interp.clip.toy_model import write_image_settings
from interp.data.toy.texts import vocabulary

_TOKENIZER = Path(__file__).with_name("tokenizer")


def random_clip(
    folder: Path, *, text_layers: int = 5, vision_layers: int = 3, seed: int = 0, gain: float = 4.0
) -> Path:
    """Save a CLIP with random weights and a separate tokenizer; `gain` makes attention and MLPs matter.

    Changes of the toy tokenizer must not change these models, so their tokenizer is stored here. It has 2,400 merges.
    """
    tokenizer = CLIPTokenizer.from_pretrained(_TOKENIZER)
    text = {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": text_layers,
        "num_attention_heads": 3,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 40,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": vision_layers,
        "num_attention_heads": 4,
        "image_size": 64,
        "patch_size": 32,
    }
    torch.manual_seed(seed)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(gain)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_image_settings(folder)
    return folder


def sites(*layers: int, tower: str = "text") -> list[Site]:
    """Return the sites of whole blocks of a tower."""
    return [Site(tower, layer) for layer in layers]  # type: ignore[arg-type]


def random_texts(n: int, seed: int) -> list[str]:
    """Return texts of 1 to 20 words of the toy world and unknown words; no text is truncated."""
    rng = np.random.default_rng(seed)
    words = [*vocabulary(), "zürich", "quokka"]
    return [" ".join(rng.choice(words, size=rng.integers(1, 21))) for _ in range(n)]


@torch.no_grad()
def embed_one_by_one(clip: Clip, texts: list[str]) -> Tensor:
    """Embed each text alone and without padding, by transformers' forward pass."""
    out = []
    for text in texts:
        ids = clip.tokenizer(text, return_tensors="pt")["input_ids"]
        features = clip.model.get_text_features(input_ids=ids).pooler_output
        out.append(features / features.norm(dim=-1, keepdim=True))
    return torch.cat(out)


@torch.no_grad()
def interchange_by_hook(clip: Clip, base: list[str], source: list[str], site: Site, basis: Tensor) -> Tensor:
    """Run full forward passes in transformers, one pair of texts at a time, with a plain hook."""
    out = []
    for base_text, source_text in zip(base, source, strict=True):
        b, s = tokenize(clip, [base_text]), tokenize(clip, [source_text])
        with capture(clip, [site]) as seen:
            clip.model.get_text_features(input_ids=s.ids)
        h_source = seen[site][0, s.eot[0]]

        def change(h: Tensor, h_source: Tensor = h_source) -> Tensor:
            projector = basis @ basis.T
            return h - h @ projector + h_source @ projector

        with patch(clip, site, b.eot, change):
            features = clip.model.get_text_features(input_ids=b.ids).pooler_output
        out.append(features / features.norm(dim=-1, keepdim=True))
    return torch.cat(out)


def residuals(x: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the residuals of x after a least squares line in `given`."""
    design = np.column_stack([np.ones(len(given)), given])
    return x - design @ np.linalg.lstsq(design, x, rcond=None)[0]


def copied_correlations(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, draws: int, seed: int, given: np.ndarray | None = None
) -> np.ndarray:
    """Return the correlation in each sample of a cluster bootstrap that copies every sample; partial with `given`."""
    rng = np.random.default_rng(seed)
    names = np.unique(groups)
    values = []
    for counts in rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws):
        rows = np.concatenate(
            [np.tile(np.flatnonzero(groups == g), c) for g, c in zip(names, counts, strict=True)]
        ).astype(int)
        a, b = x[rows], y[rows]
        if given is not None:
            a, b = residuals(a, given[rows]), residuals(b, given[rows])
        values.append(np.corrcoef(a, b)[0, 1] if min(a.std(), b.std()) > 1e-9 else np.nan)
    return np.array(values)


def percentiles(values: np.ndarray, clusters: Sequence[Any] | np.ndarray | None = None) -> tuple[float, float]:
    """Return the ends of a 95 % interval, from percentiles.

    Percentiles lie further out if clusters are few or uneven. Without clusters, they are plain percentiles.
    """
    if clusters is None:
        low, high = np.nanpercentile(values, [2.5, 97.5])
        return float(low), float(high)
    sizes = np.array([sum(cluster == name for cluster in clusters) for name in set(clusters)])
    count = math.sqrt(len(sizes) * sizes.sum() ** 2 / (sizes**2).sum())
    deviates = stats.t(count - 1).ppf([0.025, 0.975]) * math.sqrt(count / (count - 1))
    low, high = np.nanquantile(values, stats.norm.cdf(deviates))
    return float(low), float(high)
