"""Tests of the equations of the kinds of edits, and of their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from concept_erasure import LeaceEraser
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from interp.clip.edits import KINDS, leace
from interp.clip.edits.edit import Edit, EditError
from interp.clip.model import Clip, embed_texts
from interp.clip.sites import Site, SiteError, SiteMismatch
from interp.edits.construction import erase, gain, leace_of, set_z
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation, orthonormal
from tests.oracles.plain_forward import random_texts
from tests.oracles.planted import CAUSE, axis, planted
from tests.wording import raises

SITE = Site("text", 2)
PLAIN = {"shrinkage": False, "constrain_cov_trace": False, "svd_tol": 1e-9}  # no safeguards of concept-erasure
SHAPES = st.tuples(
    st.integers(1, 9), st.integers(0, 9), st.integers(0, 999), st.sampled_from([torch.float32, torch.float64])
)


def rotation(width: int, size: int, seed: int, dtype: torch.dtype = torch.float32) -> Rotation:
    return Rotation(orthonormal(drawn(width, size, seed=seed, dtype=torch.float64)).to(dtype), SITE)


def drawn(*shape: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@given(SHAPES, st.floats(-1, 3))
def test_gain_multiplies_the_deviation_and_leaves_the_rest(shape, alpha: float):
    width, size, seed, dtype = shape
    z = rotation(width, min(size, width), seed, dtype)
    h, middle = drawn(4, width, seed=seed, dtype=dtype), drawn(width, seed=seed + 1, dtype=dtype)
    changed, close = gain(z, middle, alpha)(h), {"atol": 1e-5 if dtype == torch.float32 else 1e-12, "rtol": 1e-5}
    torch.testing.assert_close(z.read(changed - middle), (1 + np.float32(alpha)) * z.read(h - middle), **close)
    rest = torch.eye(width, dtype=dtype) - z.basis @ z.basis.T
    torch.testing.assert_close(changed @ rest, h @ rest, **close)
    assert torch.equal(gain(z, middle, 0.0)(h), h)
    assert torch.equal(gain(z, middle, -1.0)(h), erase(z, middle)(h))
    assert torch.equal(erase(z, middle)(h), z.neutral(h, middle))


def test_alpha_0_changes_no_bit_of_a_model(small: Clip):
    texts = random_texts(5, 0)
    z, middle = rotation(24, 4, 0), drawn(24, seed=1)
    assert torch.equal(embed_texts(gain(z, middle, 0.0).apply(small), texts), embed_texts(small, texts))
    assert not torch.equal(embed_texts(gain(z, middle, 0.5).apply(small), texts), embed_texts(small, texts))


def test_setting_z_to_that_of_a_source_is_an_interchange_bit_for_bit(small: Clip):
    z, (source,) = rotation(24, 4, 0), random_texts(1, 5)
    base, lent = clean_texts(small, random_texts(6, 1), [SITE]), clean_texts(small, [source] * 6, [SITE])
    edit = set_z(z, lent.stream(SITE)[0])
    assert torch.equal(base.push(SITE, edit(base.stream(SITE))), interchange(base, lent, z))


@given(SHAPES)
def test_reft_of_its_own_rows_changes_nothing(shape):
    """W = R and b = 0 give R'(R h - R h) = 0; DiReFT with W = 0 and b = 0 adds nothing."""
    width, size, seed, dtype = shape
    rows = rotation(width, min(size, width), seed, dtype).basis.T.contiguous()
    h, nothing = drawn(3, width, seed=seed, dtype=dtype), torch.zeros(len(rows), dtype=dtype)
    same = Edit("loreft", SITE, {"rows": rows, "weight": rows, "bias": nothing})
    torch.testing.assert_close(same(h), h, atol=1e-5 if dtype == torch.float32 else 1e-12, rtol=0)
    none = Edit("direft", SITE, {"rows": rows, "weight": torch.zeros_like(rows), "bias": nothing})
    assert torch.equal(none(h), h)
    weight, bias = drawn(len(rows), width, seed=seed + 1, dtype=dtype), drawn(len(rows), seed=seed + 2, dtype=dtype)
    tensors = {"rows": rows, "weight": weight, "bias": bias}
    for kind, moved in (("loreft", h @ weight.T + bias - h @ rows.T), ("direft", h @ weight.T + bias)):
        expected = h.clone()
        for direction in range(len(rows)):
            expected += moved[:, direction, None] * rows[direction]
        torch.testing.assert_close(Edit(kind, SITE, tensors)(h), expected, atol=1e-4, rtol=1e-5)


@given(SHAPES)
def test_an_edit_reads_the_directions_that_its_change_depends_on(shape):
    width, size, seed, dtype = shape
    z = rotation(width, min(size, width), seed, dtype)
    rows, middle = z.basis.T.contiguous(), drawn(width, seed=seed, dtype=dtype)
    weight = drawn(len(rows), width, seed=seed + 1, dtype=dtype)
    tensors = {"rows": rows, "weight": weight, "bias": drawn(len(rows), seed=seed + 2, dtype=dtype)}
    for edit, read in (
        (Edit("loreft", SITE, tensors), (weight - rows).T),
        (Edit("direft", SITE, tensors), weight.T),
        (erase(z, middle), z.basis),
        (gain(z, middle, 0.0), z.basis[:, :0]),
    ):
        assert edit.reads.shape == read.shape
        wide = read.double()
        torch.testing.assert_close(edit.reads @ (edit.reads.T @ wide), wide, atol=1e-5, rtol=1e-5)
        h = drawn(3, width, seed=seed + 3, dtype=torch.float64)
        across = h - h @ edit.reads @ edit.reads.T  # directions that the edit does not read leave its change equal
        torch.testing.assert_close(edit(h + across) - (h + across), edit(h) - h, atol=1e-5, rtol=0)


