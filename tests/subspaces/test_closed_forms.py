"""Tests of the mean gradient, the lever, the difference in means, and the loss of the calibrated search."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.errors import UserError
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.methods import METHODS
from interp.subspaces.methods.calibrated import calibrated_losses
from interp.subspaces.methods.lever import lever
from interp.subspaces.outcomes import align
from interp.subspaces.pairs import PairRun, PairsAtSite, draw_sources
from interp.subspaces.rotation import Rotation, nothing, random_basis
from interp.subspaces.search import SearchConfig
from tests.oracles.plain_forward import random_texts, sites
from tests.wording import raises

SITE = Site("text", 2)


def pairs_of(clip: Clip, *, paired: bool = True) -> PairsAtSite:
    draw = torch.Generator().manual_seed(0)
    first, second = functional.normalize(torch.randn(2, 20, 16, generator=draw, dtype=torch.float64), dim=-1)
    images = (image_set.to(clip.model.dtype) for image_set in (first, second))
    run = clean_texts(clip, random_texts(40, 0), sites(2, 5))
    return PairsAtSite(PairRun(run, next(images), 7.0, (), None if paired else next(images)), SITE)


@pytest.fixture(scope="module")
def part(small: Clip) -> PairsAtSite:
    return pairs_of(small)


@pytest.mark.parametrize("paired", [True, False])
def test_the_mean_gradient_is_that_of_plain_passes(small: Clip, paired: bool):
    clip = load_clip(small.name, dtype=torch.float64)
    part, texts = pairs_of(clip, paired=paired), random_texts(40, 0)
    others = part.pairs.images if paired else part.pairs.negative_images
    total = torch.zeros(24, dtype=torch.float64)
    for text, image in zip(texts, torch.cat([part.pairs.images, others]), strict=True):
        kept: list[Tensor] = []

        def keep(_module, _inputs, output: Tensor, kept: list[Tensor] = kept) -> Tensor:
            kept.append(output.detach().requires_grad_())
            return kept[0]

        handle = clip.model.text_model.encoder.layers[1].register_forward_hook(keep)
        ids = clip.tokenizer(text, return_tensors="pt")["input_ids"]
        features = clip.model.get_text_features(input_ids=ids).pooler_output[0]
        handle.remove()
        (gradient,) = torch.autograd.grad(functional.normalize(features, dim=0) @ image, kept[0])
        total += gradient[0, -1]
    torch.testing.assert_close(part.mean_gradient, total / 40, atol=1e-10, rtol=1e-7)
    assert total.norm() > 0.01


def test_the_lever_has_the_largest_first_order_shift(part: PairsAtSite):
    positive, negative = part.kind_means
    difference, gradient = positive - negative, part.mean_gradient

    def shift(u: Tensor) -> float:
        return float((gradient @ u) * (u @ difference))

    best = shift(lever(part))
    cosine = functional.cosine_similarity(difference, gradient, dim=0)
    assert best == pytest.approx(float(difference.norm() * gradient.norm() * (1 + cosine) / 2))
    draw = torch.Generator().manual_seed(0)
    basis = random_basis(24, 6, draw).double()
    within = lever(part, Rotation(basis, SITE))
    torch.testing.assert_close(basis @ (basis.T @ within), within)
    for _ in range(500):
        u = functional.normalize(torch.randn(24, generator=draw, dtype=torch.float64), dim=0)
        assert shift(u) < best
        assert shift(functional.normalize(basis @ (basis.T @ u), dim=0)) < shift(within) + 1e-12
        near = functional.normalize(lever(part) + 0.01 * u, dim=0)
        assert shift(near) <= best
    assert 0 < shift(within) < best


@pytest.mark.parametrize("method", ["means", "gradient", "lever"])
def test_closed_forms_give_one_direction_or_none(part: PairsAtSite, method: str):
    sizes = [0, 1, 9]
    rotations = METHODS[method].fit(part, part, sizes, SearchConfig())
    assert [rotation.size for rotation in rotations] == [0, 1, 1]
    assert torch.equal(rotations[1].basis, rotations[2].basis)
    assert float(rotations[1].basis.norm()) == pytest.approx(1, abs=1e-6)
    assert not METHODS[method].searched


def test_where_the_kinds_do_not_differ_there_is_no_direction_between_them(part: PairsAtSite):
    rows = torch.arange(20)
    same = PairsAtSite(PairRun(part.pairs.run.take(torch.cat([rows, rows])), part.pairs.images, 7.0), SITE)
    (rotation,) = METHODS["means"].fit(same, same, [3], SearchConfig())
    assert rotation.size == 0
    still = PairRun(Switch(torch.zeros(40, 4)), torch.tensor([[1.0, 0.0]]).expand(20, 2).contiguous(), 20.0)
    level = PairsAtSite(still, SITE)
    with raises(UserError):
        METHODS["calibrated"].fit(level, level, [1], SearchConfig())


def test_the_calibrated_loss_is_that_of_single_pairs(part: PairsAtSite, generator: torch.Generator):
    bases = [random_basis(24, size, generator) for size in (6, 1)]
    source, alike = (draw_sources(20, "random", generator) for _ in range(2))
    rows, gap, images = torch.tensor([3, 11, 0]), 0.07, part.pairs.images
    got = calibrated_losses(part, [Rotation(basis, SITE).swap for basis in bases], source, alike, rows, gap)
    for basis, loss in zip(bases, got, strict=True):
        turn, crossed, kept = Rotation(basis, SITE), [], []
        for i in rows.tolist():
            for offset, sign in ((20, 1), (0, -1)):  # the caption, then the description
                base, across, within = (
                    part.pairs.run.take(torch.tensor([row]))
                    for row in (i + offset, int(source[i]) + 20 - offset, int(alike[i]) + offset)
                )
                clean = base.push(SITE, base.stream(SITE))[0] @ images[i]
                moved = [interchange(base, other, turn)[0] @ images[i] - clean for other in (across, within)]
                crossed.append(float(moved[0] / gap - sign) ** 2)
                kept.append(float(moved[1] / gap) ** 2)
        wanted = sum(crossed) / len(crossed) + sum(kept) / len(kept)
        assert float(loss) == pytest.approx(wanted, rel=1e-4)
    still = calibrated_losses(part, [nothing(24, SITE).swap], source, alike, rows, gap)
    assert float(still) == pytest.approx(1, abs=1e-6)


@dataclass(frozen=True, eq=False)
class Switch:
    """Clean run whose scores with the image (1, 0) are linear in the first two coordinates of the stream."""

    h: Tensor

    def __len__(self) -> int:
        return len(self.h)

    def take(self, rows: Tensor) -> Switch:
        return replace(self, h=self.h[rows])

    def stream(self, layer: int) -> Tensor:
        return self.h

    def push(self, layer: int, h: Tensor) -> Tensor:
        score = 0.1 * h[..., :1] + 0.1 * h[..., 1:2]
        return torch.cat([score, (1 - score**2).sqrt()], dim=-1)

    def batches(self, size: int) -> list[Tensor]:
        return list(torch.arange(len(self)).split(size))


def switched(n: int, share: float, seed: int) -> PairsAtSite:
    """Return pairs in which a share of the texts has the right one of two values, 1 and -1, in coordinate 0.

    Coordinate 1 is 0 in all texts. The score could be moved through it, but it carries no information.
    """
    draw, texts = torch.Generator().manual_seed(seed), []
    for sign in (1.0, -1.0):
        right = torch.arange(n) < round(share * n)
        h = torch.zeros(n, 4)
        h[:, 0] = torch.where(right[torch.randperm(n, generator=draw)], sign, -sign)
        h[:, 2:] = 0.3 * torch.randn(n, 2, generator=draw)
        texts.append(h)
    images = torch.tensor([[1.0, 0.0]]).expand(n, 2).contiguous()
    return PairsAtSite(PairRun(Switch(torch.cat(texts)), images, 20.0), Site("text", 1))


@pytest.mark.parametrize("share", [0.9, 0.75])
def test_the_calibrated_search_reaches_the_optimum_that_it_names(share: float):
    """The loss ends at 1 - (2 a - 1)², and the swap moves scores by (2 a - 1)² of the gap."""
    train, val, test = (switched(n, share, seed) for seed, n in enumerate((1000, 500, 1000)))
    (rotation,) = METHODS["calibrated"].fit(train, val, [1], SearchConfig())
    assert rotation.facts["converged"]
    best = (2 * share - 1) ** 2
    assert train.gap == pytest.approx(0.2 * (2 * share - 1), abs=1e-6)
    assert rotation.facts["val_loss"] == pytest.approx(1 - best, abs=0.04)
    moved = align(test, rotation, sources="random", seed=0)
    ratio = (moved.shift("up") - moved.shift("down")) / 2 / test.gap
    assert ratio == pytest.approx(best, abs=0.06)
    whole = align(test, Rotation(torch.eye(4)[:, :1], test.site), sources="random", seed=0)
    assert (whole.shift("up") - whole.shift("down")) / 2 / test.gap == pytest.approx(1, abs=0.1)  # not calibrated
