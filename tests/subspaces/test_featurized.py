"""Tests of a subspace that is not a rotation in all parts: search, evidence, verdict, attributions, run folders."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from interp.attribution.all_layers import PathRun, run_path
from interp.attribution.integral import PathSettings, integrate
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.clip.model import Clip, tokenize
from interp.clip.sites import Site
from interp.data.contrast import PAPER
from interp.evidence.measurement import MeasurementSettings, measure_subspace
from interp.evidence.verdict import Answered, VerdictMeasures, verdict
from interp.measures import sweep_schema as declared
from interp.runs.content import sealed
from interp.subspaces import kinds
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.kinds import load_subspace
from interp.subspaces.methods import METHODS
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation, RotationError, nothing, orthonormal, overlap, random_basis, whole
from interp.subspaces.search import SearchConfig
from interp.subspaces.subspace import Subspace, pulled
from interp.sweep import __main__ as sweep
from tests.agreement import agree
from tests.oracles.featurized import KIND, Bend, Featurized, method, seen
from tests.oracles.plain_forward import random_texts
from tests.oracles.planted import CAUSE, SITE, axis, planted
from tests.run_folders import PAPER_METHODS
from tests.sweep.sweeping import FROZEN, SMALL
from tests.wide import wide
from tests.wording import raises
from training import evaluate

CURVED, STRAIGHT = Bend(6.0), Bend(0.0)
OPTIONS = [*FROZEN, *SMALL, "--data", "toy", "--max-steps", "6", "--layers", "5", "--sizes", "2"]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Register the kind for files and the method for sweeps."""
    monkeypatch.setitem(kinds.KINDS, KIND, Featurized.load)
    monkeypatch.setitem(METHODS, KIND, method(CURVED))
    return monkeypatch


def subspaces(width: int, size: int, seed: int, dtype: torch.dtype = torch.float64) -> list[Subspace]:
    draw = torch.Generator().manual_seed(seed)
    basis = orthonormal(torch.randn(width, size, generator=draw, dtype=torch.float64)).to(dtype)
    rotation = Rotation(basis, SITE)
    return [rotation, Featurized(rotation, Bend(0.7)), Featurized(rotation, STRAIGHT)]


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 1000), st.sampled_from([torch.float32, torch.float64]))
def test_the_equations_of_subspaces(width: int, size: int, seed: int, dtype: torch.dtype):
    size = min(size, width)
    draw = torch.Generator().manual_seed(seed + 1)
    base, source = torch.randn(2, 5, width, generator=draw, dtype=torch.float64).to(dtype)
    close = {"atol": 1e-5 if dtype == torch.float32 else 1e-12, "rtol": 1e-5}
    for z in subspaces(width, size, seed, dtype):
        assert isinstance(z, Subspace)
        assert torch.equal(z.swap(base, base), base)
        swapped = z.swap(base, source)
        torch.testing.assert_close(z.read(swapped), z.read(source), **close)
        assert z.read(base).shape == (5, size)
        torch.testing.assert_close(z.swap(swapped, base), base, **close)  # there and back
        neutral = z.neutral(base, source[0])
        torch.testing.assert_close(z.read(neutral), z.read(source[:1]).expand(5, -1), **close)
        if size == 0:
            assert torch.equal(swapped, base)
        elif size < width:
            assert (swapped - source).abs().max() > 1e-4
        else:
            torch.testing.assert_close(swapped, source, **close)
        with_facts = z.with_facts({"method": "none"})
        assert (with_facts.facts, with_facts.size) == ({"method": "none"}, size)
        assert with_facts.fingerprint == z.fingerprint


@given(st.integers(2, 9), st.integers(1, 9), st.integers(0, 1000))
def test_what_is_pulled_is_the_gradient_by_the_jacobian(width: int, size: int, seed: int):
    draw = torch.Generator().manual_seed(seed + 1)
    # Allocate each separately, since the last bits of a product depend on the memory alignment of its operands.
    h, gradient = (torch.randn(3, width, generator=draw, dtype=torch.float64) for _ in range(2))
    rotation, curved, straight = subspaces(width, min(size, width), seed)
    assert isinstance(rotation, Rotation)
    assert torch.equal(pulled(rotation, h, gradient), (gradient @ rotation.basis) @ rotation.basis.T)
    assert torch.equal(pulled(straight, h, gradient), pulled(rotation, h, gradient))
    for row in range(3):
        jacobian = torch.autograd.functional.jacobian(lambda x, row=row: curved.swap(h[row], x), h[row])
        torch.testing.assert_close(pulled(curved, h, gradient)[row], gradient[row] @ jacobian, atol=1e-10, rtol=1e-8)


