from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interp.clip.model import Clip, embed_images, embed_texts
from interp.clip.sites import Site, SiteError, SiteMismatch
from interp.data.toy.pairs import load_toy
from interp.subspaces.clean_run import TextRun, clean_images, clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation, random_basis
from tests.agreement import agree
from tests.oracles.plain_forward import embed_one_by_one, interchange_by_hook, random_texts, sites
from tests.oracles.pyvene_engine import interchange_pyvene
from tests.wording import raises

CLOSE = {"atol": 1e-5, "rtol": 0.0}  # unit-norm embeddings in float32


def rotation(clip: Clip, layer: int, size: int, seed: int = 0, tower: str = "text") -> Rotation:
    site = Site(tower, layer)
    return Rotation(random_basis(clip.width(tower), size, torch.Generator().manual_seed(seed)), site)


def test_embeddings_are_those_of_transformers(small: Clip):
    texts = random_texts(12, 0)
    agree("embeddings", embed_texts(small, texts, batch_size=5), embed_one_by_one(small, texts))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [4, 64])  # 64: several groups of lengths
def test_clean_run_pushed_is_the_clean_embedding(small: Clip, batch_size: int):
    texts = random_texts(70, 1)
    run = clean_texts(small, texts, sites(*range(1, 6)), batch_size=batch_size)
    for site in sites(*range(1, 6)):
        torch.testing.assert_close(run.push(site, run.stream(site)), embed_one_by_one(small, texts), **CLOSE)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layer=st.integers(1, 5), size=st.integers(1, 24), n=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_three_engines_agree(small: Clip, layer: int, size: int, n: int, seed: int):
    base, source = random_texts(n, seed), random_texts(n, seed + 1)
    turn = rotation(small, layer, size, seed)
    runs = [clean_texts(small, texts, sites(layer)) for texts in (base, source)]
    cached = interchange(*runs, turn)
    agree("counterfactual, pyvene", cached, interchange_pyvene(*runs, turn))
    agree("counterfactual, hook", cached, interchange_by_hook(small, base, source, Site("text", layer), turn.basis))


def test_an_intervention_matters_and_leaves_no_trace(small: Clip):
    base, source = random_texts(6, 3), random_texts(6, 4)
    before = embed_one_by_one(small, base)
    for engine in (interchange, interchange_pyvene):
        runs = [clean_texts(small, texts, sites(3)) for texts in (base, source)]
        changed = engine(*runs, rotation(small, 3, 12))
        assert (changed - before).norm(dim=-1).min() > 1e-2
        torch.testing.assert_close(embed_one_by_one(small, base), before, atol=0, rtol=0)


def test_double_precision_agrees_with_single(small: Clip):
    base, source = random_texts(8, 5), random_texts(8, 6)
    turn = rotation(small, 2, 7)
    single = interchange(*[clean_texts(small, texts, sites(2)) for texts in (base, source)], turn)
    small.model.double()
    try:
        double = interchange(*[clean_texts(small, texts, sites(2)) for texts in (base, source)], turn)
    finally:
        small.model.float()
    assert double.dtype == torch.float64
    agree("counterfactual, float64", single.double(), double)


def test_itself_as_source_changes_nothing_and_the_whole_space_at_the_last_layer_everything(small: Clip):
    base, source = random_texts(5, 7), random_texts(5, 8)
    runs = [clean_texts(small, texts, sites(5)) for texts in (base, source)]
    whole = Rotation(torch.eye(24), Site("text", 5))
    assert torch.equal(
        interchange(runs[0], runs[0], whole), interchange(*runs, Rotation(torch.zeros(24, 0), Site("text", 5)))
    )
    torch.testing.assert_close(interchange(*runs, whole), embed_one_by_one(small, source), **CLOSE)


def test_no_texts_at_all(small: Clip):
    run = clean_texts(small, [], sites(2))
    assert len(run) == 0
    assert interchange(run, run, rotation(small, 2, 5)).shape == (0, 16)


def test_views_of_a_run(small: Clip):
    texts = random_texts(10, 9)
    run, turn = clean_texts(small, texts, sites(2)), rotation(small, 2, 5)
    rows, others = torch.tensor([7, 0, 3]), torch.tensor([1, 1, 9])
    got = interchange(run.take(rows), run.take(others), turn)
    alone = [clean_texts(small, [texts[i] for i in which], sites(2)) for which in (rows, others)]
    torch.testing.assert_close(got, interchange(*alone, turn), **CLOSE)
    twice = run.take(torch.tensor([5, 7, 3, 0])).take(torch.tensor([1, 3, 2]))
    torch.testing.assert_close(got, interchange(twice, run.take(others), turn), **CLOSE)


