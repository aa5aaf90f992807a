from __future__ import annotations

import pytest
import torch

import interp
from interp.clip.untrained import untrained


@pytest.mark.slow
def test_texts_are_forgotten_and_images_are_not():
    clip = interp.load_clip("toy")
    before = {name: weight.clone() for name, weight in clip.model.state_dict().items()}
    drawn = torch.random.get_rng_state()
    first, again, other = untrained(clip), untrained(clip), untrained(clip, 1)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    for name, weight in clip.model.state_dict().items():
        assert torch.equal(weight, before[name])
        new = first.model.state_dict()[name]
        assert torch.equal(new, again.model.state_dict()[name])
        if name.startswith("vision") or name.startswith("visual") or name == "logit_scale":
            assert torch.equal(new, weight)
        elif "norm" not in name and "bias" not in name:  # these have equal initial values in every model
            assert not torch.equal(new, weight)
            assert not torch.equal(new, other.model.state_dict()[name])
    assert first.fingerprint not in (clip.fingerprint, other.fingerprint)
    assert first.image_fingerprint == clip.image_fingerprint
    assert not any(weight.requires_grad for weight in first.model.parameters())
    pairs = interp.load_pairs("toy").split("test")
    images = interp.embed_images(clip, [pairs.open_image(pair) for pair in pairs.pairs[:16]])
    rank = {}
    for name, model in (("trained", clip), ("untrained", first)):
        texts = interp.embed_texts(model, [pair.positive for pair in pairs.pairs[:16]])
        rank[name] = float(((texts @ images.T).argmax(1) == torch.arange(16)).float().mean())
    assert rank["trained"] > 0.8
    assert rank["untrained"] < 0.3
