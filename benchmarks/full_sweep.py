"""`python -m benchmarks.full_sweep`: estimate the cost of the whole sweep of Concadia from measured parts.

Each part is measured at full width with random weights: an image, a pair's clean run, a text's attributions, and cells,
these at the lowest and the highest layer, with two numbers of pairs and of steps of their search. A cell takes
a + b pairs + steps (c + d pairs): what is measured on test grows with the pairs, and each step with the looks at val
that go with it. Between the two layers it grows with the blocks above. Times are those of one core.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPConfig

from benchmarks.material import (
    random_clip,
    random_images,
    random_tokens,
    text_lengths,
    write_concadia,
    write_model,
)
from benchmarks.measure import FLOAT, check_writable, measure_machine, write_results
from benchmarks.whole_sweep import sweep_cost
from interp import cli
from interp.attribution.all_layers import run_path
from interp.attribution.baselines import default_baselines
from interp.attribution.integral import PathSettings
from interp.attribution.result import TOLERANCE
from interp.clip.model import Clip, unit_images
from interp.clip.sites import Site
from interp.report.sweep_run import load_sweep
from interp.subspaces.clean_run import clean_texts
from interp.sweep.config import SweepConfig

PROG = "python -m benchmarks.full_sweep"
PAIRS, LAYERS, SIZES, SEEDS = 96_918, range(6, 13), 5, 5  # pairs of Concadia (77,534 for training); the sweep's grid
LIMIT = 20_000  # pairs of the sweep on the page about clusters
ENDS = (LAYERS[0], LAYERS[-1])
# Pairs of the measured sweeps, and most steps of their searches. The two values of each are far apart, so that the
# noise of a timing is small relative to their difference; extrapolation multiplies both.
MEASURED, STEPS = (250, 1500), (20, 220)
TEXT_L14 = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768}
VISION_L14 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
    "projection_dim": 768,
}


@dataclass(frozen=True)
class Parts:
    """Measurements of a model; times in seconds of one core.

    Attributes:
        image: time of the vision tower for one image.
        pair: time of the clean run for one pair.
        text: time of a text's attributions, at all layers and for all cells.
        cells: layer -> for each number of pairs, with fewer and with more steps: mean steps of the searches, and time
            of a cell with its share of the search and its controls.
        bytes_a_pair: bytes of the clean run in memory for one pair; a sweep also needs them on disk while it runs.
        bytes_a_cell: bytes of a cell's files on disk.
    """

    image: float
    pair: float
    text: float
    cells: dict[int, list[list[tuple[float, float]]]]
    bytes_a_pair: float
    bytes_a_cell: float

    def cell(self, layer: int, pairs: float, steps: float) -> float:
        """Return the seconds of a cell at any layer, for any number of pairs and of steps."""

        def along(ends: Sequence[float], values: Sequence[float], place: float) -> float:
            return values[0] + (values[1] - values[0]) * (place - ends[0]) / (ends[1] - ends[0])

        of_ends = []
        for end in ENDS:
            of_counts = [along(*zip(*measured, strict=True), steps) for measured in self.cells[end]]
            least = max(seconds for measured in self.cells[end] for _, seconds in measured)  # bound if slopes are noise
            of_ends.append(max(least, along(MEASURED, of_counts, pairs)))
        return along(ENDS, of_ends, layer)

    def hours(self, pairs: int) -> dict[str, float]:
        """Return the hours of one core for the whole sweep, by part, if each search takes all steps that it may."""
        texts = 2 * SweepConfig().attributed
        seconds = {
            "images": self.image * pairs,
            "clean run": self.pair * pairs,
            "attributions": self.text * texts,
            "cells": SIZES * SEEDS * sum(self.cell(layer, pairs, SweepConfig().max_steps) for layer in LAYERS),
        }
        return {name: value / 3600 for name, value in seconds.items()} | {"all": sum(seconds.values()) / 3600}


def measure(vision: CLIPConfig, text: CLIPConfig, lengths: Sequence[int], counts: Sequence[int]) -> Parts:
    """Measure the parts of a model.

    Args:
        vision: configuration with the vision tower that one image is timed with.
        text: configuration with the text tower, and with a small vision tower, so that text dominates the time of a
            sweep.
        lengths: lengths of texts, in tokens.
        counts: numbers of images, pairs and texts to time.
    """
    images, pairs, texts = counts
    image_seconds = _seconds(partial(_run_images, random_clip(vision), images)) / images
    clip, draw = random_clip(text), np.random.default_rng(0)
    tokens = random_tokens(clip, draw.choice(lengths, 2 * pairs).tolist(), draw)
    sites = [Site("text", layer) for layer in LAYERS]
    clean = _seconds(lambda: clean_texts(clip, tokens, sites)) / pairs
    sample, image = tokens.take(torch.arange(texts)), random_images(clip, 1)

    def attribute() -> None:
        for row in torch.arange(texts).split(1):
            text_tokens = sample.take(row)
            run_path(
                clip,
                text_tokens,
                image,
                LAYERS,
                PathSettings(20, baselines=default_baselines(clip, text_tokens)),
                TOLERANCE,
            )

    text_seconds = _seconds(attribute) / texts
    run = clean_texts(clip, tokens, sites)
    held = sum(each.numel() for table in (run.keys, run.values, run.streams) for each in table.values())
    cells: dict[int, list[list[tuple[float, float]]]] = {layer: [] for layer in ENDS}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_model(folder / "model", clip)
        for count in MEASURED:
            here = folder / str(count)
            write_concadia(here / "data", count, [max(3, n) for n in lengths], np.random.default_rng(0))
            # Cells alone: attributions are timed separately, and a part of a sweep does not examine the chosen cell.
            options = ("--layers", ",".join(map(str, ENDS)), "--attributed", "1", "--shard", "1/1", "--jobs", "1")
            for layer in ENDS:
                cells[layer].append([])
            for steps in STEPS:
                out, limit = here / f"run-{steps}", ("--max-steps", str(steps))
                cost = sweep_cost(folder / "model", here / "data", out, here / "cache", (*options, *limit))
                sweep = load_sweep(out)
                for layer in ENDS:
                    measures = [cell["measures"] for place, cell in sweep.cells.items() if place.layer == layer]
                    taken, seconds = (
                        float(np.mean([cell[key] for cell in measures])) for key in ("das_steps", "seconds")
                    )
                    cells[layer][-1].append((taken, seconds))
                print(f"  sweep of {count} pairs, {steps} steps: {cost.seconds / 60:.1f} min", flush=True)
            left = [path for part in ("cells", "rotations") for path in (out / part).glob("[!.]*")]
            bytes_a_cell = sum(path.stat().st_size for path in left) / len(sweep.cells)
    return Parts(image_seconds, clean, text_seconds, cells, FLOAT * held / pairs, bytes_a_cell)


def _seconds(run: Callable[[], object]) -> float:
    """Return the seconds of a run, after a first run to warm up."""
    run()
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


@torch.inference_mode()
def _run_images(clip: Clip, count: int) -> None:
    side = clip.model.config.vision_config.image_size
    unit_images(clip.model, torch.zeros(count, 3, side, side))


@dataclass(frozen=True)
class Options:
    """Options of the command."""

    concadia: str | None = cli.option(None, "folder of Concadia or of a sample, for how long its texts are")
    json: str | None = cli.option(None, "write the results here, with the machine's description", metavar="FILE")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    options = cli.parse(Options, PROG, (__doc__ or "").partition("\n")[2].strip(), "", argv)
    return cli.run(lambda: run(options), on_interrupt=lambda: "nothing was kept")


def run(options: Options) -> int:
    """Measure, extrapolate, show, and write.

    Raises:
        UserError: an option does not fit, or a folder cannot be read.
    """
    check_writable(options.json)
    lengths = text_lengths(options.concadia)
    torch.set_num_threads(1)
    machine = measure_machine()
    wide = CLIPConfig(text_config=TEXT_L14, projection_dim=768)
    models = {
        "ViT-B/32": (CLIPConfig(), CLIPConfig()),
        "ViT-L/14": (CLIPConfig(text_config=TEXT_L14, vision_config=VISION_L14, projection_dim=768), wide),
    }
    content = {
        "pairs": [LIMIT, PAIRS],
        "layers": list(LAYERS),
        "sizes": SIZES,
        "seeds": SEEDS,
        "models": {},
    }
    for name, (vision, text) in models.items():
        print(name, flush=True)
        parts = measure(vision, text, lengths, (8, 64, 4))
        hours = {pairs: parts.hours(pairs) for pairs in (LIMIT, PAIRS)}
        content["models"][name] = asdict(parts) | {"hours": hours}
        print("\n".join(_said(parts, hours)), flush=True)
        write_results(options.json, PROG, machine, content)
    return 0


def _said(parts: Parts, hours: dict[int, dict[str, float]]) -> list[str]:
    """Return the results of a model in words.

    Args:
        parts: measurements of the model.
        hours: number of pairs -> hours by part.
    """
    most = SweepConfig().max_steps
    cells = [
        f"layer {layer}: "
        + "; ".join(
            f"with {pairs} pairs " + " and ".join(f"{seconds:.1f} s ({steps:.0f} steps)" for steps, seconds in searches)
            for pairs, searches in zip(MEASURED, both, strict=True)
        )
        + "".join(f"; with {pairs} and {most} steps {parts.cell(layer, pairs, most):.0f} s" for pairs in hours)
        for layer, both in parts.cells.items()
    ]
    return [
        f"  an image {parts.image:.3f} s, a pair's clean run {parts.pair:.4f} s, "
        f"a text's attributions {parts.text:.1f} s",
        "  a cell, with its share of a search, at",
        *(f"  {line}" for line in cells),
        *(
            f"  the whole sweep of {pairs} pairs, hours of one core: "
            f"{', '.join(f'{name} {value:.1f}' for name, value in part_hours.items())}; "
            f"memory of the clean run {parts.bytes_a_pair * pairs / 1e9:.0f} GB"
            for pairs, part_hours in hours.items()
        ),
        f"  {parts.bytes_a_pair / 1e6:.2f} MB a pair; a cell leaves {parts.bytes_a_cell / 1e6:.2f} MB on disk",
    ]


if __name__ == "__main__":
    sys.exit(main())
