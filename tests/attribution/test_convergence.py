"""Tests of points that are doubled for single texts, against a loop, in both engines and from both baselines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor
from torch.nn import functional

from interp.attribution.all_layers import PathRun, run_path
from interp.attribution.baselines import content_baselines, content_tokens, default_baselines
from interp.attribution.convergence import MOST_DOUBLINGS
from interp.attribution.integral import PathSettings, integrate
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.result import LEAST_DIFFERENCE, Attributions
from interp.clip.model import Clip, tokenize
from interp.clip.sites import Site
from interp.data.words import FUNCTION_WORDS
from interp.subspaces.rotation import Rotation, random_basis
from tests.oracles.plain_forward import random_texts
from tests.wording import raises

START, TOLERANCE = 3, 0.01
TEXTS = [*random_texts(5, 3), "the of a", "", "a red star at the harbour, 3 moons."]
START_FROM = {"padding": default_baselines, "content": content_baselines}


def images() -> Tensor:
    return functional.normalize(torch.randn(8, 16, generator=torch.Generator().manual_seed(0)), dim=-1)


def misses(attributions: Attributions) -> np.ndarray:
    """Return the relative errors, computed by a loop."""
    out = []
    for row in range(len(attributions)):
        difference = float(attributions.score[row] - attributions.baseline_score[row])
        out.append(abs(sum(attributions.tokens["full"][row]) - difference) / max(abs(difference), LEAST_DIFFERENCE))
    return np.array(out)


@pytest.mark.slow
@pytest.mark.parametrize("start", START_FROM)
def test_only_texts_that_miss_get_twice_the_points(small: Clip, start: str):
    tokens = tokenize(small, TEXTS)
    given = START_FROM[start](small, tokens)
    rotation = Rotation(random_basis(24, 5, torch.Generator().manual_seed(0)), Site("text", 3))
    attributor = MediatedIntegratedGradients(small, rotation)
    attributions = attributor.attribute(tokens, images(), baselines=given, n_steps=START, tolerance=TOLERANCE)
    assert isinstance(attributions, Attributions)
    tried = {}
    for times in range(MOST_DOUBLINGS + 1):
        once = attributor.attribute(tokens, images(), baselines=given, n_steps=START * 2**times)
        assert isinstance(once, Attributions)
        np.testing.assert_allclose(once.relative_delta, misses(once), atol=1e-12)
        tried[START * 2**times] = once
    for row, points in enumerate(attributions.points.tolist()):
        wanted = next((n for n, once in tried.items() if misses(once)[row] <= TOLERANCE), max(tried))
        assert points == wanted
        for route, values in attributions.tokens.items():
            np.testing.assert_allclose(values[row], tried[points].tokens[route][row], atol=1e-6)
    assert len(set(attributions.points)) > 2  # some texts need more points than others
    assert set(tried[START].points) == {START}


@pytest.mark.slow
@pytest.mark.parametrize("start", START_FROM)
def test_both_engines_take_the_same_points_and_give_the_same(small: Clip, start: str):
    tokens = tokenize(small, TEXTS)
    given, basis = START_FROM[start](small, tokens), random_basis(24, 5, torch.Generator().manual_seed(0))
    rotation = Rotation(basis, Site("text", 3))
    attributions = MediatedIntegratedGradients(small, rotation).attribute(
        tokens, images(), baselines=given, n_steps=START, tolerance=TOLERANCE
    )
    assert isinstance(attributions, Attributions)
    paths = []
    for row in range(len(TEXTS)):
        text = tokens.take(torch.tensor([row]))
        settings = PathSettings(START, baselines=given[row : row + 1, : text.ids.shape[1]])
        paths.append(run_path(small, text, images()[row : row + 1], [3], settings, TOLERANCE))
    run = PathRun(tokens, paths)
    theirs = run.attributions(3, rotation, run.shared(3))
    np.testing.assert_array_equal(theirs.points, attributions.points)
    largest = np.abs(attributions.tokens["full"]).max()
    for route in theirs.tokens:
        np.testing.assert_allclose(theirs.tokens[route], attributions.tokens[route], atol=2e-5 * largest)
    np.testing.assert_allclose(theirs.baseline_score, attributions.baseline_score, atol=1e-6)


def test_a_text_that_does_not_converge_is_not_attributed_without_end(small: Clip):
    attributor = MediatedIntegratedGradients(small)
    attributions = attributor.attribute(TEXTS, images(), n_steps=1, tolerance=1e-12)
    assert isinstance(attributions, Attributions)
    assert (attributions.points[[0, 7]] == 2**MOST_DOUBLINGS).all()
    assert (attributions.relative_delta[[0, 7]] > 1e-12).all()
    assert attributions.points[6] == 1  # the sum of the empty text is right with one point
    for tolerance in (0.0, -1.0):
        with raises(ValueError, "tolerance"):
            attributor.attribute(TEXTS, images(), tolerance=tolerance)


def test_content_words_alone_become_padding(small: Clip):
    tokens = tokenize(small, TEXTS)
    content = content_tokens(tokens)
    ids = content_baselines(small, tokens)
    pad = small.tokenizer.pad_token_id
    seen = set()
    for row, words in enumerate(tokens.words):
        for place, owner in enumerate(tokens.word_of[row].tolist()):
            keeps = owner < 0 or not words[owner][0].isalpha() or words[owner] in FUNCTION_WORDS
            assert content[row, place] == (not keeps)
            assert ids[row, place] == (tokens.ids[row, place] if keeps else pad)
            seen |= {words[owner]} if owner >= 0 and not keeps else set()
    assert {"red", "star", "harbour", "moons"} <= seen
    assert not seen & {"a", "the", ",", ".", "3"}


@pytest.mark.parametrize("text", ["a red star at the harbour, 3 moons.", "wedding of the quokka and its star"])
def test_from_content_is_captums_layer_integrated_gradients(small: Clip, text: str):
    """The baseline uses token 0. Padding is EOT here, and captum would score a baseline at its first EOT."""
    tokens, image = tokenize(small, [text]), images()[:1]
    unknown = torch.where(content_tokens(tokens), 0, tokens.ids)

    def score(ids: Tensor) -> Tensor:
        features = small.model.get_text_features(input_ids=ids).pooler_output
        return (functional.normalize(features, dim=-1) * image).sum(-1)

    table = small.model.text_model.embeddings.token_embedding
    theirs = LayerIntegratedGradients(score, table).attribute(tokens.ids, baselines=unknown, n_steps=12)
    expected = theirs.sum(-1).detach().numpy()
    shared, _ = integrate(small, tokens, image, 0, {}, PathSettings(12, baselines=unknown, routes=("full",)))
    path = run_path(small, tokens, image, [2], PathSettings(12, baselines=unknown))
    largest = np.abs(expected).max()
    assert shared.full is not None
    np.testing.assert_allclose(shared.full, expected, atol=1e-5 * largest)
    np.testing.assert_allclose(path.full, expected[0, path.moved.numpy()], atol=2e-5 * largest)
    assert 0 < len(path.moved) < tokens.ids.shape[1] - 2  # some words were kept fixed
