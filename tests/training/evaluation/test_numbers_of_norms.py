"""Correlations of an evaluation with norms, against plain loops and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
import torch
from wordfreq import zipf_frequency

from interp.attribution.deletion import deletion_areas
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.clip.model import Clip, tokenize
from interp.clip.sites import Site
from interp.data.norms import load_norms
from interp.data.words import is_content
from interp.subspaces.rotation import Rotation, random_basis
from tests.training.evaluation.evaluating import by_key, with_images
from training.evaluation.tasks.norms import norms as task_norms

pytestmark = pytest.mark.slow


def held(types: list[str], rows: pd.Index, texts: tuple[tuple[str, ...], ...]) -> list[list[float]]:
    """Return frequency, length and kind of word types; the first half of the texts is positive."""
    words, positive = [types[row] for row in rows], [word for text in texts[: len(texts) // 2] for word in text]
    every = [word for text in texts for word in text]
    frequency = [zipf_frequency(word, "en") for word in words]
    return [frequency, [len(word) for word in words], [positive.count(word) / every.count(word) for word in words]]


def test_norms_are_correlated_over_word_types(small: Clip, world):
    pairs, images = world[0][:6], world[1][:6]
    chosen = load_norms("imageability,concreteness")
    rotation = Rotation(random_basis(24, 5, torch.Generator().manual_seed(0)), Site("text", 3))
    texts = [pair.positive for pair in pairs] + [pair.negative for pair in pairs]
    both = torch.cat([images, images])
    plain = by_key(task_norms(small, with_images(pairs, images), None, chosen, n_steps=3)[0])
    rows, means = task_norms(small, with_images(pairs, images), rotation, chosen, n_steps=3)
    routed = by_key(rows)
    every = {"attribution_delta", "attribution_delta_relative", "attribution_unconverged", "attribution_points"}
    every |= {f"area, {order}" for order in ("deletion", "insertion", "random order")}
    for numbers, routes in ((plain, ["full"]), (routed, ["through", "around", "full"])):
        stems = ("r", "rho", "partial", "disattenuated", "beta", "reliability", "attribution_coverage")
        of_route = {f"{stem}_{route}" for stem in stems for route in routes}
        of_route |= {f"r_{route}_content" for route in routes}
        assert {key[2] for key in numbers} == every | of_route
    attributor = MediatedIntegratedGradients(small, rotation, routes=("through", "around", "full"))
    seen = attributor.attribute(texts, both, n_steps=3, tolerance=0.01)
    for route in ("through", "around", "full"):
        values: dict[str, list[float]] = {}
        for words, owners, tokens in zip(seen.words, seen.word_of, seen.tokens[route], strict=True):
            for number, word in enumerate(words):
                values.setdefault(word, []).append(sum(tokens[owners == number]))
        assert means[route] == pytest.approx({word: np.mean(each) for word, each in values.items()})
        for norm in chosen:
            types = sorted(values)
            frame = pd.DataFrame({"x": [np.mean(values[word]) for word in types], "y": norm.of(types)}).dropna()
            row = routed["norms", norm.name, f"r_{route}"]
            assert (row.value, row.n) == (pytest.approx(frame["x"].corr(frame["y"]), abs=1e-9), len(frame))
            assert row.n < len(types)
            assert row.low < row.value < row.high
            row = routed["norms", norm.name, f"rho_{route}"]
            assert row.value == pytest.approx(frame["x"].corr(frame["y"], method="spearman"), abs=1e-9)
            assert (row.n, row.low < row.value < row.high) == (len(frame), True)
            frame["frequency"], frame["length"], frame["kind"] = held(types, frame.index, seen.words)
            row = routed["norms", norm.name, f"partial_{route}"]
            given = pingouin.partial_corr(frame, "x", "y", ["frequency", "length", "kind"]).r.item()
            assert (row.value, row.n) == (pytest.approx(given, abs=1e-9), len(frame))
            content = frame[[is_content(word) for word in np.array(types)[frame.index]]]
            row = routed["norms", norm.name, f"r_{route}_content"]
            assert (row.value, row.n) == (pytest.approx(content["x"].corr(content["y"]), abs=1e-9), len(content))
            assert 2 < len(content) < len(frame)
            sizes = [(word, abs(value)) for word, each in values.items() for value in each]
            rated = sum(size for word, size in sizes if word in norm.ratings)
            row = routed["norms", norm.name, f"disattenuated_{route}"]
            articles = [pair.group for pair in pairs] * 2
            seen_in = {
                word: {articles[text] for text, words_of_text in enumerate(seen.words) if word in words_of_text}
                for word in types
            }
            assert row.n == sum(len(seen_in[np.array(types)[i]]) > 1 for i in frame.index)
            row = routed["norms", norm.name, f"attribution_coverage_{route}"]
            assert (row.value, row.n) == (pytest.approx(rated / sum(size for _, size in sizes)), 12)
    for norm in chosen:
        key = ("norms", norm.name, "r_full")
        assert plain[key].value == pytest.approx(routed[key].value, abs=1e-5)
        assert plain[key].value != pytest.approx(routed[*key[:2], "r_through"].value, abs=1e-3)
    assert means["through"] != pytest.approx(means["full"])
    delta = np.abs(seen.tokens["full"].sum(1) - (seen.score - seen.baseline_score)).max()
    row = routed["norms", "attributions", "attribution_delta"]
    assert (row.value, row.n) == (pytest.approx(delta), 12)
    of_all = {name: routed["norms", "attributions", name].value for name in every}
    assert of_all["attribution_points"] == seen.points.max() > 3
    assert of_all["attribution_delta_relative"] == pytest.approx(seen.relative_delta.max())
    assert of_all["attribution_unconverged"] == np.mean(seen.relative_delta > 0.01)
    areas = deletion_areas(small, tokenize(small, texts), both, seen)
    for name, each in (("deletion", areas.deletion), ("insertion", areas.insertion), ("random order", areas.random)):
        assert of_all[f"area, {name}"] == pytest.approx(each.mean(), abs=1e-6)
    assert of_all["area, deletion"] < of_all["area, random order"] < of_all["area, insertion"]
