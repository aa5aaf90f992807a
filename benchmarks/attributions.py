"""Mediated integrated gradients compared with captum.

captum is set up as an expert would: `LayerIntegratedGradients` at the token embeddings, frozen parameters, all points
of the path in one batch (faster here than smaller batches), and a hook at the site that lets gradients pass through Z
alone or around it alone. With several subspaces each route needs a separate run, and `full` one run for all. Texts are
padded to 77 tokens, as the authors do; a second line gives captum the text's own length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from torch.nn import functional

from benchmarks.material import CONTEXT, random_images, random_tokens, vit_b32
from benchmarks.measure import FLOAT, Machine, Result, Work, block_bytes, block_flops, side_by_side
from interp.attribution.baselines import default_baselines
from interp.attribution.integral import PathSettings, assemble, integrate
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.result import Route
from interp.clip.model import Clip, Tokens
from interp.clip.sites import Site
from interp.clip.tensors import Tensor
from interp.subspaces.rotation import Rotation, random_basis

LAYER, LENGTH, STEPS = 11, 20, 50
SIZES = (16, 32, 64, 128, 256)
ROUTES: tuple[Route, ...] = ("through", "around", "full")
CLOSE = 1e-4  # tolerance relative to the largest attribution, float32


def measure(machine: Machine, repeats: int, whole: bool) -> Iterator[Result]:
    """Yield both goals, and lines without a goal; only the cheaper goal unless `whole`."""
    clip, draw = vit_b32(), np.random.default_rng(0)
    tokens, image = random_tokens(clip, [LENGTH], draw), random_images(clip, 1)
    bases = {str(size): random_basis(clip.width("text"), size, torch.Generator().manual_seed(size)) for size in SIZES}
    rotations = {name: Rotation(basis, Site("text", LAYER)) for name, basis in bases.items()}
    basis = bases["64"]
    attributor = MediatedIntegratedGradients(clip, rotations["64"], routes=("through",))

    def ours_one() -> np.ndarray:
        attributions = attributor.attribute(tokens, image, n_steps=STEPS)
        return attributions.tokens["through"]  # type: ignore[union-attr]

    def ours_all() -> dict[str, np.ndarray]:
        shared, through = integrate(clip, tokens, image, LAYER, rotations, PathSettings(STEPS, routes=ROUTES))
        full = {"full": assemble(shared, None, ("full",))["full"]}
        parts = {
            f"{name} {route}": values
            for name in bases
            for route, values in assemble(shared, through[name], ("through", "around")).items()
        }
        return full | parts

    def peer_all(width: int) -> dict[str, np.ndarray]:
        full = {"full": captum(clip, tokens, image, width, basis, "full")}
        return full | {
            f"{name} {route}": captum(clip, tokens, image, width, basis, route)
            for name, basis in bases.items()
            for route in ("through", "around")
        }

    lengths = ((CONTEXT, "captum, padded to 77", True), (LENGTH, "captum, not padded", False))
    title = f"mediated IG of a {LENGTH}-token text, {STEPS} steps, layer {LAYER}"
    least = [machine.seconds(gradient_work(clip, backward)) for backward in ([LAYER], [LAYER] * 6 + [12])]
    for width, name, with_goal in lengths if whole else lengths[:1]:
        check({"z": ours_one()}, {"z": captum(clip, tokens, image, width, basis, "through")})
        yield side_by_side(
            (f"{title}, one subspace", name),
            partial(captum, clip, tokens, image, width, basis, "through"),
            ours_one,
            goal=(">=", 4.0) if with_goal else None,
            repeats=repeats,
            inner=2,
            least=least[0] if with_goal else None,
        )
    for width, name, with_goal in lengths if whole else ():
        check(ours_all(), peer_all(width))
        yield side_by_side(
            (f"{title}, {len(SIZES)} sizes x {len(ROUTES)} routes", f"{name}, one at a time"),
            partial(peer_all, width),
            ours_all,
            goal=(">=", 10.0) if with_goal else None,
            repeats=max(2, repeats // 5),
            least=least[1] if with_goal else None,
        )


def captum(clip: Clip, tokens: Tokens, image: Tensor, width: int, basis: Tensor, route: Route) -> np.ndarray:
    """Return attributions by captum, shape (1, t); the score's gradient is stopped at the site except for one route."""
    table, end = clip.model.text_model.embeddings.token_embedding, int(tokens.eot[0])

    def padded(ids: Tensor) -> Tensor:
        return functional.pad(ids, (0, width - ids.shape[1]), value=clip.eot)

    def score(ids: Tensor) -> Tensor:
        features = clip.model.get_text_features(input_ids=ids).pooler_output
        return functional.normalize(features, dim=-1) @ image[0]

    with stopped(clip, basis, end, route):
        attributions = LayerIntegratedGradients(score, table).attribute(
            padded(tokens.ids),
            baselines=padded(default_baselines(clip, tokens)),
            n_steps=STEPS,
            method="gausslegendre",
        )
    return attributions.sum(-1)[:, : tokens.ids.shape[1]].double().detach().numpy()


@contextmanager
def stopped(clip: Clip, basis: Tensor, end: int, route: Route) -> Iterator[None]:
    """Add a hook at the site that changes no value but lets gradients pass by one route only, and remove it on exit."""
    if route == "full":
        yield
        return

    def hook(_module: object, _inputs: object, hidden: Tensor) -> Tensor:
        still = hidden.detach()
        moving = hidden[:, end] - still[:, end]
        inside = (moving @ basis) @ basis.T
        kept = still[:, end] + (inside if route == "through" else moving - inside)
        return torch.cat([still[:, :end], kept[:, None], still[:, end + 1 :]], dim=1)

    handle = Site("text", LAYER).module(clip).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def check(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Raise unless both sides found the same for every token."""
    largest = max(float(np.abs(values).max()) for values in theirs.values())
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, atol=CLOSE * largest, rtol=0, err_msg=name)
    if largest == 0:
        raise RuntimeError("all attributions are zero: there is nothing to compare")


def gradient_work(clip: Clip, backward: Sequence[int]) -> Work:
    """Return the work of one forward pass of the path, and of passes back from some layers to the embeddings.

    The last block of the forward pass runs at EOT only. In the block where a pass back begins, only keys and values
    count.
    """
    tokens, d = STEPS * LENGTH, clip.width("text")
    part = 2 * d * d / (block_flops(clip, 1) / 2)
    passes = (12 - 1 + part) + sum(layer - 1 + part for layer in backward)
    flops = passes * block_flops(clip, tokens)
    return Work(flops, 2 * 12 * block_bytes(clip) + FLOAT * 2 * passes * tokens * d)
