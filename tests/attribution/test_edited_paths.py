"""Tests of attributions in many edited models along one path, against the gradients of each edited model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from interp.attribution.all_layers import run_path
from interp.attribution.baselines import content_baselines
from interp.attribution.convergence import points_needed
from interp.attribution.edited_paths import (
    EditedPath,
    edited_attributions,
    load_edited_path,
    run_paths,
    save_edited_paths,
)
from interp.attribution.integral import PathSettings, integrate
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.result import ROUTES, relative_delta
from interp.clip.edits.edit import Edit
from interp.clip.model import Clip, Tokens, tokenize
from interp.clip.sites import Site
from interp.edits.construction import erase, gain
from interp.subspaces.rotation import Rotation, random_basis
from tests.agreement import agree
from tests.oracles.noncausal import registered, two_way
from tests.oracles.plain_forward import random_texts

STEPS = 6
Cell = tuple[Edit, Rotation]


def images(n: int) -> Tensor:
    return functional.normalize(torch.randn(n, 16, generator=torch.Generator().manual_seed(0)), dim=-1)


def cell(layer: int, size: int, seed: int, kind: str = "loreft") -> Cell:
    """Return an edit of a stream of width 24 that moves scores, and a subspace that is unrelated to the edit."""
    draw = torch.Generator().manual_seed(seed)
    z, other = (Rotation(random_basis(24, size, draw), Site("text", layer)) for _ in range(2))
    middle = torch.randn(24, generator=draw)
    if kind == "erase":
        return erase(z, middle), other
    if kind == "gain":
        return gain(z, middle, 0.7), other
    weight = torch.randn(size, 24, generator=draw) / 4
    tensors = {"rows": z.basis.T.contiguous(), "weight": weight, "bias": torch.randn(size, generator=draw)}
    return Edit("loreft", z.site, tensors), other


def run(clip: Clip, tokens: Tokens, cells: list[Cell], tolerance: float | None = None) -> list[list[EditedPath]]:
    """Return the paths of each text in each edited model."""
    rows, settings = torch.arange(len(tokens)).split(1), PathSettings(STEPS)
    each = ((tokens.take(i), images(len(tokens))[i]) for i in rows)
    return [run_paths(clip, text, image, (), cells, settings, tolerance)[1] for text, image in each]


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 1000),
    drawn=st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 24), st.sampled_from(["loreft", "erase", "gain"])),
        min_size=1,
        max_size=4,
    ),
)
def test_every_route_is_that_of_gradients_in_the_edited_model(small: Clip, seed: int, drawn: list[tuple]):
    tokens = tokenize(small, random_texts(4, seed))
    cells = [cell(layer, size, seed + i, kind) for i, (layer, size, kind) in enumerate(drawn)]
    texts = run(small, tokens, cells)
    plain = MediatedIntegratedGradients(small, routes=("full",)).attribute(tokens, images(4), n_steps=STEPS)
    for i, (edit, z) in enumerate(cells):
        attributor = MediatedIntegratedGradients(edit.apply(small), z, routes=ROUTES)
        wanted = attributor.attribute(tokens, images(4), n_steps=STEPS)
        ours = edited_attributions(tokens, [each[i] for each in texts], ROUTES)
        largest = np.abs(wanted.tokens["full"]).max()
        for route in ROUTES:
            agree("edited paths", ours.tokens[route], wanted.tokens[route], over=largest)
        np.testing.assert_allclose(ours.score, wanted.score, atol=1e-6)
        np.testing.assert_allclose(ours.baseline_score, wanted.baseline_score, atol=1e-6)
        assert np.abs(wanted.tokens["full"] - plain.tokens["full"]).max() > 1e-3


def test_a_text_has_the_points_of_the_base_or_twice_as_many_until_it_converges(small: Clip):
    tokens, cells = tokenize(small, random_texts(5, 3)), [cell(2, 6, 0), cell(4, 3, 1), cell(5, 3, 2)]
    base = points_needed(small, tokens, images(5), PathSettings(STEPS), 0.01).tolist()
    texts, seen = run(small, tokens, cells, 0.01), set()
    for i, (edit, z) in enumerate(cells):
        for row, least in enumerate(base):
            ours, text = texts[row][i], tokens.take(torch.tensor([row]))

            def missed(points: int, edit: Edit = edit, text: Tokens = text, at: int = row) -> float:
                integrals, _ = integrate(edit.apply(small), text, images(5)[[at]], 0, {}, PathSettings(points))
                assert integrals.full is not None
                return float(relative_delta(integrals.full, integrals.score, integrals.baseline_score)[0])

            assert missed(ours.points) <= 0.01
            assert ours.points == least or missed(ours.points // 2) > 0.01
            settings = PathSettings(ours.points)
            _, through = integrate(edit.apply(small), text, images(5)[[row]], edit.site.layer, {"z": z}, settings)
            np.testing.assert_allclose(ours.through, through["z"][0][ours.moved.numpy()], atol=2e-6)
            seen.add(ours.points / least)
    assert len(seen) > 1


def test_the_base_has_the_path_that_it_has_alone(small: Clip):
    """Attributions of the base do not depend on edits, bit for bit."""
    text, settings = tokenize(small, random_texts(1, 4)), PathSettings(STEPS)
    alone = run_path(small, text, images(1), [2, 4], settings, 0.01)
    together, _ = run_paths(small, text, images(1), [2, 4], [cell(2, 6, 0), cell(3, 3, 1)], settings, 0.01)
    assert (alone.points, alone.score) == (together.points, together.score)
    np.testing.assert_array_equal(alone.full, together.full)
    for layer in (2, 4):
        np.testing.assert_array_equal(alone.through(layer, None), together.through(layer, None))


def test_no_number_depends_on_which_edits_are_computed_together(small: Clip):
    tokens, cells = tokenize(small, random_texts(3, 5)), [cell(1, 4, 0), cell(3, 2, 1), cell(3, 6, 2)]
    together = run(small, tokens, cells, 0.01)
    for i, each in enumerate(cells):
        for alone, in_group in zip(run(small, tokens, [each], 0.01), together, strict=True):
            for name in ("through", "stream", "full"):
                np.testing.assert_array_equal(getattr(alone[0], name), getattr(in_group[i], name))
            assert (alone[0].score, alone[0].points) == (in_group[i].score, in_group[i].points)


def test_an_edited_model_can_be_edited_again(small: Clip):
    first, (edit, z) = cell(3, 4, 0)[0], cell(3, 4, 1)
    base, tokens = first.apply(small), tokenize(small, random_texts(2, 7))
    (ours,) = zip(*run(base, tokens, [(edit, z)]), strict=True)
    shared, through = integrate(edit.apply(base), tokens, images(2), 3, {"z": z}, PathSettings(STEPS))
    attributions = edited_attributions(tokens, ours, ("through", "full"))
    np.testing.assert_allclose(attributions.tokens["through"], through["z"], atol=2e-6)
    np.testing.assert_allclose(attributions.tokens["full"], shared.full, atol=2e-6)


def test_what_is_saved_is_loaded_and_a_text_like_its_baseline_has_no_attributions(small: Clip, tmp_path: Path):
    text, cells = tokenize(small, random_texts(1, 2)), [cell(2, 3, 0), cell(4, 3, 1)]
    same = PathSettings(STEPS, baselines=text.ids)
    content = PathSettings(STEPS, baselines=content_baselines(small, text))
    for number, start in enumerate((same, content)):
        paths = dict(zip("ab", run_paths(small, text, images(1), (), cells, start)[1], strict=True))
        save_edited_paths(paths, tmp_path / f"{number}.safetensors")
        for name, path in paths.items():
            loaded = load_edited_path(tmp_path / f"{number}.safetensors", name)
            for array in ("through", "stream", "full", "moved"):
                np.testing.assert_array_equal(getattr(loaded, array), getattr(path, array))
            assert (loaded.score, loaded.baseline_score, loaded.points) == (path.score, path.baseline_score, STEPS)
            assert (len(path.full) == 0) == (start is same)
            assert (abs(path.score - path.baseline_score) < 1e-6) == (start is same)  # rounded by batch


def test_a_tower_that_is_not_causal_is_refused(toy: Clip):
    with registered():
        other = two_way(toy)
        width = other.width("text")
        z = Rotation(random_basis(width, 2, torch.Generator().manual_seed(0)), Site("text", 1))
        image = functional.normalize(torch.ones(1, other.embed_dim), dim=-1)
        with pytest.raises(ValueError, match="causal"):
            run_paths(
                other, tokenize(other, ["a cat"]), image, (), [(erase(z, torch.zeros(width)), z)], PathSettings(2)
            )
