from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interp.clip.hooks import capture, patch
from interp.clip.loading import load_clip
from interp.clip.model import Clip, tokenize
from interp.clip.sites import Site
from interp.subspaces.calibrated_loss import TERMS, SwappedLogits, calibration_loss
from interp.subspaces.losses import behavioral_loss, joint_loss
from interp.subspaces.rotation import random_basis
from tests.agreement import agree
from tests.oracles.plain_forward import random_clip, random_texts
from tests.wording import raises
from training.config import FinetuneConfig
from training.losses import Learner
from training.trainable_weights import prepare

PAIRS, LAYER = 4, 3
RETAIN = 0.7


@pytest.fixture
def precise(tmp_path: Path) -> Clip:
    """Load a model in float64, so that gradients can be compared closely."""
    return load_clip(str(random_clip(tmp_path / "clip")), dtype=torch.float64)


def embed(clip: Clip, text: str, site: Site, donor: str | None = None, basis: Tensor | None = None) -> Tensor:
    """Embed a text by transformers, with its graph; with a donor, Z comes from that text."""
    tokens = tokenize(clip, [text])

    def change(h: Tensor) -> Tensor:
        if donor is None or basis is None:
            return h
        return h - h @ basis @ basis.T + from_donor @ basis @ basis.T

    if donor is not None:
        given = tokenize(clip, [donor])
        with capture(clip, [site]) as seen:
            clip.model.get_text_features(input_ids=given.ids)
        from_donor = seen[site][:, given.eot[0]]
    with patch(clip, site, tokens.eot, change):
        return functional.normalize(clip.model.get_text_features(input_ids=tokens.ids).pooler_output[0], dim=-1)


def uneven(generator: torch.Generator) -> Tensor:
    """Return coordinates of a search that stretch the stream."""
    axes = random_basis(24, 24, generator).double()
    return axes @ torch.diag(torch.logspace(-1, 1, 24, dtype=torch.float64)) @ axes.T


def gram_schmidt(free: Tensor) -> Tensor:
    columns: list[Tensor] = []
    for column in free.T:
        for other in columns:
            column = column - (column @ other) * other
        columns.append(column / column.norm())
    return torch.stack(columns, dim=1)


def by_the_book(clip: Clip, texts: list[str], images: Tensor, source: Tensor, free: Tensor, objective: str) -> Tensor:
    """Compute the objectives of Zur et al. (2024) from single pairs of logits, with the basis by Gram-Schmidt."""
    site, scale = Site("text", LAYER), clip.model.logit_scale.exp()
    basis = gram_schmidt(free)
    behavioral, iit = [], []
    for i, image in enumerate(images):
        description, caption, j = texts[i], texts[PAIRS + i], int(source[i])
        plain = [embed(clip, text, site) @ image * scale for text in (caption, description)]
        behavioral.append(functional.cross_entropy(torch.stack(plain)[None], torch.tensor([1])))
        raised = embed(clip, caption, site, texts[j], basis) @ image * scale
        lowered = embed(clip, description, site, texts[PAIRS + j], basis) @ image * scale
        iit.append(functional.cross_entropy(torch.stack([plain[0], raised])[None], torch.tensor([1])))
        iit.append(functional.cross_entropy(torch.stack([plain[1], lowered])[None], torch.tensor([0])))
    losses = {"behavioral": torch.stack(behavioral).mean(), "iit-das": torch.stack(iit).mean()}
    losses["joint"] = 0.3 * losses["iit-das"] + 0.7 * losses["behavioral"]
    return losses[objective]


def retention_by_the_book(clip: Clip, texts: list[str], images: Tensor) -> Tensor:
    """Compute the contrastive loss of both kinds of text from single choices among candidates."""
    site, scale = Site("text", LAYER), clip.model.logit_scale.exp()
    choices = []
    for start in (0, PAIRS):
        embedded = [embed(clip, text, site) for text in texts[start : start + PAIRS]]
        logits = [[image @ text * scale for text in embedded] for image in images]
        for i in range(PAIRS):
            for candidates in (logits[i], [row[i] for row in logits]):
                choices.append(functional.cross_entropy(torch.stack(candidates)[None], torch.tensor([i])))
    return torch.stack(choices).mean()