def kinds_of_streams(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return streams with unequal variances whose kinds differ along a direction, and labels of 1 and -1."""
    labels = torch.ones(n, 1)
    labels[n // 2 :] = -1
    spread = torch.logspace(-2, 1, 12)
    return drawn(n, 12, seed=seed) * spread + labels * 0.4 * drawn(12, seed=99), labels


def test_after_leace_a_linear_probe_is_at_chance():
    streams, labels = kinds_of_streams(600, 0)
    eraser = Edit("leace", SITE, {name: tensor.float() for name, tensor in leace.fit(streams, labels).items()})
    y = labels[:, 0].numpy()

    def accuracy(h: Tensor) -> float:
        return float(LogisticRegression(max_iter=2000).fit(h.numpy(), y).score(h.numpy(), y))

    assert accuracy(streams) > 0.75
    assert accuracy(eraser(streams)) == pytest.approx(0.5, abs=0.03)
    assert eraser.size == 1
    means = [eraser(streams)[labels[:, 0] == sign].mean(0) for sign in (1, -1)]
    torch.testing.assert_close(means[0], means[1], atol=1e-4, rtol=0)


def test_leace_of_pairs_takes_their_preference():
    """If one direction carries the preference, the eraser erases it, and held-out pairs have no gap left."""
    train, _, test = planted("carries")
    edit = leace_of(train)
    assert edit.facts == {"pairs": len(train)}
    positive, negative = (edit(part).mean(0) for part in train.streams.chunk(2))
    torch.testing.assert_close(positive, negative, atol=1e-5, rtol=0)
    moved = (edit(test.streams) - test.streams) @ axis(train, CAUSE).to(test.streams)
    assert moved.abs().mean() > 0.1
    gap = [float((half[0] - half[1]).mean()) for half in (kinds_apart(test.streams), kinds_apart(edit(test.streams)))]
    assert abs(gap[1]) < 0.2 * abs(gap[0])


def kinds_apart(streams: Tensor) -> tuple[Tensor, Tensor]:
    """Return positive and negative streams along the direction that carries the preference."""
    along = (streams @ axis(planted("carries")[0], CAUSE).to(streams)).chunk(2)
    return along[0], along[1]


@pytest.mark.parametrize("columns", [1, 3])
def test_leace_is_that_of_concept_erasure(columns: int):
    streams, _ = kinds_of_streams(400, 3)
    labels = drawn(400, columns, seed=7) + streams[:, :columns]
    wanted = LeaceEraser.fit(streams.double(), labels.double(), **PLAIN)(streams.double())
    eraser = Edit("leace", SITE, leace.fit(streams, labels))
    torch.testing.assert_close(eraser(streams.double()), wanted, atol=1e-6, rtol=1e-6)
    assert eraser.size == columns


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_saved_is_loaded(kind: str, tmp_path: Path):
    sizes = {"d": 8, "k": 3}
    tensors = {
        name: drawn(*(sizes[letter] for letter in letters), seed=number)
        for number, (name, letters) in enumerate(KINDS[kind].shapes.items())
    }
    edit = Edit(kind, SITE, tensors, {"lr": 0.1})
    assert (edit.width, edit.size) == (8, 3)
    edit.save(tmp_path / "edit.safetensors")
    again = Edit.load(tmp_path / "edit.safetensors")
    assert (again.kind, again.site, again.facts, again.fingerprint) == (kind, SITE, {"lr": 0.1}, edit.fingerprint)
    h = drawn(4, 8, seed=50)
    assert torch.equal(again(h), edit(h))
    assert not torch.equal(edit(h), h)


def test_what_is_no_edit_is_one_line(small: Clip, tmp_path: Path):
    basis, value = rotation(24, 2, 0).basis, torch.zeros(24)
    with raises(EditError, "'melt'", "erase"):
        Edit("melt", SITE, {})
    with raises(EditError, "'erase'", "basis", "value"):
        Edit("erase", SITE, {"basis": basis})
    with raises(EditError, "value", "'erase'", 23):
        Edit("erase", SITE, {"basis": basis, "value": torch.zeros(23)})
    with raises(EditError, "value", "'erase'"):
        Edit("erase", SITE, {"basis": basis, "value": value / 0})
    with raises(SiteError, "text.2.mlp.eot"):
        Edit("erase", Site("text", 2, "mlp"), {"basis": basis, "value": value})
    edit = Edit("erase", SITE, {"basis": basis, "value": value})
    with raises(SiteError, 99):
        Edit("erase", Site("text", 99), dict(edit.tensors)).apply(small)
    with raises(SiteMismatch, 8, 24):
        Edit("erase", SITE, {"basis": rotation(8, 2, 0).basis, "value": torch.zeros(8)}).apply(small)
    path = tmp_path / "edit.safetensors"
    with raises(EditError, f"'{path}'"):
        Edit.load(path)
    edit.save(path)
    good = path.read_bytes()
    path.write_bytes(good[:-4])
    with raises(EditError, f"'{path}'"):
        Edit.load(path)
    path.write_bytes(good[:-4] + b"abcd")
    with raises(EditError, f"'{path}'"):
        Edit.load(path)
    path.write_bytes(good)
    path.with_suffix(".json").write_text("{}")
    with raises(EditError, str(path.with_suffix(".json"))):
        Edit.load(path)
    Rotation(basis, SITE).save(path)
    with raises(EditError, f"'{path}'", "'rotation'"):
        Edit.load(path)
