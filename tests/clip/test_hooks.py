from __future__ import annotations

import pytest
import torch

from interp.clip.hooks import capture, patch
from interp.clip.model import Clip, tokenize
from interp.clip.sites import Site, SiteError
from tests.wording import raises


def hooks_left(clip: Clip) -> int:
    return sum(len(module._forward_hooks) for module in clip.model.modules())


def run(clip: Clip, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return clip.model.get_text_features(input_ids=ids).pooler_output


@pytest.fixture
def tokens(small: Clip):
    return tokenize(small, ["a red star", "the harbour on the day of the war"])


def test_captured_streams_are_hidden_states(small: Clip, tokens):
    sites, before = [Site("text", layer) for layer in (1, 3, 5)], hooks_left(small)
    with capture(small, sites) as seen:
        run(small, tokens.ids)
    assert hooks_left(small) == before
    # transformers registers hooks here, and keeps them
    states = small.model.text_model(tokens.ids, output_hidden_states=True).hidden_states
    for site in sites:
        torch.testing.assert_close(seen[site], states[site.layer], atol=1e-6, rtol=0)


def test_patched_differs_and_restored_is_clean(small: Clip, tokens):
    clean = run(small, tokens.ids)
    with patch(small, Site("text", 2), tokens.eot, lambda h: h * 2):
        patched = run(small, tokens.ids)
    assert (patched - clean).abs().min() > 1e-4
    assert torch.equal(run(small, tokens.ids), clean)


def test_only_the_named_position_changes(small: Clip, tokens):
    site = Site("text", 2)
    with capture(small, [site]) as seen:
        run(small, tokens.ids)
        clean = seen[site].clone()
        with patch(small, site, tokens.eot, lambda h: h + 1):
            # Hooks run in the order of their registration, so this hook sees the change.
            with capture(small, [site]) as inner:
                run(small, tokens.ids)
            changed = inner[site]
    difference = (changed - clean).abs().amax(-1)
    expected = torch.zeros_like(difference)
    expected[torch.arange(2), tokens.eot] = 1
    torch.testing.assert_close(difference, expected, atol=1e-5, rtol=0)


def test_nested_and_raising_bodies_leave_only_foreign_hooks(small: Clip, tokens):
    before = hooks_left(small)
    foreign = small.model.text_model.encoder.layers[0].register_forward_hook(lambda *_: None)
    try:
        with (
            pytest.raises(KeyError),
            capture(small, [Site("text", 1)]),
            patch(small, Site("text", 1), tokens.eot, torch.zeros_like),
        ):
            assert hooks_left(small) == before + 3
            raise KeyError
        assert hooks_left(small) == before + 1
        with raises(SiteError, 9), capture(small, [Site("text", 1), Site("text", 9)]):
            pass
        assert hooks_left(small) == before + 1
    finally:
        foreign.remove()


def test_sites_have_names(small: Clip):
    site = Site("text", 5)
    assert (site.label, site.block, site.position) == ("text.5.eot", 4, "eot")
    assert Site.parse("vision.2.cls") == Site("vision", 2)
    assert site.module(small) is small.model.text_model.encoder.layers[4]
    for label in ("text.5.cls", "text.x.eot", "audio.1.eot", "text.5", ""):
        with raises(SiteError, f"'{label}'"):
            Site.parse(label)
    with raises(SiteError, 0, 1):
        Site("text", 0)
    with raises(SiteError, 4, 1, 3):
        Site("vision", 4).check(small)