def calibration_by_the_book(
    clip: Clip, texts: list[str], images: Tensor, source: Tensor, within: Tensor, free: Tensor
) -> dict[str, Tensor]:
    """Compute the terms of `interp.subspaces.calibrated_loss` from lists of single texts."""
    site, scale, basis = Site("text", LAYER), clip.model.logit_scale.exp(), gram_schmidt(free)
    streams = []
    for text in texts:
        tokens = tokenize(clip, [text])
        with capture(clip, [site]) as seen:
            clip.model.get_text_features(input_ids=tokens.ids)
        streams.append(seen[site][0, tokens.eot[0]])
    middle = sum(streams[:PAIRS]) / PAIRS / 2 + sum(streams[PAIRS:]) / PAIRS / 2

    def neutralized(text: str) -> Tensor:
        tokens = tokenize(clip, [text])
        with patch(clip, site, tokens.eot, lambda h: h + (middle - h) @ basis @ basis.T):
            return functional.normalize(clip.model.get_text_features(input_ids=tokens.ids).pooler_output[0], dim=-1)

    up, down, stay, gaps, left = [], [], [], [], []
    for i, image in enumerate(images):
        description, caption = texts[i], texts[PAIRS + i]
        high, low = (embed(clip, text, site) @ image * scale for text in (description, caption))
        gaps.append(high - low)
        up.append(embed(clip, caption, site, texts[source[i]], basis) @ image * scale - low)
        down.append(high - embed(clip, description, site, texts[PAIRS + source[i]], basis) @ image * scale)
        stay.append(embed(clip, caption, site, texts[PAIRS + within[i]], basis) @ image * scale - low)
        stay.append(embed(clip, description, site, texts[within[i]], basis) @ image * scale - high)
        left.append((neutralized(description) - neutralized(caption)) @ image * scale)
    gap, mean_up, mean_down = sum(gaps) / PAIRS, sum(up) / PAIRS, sum(down) / PAIRS
    swaps = ((up, mean_up), (down, mean_down))
    variances = [sum((move - mean) ** 2 for move in moves) / PAIRS for moves, mean in swaps]
    uneven = sum(variances) / 2 + sum(move**2 for move in stay) / (2 * PAIRS)
    missed = ((mean_up - gap) ** 2 + (mean_down - gap) ** 2) / 2
    return {
        "spread": uneven / (((mean_up + mean_down) / 2) ** 2 + 0.25),
        "shift": missed / (gap**2 + 0.25),
        "neutral": (sum(left) / PAIRS) ** 2 / (gap**2 + 0.25),
    }