@cache
def bent(a: float) -> tuple[PairsAtSite, PairsAtSite, PairsAtSite]:
    """Return train, val and test pairs of the planted network that carries a preference, with bent streams.

    The network reads x from h by asinh(a h) / a.
    """

    def behind(part: PairsAtSite) -> PairsAtSite:
        return replace(part, pairs=replace(part.pairs, run=Behind(part.pairs.run, Bend(a))))

    train, val, test = planted("carries")
    return behind(train), behind(val), behind(test)


class Behind:
    """Clean run whose streams are the bent streams of another run."""

    def __init__(self, run, bend: Bend) -> None:
        self.run, self.bend = run, bend

    def __len__(self) -> int:
        return len(self.run)

    def take(self, rows: Tensor) -> Behind:
        return Behind(self.run.take(rows), self.bend)

    def stream(self, site: Site) -> Tensor:
        return self.bend.stream(self.run.stream(site))

    def push(self, site: Site, h: Tensor) -> Tensor:
        return self.run.push(site, self.bend.features(h))

    def batches(self, size: int) -> list[Tensor]:
        return self.run.batches(size)


@cache
def fitted(a: float, by: str) -> Subspace:
    chosen = method(Bend(a)) if by == KIND else METHODS[by]
    (subspace,) = chosen.fit(*bent(a)[:2], [1], SearchConfig())
    return subspace


@cache
def measured(a: float, by: str) -> dict[str, float]:
    train, val, test = bent(a)
    how, pairs = MeasurementSettings(SearchConfig(), [METHODS["random"]]), {"train": train, "val": val, "test": test}
    return wide(measure_subspace(pairs, fitted(a, by), how).numbers)


def answers(a: float, by: str) -> dict[str, Answered]:
    row = measured(a, by) | {"converged": float(fitted(a, by).facts["converged"])}
    return {
        answer.name: answer.answer
        for answer in verdict(
            VerdictMeasures(declared(PAPER, PAPER_METHODS, ()).read(row), PAPER, [METHODS["random"].name], None)
        )
    }


@pytest.mark.slow
def test_only_the_featurized_subspace_finds_what_is_bent():
    a = CURVED.a
    z = fitted(a, KIND)
    assert isinstance(z, Featurized)
    assert z.facts["converged"]
    assert overlap(z.rotation.basis, axis(planted("carries")[0], CAUSE)) > 0.99
    curved, linear = measured(a, KIND), measured(a, "das")
    assert curved["r2_own"] > 0.9
    assert linear["r2_own"] < curved["r2_own"] - 0.2
    got = answers(a, KIND)
    for question in ("precondition", "calibrated", "necessary", "specific", "beyond controls"):
        assert got[question] == "yes", question
    assert "no" in answers(a, "das").values()


@pytest.mark.slow
def test_with_the_identity_it_gives_the_numbers_of_the_rotation_bit_for_bit():
    z, rotation = fitted(0.0, KIND), fitted(0.0, "das")
    assert isinstance(z, Featurized)
    assert isinstance(rotation, Rotation)
    assert torch.equal(z.rotation.basis, rotation.basis)
    assert z.facts == rotation.facts
    assert measured(0.0, KIND) == pytest.approx(measured(0.0, "das"), abs=0, rel=0, nan_ok=True)
    assert answers(0.0, KIND) == answers(0.0, "das")


def test_a_view_of_pairs_has_features_for_streams():
    train = bent(CURVED.a)[0]
    torch.testing.assert_close(seen(train, CURVED).streams, planted("carries")[0].streams)
    torch.testing.assert_close(seen(train, CURVED).clean, train.clean)


def featurized_at(clip: Clip, layer: int, size: int, bend: Bend) -> Featurized:
    basis = random_basis(clip.width("text"), size, torch.Generator().manual_seed(layer))
    return Featurized(Rotation(basis, Site("text", layer)), bend)


def test_interchange_in_a_clip(small: Clip):
    z = featurized_at(small, 3, 5, Bend(0.3))
    base, source = (clean_texts(small, random_texts(5, seed), [z.site]) for seed in (0, 1))
    assert torch.equal(interchange(base, base, z), base.push(z.site, base.stream(z.site)))
    changed = interchange(base, source, z)
    assert (changed - interchange(base, source, z.rotation)).abs().max() > 1e-3
    identity = replace(z, bend=STRAIGHT)
    assert torch.equal(interchange(base, source, identity), interchange(base, source, z.rotation))


