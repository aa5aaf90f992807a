"""One layer's cells of a sweep: search, controls, attributions. A plain function of clean runs; knows no CLI."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import torch

from interp.attribution.all_layers import PathRun
from interp.attribution.mediated import Shared, assemble
from interp.attribution.result import MEASURED, Attributions
from interp.clip.model import Clip, Tokens
from interp.clip.sites import Site
from interp.data.contrast import DIRECTIONS, Contrast
from interp.data.norms import Norm
from interp.interventions.rotation import Rotation, RotationError
from interp.methods.baselines import BASELINES, baseline_basis
from interp.methods.das import (
    DASConfig,
    Outcomes,
    PairRun,
    clean_scores,
    evaluate,
    train_das_sizes,
)
from interp.runs.examples import EXAMPLES
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.stats import clustered_share, correlate, preference
from interp.tensors import Basis, Tensor

RANDOM_BASES = 3  # the random control is the mean over this many subspaces


@dataclass(frozen=True, eq=False)
class Bench:
    """What every cell of a sweep is computed from.

    Attributes:
        pairs: clean run of the positive texts, then the negative ones, of all pairs.
        contrast: what the two kinds of text are called.
        words: of all these texts.
        splits: train, val, test -> rows of pairs.
        paths: of the texts that are attributed.
        das: settings of the search; the seed is each cell's own.
        draws: random sources for each base when IIA is measured.
        more: further measures of a cell, if any are wanted.
    """

    clip: Clip
    pairs: PairRun
    contrast: Contrast
    words: Sequence[tuple[str, ...]]
    splits: Mapping[str, Tensor]
    paths: PathRun
    norms: Sequence[Norm]
    das: DASConfig
    draws: int = 2
    more: Callable[[Place], Mapping[str, Any]] | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """The pairs of a split, at a layer."""

    pairs: PairRun
    layer: int

    @cached_property
    def clean(self) -> Tensor:
        """`clean_scores` of them."""
        return clean_scores(self.pairs, self.layer)


def compute_layer(
    bench: Bench, folder: RunFolder, keys: Sequence[Place], on_step: Callable[[], None] = lambda: None
) -> None:
    """Compute cells of one layer and write each to the folder.

    Args:
        keys: of a seed all cells that are missing, or such whose rotations `search_layer` has left.
        on_step: called for each rotation and for each cell.
    """
    layer, parts = _parts(bench, keys)
    width = bench.clip.width("text")
    ceilings = {
        f"iia_{name}{suffix}": value
        for name, basis in (("size0", torch.zeros(width, 0)), ("whole", torch.eye(width)))
        for suffix, value in _iias(bench, _evaluate(bench, parts["test"], basis, 0)).items()
    }
    shared = bench.paths.shared(layer)
    for cells in _by_seed(keys):
        started = time.perf_counter()
        rotations = _rotations(bench, parts, folder, cells)
        searching = (time.perf_counter() - started) / len(cells)
        for key, rotation in zip(cells, rotations, strict=True):
            on_step()
            started = time.perf_counter()
            outcomes = _evaluate(bench, parts["test"], rotation.basis, key.seed)
            measures = _alignment(bench, parts, rotation, key, outcomes) | ceilings
            attributions = _attributions(bench.paths.tokens, shared, bench.paths.through(layer, rotation.basis))
            measures |= correlations(attributions, bench.norms)
            measures["attribution_delta"] = float(np.abs(attributions.delta).max())
            if bench.more is not None:
                measures |= bench.more(key)
            measures["seconds"] = searching + time.perf_counter() - started
            words = {route: attributions.by_type(route) for route in MEASURED}
            place = {"layer": key.layer, "block": key.block, "size": key.size, "seed": key.seed}
            examples = _examples(bench, attributions, outcomes)
            folder.write(key.name, {"cell": place, "measures": measures, "words": words, "examples": examples})
            on_step()


def search_layer(bench: Bench, folder: RunFolder, keys: Sequence[Place]) -> None:
    """Search the rotations of cells of one layer, and save them for `compute_layer`."""
    _, parts = _parts(bench, keys)
    for cells in _by_seed(keys):
        _rotations(bench, parts, folder, cells)


def _parts(bench: Bench, keys: Sequence[Place]) -> tuple[int, dict[str, Part]]:
    (layer,) = {key.layer for key in keys}
    return layer, {name: Part(bench.pairs.take(rows), layer) for name, rows in bench.splits.items()}


def _by_seed(keys: Sequence[Place]) -> list[list[Place]]:
    ordered = sorted(keys, key=lambda key: (key.seed, key.size))
    return [list(cells) for _, cells in groupby(ordered, key=lambda key: key.seed)]


def _attributions(tokens: Tokens, shared: Shared, through: np.ndarray) -> Attributions:
    routes = assemble(shared, through, MEASURED)
    return Attributions(tokens.words, tokens.word_of.numpy(), routes, shared.score, shared.baseline_score)


def _rotations(bench: Bench, parts: Mapping[str, Part], folder: RunFolder, keys: Sequence[Place]) -> list[Rotation]:
    """The rotations of cells of one layer and seed: from an earlier, unfinished run if it left all of them, else
    searched together.

    Sizes that are searched beside each other change the last digits of what is found, so some that an earlier run
    left are not completed by others. They are saved when all have been found.
    """
    paths = [key.rotation_file(folder.path) for key in keys]
    try:
        return [Rotation.load(path) for path in paths]
    except RotationError:
        pass
    train, val, site = parts["train"], parts["val"], Site("text", keys[0].layer)
    found = train_das_sizes(
        train.pairs, val.pairs, site.label, site.layer, [key.size for key in keys],
        replace(bench.das, seed=keys[0].seed), clean=(train.clean, val.clean),
    )  # fmt: skip
    for path, rotation in zip(paths, found, strict=True):
        rotation.save(path)
    # Read back, so that a resumed run computes with the same memory layout: sums depend on it in their last bits.
    return [Rotation.load(path) for path in paths]


def _evaluate(bench: Bench, part: Part, basis: Basis, seed: int) -> Outcomes:
    basis = basis.to(part.pairs.images)
    sources, draws = bench.das.sources, bench.draws
    return evaluate(part.pairs, part.layer, basis, sources=sources, draws=draws, seed=seed, clean=part.clean)


def _iias(bench: Bench, outcomes: Outcomes) -> dict[str, float]:
    return {"": outcomes.iia()} | {f"_{bench.contrast.short(d)}": outcomes.iia(d) for d in DIRECTIONS}


def _alignment(
    bench: Bench, parts: Mapping[str, Part], rotation: Rotation, key: Place, outcomes: Outcomes
) -> dict[str, Any]:
    """IIA of the rotation, of the controls of its size, and the preference of the frozen model."""
    layer = key.layer
    test, train = parts["test"], parts["train"].pairs
    measures: dict[str, Any] = {"test_pairs": len(test.pairs)}
    hits = {direction: outcomes.hits(direction) for direction in DIRECTIONS}
    both = np.mean([hits[direction] for direction in DIRECTIONS], axis=0)
    for suffix, values in {"": both, **{f"_{bench.contrast.short(d)}": hits[d] for d in DIRECTIONS}}.items():
        share = clustered_share(values, outcomes.groups)
        measures |= {f"iia{suffix}": share.value, f"iia{suffix}_low": share.low, f"iia{suffix}_high": share.high}
    measures |= {f"shift_{bench.contrast.short(d)}": outcomes.shift(d) for d in DIRECTIONS}
    measures["iia_val"] = _evaluate(bench, parts["val"], rotation.basis, key.seed).iia()
    for kind in BASELINES:
        seeds = [key.seed * RANDOM_BASES + i for i in range(RANDOM_BASES if kind == "random" else 1)]
        bases = [baseline_basis(kind, train, layer, key.size, seed=seed) for seed in seeds]
        each = [_iias(bench, _evaluate(bench, test, basis, key.seed)) for basis in bases]
        measures |= {f"iia_{kind}{name}": float(np.mean([one[name] for one in each])) for name in each[0]}
    clean = outcomes.base
    n = len(test.pairs)
    preferred = preference(clean["down"][:n], clean["up"][:n])
    share = clustered_share(preferred, outcomes.groups[:n])
    measures |= {"preference": share.value, "preference_low": share.low, "preference_high": share.high}
    facts = rotation.facts
    return measures | {"das_steps": facts.get("steps"), "das_val_loss": facts.get("val_loss")}


def _examples(bench: Bench, attributions: Attributions, outcomes: Outcomes) -> list[dict[str, Any]]:
    """The texts of the first test pairs, positive and then negative ones: each word's attribution by route, and what
    the score becomes when Z is taken from a text of the other kind."""
    count = len(attributions) // 2
    chosen = range(min(EXAMPLES, count))
    by_word = {route: attributions.by_word(route) for route in MEASURED}
    test = bench.splits["test"].tolist()
    out = []
    for number, kind in enumerate(bench.contrast.kinds):
        direction = DIRECTIONS[1 - number]
        for pair in chosen:
            row, source = number * count + pair, int(outcomes.sources[pair])
            said = bench.words[test[source] + (1 - number) * len(bench.pairs)]
            base, counterfactual = (float(table[direction][pair]) for table in (outcomes.base, outcomes.counterfactual))
            swap = {"source_pair": source, "source": " ".join(said), "base": base, "counterfactual": counterfactual}
            example: dict[str, Any] = {"kind": kind, "pair": pair, "words": attributions.words[row], "swap": swap}
            example |= {"score": attributions.score[row], "baseline_score": attributions.baseline_score[row]}
            out.append(example | {route: by_word[route][row].tolist() for route in MEASURED})
    return out


def correlations(attributions: Attributions, norms: Sequence[Norm]) -> dict[str, Any]:
    """Correlation over word types of mean attribution with each norm, by route, with n and a 95 % interval.

    The interval resamples word types, the units of the correlation.
    """
    out: dict[str, Any] = {}
    types = {route: attributions.by_type(route) for route in attributions.tokens}
    for norm in norms:
        for route, table in types.items():
            values = [mean for mean, _ in table.values()]
            found = correlate(values, norm.of(table))
            stem = f"{norm.name}_{route}"
            out |= {f"r_{stem}": found.value, f"r_{stem}_low": found.low, f"r_{stem}_high": found.high}
            out[f"n_{norm.name}"] = found.n
    return out
