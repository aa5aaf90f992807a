"""Tests of the attributor in captum's noise tunnel and visualization of texts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, NoiseTunnel
from captum.attr._utils.visualization import visualize_text

from interp.attribution.mediated import MediatedIntegratedGradients
from interp.clip.model import Clip, tokenize
from tests.attribution.test_captum import ROTATION, STEPS, embedded, scorer
from tests.attribution.test_mediated import an_image
from tests.oracles.plain_forward import random_texts


@pytest.mark.parametrize("nt_type", ["smoothgrad", "smoothgrad_sq", "vargrad"])
def test_in_a_noise_tunnel(small: Clip, nt_type: str):
    """With equal noise, the result equals that of captum's own class. The seed makes the noise equal."""
    tokens, images = tokenize(small, random_texts(2, 3)), an_image(2)
    inputs, baselines = embedded(small, tokens), embedded(small, tokens) * 0
    options = {
        "nt_type": nt_type,
        "nt_samples": 3,
        "stdevs": 0.05,
        "baselines": baselines,
        "n_steps": STEPS,
        "method": "gausslegendre",
        "additional_forward_args": (images, tokens.eot),
        "return_convergence_delta": True,
    }
    results = []
    for attributor in (IntegratedGradients(scorer(small)), MediatedIntegratedGradients(small)):
        torch.manual_seed(0)
        results.append(NoiseTunnel(attributor).attribute(inputs, **options))
    (expected, delta), (values, our_delta) = results
    assert values.shape == inputs.shape
    torch.testing.assert_close(values.float(), expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))
    torch.testing.assert_close(our_delta.float(), delta, rtol=0, atol=1e-5)
    assert float(values.abs().max()) > 0


def test_a_route_in_a_noise_tunnel(small: Clip):
    """Without noise, the result is the route itself, also in batches and as a tuple."""
    tokens, images = tokenize(small, random_texts(2, 3)), an_image(2)
    inputs = embedded(small, tokens)
    ours = MediatedIntegratedGradients(small, ROTATION, routes=("through",))
    expected = ours.attribute(inputs, images, additional_forward_args=tokens.eot, n_steps=4)
    values = NoiseTunnel(ours).attribute(
        inputs,
        nt_samples=3,
        nt_samples_batch_size=2,
        stdevs=0.0,
        n_steps=4,
        additional_forward_args=(images, tokens.eot),
    )
    torch.testing.assert_close(values, expected)
    wrapped = NoiseTunnel(ours).attribute(
        (inputs,), nt_samples=2, stdevs=0.0, n_steps=4, additional_forward_args=(images, tokens.eot)
    )
    assert isinstance(wrapped, tuple)
    torch.testing.assert_close(wrapped[0], expected)


def test_in_captums_pictures(small: Clip, capsys: pytest.CaptureFixture[str]):
    texts = ["a red <b>star</b> & circle", "a quokka"]
    attributions = MediatedIntegratedGradients(small, ROTATION).attribute(texts, an_image(2), n_steps=4)
    for route in ("through", "full"):
        records = attributions.to_captum(route)
        assert [len(record.word_attributions) for record in records] == [len(words) for words in attributions.words]
        largest = max(np.abs(record.word_attributions).max() for record in records)
        assert largest == pytest.approx(1)
        sums = [each.sum() for each in attributions.by_word(route)]
        assert [record.attr_score for record in records] == pytest.approx(sums)
        assert [record.convergence_score for record in records] == pytest.approx(attributions.delta.tolist())
        html = visualize_text(records).data
        assert "&lt;" in html
        assert "<b>star" not in html.replace(" ", "")
        for word in ("red", "quokka"):
            assert word in html
    through = MediatedIntegratedGradients(small, ROTATION, routes=("through",)).attribute(texts, an_image(2), n_steps=2)
    assert np.isnan(through.to_captum("through")[0].convergence_score)
    with pytest.raises(KeyError):
        through.to_captum("full")
    capsys.readouterr()  # IPython prints objects that it cannot show