@pytest.mark.slow
@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_calibration_and_every_gradient_are_those_of_plain_forward_passes(
    precise: Clip, tuning: str, generator: torch.Generator
):
    prepare(precise, FinetuneConfig(tuning=tuning, lora_rank=2))
    with torch.no_grad():
        for name, parameter in precise.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1, generator=generator)
    texts = random_texts(2 * PAIRS, 5)
    images = functional.normalize(torch.randn(PAIRS, 16, generator=generator, dtype=torch.float64), dim=-1)
    source, within = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 3, 0, 2])
    learner = Learner(
        precise,
        "iit-das-calibrated",
        Site("text", LAYER),
        random_basis(24, 5, generator).double(),
        0.3,
        uneven(generator),
    )
    tokens = tokenize(precise, texts)
    weights = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    loss = learner(tokens.ids, tokens.eot, images, source, within)
    got = torch.autograd.grad(loss, list(weights.values()))
    terms = calibration_by_the_book(precise, texts, images, source, within, learner.span())
    assert all(float(term.detach()) > 1e-3 for term in terms.values())
    parts = [
        by_the_book(precise, texts, images, source, learner.span(), objective)
        for objective in ("behavioral", "iit-das")
    ]
    expected_loss = sum(parts) + 0.3 * sum(terms.values())
    expected = torch.autograd.grad(expected_loss, list(weights.values()), retain_graph=True)
    agree("calibration", loss, expected_loss)
    for mine, theirs in zip(got, expected, strict=True):
        agree("calibration", mine, theirs)
    learner.retain = RETAIN
    retained = learner(tokens.ids, tokens.eot, images, source, within)
    expected_loss = expected_loss + RETAIN * retention_by_the_book(precise, texts, images)
    expected = torch.autograd.grad(expected_loss, list(weights.values()))
    agree("calibration", retained, expected_loss)
    for mine, theirs in zip(torch.autograd.grad(retained, list(weights.values())), expected, strict=True):
        agree("calibration", mine, theirs)
    learner.retain = 0.0
    for changed in ((source, source), (within, within)):
        other = learner(tokens.ids, tokens.eot, images, *changed)
        assert abs(float((other - loss).detach())) > 1e-6
    with raises(ValueError):
        learner(tokens.ids, tokens.eot, images, source)


def test_calibration_of_known_logits():
    """Swaps that change scores by exactly the gap cost nothing; each fault has the cost of the equations."""
    clean = torch.tensor([0.0, 1.0, 4.0, 5.0], dtype=torch.float64)  # gap 4
    across, neutral = torch.tensor([4.0, 5.0, 0.0, 1.0]).double(), torch.tensor([2.0, 3.0, 2.0, 3.0]).double()
    perfect = SwappedLogits(clean, across, clean, neutral)
    assert {name: float(term(perfect)) for name, term in TERMS.items()} == {"spread": 0, "shift": 0, "neutral": 0}
    unmoved = replace(perfect, across=clean, neutral=clean)
    assert float(TERMS["shift"](unmoved)) == float(TERMS["neutral"](unmoved)) == 16 / 16.25
    half = replace(perfect, across=clean + torch.tensor([2.0, 2.0, -2.0, -2.0]))
    assert float(TERMS["shift"](half)) == 4 / 16.25
    uneven = replace(perfect, across=across + torch.tensor([1.0, -1.0, 1.0, -1.0]))
    assert float(TERMS["spread"](uneven)) == 1 / 16.25
    assert float(TERMS["shift"](uneven)) == 0
    restless = replace(perfect, within=clean + torch.tensor([2.0, 0.0, 0.0, 0.0]))
    assert float(TERMS["spread"](restless)) == 1 / 16.25
    torch.testing.assert_close(calibration_loss(restless), torch.tensor(1 / 16.25).double())


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["behavioral", "iit-das", "joint"])
@pytest.mark.parametrize("tuning", ["lora", "full"])
@pytest.mark.parametrize("retain", [0.0, RETAIN])
def test_loss_and_every_gradient_are_those_of_plain_forward_passes(
    precise: Clip, objective: str, tuning: str, retain: float, generator: torch.Generator
):
    prepare(precise, FinetuneConfig(tuning=tuning, lora_rank=2))
    with torch.no_grad():
        for name, parameter in precise.model.named_parameters():
            if "lora_B" in name:  # initially zero, which would hide the gradients of the other factor
                parameter.normal_(0, 0.1, generator=generator)
    texts = random_texts(2 * PAIRS, 5)
    images = functional.normalize(torch.randn(PAIRS, 16, generator=generator, dtype=torch.float64), dim=-1)
    source = torch.tensor([2, 0, 3, 1])
    free = random_basis(24, 5, generator).double() if objective != "behavioral" else None
    learner = Learner(precise, objective, Site("text", LAYER), free, 0.3, uneven(generator), retain)
    tokens = tokenize(precise, texts)
    weights = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    assert len(weights) > 10
    loss = learner(tokens.ids, tokens.eot, images, source)
    got = torch.autograd.grad(loss, list(weights.values()))
    start = learner.span() if learner.free is not None else torch.eye(24, 5, dtype=torch.float64)
    expected_loss = by_the_book(precise, texts, images, source, start, objective)
    if retain:
        expected_loss = expected_loss + retain * retention_by_the_book(precise, texts, images)
    expected = torch.autograd.grad(expected_loss, list(weights.values()))
    agree("objectives", loss, expected_loss)
    for mine, theirs in zip(got, expected, strict=True):
        agree("objectives", mine, theirs)
    assert max(float(gradient.abs().max()) for gradient in got) > 1e-3
    if objective != "behavioral":
        other = learner(tokens.ids, tokens.eot, images, torch.tensor([1, 2, 3, 0]))
        assert abs(float((other - loss).detach())) > 1e-6


