"""Tests of mediated integrated gradients against captum and hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients, NeuronConductance
from captum.attr._utils.approximation_methods import SUPPORTED_METHODS, approximation_parameters
from torch import Tensor, nn
from torch.nn import functional

from interp.attribution.baselines import default_baselines
from interp.attribution.integral import PathSettings, integrate
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.path_rule import path_rule
from interp.attribution.result import ROUTES
from interp.clip.model import Clip, embed_texts, tokenize
from interp.clip.sites import Site, SiteError, SiteMismatch
from interp.subspaces.rotation import Rotation, orthonormal, random_basis
from tests.agreement import agree
from tests.oracles.plain_forward import random_texts
from tests.wording import raises

STEPS = 12


def an_image(n: int, seed: int = 0) -> Tensor:
    return functional.normalize(torch.randn(n, 16, generator=torch.Generator().manual_seed(seed)), dim=-1)


def score_of_ids(clip: Clip, images: Tensor):
    def forward(ids: Tensor) -> Tensor:
        features = clip.model.get_text_features(input_ids=ids).pooler_output
        return (functional.normalize(features, dim=-1) * images.repeat(len(ids) // len(images), 1)).sum(-1)

    return forward


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("method", ["gausslegendre", "riemann_trapezoid"])
def test_full_is_captums_layer_integrated_gradients(small: Clip, seed: int, method: str):
    texts, images = random_texts(1, seed), an_image(1, seed)
    tokens = tokenize(small, texts)
    attributor = MediatedIntegratedGradients(small)
    captum = LayerIntegratedGradients(score_of_ids(small, images), small.model.text_model.embeddings.token_embedding)
    padded = default_baselines(small, tokens)
    unknown = torch.where(padded == small.eot, 0, padded)
    unknown[0, -1] = small.eot
    for baselines in (padded, unknown):
        ours = attributor.attribute(texts, images, baselines=baselines, n_steps=STEPS, method=method)
        theirs, delta = captum.attribute(
            tokens.ids, baselines=baselines, n_steps=STEPS, method=method, return_convergence_delta=True
        )
        expected = theirs.sum(-1).detach().numpy()
        agree("full", ours.tokens["full"], expected, over=np.abs(expected).max())
        assert np.abs(expected).max() > 1e-3
    # Only `unknown` has a comparable delta. If padding is EOT, captum scores the baseline at its first padding.
    np.testing.assert_allclose(ours.delta, delta.detach().numpy(), atol=1e-5)


class FromEmbeddings(nn.Module):
    """Score as a function of token embeddings, in which the site's stream passes through a separate rotation module.

    captum then sees a neuron for each direction of the rotation.
    """

    def __init__(self, clip: Clip, site: Site, basis: Tensor, ids: Tensor, eot: int, image: Tensor) -> None:
        super().__init__()
        self.clip, self.site, self.ids, self.eot, self.image = clip, site, ids, eot, image
        torch.manual_seed(0)
        every = torch.cat([basis, torch.randn(len(basis), len(basis) - basis.shape[1])], dim=1)
        self.rotate = nn.Linear(len(basis), len(basis), bias=False)
        self.rotate.weight.data = orthonormal(every).T.contiguous()

    def forward(self, embeddings: Tensor) -> Tensor:
        def give_embeddings(_module, _inputs, _output):
            return embeddings

        def through_rotation(_module, _inputs, hidden):
            rotated = self.rotate(hidden[:, self.eot])
            return torch.cat(
                [hidden[:, : self.eot], (rotated @ self.rotate.weight)[:, None], hidden[:, self.eot + 1 :]], 1
            )

        handles = [
            self.clip.model.text_model.embeddings.token_embedding.register_forward_hook(give_embeddings),
            self.site.module(self.clip).register_forward_hook(through_rotation),
        ]
        try:
            features = self.clip.model.get_text_features(input_ids=self.ids.repeat(len(embeddings), 1)).pooler_output
        finally:
            for handle in handles:
                handle.remove()
        return functional.normalize(features, dim=-1) @ self.image


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "size", "seed"), [(1, 3, 0), (3, 5, 1), (5, 4, 2)])
def test_through_is_captums_conductance_summed_over_the_rotated_directions(
    small: Clip, layer: int, size: int, seed: int
):
    texts, image = random_texts(1, seed), an_image(1, seed)
    basis = random_basis(24, size, torch.Generator().manual_seed(seed))
    site = Site("text", layer)
    ours = MediatedIntegratedGradients(small, Rotation(basis, site)).attribute(texts, image, n_steps=STEPS)
    tokens = tokenize(small, texts)
    table = small.model.text_model.embeddings.token_embedding
    wrapped = FromEmbeddings(small, site, basis, tokens.ids, int(tokens.eot[0]), image[0])
    conductance = NeuronConductance(wrapped, wrapped.rotate)
    end, start = table(tokens.ids), table(default_baselines(small, tokens))
    parts = {
        "through": range(size),
        "around": range(size, 24),
    }
    for route, directions in parts.items():
        expected = sum(
            conductance.attribute(end, j, baselines=start, n_steps=STEPS, method="gausslegendre").sum(-1).detach()
            for j in directions
        ).numpy()
        agree("conductance", ours.tokens[route], expected, over=np.abs(ours.tokens["full"]).max())
    assert np.abs(ours.tokens["through"]).max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("layer", [1, 3, 5])
def test_bypass_is_what_is_left_where_the_stream_at_the_site_is_held(small: Clip, layer: int):
    """The oracle is transformers' forward pass, with a hook that blocks the gradient at EOT after the block."""
    texts, images = random_texts(7, layer), an_image(7, layer)
    turn = Rotation(random_basis(24, 4, torch.Generator().manual_seed(0)), Site("text", layer))
    attributor = MediatedIntegratedGradients(small, turn, routes=("bypass",))
    ours = attributor.attribute(texts, images, n_steps=STEPS, internal_batch_size=30)
    largest = 0.0
    for row, (text, image) in enumerate(zip(texts, images, strict=True)):
        expected = bypass_by_hook(small, text, image, layer)
        agree("bypass", ours.tokens["bypass"][row, : len(expected)], expected)
        largest = max(largest, np.abs(expected).max())
    # Nothing can bypass the last layer, but paths bypass every earlier layer.
    assert (largest > 1e-3) == (layer < 5)


