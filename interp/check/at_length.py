"""Comparison of every fast path of the package with a plain version, on built-in texts and random images."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from interp.attribution.all_layers import run_path
from interp.attribution.baselines import default_baselines
from interp.attribution.integral import PathSettings, assemble, integrate
from interp.attribution.path_rule import path_rule
from interp.attribution.result import ROUTES
from interp.check import plain
from interp.check.certificate import certify
from interp.check.findings import Finding, distance, tolerance, with_basis
from interp.clip.blocks import embed_tokens
from interp.clip.families.family import Tower
from interp.clip.model import Clip, Tokens, embed_images, pixel_values, tokenize
from interp.clip.sites import Site
from interp.clip.tensors import Embeddings, Tensor
from interp.subspaces.clean_run import clean_images, clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.losses import das_losses
from interp.subspaces.methods.das import Span
from interp.subspaces.pairs import PairRun, clean_scores, interventions
from interp.subspaces.rotation import Rotation, random_basis

if TYPE_CHECKING:
    from PIL.Image import Image

# Texts of one to about forty tokens, which every CLIP tokenizer maps to different, non-empty token sequences.
TEXTS = (
    "dog",
    "A red star.",
    "Portrait, 1912",
    "Two small circles beside each other",
    "A dog asleep on a wooden bench in the park",
    "The new bridge over the river, shortly after it was opened to the public",
    "An old photograph of a family in front of the house that they sold in 1987, with a cart and two horses",
    "The harbour of a northern town at dusk, seen from a hill: boats lie side by side, gulls circle above the cranes, "
    "and the lights of the warehouses are reflected in the still water",
)
PICTURES, _POINTS = 4, 3
ATTRIBUTED = (1, 2, 3)  # numbers of short texts, since a plain backward pass for each route, layer and text is slow


@dataclass(frozen=True, eq=False)
class Bench:
    """Model and inputs that the checks share."""

    clip: Clip

    @cached_property
    def tokens(self) -> Tokens:
        """Tokens of all texts."""
        return tokenize(self.clip, TEXTS)

    @cached_property
    def pictures(self) -> list[Image]:
        """Images of noise, wider than they are high."""
        from PIL import Image

        rng = np.random.default_rng(0)
        return [Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)) for _ in range(PICTURES)]

    @cached_property
    def embeddings(self) -> Embeddings:
        """Unit-norm embeddings of the images."""
        return embed_images(self.clip, self.pictures).to(self.clip.device).clone()

    @cached_property
    def exact(self) -> Any:
        """Copy of the model in float64, on the CPU."""
        return copy.deepcopy(self.clip.model).to("cpu", torch.float64)

    def layers(self, tower: Tower) -> list[int]:
        """Return the numbers of the first, the middle and the last layer."""
        depth = self.clip.depth(tower)
        return sorted({1, (depth + 1) // 2, depth})

    def rotation(self, tower: Tower, layer: int) -> Rotation:
        """Return a random rotation, whose size depends on the layer: 1, an eighth, a half or all of the width."""
        width = self.clip.width(tower)
        size = (1, max(1, width // 8), max(1, width // 2), width)[layer % 4]
        return Rotation(random_basis(width, size, torch.Generator().manual_seed(layer)), Site(tower, layer))


def _one_batch(bench: Bench) -> list[Finding]:
    """Run the check of one batch that a sweep runs before it starts, at every layer."""
    return certify(bench.clip, TEXTS, range(1, bench.clip.depth("text") + 1))


@torch.inference_mode()
def forward(bench: Bench) -> list[Finding]:
    """Compare embeddings with the model's own forward passes, of each text alone and of all images."""
    clip, tokens = bench.clip, bench.tokens
    alone = [tokens.take(row).ids for row in torch.arange(len(tokens)).split(1)]
    texts = torch.cat([plain.texts(clip.model, ids) for ids in alone])
    last = Site("vision", clip.depth("vision"))
    run = clean_images(clip, bench.pictures, [last])
    pictures = plain.images(clip.model, pixel_values(clip, bench.pictures))
    text_tolerance, vision_tolerance = (
        tolerance(clip.model.dtype, depth) for depth in (clip.depth("text"), clip.depth("vision"))
    )
    return [
        Finding("forward: text embeddings", distance(embed_tokens(clip, tokens), texts), text_tolerance),
        Finding("forward: image embeddings", distance(run.push(last, run.stream(last)), pictures), vision_tolerance),
    ]