@pytest.mark.parametrize("towers", ["vision", "both"])
def test_images_are_embedded_with_their_graph_where_their_tower_is_trained(precise: Clip, towers: str, generator):
    prepare(precise, FinetuneConfig(tuning="lora", tower=towers, lora_rank=2))
    texts = random_texts(2 * PAIRS, 6)
    tokens = tokenize(precise, texts)
    pixels = torch.rand(PAIRS, 3, 64, 64, generator=generator, dtype=torch.float64)
    learner = Learner(precise, "behavioral", Site("text", LAYER), None, 0.5, retain=RETAIN)
    loss = learner(tokens.ids, tokens.eot, pixels, torch.arange(PAIRS))
    features = functional.normalize(precise.model.get_image_features(pixel_values=pixels).pooler_output, dim=-1)
    frozen = learner(tokens.ids, tokens.eot, features.detach(), torch.arange(PAIRS))
    torch.testing.assert_close(loss, frozen)
    weights = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    got = torch.autograd.grad(loss, list(weights.values()))
    plain = by_the_book(precise, texts, features, torch.arange(PAIRS), torch.eye(24, 5).double(), "behavioral")
    plain = plain + RETAIN * retention_by_the_book(precise, texts, features)
    for mine, theirs in zip(got, torch.autograd.grad(plain, list(weights.values())), strict=True):
        agree("objectives", mine, theirs)
    trained = {name.split(".")[1] for name, slope in zip(weights, got, strict=True) if slope.abs().max() > 1e-6}
    assert trained == ({"vision_model"} if towers == "vision" else {"vision_model", "text_model"})


def test_losses_of_known_logits():
    even = behavioral_loss(torch.zeros(3), torch.zeros(3))
    torch.testing.assert_close(even, torch.tensor(2.0).log())
    right = behavioral_loss(torch.tensor([9.0]), torch.tensor([0.0]))
    wrong = behavioral_loss(torch.tensor([0.0]), torch.tensor([9.0]))
    assert float(right) < 1e-3 < 8 < float(wrong)
    assert joint_loss(torch.tensor(1.0), torch.tensor(3.0), 0.25).item() == 1.5


def test_what_is_trained_is_what_was_asked_for(small: Clip, tmp_path: Path):
    clip = load_clip(small.name)
    prepare(clip, replace(FinetuneConfig(), tuning="full", tower="both"))
    left = {name for name, p in clip.model.named_parameters() if not p.requires_grad}
    assert left == {"logit_scale"}
    clip = load_clip(small.name)
    prepare(clip, replace(FinetuneConfig(), lora_targets="fc1,q_proj", lora_rank=3))
    trained = [name for name, p in clip.model.named_parameters() if p.requires_grad]
    assert len(trained) == 5 * 2 * 2  # blocks, targets, factors
    assert all(name.startswith("text_model") and ("fc1" in name or "q_proj" in name) for name in trained)