def bypass_by_hook(small: Clip, text: str, image: Tensor, layer: int) -> np.ndarray:
    tokens = tokenize(small, [text])
    eot, table = int(tokens.eot[0]), small.model.text_model.embeddings.token_embedding
    end, start = table(tokens.ids).detach(), table(default_baselines(small, tokens)).detach()
    points, weights = path_rule(STEPS, "gausslegendre")
    path = (start + points.to(end)[:, None, None] * (end - start)).requires_grad_()
    handles = [
        table.register_forward_hook(lambda _module, _inputs, _output: path),
        turn_off(Site("text", layer).module(small), eot),
    ]
    try:
        features = small.model.get_text_features(input_ids=tokens.ids.repeat(STEPS, 1)).pooler_output
        scores = functional.normalize(features, dim=-1) @ image
        (grad,) = torch.autograd.grad(scores.sum(), path)
    finally:
        for handle in handles:
            handle.remove()
    return ((grad * (end - start)).sum(-1) * weights.to(end)[:, None]).sum(0).numpy()


def turn_off(module: nn.Module, position: int):
    """Block the gradient at a position of a block's output."""

    def hold(_module, _inputs, hidden):
        return torch.cat(
            [hidden[:, :position], hidden[:, position : position + 1].detach(), hidden[:, position + 1 :]], 1
        )

    return module.register_forward_hook(hold)


def test_the_complement_swaps_through_and_around(small: Clip):
    texts, images = random_texts(4, 0), an_image(4)
    every = random_basis(24, 24, torch.Generator().manual_seed(0))
    halves = [
        MediatedIntegratedGradients(small, Rotation(basis, Site("text", 3))).attribute(texts, images, n_steps=STEPS)
        for basis in (every[:, :7], every[:, 7:])
    ]
    largest = np.abs(halves[0].tokens["full"]).max()
    np.testing.assert_allclose(halves[0].tokens["through"], halves[1].tokens["around"], atol=1e-5 * largest)
    assert np.abs(halves[0].tokens["through"] - halves[1].tokens["through"]).max() > 1e-2 * largest


def test_an_empty_mediator_carries_nothing_and_a_whole_one_goes_around_nothing(small: Clip):
    texts, images = random_texts(3, 1), an_image(3)
    empty, whole = (
        MediatedIntegratedGradients(small, Rotation(basis, Site("text", 3))).attribute(texts, images, n_steps=STEPS)
        for basis in (torch.zeros(24, 0), torch.eye(24))
    )
    assert not empty.tokens["through"].any()
    assert np.abs(whole.tokens["around"]).max() < 1e-6
    np.testing.assert_allclose(empty.tokens["around"], whole.tokens["through"], atol=1e-6)