def test_a_text_run_is_saved_and_mapped(small: Clip, tmp_path):
    run, turn = clean_texts(small, random_texts(7, 10), sites(2, 4)), rotation(small, 2, 5)
    run.save(tmp_path / "run.safetensors")
    again = TextRun.load(small, tmp_path / "run.safetensors")
    rows = torch.tensor([4, 2, 0])
    assert torch.equal(
        interchange(run, run.take(torch.arange(7).flip(0)), turn),
        interchange(again, again.take(torch.arange(7).flip(0)), turn),
    )
    assert again.take(rows).tokens.words == run.tokens.words


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 5])
def test_several_streams_are_pushed_as_each_alone(small: Clip, count: int, generator):
    world = load_toy()
    texts = clean_texts(small, [*random_texts(39, 3), ""], sites(2))  # many lengths, and one text without words
    pictures = clean_images(small, [world.open_image(pair) for pair in world.pairs[:3]], sites(2, tower="vision"))
    for run, site, width in ((texts, Site("text", 2), 24), (pictures, Site("vision", 2), 32)):
        h = torch.randn(len(run), count, width, generator=generator)
        alone = torch.stack([run.push(site, h[:, i]) for i in range(count)], dim=1)
        torch.testing.assert_close(run.push(site, h), alone, **CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_vision_tower(small: Clip, layer: int):
    world = load_toy()
    images = [world.open_image(pair) for pair in world.pairs[:6]]
    run = clean_images(small, images, sites(1, 2, 3, tower="vision"), batch_size=4)
    other, turn = run.take(torch.tensor([1, 2, 3, 4, 5, 0])), rotation(small, layer, 9, tower="vision")
    clean = embed_images(small, images)
    torch.testing.assert_close(run.push(turn.site, run.stream(turn.site)), clean, **CLOSE)
    changed = interchange(run, other, turn)
    agree("counterfactual, images", changed, interchange_pyvene(run, other, turn))
    assert (changed - clean).norm(dim=-1).min() > 1e-3


def test_gradients_reach_the_swapped_stream(small: Clip):
    run = clean_texts(small, random_texts(4, 11), sites(2))
    small.model.double()
    try:
        run = clean_texts(small, random_texts(4, 11), sites(2))
        site = Site("text", 2)
        h = run.stream(site).clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda h: run.push(site, h), (h,))
    finally:
        small.model.float()


def test_what_does_not_fit_is_refused(small: Clip):
    texts = random_texts(3, 12)
    run = clean_texts(small, texts, sites(2))
    with raises(SiteError, 6, 1, 5):
        clean_texts(small, texts, sites(6))
    with raises(SiteMismatch, "text.2.eot", "text.3.eot"):
        interchange(run, run, rotation(small, 3, 2))
    with raises(SiteMismatch, 23):
        interchange(run, run, Rotation(torch.eye(23), Site("text", 2)))
    with raises(SiteMismatch):
        interchange(run, run.take(torch.tensor([0])), rotation(small, 2, 2))
    with raises(SiteMismatch):
        interchange(run, run, rotation(small, 2, 2, tower="vision"))


@pytest.mark.slow
def test_full_size_vit_b32(tmp_path):
    """Three engines agree for a model with the real shapes and random weights."""
    from transformers import CLIPConfig, CLIPModel

    from interp.clip.loading import load_clip

    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).save_pretrained(tmp_path)
    clip = load_clip(str(tmp_path), tokenizer="toy")
    base, source = random_texts(3, 1), random_texts(3, 2)
    turn = rotation(clip, 11, 256)
    runs = [clean_texts(clip, texts, sites(11)) for texts in (base, source)]
    cached = interchange(*runs, turn)
    agree("counterfactual, ViT-B/32", cached, interchange_pyvene(*runs, turn))
    by_hook = interchange_by_hook(clip, base, source, Site("text", 11), turn.basis)
    agree("counterfactual, ViT-B/32", cached, by_hook)
    assert np.isfinite(cached.numpy()).all()