def test_attributions_pass_through_it(small: Clip):
    """Both methods agree, routes add up, and with the identity the numbers equal the rotation's bit for bit."""
    tokens, layer = tokenize(small, random_texts(4, 3)), 3
    images = torch.nn.functional.normalize(torch.randn(4, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    curved, straight = (featurized_at(small, layer, 6, bend) for bend in (Bend(0.3), STRAIGHT))
    shared, through = integrate(
        small, tokens, images, layer, {"c": curved, "s": straight, "r": straight.rotation}, PathSettings(4)
    )
    np.testing.assert_array_equal(through["s"], through["r"])
    rows = torch.arange(4).split(1)
    run = PathRun(tokens, [run_path(small, tokens.take(i), images[i], [layer], PathSettings(4)) for i in rows])
    assert shared.full is not None
    largest = np.abs(shared.full).max()
    agree("all layers", run.through(layer, curved), through["c"], over=largest)
    agree("all layers", run.through(layer, straight), through["r"], over=largest)
    assert np.abs(through["c"] - through["r"]).max() > 1e-3 * largest
    everything = Featurized(whole(24, curved.site), Bend(0.3))
    empty = Featurized(nothing(24, curved.site), Bend(0.3))
    assert not run.through(layer, empty).any()
    agree("all layers", run.through(layer, everything), run.through(layer, None), over=largest)
    attributions = MediatedIntegratedGradients(small, curved).attribute(tokens, images, n_steps=4)
    tokens_by_route = attributions.tokens
    total = tokens_by_route["through"] + tokens_by_route["around"] + tokens_by_route["bypass"]
    np.testing.assert_allclose(total, tokens_by_route["full"], atol=1e-12)


def test_a_file_is_loaded_by_its_kind(tmp_path: Path, registered: pytest.MonkeyPatch):
    z = Featurized(Rotation(random_basis(9, 2, torch.Generator().manual_seed(0)), SITE, {"method": KIND}), CURVED)
    z.save(tmp_path / "z.safetensors")
    z.rotation.save(tmp_path / "r.safetensors")
    again = load_subspace(tmp_path / "z.safetensors")
    assert isinstance(again, Featurized)
    assert (again.fingerprint, again.facts, again.site) == (z.fingerprint, z.facts, z.site)
    assert isinstance(load_subspace(tmp_path / "r.safetensors"), Rotation)
    with raises(RotationError, f"'{KIND}'"):
        about = {"kind": KIND, "site": SITE.label, "facts": {}, "basis": ""}
        (tmp_path / "r.json").write_text(sealed(about))
        Rotation.load(tmp_path / "r.safetensors")
    registered.delitem(kinds.KINDS, KIND)
    with raises(RotationError, f"'{KIND}'"):
        load_subspace(tmp_path / "z.safetensors")


def swept(folder: Path, by: str) -> pd.DataFrame:
    assert sweep.main([*OPTIONS, "--methods", f"{by},random,pca", "--out", str(folder), "--jobs", "1"]) == 0
    return pd.read_csv(folder / "results.csv")


@pytest.mark.slow
@pytest.mark.thorough
def test_a_sweep_and_an_evaluation_of_it(tmp_path: Path, registered: pytest.MonkeyPatch):
    registered.setitem(METHODS, KIND, method(Bend(0.05)))
    table = swept(tmp_path / "curved", KIND)
    assert np.isfinite(table[["iia", "r2", "r2_own", "gap_left"]]).all(axis=None)
    (path,) = (tmp_path / "curved" / "rotations").glob("*.safetensors")
    assert isinstance(load_subspace(path), Featurized)
    assert (tmp_path / "curved" / "report.html").is_file()
    command = ["--model", "toy", "--data", "toy", "--limit", "60", "--tasks", "preference", "--rotation", str(path)]
    assert evaluate.main([*command, "--out", str(tmp_path / "evaluated"), "--controls", "none"]) == 0


@pytest.mark.slow
@pytest.mark.thorough
def test_a_sweep_with_the_identity_has_the_numbers_of_das(tmp_path: Path, registered: pytest.MonkeyPatch):
    registered.setitem(METHODS, KIND, method(STRAIGHT))
    ours, theirs = swept(tmp_path / "ours", KIND), swept(tmp_path / "theirs", "das")
    columns = [name for name in theirs if "seconds" not in name and theirs[name].dtype.kind in "fi"]
    routes = ("through", "around", "baseline_agreement")  # the last measure is computed from attributions through Z
    by_route = [name for name in columns if any(route in name for route in routes)]
    assert len(columns) > 100 + len(by_route)
    for name in columns:
        if name in by_route:  # the two methods sum in different orders
            np.testing.assert_allclose(ours[name], theirs[name], atol=1e-4, rtol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
