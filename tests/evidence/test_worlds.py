"""Tests on planted worlds: a default search must find the planted directions, and only these may get the answer yes."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.data.contrast import PAPER
from interp.evidence.measurement import MeasurementSettings, measure_subspace
from interp.evidence.verdict import Answered, VerdictMeasures, verdict
from interp.measures import Key
from interp.runs.chosen_cell import ChosenControls
from interp.runs.place import Place
from interp.stats import Estimate
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.methods import METHODS
from interp.subspaces.rotation import Rotation, orthonormal, overlap
from interp.subspaces.search import SearchConfig
from tests.oracles.worlds import CONTENT, PLANTED, Drawn, Kind, drawn
from tests.oracles.worlds import world as world_of

CONTROLS = ("pca", "means", "gradient", "lever", "random")  # default controls of a sweep
SEEDS = range(3)
TRIED = [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in SEEDS[1:])]
QUESTIONS = ("precondition", "calibrated", "necessary", "specific", "beyond controls", "identified", "beyond length")

world = cache(drawn)


@cache
def rotations_of(kind: Kind, seed: int, method: str = "das") -> list[Rotation]:
    """Return the directions that searches with three seeds find; the first direction is judged."""
    here = world(kind, seed)
    fits = (METHODS[method].fit(here.train, here.val, [1], SearchConfig(seed=other)) for other in SEEDS)
    return [rotation for (rotation,) in fits]


def share(here: Drawn, basis: Tensor, directions: int = 1) -> float:
    """Return the share of the truth that lies in a subspace, as the mean squared cosine."""
    return float((basis.T @ here.truth[:, :directions]).square().sum()) / directions


def judge(here: Drawn, basis: Tensor, others: list[Tensor], *, converged: bool = True) -> dict[str, Answered]:
    """Return the answers to the questions about a subspace, as a sweep gives them."""
    pairs = {"train": here.train, "val": here.val, "test": here.test}
    how = MeasurementSettings(SearchConfig(), [METHODS[name] for name in CONTROLS])
    numbers = measure_subspace(pairs, Rotation(basis, here.train.site), how, here.traits).numbers
    overlaps = {seed + 1: overlap(basis, other) for seed, other in enumerate(others)}
    none = Estimate(0.5, 0)
    chosen = ChosenControls(Place(1, basis.shape[1], 0), overlaps, basis.shape[1] / here.width, none, none, True, {})
    numbers[Key("converged")] = Estimate(float(converged), 1)
    return {
        answer.name: answer.answer
        for answer in verdict(VerdictMeasures(numbers, PAPER, [METHODS[name].name for name in CONTROLS], chosen))
    }


@cache
def of_truth(kind: Kind, seed: int) -> dict[str, Answered]:
    """Return the answers about the first planted direction."""
    truth = world(kind, seed).truth[:, :1]
    return judge(world(kind, seed), truth, [truth, truth])


@cache
def of_found(kind: Kind, seed: int) -> dict[str, Answered]:
    """Return the answers about the direction that the default search finds."""
    first, *others = rotations_of(kind, seed)
    converged = bool(first.facts["converged"])
    return judge(world(kind, seed), first.basis, [rotation.basis for rotation in others], converged=converged)


@pytest.mark.slow
@pytest.mark.parametrize("seed", TRIED)
@pytest.mark.parametrize("kind", ["one", "image"])
def test_a_direction_that_carries_all_is_found_and_acquitted_of_everything(kind: Kind, seed: int):
    """Find it also where the gap depends on the image (``image``), with a low R² of the mean gap."""
    assert [of_truth(kind, seed)[name] for name in QUESTIONS] == ["yes"] * 7
    assert share(world(kind, seed), rotations_of(kind, seed)[0].basis) >= 0.9
    assert [of_found(kind, seed)[name] for name in QUESTIONS] == ["yes"] * 7


@pytest.mark.slow
@pytest.mark.parametrize("seed", TRIED)
def test_a_preference_for_length_passes_six_questions_and_fails_the_seventh(seed: int):
    for answers in (of_truth("words", seed), of_found("words", seed)):
        assert [answers[name] for name in QUESTIONS] == ["yes"] * 6 + ["no"]


@pytest.mark.parametrize("seed", TRIED)
def test_a_direction_that_can_be_decoded_and_moves_nothing_is_refused(seed: int):
    """The score reads earlier positions, and nothing reads the kind from EOT's stream."""
    answers = of_truth("bypass", seed)
    assert answers["precondition"] == "yes"
    assert [answers[name] for name in ("calibrated", "necessary", "specific")] == ["no"] * 3
    assert answers["beyond controls"] != "yes"


@pytest.mark.slow
@pytest.mark.parametrize("seed", TRIED)
def test_nothing_is_necessary_that_the_score_does_not_read(seed: int):
    """A neutral value of a large subspace destroys the preference together with everything else in the stream."""
    here = world("bypass", seed)
    for size in (16, 64, here.width):
        if size <= here.width:
            (components,) = METHODS["pca"].fit(here.train, here.val, [size], SearchConfig())
            assert judge(here, components.basis, [components.basis])["necessary"] == "no"
    assert of_found("bypass", seed)["necessary"] == "no"
    assert of_found("bypass", seed)["calibrated"] != "yes"


