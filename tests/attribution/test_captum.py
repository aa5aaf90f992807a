"""Tests of the attributor as a class of captum: tensors and token ids as inputs and outputs, baselines, deltas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerIntegratedGradients, NoiseTunnel
from captum.attr._utils.attribution import GradientAttribution
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from interp.attribution.baselines import content_baselines, default_baselines
from interp.attribution.captum_inputs import score_embedded
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.clip.model import Clip, Tokens, embed_texts, tokenize
from interp.clip.sites import Site
from interp.subspaces.rotation import Rotation, random_basis
from tests.agreement import agree
from tests.attribution.test_mediated import an_image
from tests.oracles.plain_forward import random_texts
from tests.wording import raises

STEPS = 12


ROTATION = Rotation(random_basis(24, 5, torch.Generator().manual_seed(0)), Site("text", 3))


def embedded(clip: Clip, tokens: Tokens) -> Tensor:
    """Return token embeddings from the model's table."""
    return clip.model.text_model.embeddings.token_embedding(tokens.ids).detach()


def scorer(clip: Clip):
    """Return the score as a plain function of token embeddings, from transformers' forward pass."""

    def forward(inputs: Tensor, images: Tensor, eot: Tensor) -> Tensor:
        text = clip.model.text_model
        hidden = text.embeddings(inputs_embeds=inputs)
        mask = torch.full((inputs.shape[1],) * 2, -torch.inf).triu(1)[None, None]
        for block in text.encoder.layers:
            hidden = block(hidden, mask)
        pooled = text.final_layer_norm(hidden)[torch.arange(len(inputs)), eot]
        return torch.nn.functional.cosine_similarity(clip.model.text_projection(pooled), images)

    return forward


def test_it_is_one_of_captums(small: Clip):
    attributor = MediatedIntegratedGradients(small)
    assert isinstance(attributor, GradientAttribution)
    assert attributor.multiplies_by_inputs
    assert attributor.has_convergence_delta()
    assert not MediatedIntegratedGradients(small, ROTATION).has_convergence_delta()


