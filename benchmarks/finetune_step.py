"""`python -m benchmarks.finetune_step`: an IIT-DAS optimizer step against a behavioral one on the same pairs.

ViT-B/32's text tower (random weights), LoRA, batches of 12 pairs, as the paper trains; texts as long as in Concadia
where a sample is at hand. Steps of both kinds alternate in one process; the ratio of each neighbouring two is taken.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel

from interp import cli
from interp.das import draw_sources
from interp.data.concadia import load_concadia
from interp.loading import load_clip
from interp.models import Clip
from interp.rotation import random_basis
from interp.tensors import Tensor
from training.batches import generator
from training.config import FinetuneConfig
from training.objectives import Learner, Objective
from training.tuning import prepare

GOAL = 1.25
TYPICAL = (14, 31)  # tokens of captions and descriptions, where there is no sample to draw lengths from


@dataclass(frozen=True)
class Options:
    """What the command takes."""

    concadia: str | None = cli.option(None, "folder of Concadia, or of a sample, for the lengths of texts")
    layer: int = cli.option(11, "of the site")
    size: int = cli.option(256, "directions of the subspace")
    rank: int = cli.option(64, "of the adapters")
    batch_size: int = cli.option(12, "pairs of a step")
    steps: int = cli.option(15, "steps of each kind")
    threads: int = cli.option(2, "of torch")
    device: str = cli.option("cpu", "as torch names it")


def lengths(options: Options, draw: np.random.Generator) -> list[int]:
    """Tokens of the texts of a batch, descriptions then captions, at about 1.3 tokens a word and two ends."""
    if options.concadia is None:
        return draw.integers(*TYPICAL, size=2 * options.batch_size).tolist()
    pairs = load_concadia(Path(options.concadia)).pairs
    chosen = [pairs[i] for i in draw.integers(len(pairs), size=options.batch_size)]
    texts = [pair.description for pair in chosen] + [pair.caption for pair in chosen]
    return [min(77, 2 + round(1.3 * len(text.split()))) for text in texts]


def vit_b32(device: str) -> Clip:
    """The size of ViT-B/32 with random weights; tokenizer and processor, which are not used, are the toy's."""
    torch.manual_seed(0)
    return replace(load_clip("toy"), name="random ViT-B/32", model=CLIPModel(CLIPConfig()).eval().to(device))


def stepper(clip: Clip, objective: Objective, options: Options) -> Callable[[Tensor, Tensor, Tensor, Tensor], float]:
    """A function that takes an optimizer step and returns how long it took, in seconds."""
    free = random_basis(clip.width("text"), options.size, generator(0)).to(options.device).contiguous()
    learner = Learner(clip, objective, options.layer, None if objective == "behavioral" else free, 0.5)
    optimizer = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], lr=1e-5)
    wait = torch.cuda.synchronize if options.device.startswith("cuda") else lambda: None

    def step(*batch: Tensor) -> float:
        wait()
        started = time.perf_counter()
        loss = learner(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wait()
        return time.perf_counter() - started

    return step


def main() -> int:
    """Run the command; returns 1 if the goal is missed."""
    options = cli.parse(Options, "python -m benchmarks.finetune_step", __doc__ or "", "", None)
    torch.set_num_threads(options.threads)
    clip, draw = vit_b32(options.device), np.random.default_rng(0)
    clip.model.requires_grad_(False)
    prepare(clip, FinetuneConfig(lora_rank=options.rank))
    kinds: tuple[Objective, Objective] = ("behavioral", "iit-das")
    steps = {kind: stepper(clip, kind, options) for kind in kinds}
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(options.steps + 2):
        eot = torch.tensor(lengths(options, draw)) - 1
        ids = torch.from_numpy(draw.integers(1, 49_000, size=(len(eot), int(eot.max()) + 1)))
        images = functional.normalize(torch.randn(options.batch_size, clip.embed_dim), dim=-1)
        source = draw_sources(options.batch_size, "random", generator(number))
        batch = [part.to(options.device) for part in (ids, eot, images, source)]
        for kind in kinds if number % 2 else reversed(kinds):
            took = steps[kind](*batch)
            if number >= 2:  # the first two warm up
                times[kind].append(took)
    ratios = np.array(times["iit-das"]) / np.array(times["behavioral"])
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    met = middle <= GOAL
    print(
        f"IIT-DAS step / behavioral step, layer {options.layer}, size {options.size}, LoRA rank {options.rank}, "
        f"batch {options.batch_size}: {middle:.2f} (quartiles {low:.2f} to {high:.2f}, {len(ratios)} steps of each); "
        f"goal at most {GOAL}: {'met' if met else 'missed'}"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(cli.run(main, on_interrupt=lambda: "nothing was kept"))