@pytest.mark.slow
@pytest.mark.parametrize("seed", TRIED)
def test_half_of_a_preference_is_not_all_of_it(seed: int):
    assert share(world("half", seed), rotations_of("half", seed)[0].basis) >= 0.9
    for answers in (of_truth("half", seed), of_found("half", seed)):
        assert answers["necessary"] in ("no", "cannot tell")


@pytest.mark.slow
@pytest.mark.parametrize("seed", TRIED)
def test_one_of_two_redundant_directions_is_not_necessary(seed: int):
    """An eighth of the gap is left without it, and nearly all of the preference."""
    assert of_truth("redundant", seed)["necessary"] == "no"
    both = orthonormal(world("redundant", seed).truth.sum(1, keepdim=True))
    assert judge(world("redundant", seed), both, [both])["necessary"] == "yes"
    # The search finds the sum of both, which is all that the score is read from.
    assert float((rotations_of("redundant", seed)[0].basis.T @ both).square().sum()) >= 0.9
    assert of_found("redundant", seed)["necessary"] == "yes"


@pytest.mark.slow
@pytest.mark.parametrize("seed", TRIED)
def test_one_of_two_directions_whose_product_counts_is_not_necessary(seed: int):
    """A neutral value of either direction removes the preference, but so does the value of any other text.

    Neither direction alone carries information about the kind.
    """
    here = world("xor", seed)
    for answers in (of_truth("xor", seed), of_found("xor", seed)):
        assert answers["calibrated"] != "yes"
        assert answers["necessary"] in ("no", "cannot tell")
    assert judge(here, here.truth, [here.truth])["necessary"] == "yes"


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_a_direction_next_to_the_real_streams_of_the_toy_is_found(toy: Clip, scale: float):
    """Find it among streams with a standard deviation of 7 per coordinate, most of it in a few directions."""
    site, streams = Site("text", 12), []
    for name in ("train", "val", "test"):
        pairs = load_pairs("toy").split(name).pairs
        run = clean_texts(toy, [pair.positive for pair in pairs] + [pair.negative for pair in pairs], [site])
        streams.append(run.stream(site).chunk(2))
    here = world_of("one", toy.width("text") + CONTENT + PLANTED, scale, 0, streams)
    (rotation,) = METHODS["das"].fit(here.train, here.val, [1], SearchConfig())
    assert rotation.facts["converged"]
    assert share(here, rotation.basis) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["words", *(pytest.param(kind, marks=pytest.mark.thorough) for kind in ("one", "half", "image"))]
)
def test_a_search_finds_at_least_nine_tenths_of_a_linear_truth(kind: Kind):
    """Search in new draws of width and scale: nine of ten truths are found, and the search reports convergence."""
    shares, sizes = [], (1, 4)
    for seed in range(100, 120):
        here = drawn(kind, seed)
        for rotation in METHODS["das"].fit(here.train, here.val, sizes, SearchConfig(seed=seed)):
            assert rotation.facts["converged"]
            shares.append(share(here, rotation.basis))
    assert sum(value >= 0.9 for value in shares) >= 0.9 * len(shares)


@pytest.mark.slow
@pytest.mark.parametrize("seed", TRIED)
def test_a_search_in_the_coordinates_of_the_stream_does_not(seed: int, monkeypatch: pytest.MonkeyPatch):
    here, (whitened, *_) = world("one", seed), rotations_of("one", seed)
    monkeypatch.setattr("interp.subspaces.methods.das.unwhitened", lambda _whitening, free: free)
    (rotation,) = METHODS["das"].fit(here.train, here.val, [1], SearchConfig())
    assert share(here, rotation.basis) < 0.1
    assert rotation.facts["val_loss"] > 0.3 > 0.01 > whitened.facts["val_loss"]


def test_a_search_that_is_cut_short_says_that_it_has_not_converged():
    here = world("one", 0)
    (rotation,) = METHODS["das"].fit(here.train, here.val, [1], SearchConfig(max_steps=9))
    assert not rotation.facts["converged"]
    assert rotation.facts["steps"] == 9
    assert len(rotation.facts["starts"]) == 2


@pytest.mark.slow
def test_what_did_not_converge_is_neither_beyond_controls_nor_identified():
    first, *others = rotations_of("one", 0)
    answers = judge(world("one", 0), first.basis, [rotation.basis for rotation in others], converged=False)
    assert [answers[name] for name in QUESTIONS] == ["yes"] * 4 + ["cannot tell"] * 2 + ["yes"]


def test_streams_are_anisotropic_and_whitening_makes_them_even():
    for seed in SEEDS:
        part = world("one", seed).train
        before, after = (torch.cov(each.T) for each in (part.streams, part.streams @ part.whitening))
        spread = [torch.linalg.eigvalsh(each)[[0, -1]].tolist() for each in (before, after)]
        assert spread[0][1] > 500 * spread[0][0]
        assert spread[1][1] < 25 * spread[1][0]
