"""Content of figures, compared with the numbers of the runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from scipy import stats as scipy_stats

from figures import runs
from figures.layout import problems
from figures.runs import MissingRun
from interp.attribution.result import Attributions
from interp.drawing.colours import shade
from interp.drawing.pictures import (
    value_text,
)
from interp.errors import UserError
from interp.measures import MEASURED
from interp.report.sweep_run import load_sweep
from interp.runs.folder import RunFolder
from tests.figures.material import figure, texts
from tests.run_folders import NORMS, WORDS, rewrite, write_evaluation, write_sweep, write_tuning
from tests.wording import raises
from training.evaluation.evaluated_model import tuned_model

pytestmark = pytest.mark.slow


def test_heatmaps_show_every_measure_and_the_chosen_cell(made: runs.Runs, odd: runs.Runs):
    shown, frame, best = figure("fig_sweep", made), made.sweep.frame, made.sweep.best
    panels = [axes for axes in shown.axes if axes.images]
    assert len(panels) == 9 + 3 * len(NORMS)
    assert len([axes for axes in figure("fig_sweep", odd).axes if axes.images]) == 9 + 3 * len(NORMS) + 5 + len(NORMS)
    named = {axes.get_title(loc="left"): axes for axes in panels}
    for title, measure, form in (
        ("IIA c>d (%)", "iia_c2d", "{:.0f}"),
        ("r, imageability, around", "r_imageability_around", "{:+.2f}"),
        ("IIA random (%)", "iia_random", "{:.0f}"),
        ("shift d>c", "shift_d2c", "{:+.2f}"),
    ):
        factor = 100 if "f}" in form and "+" not in form else 1
        lines = {text.get_position(): text.get_text() for text in named[title].texts}
        for _, row in frame.iterrows():
            where = ([6, 7, 8].index(row["layer"]), [4, 16].index(row["size"]))
            written = form.format(factor * row[measure]).replace("+0.", ".").replace("-0.", "\N{MINUS SIGN}.")
            assert lines[where] == written
        (outline,) = [patch for patch in named[title].patches if isinstance(patch, Rectangle)]
        column, row = outline.get_x() + 0.5, outline.get_y() + 0.5
        assert ([6, 7, 8][round(column)], [4, 16][round(row)]) == (best["layer"], best["size"])


def test_pairs_show_texts_and_mean_scores(made: runs.Runs):
    shown, words = figure("fig_pairs", made), texts(figure("fig_pairs", made))
    scores: dict[str, list[list[tuple[float, float]]]] = {}
    for evaluation in made.evaluations:
        both = [(pair["positive"], pair["negative"]) for pair in evaluation.shown]
        scores.setdefault(evaluation.about["label"], []).append(both)
    assert len(scores) == 3
    assert "the wedding at the harbour" in words
    rows = [axes for axes in shown.axes if len(axes.lines) == 9]
    assert len(rows) == 2
    for label, seeds in scores.items():
        for pair, (description, caption) in enumerate(np.mean(seeds, axis=0)):
            assert value_text(description - caption) in words
            assert f"{label}: description {description:.3f}, caption {caption:.3f}" in shown.alt
            drawn_at = {tuple(np.ravel(drawn_line.get_xydata())) for drawn_line in rows[pair].lines}
            y = list(scores).index(label)
            assert {(description, y), (caption, y), (caption, y, description, y)} <= drawn_at
    assert len({len(seeds) for seeds in scores.values()}) == 2


def test_attributions_have_their_value_below_each_word_and_a_mark_for_the_sign(made: runs.Runs):
    shown = figure("fig_attributions", made)
    words = texts(shown)
    best = made.sweep.cells[tuple(int(made.sweep.best[name]) for name in ("layer", "size", "seed"))]
    description, caption = best["examples"][0], best["examples"][2]
    boxes = [patch for axes in shown.axes for patch in axes.patches]
    values = [
        value for text in (description, caption) for route in ("full", "through", "around") for value in text[route]
    ]
    assert len(boxes) == len(values) == 3 * (6 + 5)
    for value, box in zip(values, boxes, strict=True):
        assert value_text(value) in words
        assert (box.get_linestyle() in ("-", "solid")) == (value >= 0)
        assert to_rgb(box.get_facecolor()) == pytest.approx(shade(value, max(map(abs, values))))
    assert len({box.get_linestyle() if isinstance(box.get_linestyle(), str) else "dashed" for box in boxes}) == 2
    assert f"wedding {value_text(caption['through'][1])}" in shown.alt


def test_an_intervention_has_its_scores(made: runs.Runs):
    words = texts(figure("fig_method", made))
    assert {"clean: 0.500", "counterfactual: 0.625", "the wedding at the harbour", "a red circle at the left"} <= set(
        words
    )
    layer = int(made.sweep.best["layer"])
    assert f"token, layer {layer} (block {layer - 1})" in words


@pytest.mark.parametrize(("rises", "number"), [([-0.1, 0.2, 0.3], 2), ([-0.1, 0.0, -0.3], 1), ([0.1], 1)])
def test_the_intervention_is_the_first_that_raises_the_score(rises: list[float], number: int, tmp_path: Path):
    texts_of_pairs = [(f"a description {i}", f"a caption {i}") for i in range(len(rises))]
    path = write_sweep(tmp_path / "sweep", texts=texts_of_pairs)
    for file in path.glob("cells/*.json"):
        cell = json.loads(file.read_text())
        for example, rise in zip(cell["examples"], 2 * rises, strict=True):
            example["swap"]["counterfactual"] = 0.5 + rise
        rewrite(file, cell)
    shown = figure("fig_method", runs.find([path]))
    assert f"a caption {number - 1}" in shown.alt
    assert f"Example {number} of {len(rises)}" in shown.alt
    assert f"counterfactual: {0.5 + rises[number - 1]:.3f}" in texts(shown)
    assert ("in none of these examples" in shown.alt) == (max(rises) <= 0)


def test_correlations_are_those_of_scipy(made: runs.Runs):
    shown = figure("fig_norms", made)
    members = [evaluation for evaluation in made.evaluations if evaluation.about["label"] == "IIT-DAS, LoRA"]
    words = " ".join(texts(shown))
    for norm in NORMS:
        for route in MEASURED:
            ratings = members[0].ratings[norm]
            rated = [word for word in WORDS if not math.isnan(ratings[word])]
            each = [
                scipy_stats.pearsonr([evaluation.words[route][w] for w in rated], [ratings[w] for w in rated])[0]
                for evaluation in members
            ]
            assert f"r = {np.mean(each):+.2f}".replace("-", "\N{MINUS SIGN}") in words
            assert f"n = {len(rated)}" in words
    dots = [axes for axes in shown.axes if axes.get_title(loc="left") in NORMS]
    labels = [[label.get_text() for label in axes.get_yticklabels() if label.get_text()] for axes in dots]
    assert [len(each) for each in labels] == [1 + 1 + 3 + 3, 0]
    assert labels[0][:3] == ["base: full", "behavioral, LoRA: full", "IIT-DAS, LoRA: through Z"]


def test_without_evaluations_words_are_of_the_sweep(tmp_path: Path):
    sweep_runs = runs.find([write_sweep(tmp_path / "sweep")])
    sweep = load_sweep(tmp_path / "sweep")
    shown = " ".join(texts(figure("fig_norms", sweep_runs)))
    for norm in NORMS:
        for route in MEASURED:
            value, low, high = (sweep.best[f"r_{norm}_{route}{end}"] for end in ("", "_low", "_high"))
            assert f"r = {value:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "\N{MINUS SIGN}") in shown


def test_curves_are_means_over_seeds(made: runs.Runs):
    shown = figure("fig_training", made)
    tables = [tuning.history for tuning in made.tunings if tuning.about["objective"] == "iit-das"]
    assert len(tables) == 2
    loss, preference, iia = (shown.axes[i] for i in range(3))
    curves = {curve.get_label(): curve for curve in preference.lines}
    mean = 100 * np.mean([table["preference"] for table in tables], axis=0)
    np.testing.assert_allclose(curves["IIT-DAS, LoRA"].get_ydata(), mean)
    np.testing.assert_array_equal(curves["IIT-DAS, LoRA"].get_xdata(), tables[0]["step"])
    assert not np.allclose(mean, 100 * tables[0]["preference"])
    assert len(loss.lines) == 2
    assert sum(len(curve.get_xdata()) > 0 for curve in iia.lines) == 2


def test_curves_end_where_the_first_seed_ends(tmp_path: Path):
    write_tuning(tmp_path / "a", seed=0, steps=(0, 10, 20, 30))
    write_tuning(tmp_path / "b", seed=1, steps=(0, 10))
    tuned_runs = runs.find([tmp_path])
    curve = figure("fig_training", tuned_runs).axes[1].lines[0]
    assert curve.get_xdata().tolist() == [0, 10]
    mean = np.mean([tuning.history["preference"][:2] for tuning in tuned_runs.tunings], axis=0)
    np.testing.assert_allclose(curve.get_ydata(), 100 * mean)
    assert (
        "IIT-DAS, LoRA, 2 seeds: loss 2 and 0.01" in figure("fig_training", tuned_runs).alt
    )  # losses of the kept weights


def attributions() -> Attributions:
    words = (("a", "red", "circle"), ("the",))
    word_of = np.array([[-1, 0, 1, 1, 2, -1], [-1, 0, -1, -1, -1, -1]])
    draw = np.random.default_rng(0)
    tokens = {route: np.where(word_of >= 0, draw.normal(0, 0.1, word_of.shape), 0) for route in MEASURED}
    return Attributions(words, word_of, tokens, np.array([0.5, 0.25]), np.array([0.1, 0.2]), np.array([20, 40]))


def test_attributions_plot_words_and_values():
    result = attributions()
    shown = result.plot(0)
    words = texts(shown)
    for route in MEASURED:
        assert route in words
        for word, value in zip(result.words[0], result.by_word(route)[0], strict=True):
            assert words.count(word) == 3
            assert value_text(value) in words
            assert f"{word} {value_text(value)}" in shown.alt
    data, facts = shown._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert facts["image/png"]["alt"] == shown.alt
    assert texts(result.plot(1)) != words
    assert problems(shown) == []
    with pytest.raises(IndexError):
        result.plot(2)
    assert repr(result) == "Attributions(2 texts, 4 words, routes through, around, full)"


def test_sweeps_show_themselves(tmp_path: Path):
    run = load_sweep(write_sweep(tmp_path / "sweep", layers=range(1, 13), sizes=range(1, 7)))
    page = run._repr_html_()
    assert page.count("<tr>") == 1 + 60
    assert "and 12 more cells" in page
    assert "IIA c&gt;d" in page
    assert page.count(" *<") <= 1
    small = load_sweep(write_sweep(tmp_path / "small"))
    assert small._repr_html_().count(" *<") == 1
    tuned = load_sweep(write_sweep(tmp_path / "tuned", tuned=True))._repr_html_()
    assert "Trained at each cell by IIT-DAS (LoRA)" in tuned
    assert tuned.count("<table>") == 2
    assert tuned.count(" *<") == 2
    shown = small.plot("r_imageability_full")
    assert "imageability, attributions full" in shown.alt
    values = {text.get_text() for text in shown.axes[0].texts}
    assert values == {f"{value:+.2f}" for value in small.frame["r_imageability_full"]}
    with raises(UserError, "'nonsense'"):
        small.plot("nonsense")
    assert repr(small) == f"SweepRun(6 cells in '{tmp_path / 'small'}')"
    assert small.rotation_path((6, 4, 0)).name == "layer06-size004-seed0.safetensors"


def test_doses_are_means_over_seeds_in_the_mean_of_their_intervals(made: runs.Runs):
    shown = figure("fig_dose", made)
    each = [evaluation for evaluation in made.evaluations if evaluation.about["label"] == "IIT-DAS, LoRA"]
    assert len(each) == 2
    for axes, (measure, factor) in zip(
        shown.axes, {"preference": 100, "gap": 1, "retrieval": 100, "accuracy": 100}.items(), strict=True
    ):
        rows = [[number for number in run.numbers if number.measure.startswith(f"{measure}, alpha ")] for run in each]
        rows = [sorted(row, key=lambda number: float(number.measure.split()[-1])) for row in rows]
        marked, curve = axes.lines
        assert set(marked.get_xdata()) == {0}
        np.testing.assert_allclose(curve.get_xdata(), np.arange(-1, 3.5, 0.5))
        np.testing.assert_allclose(
            curve.get_ydata(), factor * np.mean([[n.value for n in row] for row in rows], axis=0)
        )
        (band,) = axes.collections
        low, high = (np.mean([[getattr(n, end) for n in row] for row in rows], axis=0) for end in ("low", "high"))
        ends = band.get_paths()[0].vertices[:, 1]
        assert (ends.min(), ends.max()) == pytest.approx((factor * low.min(), factor * high.max()))
        assert not np.allclose(curve.get_ydata(), factor * np.array([n.value for n in rows[0]]))
    assert "IIT-DAS, LoRA: preference (%) 52.5, 60.5, 68.5" in shown.alt


def test_the_tradeoff_has_means_over_seeds_and_joins_the_front(made: runs.Runs):
    shown = figure("fig_tradeoff", made)
    retrieval, transfer, seconds = shown.axes
    base, *trained = made.models.values()
    values = [
        [evaluation.values["preference", "test", "preference"] for evaluation in members]
        for members in (base, *trained)
    ]
    for axes, key in ((retrieval, ("retrieval", "retrieval caption")), (transfer, ("colour", "accuracy"))):
        costs = [
            [100 * (base[0].values["transfer", *key] - evaluation.values["transfer", *key]) for evaluation in members]
            for members in (base, *trained)
        ]
        expected = [(np.mean(cost), 100 * np.mean(value)) for cost, value in zip(costs, values, strict=True)]
        drawn = [tuple(np.ravel(line.get_xydata())) for line in axes.lines[1:]]
        np.testing.assert_allclose(drawn, expected, atol=1e-9)
        front = {point for point in expected if not any(beats(other, point) for other in expected)}
        np.testing.assert_allclose(axes.lines[0].get_xydata(), sorted(front), atol=1e-9)
        for cost, container in zip(costs, axes.containers, strict=True):
            across = container[2][0].get_segments()[0][:, 0]
            np.testing.assert_allclose(across, (min(cost), max(cost)), atol=1e-9)
    assert [tuple(np.ravel(line.get_xydata())) for line in seconds.lines[1:]] == [
        (0.7, pytest.approx(100 * np.mean(value))) for value in values[1:]
    ]
    assert seconds.get_xscale() == "log"
    assert ", 0.7 s" in shown.alt
    assert f"base: {100 * values[0][0]:.1f} %, 0.0, 0.0" in shown.alt


def test_seeds_of_equal_cost_are_drawn_and_seconds_only_where_all_seeds_say_them(tmp_path: Path):
    write_evaluation(tmp_path / "base")
    for seed in range(3):
        for objective, label in (("behavioral", "behavioral, LoRA"), ("iit-das", "IIT-DAS, LoRA")):
            run = write_tuning(tmp_path / f"{objective}{seed}", objective, seed)
            group = tuned_model(RunFolder(run), str(run)).about("b")["group"]
            write_evaluation(run / "evaluation", label, seed, name=str(run), group=group)
    manifest = json.loads((tmp_path / "iit-das1" / "manifest.json").read_text())
    del manifest["seconds"]
    rewrite(tmp_path / "iit-das1" / "manifest.json", manifest)
    *_, seconds = figure("fig_tradeoff", runs.find([tmp_path])).axes  # the mean of three times 0.7 is not 0.7
    assert [line.get_label() for line in seconds.lines[1:]] == ["behavioral, LoRA"]


def beats(point: tuple[float, float], other: tuple[float, float]) -> bool:
    return point[0] <= other[0] and point[1] >= other[1] and point != other


def test_the_tradeoff_needs_a_trained_model(tmp_path: Path):
    base_run = runs.find([write_evaluation(tmp_path / "base")])
    with raises(MissingRun, "training.paper"):
        figure("fig_tradeoff", base_run)


def test_a_dose_needs_the_task(tmp_path: Path):
    base_run = runs.find([write_evaluation(tmp_path / "base")])
    with raises(MissingRun, "--tasks dose"):
        figure("fig_dose", base_run)