@pytest.mark.slow
def test_attributions_converge_to_the_difference_of_scores(small: Clip):
    texts, images = random_texts(5, 2), an_image(5)
    attributor = MediatedIntegratedGradients(small, Rotation(random_basis(24, 4, torch.Generator()), Site("text", 2)))
    coarse, fine = (attributor.attribute(texts, images, n_steps=n) for n in (2, 200))
    assert np.abs(fine.delta).max() < 1e-3 < np.abs(coarse.delta).max()
    np.testing.assert_allclose(fine.score, (embed_texts(small, texts) * images).sum(-1).numpy(), atol=1e-6)
    attributions, delta = attributor.attribute(texts, images, n_steps=2, return_convergence_delta=True)
    np.testing.assert_array_equal(delta, coarse.delta)
    np.testing.assert_array_equal(attributions.tokens["full"], coarse.tokens["full"])


@pytest.mark.slow
def test_batching_does_not_matter(small: Clip):
    texts, images = random_texts(6, 3), an_image(6)
    attributor = MediatedIntegratedGradients(small, Rotation(random_basis(24, 4, torch.Generator()), Site("text", 2)))
    results = [attributor.attribute(texts, images, n_steps=5, internal_batch_size=size) for size in (1, 7, 12, None)]
    alone = [attributor.attribute([text], images[i : i + 1], n_steps=5) for i, text in enumerate(texts)]
    for route in ROUTES:
        for other in results[1:]:
            np.testing.assert_allclose(other.tokens[route], results[0].tokens[route], atol=1e-6)
        for i, single in enumerate(alone):
            np.testing.assert_allclose(single.by_word(route)[0], results[0].by_word(route)[i], atol=1e-6)


def test_several_subspaces_at_once_are_those_of_each_alone(small: Clip):
    tokens, images = tokenize(small, random_texts(5, 4)), an_image(5)
    site = Site("text", 3)
    rotations = {str(k): Rotation(random_basis(24, k, torch.Generator().manual_seed(k)), site) for k in (1, 4, 9)}
    shared, through = integrate(small, tokens, images, 3, rotations, PathSettings(4))
    for name, rotation in rotations.items():
        alone, only = integrate(small, tokens, images, 3, {name: rotation}, PathSettings(4))
        # Results agree bit for bit, since a sweep's cells must not depend on other cells.
        np.testing.assert_array_equal(through[name], only[name])
        np.testing.assert_array_equal(shared.stream, alone.stream)


def test_baselines_of_ones_own(small: Clip):
    texts, images = random_texts(2, 5), an_image(2)
    tokens = tokenize(small, texts)
    attributor = MediatedIntegratedGradients(small)
    given = attributor.attribute(texts, images, baselines=default_baselines(small, tokens), n_steps=4)
    np.testing.assert_array_equal(given.tokens["full"], attributor.attribute(texts, images, n_steps=4).tokens["full"])
    same = attributor.attribute(texts, images, baselines=tokens.ids, n_steps=4)
    assert not same.tokens["full"].any()


def test_what_cannot_be_asked(small: Clip):
    with raises(SiteError, "text"):
        MediatedIntegratedGradients(small, Rotation(torch.eye(32), Site("vision", 1)))
    with raises(SiteError, 9):
        MediatedIntegratedGradients(small, Rotation(torch.eye(24), Site("text", 9)))
    with raises(SiteMismatch, 32):
        MediatedIntegratedGradients(small, Rotation(torch.eye(32), Site("text", 1)))
    with raises(ValueError):
        MediatedIntegratedGradients(small, routes=("through",))
    attributor = MediatedIntegratedGradients(small)
    with raises(ValueError):
        attributor.attribute(["a star", "a moon"], an_image(1))
    with raises(ValueError, "n_steps"):
        attributor.attribute(["a star"], an_image(1), n_steps=0)


@pytest.mark.parametrize("n_steps", [2, 5, 20, 50])
@pytest.mark.parametrize("method", SUPPORTED_METHODS)
def test_rules_of_integration_are_captums(method: str, n_steps: int):
    """Gauss-Legendre rules agree bit for bit. captum computes its Riemann points in float32."""
    sizes, alphas = (torch.tensor(rule(n_steps), dtype=torch.float64) for rule in approximation_parameters(method))
    close = {"atol": 0.0 if method == "gausslegendre" else 1e-7, "rtol": 0.0}
    points, weights = path_rule(n_steps, method)
    torch.testing.assert_close(points, alphas, **close)
    torch.testing.assert_close(weights, sizes, **close)
    assert points.diff().min() > 0


def test_unknown_rules_are_named():
    with raises(ValueError, "'simpson'"):
        path_rule(5, "simpson")
