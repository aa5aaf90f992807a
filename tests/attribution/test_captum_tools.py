"""The attributor in captum's noise tunnel and pictures of texts."""

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
    """With the same noise it gives what it gives captum's own; the seed is what makes the noise the same."""
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
    (expected, delta), (found, our_delta) = results
    assert found.shape == inputs.shape
    torch.testing.assert_close(found.float(), expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))
    torch.testing.assert_close(our_delta.float(), delta, rtol=0, atol=1e-5)
    assert float(found.abs().max()) > 0


def test_a_route_in_a_noise_tunnel(small: Clip):
    """Without noise it is the route itself; in batches too, and as a tuple."""
    tokens, images = tokenize(small, random_texts(2, 3)), an_image(2)
    inputs = embedded(small, tokens)
    ours = MediatedIntegratedGradients(small, ROTATION, routes=("through",))
    expected = ours.attribute(inputs, images, additional_forward_args=tokens.eot, n_steps=4)
    found = NoiseTunnel(ours).attribute(
        inputs,
        nt_samples=3,
        nt_samples_batch_size=2,
        stdevs=0.0,
        n_steps=4,
        additional_forward_args=(images, tokens.eot),
    )
    torch.testing.assert_close(found, expected)
    wrapped = NoiseTunnel(ours).attribute(
        (inputs,), nt_samples=2, stdevs=0.0, n_steps=4, additional_forward_args=(images, tokens.eot)
    )
    assert isinstance(wrapped, tuple)
    torch.testing.assert_close(wrapped[0], expected)


def test_in_captums_pictures(small: Clip, capsys: pytest.CaptureFixture[str]):
    texts = ["a red <b>star</b> & circle", "a quokka"]
    found = MediatedIntegratedGradients(small, ROTATION).attribute(texts, an_image(2), n_steps=4)
    for route in ("through", "full"):
        records = found.to_captum(route)
        assert [len(one.word_attributions) for one in records] == [len(words) for words in found.words]
        largest = max(np.abs(one.word_attributions).max() for one in records)
        assert largest == pytest.approx(1)
        assert [one.attr_score for one in records] == pytest.approx([each.sum() for each in found.by_word(route)])
        assert [one.convergence_score for one in records] == pytest.approx(found.delta.tolist())
        html = visualize_text(records).data
        assert "&lt;" in html
        assert "<b>star" not in html.replace(" ", "")
        for word in ("red", "quokka"):
            assert word in html
    through = MediatedIntegratedGradients(small, ROTATION, routes=("through",)).attribute(texts, an_image(2), n_steps=2)
    assert np.isnan(through.to_captum("through")[0].convergence_score)
    with pytest.raises(KeyError):
        through.to_captum("full")
    capsys.readouterr()  # IPython prints what it cannot show