@torch.inference_mode()
def counterfactual(bench: Bench) -> list[Finding]:
    """Compare interchanges with a hook: in the text tower at every layer, in the vision tower at some layers."""
    clip, tokens = bench.clip, bench.tokens
    layers = range(1, clip.depth("text") + 1)
    order = torch.arange(len(tokens)).roll(3)
    run = clean_texts(clip, tokens, [Site("text", layer) for layer in layers])
    streams = plain.end_streams(clip.model, tokens.ids, tokens.eot, layers)
    text_errors, image_errors = [], []
    for layer in layers:
        rotation = bench.rotation("text", layer)
        base = streams[layer]
        h = plain.swapped(base, base[order], rotation.basis.to(base))
        expected = plain.counterfactuals(clip.model, tokens.ids, tokens.eot, layer, h)
        text_errors.append(distance(interchange(run, run.take(order), rotation), expected))
    images = clean_images(clip, bench.pictures, [Site("vision", layer) for layer in bench.layers("vision")])
    turned, pixels = torch.arange(PICTURES).roll(1), pixel_values(clip, bench.pictures)
    for layer in bench.layers("vision"):
        rotation = bench.rotation("vision", layer)
        expected = plain.image_counterfactuals(clip.model, pixels, layer, rotation.basis, turned)
        image_errors.append(distance(interchange(images, images.take(turned), rotation), expected))
    by_tower: dict[Tower, list[float]] = {"text": text_errors, "vision": image_errors}
    return [
        Finding(
            f"counterfactual: {tower} tower, {len(errors)} layers",
            max(errors),
            tolerance(clip.model.dtype, clip.depth(tower)),
        )
        for tower, errors in by_tower.items()
    ]


def gradient(bench: Bench) -> list[Finding]:
    """Compare a search's gradient in the free matrix, from the cached engine, with autograd in float64.

    The error of a logit, and of a slope of the loss, is the error of a score times the logit scale.
    """
    clip, tokens, n = bench.clip, bench.tokens, PICTURES
    layers = bench.layers("text")
    run = clean_texts(clip, tokens, [Site("text", layer) for layer in layers])
    pairs = PairRun(run, bench.embeddings, clip.logit_scale)
    rows, source = torch.arange(n), torch.arange(n).roll(1)
    runs = {
        name: (tokens.ids[indices], tokens.eot[indices])
        for name, indices in zip(("base", "source"), interventions(rows, source), strict=True)
    }
    pictures = bench.embeddings.cpu().double().repeat(2, 1)
    error = 0.0
    for layer in layers:
        site = Site("text", layer)
        span = Span(torch.eye(clip.width("text"), device=clip.device), max(1, clip.width("text") // 4), layer)
        clean = clean_scores(pairs, site) * clip.logit_scale
        loss = das_losses(pairs, site, [span.swap], source, clean, rows).sum()
        (computed,) = torch.autograd.grad(loss, span.free)
        free = span.free.detach().cpu().double().requires_grad_()
        (expected,) = torch.autograd.grad(plain.search_loss(bench.exact, runs, pictures, layer, free), free)
        error = max(error, distance(computed.flatten(), expected.flatten()))
    dtype, condition = with_basis(clip.model.dtype), 1 + clip.logit_scale
    allowed = tolerance(dtype, clip.depth("text"), passes=2, condition=condition)
    return [Finding(f"gradient: of a search's loss, {len(layers)} layers", error, allowed)]


def attribution(bench: Bench) -> list[Finding]:
    """Compare attributions of all routes, by both fast paths, with gradients of plain forward passes in float64."""
    clip, layers = bench.clip, bench.layers("text")
    rule = path_rule(_POINTS, "gausslegendre")
    errors: dict[str, list[float]] = {"pulled back": [], "pushed forward": []}
    for row in ATTRIBUTED:
        tokens = bench.tokens.take(torch.tensor([row]))
        image = bench.embeddings[[row]]
        start, words = default_baselines(clip, tokens)[0], slice(1, int(tokens.eot))
        path = run_path(clip, tokens, image, layers, PathSettings(_POINTS))
        for layer in layers:
            rotation = bench.rotation("text", layer)
            site = layer, rotation.basis.double()
            expected = plain.attributions(bench.exact, tokens.ids[0], start, image[0].cpu().double(), site, rule)
            largest = float(expected["full"].abs().max())

            def off(values: np.ndarray, true: Tensor, largest: float = largest) -> float:
                return float(np.abs(values - true.numpy()).max()) / largest

            shared, through = integrate(clip, tokens, image, layer, {"z": rotation}, PathSettings(_POINTS))
            routes = assemble(shared, through["z"], ROUTES)
            errors["pulled back"] += [off(routes[route][0], expected[route]) for route in ROUTES]
            errors["pushed forward"] += [
                off(path.through(layer, rotation), expected["through"][words]),
                off(path.through(layer, None), (expected["through"] + expected["around"])[words]),
                off(path.full, expected["full"][words]),
            ]
    allowed = tolerance(clip.model.dtype, clip.depth("text"), passes=2)
    return [Finding(f"attribution: {name}", float(np.max(values)), allowed) for name, values in errors.items()]


CHECKS: dict[str, Callable[[Bench], list[Finding]]] = {
    "one batch": _one_batch,
    "forward": forward,
    "counterfactual": counterfactual,
    "gradient": gradient,
    "attribution": attribution,
}


def run_checks(clip: Clip, on_check: Callable[[], object] = lambda: None) -> list[Finding]:
    """Run all checks; a check that torch cannot do in this dtype or on this device fails.

    Args:
        clip: model.
        on_check: callback after each check, for a progress bar.
    """
    bench, findings = Bench(clip), []
    for name, check in CHECKS.items():
        try:
            findings += check(bench)
        except (RuntimeError, NotImplementedError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            findings.append(Finding(name, float("nan"), 0.0, note=f"cannot be computed here: {reason}"))
        on_check()
    return findings
