"""Analyses recover the true effects of simulated readers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interp.data.blv import QUESTIONS
from interp.stats import clustered_share
from training.metrics.numbers import MetricNumber
from training.metrics.table import find
from training.studies.analysis import ALL, ATTENTIVE, CHOSEN, DIFFER, MIXED, READERS, study_numbers
from training.studies.answers import care_of, choices_of, missing_answers
from training.studies.design import CHECK, ITEM, load_study
from training.studies.power import Design, power_of_preference
from training.studies.simulation import OVERALL, Readers, latent_mean, simulate, true_preferences


def number(numbers: list[MetricNumber], subject: str, metric: str, measure: str = CHOSEN) -> MetricNumber:
    row = find(numbers, subject, metric, measure)
    assert row is not None
    return row


def test_the_share_is_the_weighted_mean_of_items(make_study):
    study = make_study(people=13, items=20, each=7)
    responses = simulate(study, Readers("updated", 0.7), 3)
    hits: dict[str, list[float]] = {}
    for response in responses:
        for answer in response.answers:
            screen = study.form_of[response.code].screens[answer.screen]
            if screen.kind == ITEM:
                text = screen.first if answer.choice == "first" else 1 - screen.first
                positive, negative = study.by_key[screen.item].scores["base"]
                hits.setdefault(screen.item, []).append(float(text == int(negative > positive)))
    expected = sum(study.by_key[key].weight * np.mean(values) for key, values in hits.items()) / study.pairs
    assert number(study_numbers(study, responses), ALL, "base").value == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.thorough)])
def test_intervals_hold_the_truth(make_study, seed: int):
    """People and texts are samples; in 100 simulations, 95 to 98 intervals hold the truth."""
    study = make_study(n=400, models=2, items=30, people=24, each=30, seed=seed)
    readers = Readers("updated", 0.65)
    truth = true_preferences(study, readers)
    assert truth["updated"] == 0.65
    held = dict.fromkeys(study.models, 0)
    for run in range(100):
        numbers = _preferences(study, readers, run)
        for model in study.models:
            held[model] += numbers[model].low <= truth[model] <= numbers[model].high
    assert min(held.values()) >= 93


def _preferences(study, readers: Readers, seed: int) -> dict[str, MetricNumber]:
    from training.studies.analysis import _preferences as compute

    choices = choices_of(study, simulate(study, readers, seed))
    return {row.metric: row for row in compute(study, choices, ALL)}


@pytest.mark.slow
@pytest.mark.parametrize(("items", "weight"), [(12, 3.0), (30, 3.0)])
def test_intervals_hold_the_truth_where_texts_differ_much_and_few_count_most(items: int, weight: float):
    """Five heavy texts in twelve, or in thirty; variances of people .05, texts 2, rest .3."""
    people, truth, held = 24, 0.6, 0
    weights = np.array([weight] * 5 + [0.6] * (items - 5))
    mean = latent_mean(truth, 2.35)
    for run in range(300):
        rng = np.random.default_rng([items, run])
        person, item = np.repeat(np.arange(people), items), np.tile(np.arange(items), people)
        u = mean + rng.normal(0, 0.05**0.5, people)[person] + rng.normal(0, 2**0.5, items)[item]
        hits = (u + rng.normal(0, 0.3**0.5, len(u)) > 0).astype(float)
        share = clustered_share(hits, person, people + item, weights[item])
        held += share.low <= truth <= share.high
    assert held >= 0.93 * 300


@pytest.mark.thorough
def test_power_is_the_share_of_simulated_studies_that_find_the_preference(make_study):
    study = make_study(n=400, items=30, people=24, each=15)
    readers = Readers("updated", 0.62)
    share = np.mean([_preferences(study, readers, 1000 + run)["updated"].low > 0.5 for run in range(800)])
    predicted = power_of_preference(Design.of_study(study), 0.62, OVERALL, simulations=800, seed=0)
    assert 0.2 < share < 0.95
    assert abs(predicted.share - share) < 0.05


def test_biases_are_seen_where_they_act(make_study):
    study = make_study(items=40, people=24, each=40)
    plain, biased, lengthy, idle = (
        study_numbers(study, simulate(study, readers, 0))
        for readers in (
            Readers("updated", 0.6),
            Readers("updated", 0.6, order=1.0),
            Readers("updated", 0.6, length=1.0),
            Readers("updated", 0.6, inattention=0.7),
        )
    )
    order = "chose the text that came first"
    assert abs(number(plain, ALL, READERS, order).value - 0.5) < 0.06
    assert number(biased, ALL, READERS, order).low > 0.65
    first = "more, its text came first"
    assert number(plain, MIXED, "updated", first).low < 0 < number(plain, MIXED, "updated", first).high
    assert number(biased, MIXED, "updated", first).low > 0.3
    assert number(lengthy, ALL, "longer text").low > 0.6
    assert number(plain, "checks", READERS, "passed").value == 1
    assert number(idle, "checks", READERS, "passed").high < 0.95
    assert find(plain, ATTENTIVE, "updated", CHOSEN) is None
    assert number(idle, ATTENTIVE, "updated").n < number(idle, ALL, "updated").n
    repeats = "chose the same text again"
    assert number(idle, "repeats", READERS, repeats).value < number(plain, "repeats", READERS, repeats).value


def test_three_models_have_strengths_in_the_order_of_what_readers_follow(make_study):
    study = make_study(models=3, items=60, people=24, each=60)
    numbers = study_numbers(study, simulate(study, Readers("third", 0.8), 0))
    strengths = [row for row in numbers if row.part == "strength"]
    assert [row.metric for row in strengths] == ["base", "updated", "third"]
    assert sum(row.value for row in strengths) == pytest.approx(0, abs=1e-9)
    assert strengths[2].low > 0 > strengths[0].value
    assert number(numbers, DIFFER, "third − base", f"{CHOSEN}, of both").low > 0.5


def test_who_chooses_at_random_prefers_nothing(make_study):
    study = make_study(items=40, people=24, each=40)
    numbers = study_numbers(study, simulate(study, Readers("updated", 0.5, inattention=1.0), 1))
    for model in study.models:
        assert number(numbers, ALL, model).low < 0.5 < number(numbers, ALL, model).high
    assert abs(number(numbers, "choice", READERS, "Krippendorff's alpha").value) < 0.06


def test_everybody_follows_one_model(make_study):
    study = make_study(items=24, people=12)
    responses = simulate(study, Readers("updated", 0.5), 0)
    exact = []
    for response in responses:
        screens = study.form_of[response.code].screens
        answers = []
        for answer in response.answers:
            screen = screens[answer.screen]
            wanted = screen.first if screen.kind == CHECK else None
            if wanted is None:
                wanted = int(study.by_key[screen.item].choice("updated") != screen.first)
            answers.append(replace(answer, choice=("first", "second")[wanted]))
        exact.append(replace(response, answers=tuple(answers)))
    numbers = study_numbers(study, exact)
    assert number(numbers, ALL, "updated").value == 1
    assert number(numbers, DIFFER, "updated − base", f"{CHOSEN}, of both").value == 1
    assert number(numbers, "choice", READERS, "Krippendorff's alpha").value == pytest.approx(1)
    assert all(same for *_, same in care_of(study, exact).repeats)


def test_a_study_is_the_same_after_it_is_saved_and_damage_is_seen(make_study, tmp_path):
    study = make_study(models=3)
    path = study.save(tmp_path)
    assert load_study(tmp_path) == study
    path.write_text(path.read_text().replace("About 1", "About 2", 1))
    with pytest.raises(ValueError, match="changed"):
        load_study(tmp_path)


def test_ratings_are_asked_of_items_alone(make_study):
    study = make_study()
    for response in simulate(study, Readers("updated", 0.6), 0):
        for answer in response.answers:
            screen = study.form_of[response.code].screens[answer.screen]
            assert set(answer.ratings) == (set(QUESTIONS) if screen.kind == ITEM else set())


def test_pairs_without_answers_are_stood_for_by_their_stratum(make_study):
    study = make_study(items=40, people=24, each=40)
    responses = simulate(study, Readers("updated", 0.6), 0)
    lost = next(item.key for item in study.items if item.stratum == "middle")
    partial = []
    for response in responses:
        screens = study.form_of[response.code].screens
        kept = tuple(answer for answer in response.answers if screens[answer.screen].item != lost)
        partial.append(replace(response, answers=kept))
    choices = choices_of(study, partial)
    assert choices.weight.sum() == pytest.approx(study.pairs)
    assert len(missing_answers(study, choices)) == 1
    assert missing_answers(study, choices_of(study, responses)) == []
    middle = choices.rows(choices.stratum == "middle")
    assert middle.weight.sum() == pytest.approx(
        choices_of(study, responses).weight[choices_of(study, responses).stratum == "middle"].sum()
    )
    attentive = choices.of_people(sorted(set(choices.person.tolist()))[:9], study)
    assert attentive.weight.sum() == pytest.approx(study.pairs)


def test_scores_that_differ_by_rounding_tie(make_study):
    item = make_study().items[0]
    tied = replace(item, scores={"base": (0.3, 0.3 + 1e-8), "updated": (0.3, 0.31)})
    assert [tied.choice(name) for name in ("base", "updated")] == [0.5, 1.0]


@pytest.mark.parametrize("people", [1, 2, 3])
def test_small_pilots_have_numbers_and_no_intervals(make_study, people: int):
    study = make_study(items=4, people=people, each=4, models=3)
    responses = [
        replace(response, answers=response.answers[:2]) for response in simulate(study, Readers("updated", 0.7), people)
    ]
    numbers = study_numbers(study, responses)
    assert np.isnan(number(numbers, ALL, "updated").low)
