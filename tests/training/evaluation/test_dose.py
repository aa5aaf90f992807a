"""Task `dose`, against edited models that the other tasks measure by whole forward passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from interp.clip.edits.edit import Edit
from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.model import Clip, embed_texts, scores, tokenize
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.blv import QUESTIONS, load_blv
from interp.data.transfer import load_transfer
from interp.edits.construction import erase, gain
from interp.stats import clustered_mean
from interp.subspaces.pairs import pairs_at
from interp.subspaces.rotation import Rotation, random_basis
from tests.training.evaluation.evaluating import of_test, run, table
from training.evaluation.abilities import AbilityTests, ability_tests
from training.evaluation.doses import ALPHAS, DOSED, at_alpha, curves_of
from training.evaluation.numbers import Number
from training.evaluation.readers import agreement_with_readers
from training.evaluation.tasks.blv import rated_images
from training.evaluation.tasks.dose import RatedBatch, dose, embed_edited
from training.evaluation.tasks.preference import measure_preference
from training.evaluation.tasks.transfer import retrievals, transfer

pytestmark = pytest.mark.slow

SITE = Site("text", 3)
Measured = tuple[EmbeddedPairs, AbilityTests, RatedBatch, Rotation, torch.Tensor]


@pytest.fixture(scope="module")
def material(small: Clip, ratings: Path, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """Return held-out pairs, tests, rated texts, a rotation, and the middle between the kinds of train pairs."""
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(tmp_path_factory.mktemp("cache")))
        features = image_features(small, load_pairs("toy", limit=60))
        held_out, rated = features.split("test"), load_blv(ratings)
        tests = ability_tests(small, load_transfer("toy", limit=20), "toy", held_out)
        tokens = tokenize(small, [text.description for text in rated.texts])
        batch = RatedBatch(rated, tokens, rated_images(small, rated))
    rotation = Rotation(random_basis(24, 6, torch.Generator().manual_seed(0)), SITE)
    return held_out, tests, batch, rotation, pairs_at(small, features.split("train"), SITE).midpoint


def by_name(rows: list[Number]) -> dict[tuple[str, str], Number]:
    numbers = {(row.of, row.measure): row for row in rows}
    assert len(numbers) == len(rows) == 8 * len({row.measure.rpartition(" ")[2] for row in rows})
    return numbers


@pytest.mark.parametrize("alphas", [(2.0, -0.5), (0.0, 1.5)])
def test_doses_are_what_other_tasks_measure_in_edited_models(small: Clip, material: Measured, alphas):
    held_out, tests, rated, rotation, middle = material
    edits = {alpha: gain(rotation, middle, alpha) for alpha in alphas}
    doses, sets = by_name(dose(small, edits, held_out, tests, rated)), load_transfer("toy", limit=20)
    retrieved = set()
    for alpha, edit in edits.items():
        model = small if alpha == 0 else edit.apply(small)
        rows, both = measure_preference(model, held_out, None)
        zero_shot, hits, _ = transfer(model, sets)
        shares, _ = retrievals(model, "toy", held_out, seed=0)
        images = rated.images, [text.description for text in rated.ratings.texts]
        readers = agreement_with_readers(
            rated.ratings, scores(images[0], embed_texts(model, images[1])).double().numpy()
        )
        expected = {("test", "preference"): next(row for row in rows if row.measure == "preference")}
        expected |= {(row.of, row.measure): row for row in readers if row.measure == "pearson"}
        assert len(expected) == 1 + len(QUESTIONS)
        for (scope, measure), row in expected.items():
            number = doses[scope, at_alpha(measure, alpha)]
            assert number.n == row.n
            assert (number.value, number.low, number.high) == pytest.approx(
                (row.value, row.low, row.high), abs=1e-4, nan_ok=True
            )
        gap = clustered_mean(both[0].astype(float) - both[1], np.array(held_out.groups))
        number = doses["test", at_alpha("gap", alpha)]
        assert (number.value, number.low, number.high) == pytest.approx(
            (gap.value, gap.low, gap.high), abs=1e-6, nan_ok=True
        )
        for name, scope, rest in (("accuracy", "all sets", zero_shot), ("retrieval", "retrieval", shares)):
            number = doses[scope, at_alpha(name, alpha)]
            values = [row.value for row in rest if row.measure.startswith(name)]
            assert number.value == pytest.approx(np.mean(values), abs=1e-12)
            assert number.low <= number.value <= number.high
        assert len(hits) == 4
        retrieved.add(number.value)
    assert len(retrieved) == 2


def comparable(rows: list[Number]) -> list[Number]:
    """Return the rows with 0 where an interval is not defined."""
    return [replace(row, low=np.nan_to_num(row.low), high=np.nan_to_num(row.high)) for row in rows]


def test_minus_1_is_an_erasure_and_0_no_edit_to_the_last_bit(small: Clip, material: Measured):
    """The other gains are equal, so that all products have the same shapes."""
    held_out, tests, _, rotation, middle = material
    gains = {alpha: gain(rotation, middle, alpha) for alpha in (-1.0, 0.0, 1.5)}
    zero = torch.zeros(1, 24)
    nothing = Edit("direft", SITE, {"rows": zero, "weight": zero, "bias": zero[0, :1]})
    others = gains | {-1.0: erase(rotation, middle), 0.0: nothing}
    numbers, expected = (comparable(dose(small, edits, held_out, tests)) for edits in (gains, others))
    assert numbers == expected
    gaps = [row.value for row in numbers if row.measure.startswith("gap")]
    assert len(set(gaps)) == 3


def test_texts_are_embedded_as_by_edited_models(small: Clip, material: Measured):
    held_out, _, _, rotation, middle = material
    edits = [gain(rotation, middle, alpha) for alpha in (-1.0, 0.0, 2.0)]
    counts: list[int] = []
    embedded_texts = embed_edited(small, held_out.tokens_for(small), edits, counts.append)
    for edit, embedded in zip(edits, embedded_texts, strict=True):
        torch.testing.assert_close(embedded, embed_texts(edit.apply(small), held_out.texts), atol=1e-6, rtol=0)
    assert (embedded_texts[0] - embedded_texts[1]).abs().max() > 1e-3
    assert sum(counts) == len(held_out.texts)


def test_a_run_is_dosed_if_that_is_asked_for(lora: Path, ratings: Path, tmp_path: Path):
    assert run("--model", str(lora), "--tasks", "preference,dose", "--blv", str(ratings), "--out", str(tmp_path)) == 0
    frame = table(tmp_path)
    rows = frame.loc["dose"]
    assert len(rows) == len(ALPHAS) * (len(DOSED) + len(QUESTIONS))
    numbers = [Number("dose", scope, name, row.value, int(row.n)) for (scope, name), row in rows.iterrows()]
    curves = curves_of(numbers)
    assert [len(curves[measure]) for measure in DOSED] == [9, 9, 9, 9]
    assert curves["preference"][2].value == frame.loc[("preference", "test", "preference"), "value"]
    assert curves_of(numbers[:-5]) == {}
    assert {row.n for row in curves["gap"]} == {len(of_test(lora))}
    assert {row.measure for row in curves["gap"]} == {at_alpha("gap", alpha) for alpha in ALPHAS}
