"""Tests of batches that several processes share: mean loss and mean gradients equal those of one process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interp.clip.loading import load_clip
from interp.clip.model import tokenize
from interp.clip.sites import Site
from interp.subspaces import shares
from interp.subspaces.rotation import random_basis
from interp.subspaces.shares import Share
from tests.oracles.plain_forward import random_clip, random_texts
from training.config import FinetuneConfig
from training.losses import Learner
from training.trainable_weights import prepare

PAIRS = 5
OBJECTIVES = ("behavioral", "iit-das", "joint", "iit-das-calibrated")
Computed = tuple[float, tuple[Tensor, ...]]


def in_processes(count: int, compute: Callable[[int], Computed], monkeypatch: pytest.MonkeyPatch) -> list[Computed]:
    """Compute in several threads, which stand for processes: a sum waits for the values of all threads."""
    barrier, thread, values = threading.Barrier(count, timeout=60), threading.local(), {}

    def all_reduce(value: Tensor) -> None:
        values[thread.index] = value.clone()
        barrier.wait()
        total = torch.stack([values[index] for index in range(count)]).sum(0)
        barrier.wait()
        value.copy_(total)

    def process(index: int) -> Computed:
        thread.index = index
        try:
            return compute(index)
        except BaseException:
            barrier.abort()
            raise

    monkeypatch.setattr(shares.distributed, "all_reduce", all_reduce)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(process, range(count)))


@pytest.mark.parametrize("tower", ["text", "vision", "both"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_mean_over_processes_is_what_one_process_computes(
    tmp_path: Path, objective: str, tower: str, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
):
    clip = load_clip(str(random_clip(tmp_path / "clip")), dtype=torch.float64)
    prepare(clip, FinetuneConfig(tower=tower, lora_rank=2))  # type: ignore[arg-type]
    tokens = tokenize(clip, random_texts(2 * PAIRS, 5))
    free = None if objective == "behavioral" else random_basis(24, 5, generator).double()
    learner = Learner(clip, objective, Site("text", 3), free, 0.3, retain=2.0)
    weights = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    if tower == "text":
        images = functional.normalize(torch.randn(PAIRS, 16, generator=generator, dtype=torch.float64), dim=-1)
    else:
        images = torch.rand(PAIRS, 3, 64, 64, generator=generator, dtype=torch.float64)
    source, within = torch.tensor([2, 0, 4, 1, 3]), torch.tensor([1, 3, 0, 4, 2])

    def compute(share: Share) -> Computed:
        tokens_here = tokens.take(share.texts)
        loss = learner(tokens_here.ids, tokens_here.eot, images[share.pairs], source, within, share)
        return float(loss.detach()), torch.autograd.grad(loss, weights)

    mean_loss, slopes = compute(Share.of(PAIRS, 1, 0))
    results = in_processes(3, lambda index: compute(Share.of(PAIRS, 3, index)), monkeypatch)
    assert fmean(loss for loss, _ in results) == pytest.approx(mean_loss, rel=1e-12)
    for each, whole in zip(zip(*(gradients for _, gradients in results), strict=True), slopes, strict=True):
        torch.testing.assert_close(torch.stack(each).mean(0), whole, atol=1e-10, rtol=1e-8)
    assert max(float(whole.abs().max()) for whole in slopes) > 1e-3
    learner.retain = 0.0
    assert abs(compute(Share.of(PAIRS, 1, 0))[0] - mean_loss) > 0.1