def test_scores_of_embeddings_are_those_of_the_texts(small: Clip):
    texts, images = random_texts(5, 0), an_image(5)
    tokens = tokenize(small, texts)
    expected = (embed_texts(small, texts) * images).sum(-1)
    scores = MediatedIntegratedGradients(small).forward_func(embedded(small, tokens), images, tokens.eot)
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(scorer(small)(embedded(small, tokens), images, tokens.eot), expected, rtol=0, atol=1e-6)
    single = tokenize(small, texts[:1])  # by default a text ends where its embeddings do
    score = score_embedded(small, embedded(small, single), images[:1])
    torch.testing.assert_close(score, expected[:1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["gausslegendre", "riemann_middle"])
def test_embeddings_are_attributed_as_by_captum(small: Clip, method: str):
    """Attributions agree in each dimension of each token, from the default baseline and from another baseline."""
    tokens, images = tokenize(small, random_texts(4, 1)), an_image(4)
    inputs, more = embedded(small, tokens), (images, tokens.eot)
    table = small.model.text_model.embeddings.token_embedding
    captum, ours = IntegratedGradients(scorer(small)), MediatedIntegratedGradients(small)
    for start in (default_baselines(small, tokens), content_baselines(small, tokens)):
        baselines = table(start).detach()
        expected, delta = captum.attribute(
            inputs, baselines, additional_forward_args=more, n_steps=STEPS, method=method, return_convergence_delta=True
        )
        values, our_delta = ours.attribute(
            inputs,
            additional_forward_args=more,
            baselines=baselines,
            n_steps=STEPS,
            method=method,
            return_convergence_delta=True,
        )
        assert values.shape == inputs.shape
        size = float(expected.abs().max())
        agree("of embeddings", values, expected.double(), over=size)
        torch.testing.assert_close(our_delta, delta.double(), rtol=0, atol=1e-5)
        torch.testing.assert_close(
            ours.compute_convergence_delta(values.float(), baselines, inputs, additional_forward_args=more).double(),
            our_delta,
            rtol=0,
            atol=1e-5,
        )
    default = ours.attribute(inputs, images, additional_forward_args=tokens.eot, n_steps=STEPS)
    again = ours.attribute(
        inputs,
        images,
        additional_forward_args=(tokens.eot,),
        n_steps=STEPS,
        baselines=table(default_baselines(small, tokens)).detach(),
    )
    assert torch.equal(default, again)


STARTS = {
    "0": lambda inputs: 0,
    "a number": lambda inputs: 0.25,
    "a tuple": lambda inputs: (0,),
    "one row": lambda inputs: inputs[1:2] * 0.5,
    "a tuple of one row": lambda inputs: (inputs[:1] * -1.0,),
    "all rows": lambda inputs: inputs.flip(0),
}


@pytest.mark.slow
@pytest.mark.parametrize("multiply", [True, False])
@pytest.mark.parametrize("start", STARTS)
def test_each_form_of_baselines_is_captums_for_embeddings(small: Clip, start: str, multiply: bool):
    tokens, images = tokenize(small, random_texts(4, 1)), an_image(4)
    inputs, more = embedded(small, tokens), (images, tokens.eot)
    given = STARTS[start](inputs)
    options = {"n_steps": STEPS, "additional_forward_args": more, "return_convergence_delta": True}
    captum = IntegratedGradients(scorer(small), multiply_by_inputs=multiply)
    ours = MediatedIntegratedGradients(small, multiply_by_inputs=multiply)
    assert ours.multiplies_by_inputs == captum.multiplies_by_inputs == multiply
    alone = inputs if not isinstance(given, tuple) else (inputs,)
    expected, delta = captum.attribute(alone, given, **options)
    values, our_delta = ours.attribute(alone, baselines=given, **options)
    if isinstance(given, tuple):
        ((expected,), (values,)) = expected, values
    size = float(expected.abs().max())
    agree("of embeddings", values, expected.double(), over=size)
    torch.testing.assert_close(our_delta, delta.double(), rtol=0, atol=1e-5 * max(1.0, len(inputs[0]) * 24 * size))
    default = ours.attribute(inputs, additional_forward_args=more, n_steps=STEPS)
    assert float((values - default).abs().max()) > 1e-2 * size


@pytest.mark.parametrize("start", [0, 5, "one row", "all rows", None])
def test_each_form_of_baselines_is_captums_for_token_ids(small: Clip, start: int | str | None):
    """captum attributes to each dimension of the embedding layer's output. A token's attribution is the sum."""
    texts, images = random_texts(4, 1), an_image(4)
    tokens = tokenize(small, texts)
    rows = default_baselines(small, tokens)
    given = {"one row": rows[:1], "all rows": rows.flip(0), None: rows}.get(start, start)

    def forward(ids: Tensor, images: Tensor, eot: Tensor) -> Tensor:
        return scorer(small)(small.model.text_model.embeddings.token_embedding(ids), images, eot)

    layer = small.model.text_model.embeddings.token_embedding
    captum = LayerIntegratedGradients(forward, layer)
    expected, delta = captum.attribute(
        tokens.ids, given, additional_forward_args=(images, tokens.eot), n_steps=STEPS, return_convergence_delta=True
    )
    size = float(expected.sum(-1).abs().max())
    ours = MediatedIntegratedGradients(small)
    ours_given = None if start is None else given
    values, our_delta = ours.attribute(
        tokens.ids, images, baselines=ours_given, n_steps=STEPS, return_convergence_delta=True
    )
    agree("of embeddings", values, expected.sum(-1).double(), over=size)
    torch.testing.assert_close(our_delta, delta.double(), rtol=0, atol=1e-5 * max(1.0, len(tokens.ids[0]) * size))
    words, words_delta = ours.attribute(
        texts, images, baselines=ours_given, n_steps=STEPS, return_convergence_delta=True
    )
    np.testing.assert_allclose(words.tokens["full"], values.numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(words_delta, our_delta.numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("route", ["through", "around", "bypass", "full"])
def test_gradients_that_are_not_multiplied_are_the_attributions_over_the_inputs(small: Clip, route: str):
    tokens, images = tokenize(small, random_texts(3, 5)), an_image(3)
    inputs = embedded(small, tokens)
    baselines = inputs - torch.rand(inputs.shape, generator=torch.Generator().manual_seed(0)) - 0.1
    options = {"additional_forward_args": tokens.eot, "baselines": baselines, "n_steps": 4}
    product, gradients = (
        MediatedIntegratedGradients(small, ROTATION, routes=(route,), multiply_by_inputs=multiply).attribute(
            inputs, images, **options
        )
        for multiply in (True, False)
    )
    torch.testing.assert_close(
        gradients * (inputs - baselines).double(), product, rtol=1e-4, atol=1e-5 * float(product.abs().max())
    )
    assert float((gradients - product).abs().max()) > 0


def test_gradients_sum_to_nothing_over_the_dimensions_of_a_token(small: Clip):
    """captum alone shows why texts have no attributions that are not multiplied by inputs."""
    tokens, images = tokenize(small, random_texts(3, 5)), an_image(3)
    captum = IntegratedGradients(scorer(small), multiply_by_inputs=False)
    inputs, more = embedded(small, tokens), (images, tokens.eot)
    gradients = captum.attribute(inputs, 0, additional_forward_args=more, n_steps=STEPS)
    size = float(gradients.abs().max())
    assert size > 1e-3
    assert float(gradients.sum(-1).abs().max()) < 1e-4 * size


def test_captums_own_delta_takes_the_same_baselines(small: Clip):
    tokens, images = tokenize(small, random_texts(2, 3)), an_image(2)
    inputs, ours, more = embedded(small, tokens), MediatedIntegratedGradients(small), (images, tokens.eot)
    for start in (0, inputs[:1] * 0.5):
        values, delta = ours.attribute(
            inputs, additional_forward_args=more, baselines=start, n_steps=STEPS, return_convergence_delta=True
        )
        theirs = ours.compute_convergence_delta(values.float(), start, inputs, additional_forward_args=more)
        torch.testing.assert_close(theirs.double(), delta, rtol=0, atol=1e-5)
        tunnel = NoiseTunnel(ours).attribute(
            inputs, nt_samples=2, stdevs=0.0, n_steps=STEPS, baselines=start, additional_forward_args=more
        )
        torch.testing.assert_close(tunnel, values)


def test_a_second_argument_that_is_no_image_names_baselines(small: Clip):
    """captum's second argument holds baselines; ours holds images."""
    texts, images = random_texts(2, 0), an_image(2)
    tokens, ours = tokenize(small, texts), MediatedIntegratedGradients(small)
    inputs, starts = embedded(small, tokens), default_baselines(small, tokens)
    more = [None, images, (images,), (images, tokens.eot), tokens.eot]
    calls = [(first, second) for first in (inputs, (inputs,)) for second in (0, 0.0, inputs * 0, inputs[:1], (0,))]
    calls += [(first, second) for first in (tokens.ids, texts, tokens) for second in (0, starts, starts[:1])]
    for first, second in calls:
        for extra in more:
            with raises(ValueError, "baselines=..."):
                ours.attribute(first, second, additional_forward_args=extra)  # type: ignore[call-overload]
    for extra in (tokens.eot, (tokens.eot, images), inputs):
        with raises(ValueError, "additional_forward_args"):
            ours.attribute(inputs, additional_forward_args=extra)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 1000), st.sampled_from(["through", "around", "bypass", "full"]))
def test_tensors_and_texts_agree(small: Clip, seed: int, route: str):
    texts, images = random_texts(3, seed), an_image(3)
    tokens = tokenize(small, texts)
    expected = MediatedIntegratedGradients(small, ROTATION).attribute(texts, images, n_steps=3).tokens[route]
    ours = MediatedIntegratedGradients(small, ROTATION, routes=(route,))
    size = max(np.abs(expected).max(), 1e-3)
    ids = ours.attribute(tokens.ids, images, n_steps=3)
    np.testing.assert_allclose(ids.numpy(), expected, rtol=0, atol=1e-5 * size)
    values = ours.attribute(embedded(small, tokens), images, additional_forward_args=tokens.eot, n_steps=3)
    np.testing.assert_allclose(values.sum(-1).numpy(), expected, rtol=0, atol=1e-5 * size)


def test_ids_have_deltas_and_converge(small: Clip):
    texts, images = random_texts(3, 7), an_image(3)
    tokens, ours = tokenize(small, texts), MediatedIntegratedGradients(small)
    expected, expected_delta = ours.attribute(texts, images, n_steps=2, tolerance=0.01, return_convergence_delta=True)
    values, delta = ours.attribute(tokens.ids, images, n_steps=2, tolerance=0.01, return_convergence_delta=True)
    np.testing.assert_allclose(values.numpy(), expected.tokens["full"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(delta.numpy(), expected_delta, rtol=0, atol=1e-9)


def test_what_tensors_must_be(small: Clip):
    tokens, images = tokenize(small, random_texts(2, 0)), an_image(2)
    inputs, ours = embedded(small, tokens), MediatedIntegratedGradients(small)
    four = MediatedIntegratedGradients(small, ROTATION)
    through = MediatedIntegratedGradients(small, ROTATION, routes=("through",))
    gradients = MediatedIntegratedGradients(small, multiply_by_inputs=False)
    cases = [
        ((4, "routes="), lambda: four.attribute(inputs, images)),
        ((), lambda: ours.attribute(inputs)),
        (
            (),
            lambda: ours.attribute(inputs, images, additional_forward_args=(images, images)),
        ),
        ("'full'", lambda: through.attribute(inputs, images, return_convergence_delta=True)),
        ("tolerance", lambda: ours.attribute(inputs, images, tolerance=0.1)),
        ((1, 2), lambda: ours.attribute(inputs, images[:1])),
        (
            "baselines",
            lambda: ours.attribute(inputs, images, baselines=inputs[:, :1]),
        ),
        (("baselines", "str"), lambda: ours.attribute(inputs, images, baselines="0")),
        ((), lambda: ours.attribute(tokens.ids, images, baselines=0.5)),
        (("baselines", 0), lambda: ours.attribute(tokens.ids, images, baselines=-1)),
        (("baselines", 0), lambda: ours.attribute(["a", "b"], images, baselines=10**6)),
        (("inputs", 2), lambda: ours.attribute((inputs, inputs), images)),
        (("baselines", 2), lambda: ours.attribute(inputs, images, baselines=(0, 0))),
        ("eot", lambda: ours.attribute(inputs, images, additional_forward_args=tokens.eot.float())),
        (0, lambda: gradients.attribute(["a", "b"], images)),
        (0, lambda: gradients.attribute(tokens.ids, images)),
        (
            ("eot", 2, 0),
            lambda: ours.attribute(inputs, images, additional_forward_args=torch.tensor([0, 99])),
        ),
        (1, lambda: ours.attribute(tokens.ids * torch.tensor([[1], [0]]), images)),
        ((), lambda: ours.attribute(["a text"])),
        (("n_steps", 1), lambda: ours.attribute(inputs, images, n_steps=0)),
    ]
    for value, call in cases:
        with raises(ValueError, value):
            call()
