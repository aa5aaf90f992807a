"""Figures as a reader meets them: on paper, in grey, as text; and what they show against the numbers in the runs."""

from __future__ import annotations

import importlib
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from PIL import Image
from scipy import stats as scipy_stats

from figures import make, runs
from figures.fit import line
from figures.layout import problems, shown_texts
from figures.names import FIGURES, TABLES
from figures.style import BLUE, GREEN, HEIGHT, ORANGE, PAGE, SKY, VERMILION, drawn, look, picture
from interp.attribution.result import Attributions
from interp.drawing.colours import contrast, shade
from interp.drawing.pictures import (
    LOWERS,
    RAISES,
    Picture,
    points,
    shortened,
    told_apart,
    value_text,
    width_of,
    wrapped,
)
from interp.errors import UserError
from interp.measures import MEASURED
from interp.report.sweep_run import load_sweep
from tests.oracles.plain_forward import one_line
from tests.run_folders import NORMS, WORDS, reseal, rewrite, write_evaluation, write_paper, write_sweep, write_tuning
from training.evaluation.rendering import markdown

pytestmark = pytest.mark.slow

FONT = ("STIXGeneral",)
KIND = '{"settings": {"kind": "odd"}}'
LONG = " ".join(
    ["an", "extraordinarily", "long", "<script>alert(1)</script>", "$text$", "of", "Antidisestablishment"] * 9
)
ODD = (LONG, "costs $5 and \\frac{1 $10 {_^} & 50% #1 über naïve Ελλάδα Москва"), ("x", "W" * 200), ("a b", "c")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> runs.Runs:
    folder = tmp_path_factory.mktemp("runs")
    return runs.find([write_sweep(folder / "sweep"), write_paper(folder / "paper", readers=True)])


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> runs.Runs:
    """Long and hostile texts, many layers, fine-tuned cells, models with long names."""
    folder = tmp_path_factory.mktemp("odd")
    write_sweep(folder / "sweep", layers=range(1, 13), sizes=(4, 16, 64, 128, 256), tuned=True, texts=ODD)
    for name in ("", " (layer 11, size 256)", " (layer 11, size 128)", " (runs/a-very-long-name/that-goes-on-and-on)"):
        label = f"behavioral, LoRA{name}" if name else "base"
        write_evaluation(folder / f"e{name[-5:-1]}", label, routes=MEASURED if name else ("full",), texts=ODD)
    for seed in range(9):
        write_tuning(folder / f"tuned{seed}", "behavioral", seed=seed, steps=(0, 1))
        rename(folder / f"tuned{seed}", layer=seed)
    return runs.find([folder])


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> runs.Runs:
    """One subspace size, three norms, one seed of each model, a single model."""
    folder = tmp_path_factory.mktemp("few")
    write_sweep(folder / "sweep", sizes=(16,), norms=(*NORMS, "familiarity"))
    write_evaluation(folder / "base")
    write_evaluation(folder / "tuned", "IIT-DAS, LoRA")
    write_tuning(folder / "tuning")
    return runs.find([folder])


def rename(run: Path, **settings: object) -> None:
    """Change the settings of a fine-tuned run."""
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["settings"] |= settings
    write(run / "manifest.json", json.dumps(manifest))
    reseal(run)


def write(path: Path, text: str = "nothing") -> None:
    path.write_text(text)


def change_settings(path: Path, **changed: object) -> None:
    content = json.loads(path.read_text())
    write(path, json.dumps(content | {"settings": content["settings"] | changed}))


def figure(name: str, of: runs.Runs) -> Picture:
    return drawn(lambda: importlib.import_module(f"figures.{name}").draw(of))


def texts(shown: Picture) -> list[str]:
    return [text.get_text() for text in shown_texts(shown)]


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_small_or_on_top_of_something_else(name: str, made: runs.Runs, odd: runs.Runs, few: runs.Runs):
    for each in (made, odd, few):
        shown = figure(name, each)
        assert problems(shown) == []
        assert shown.get_figwidth() == PAGE
        assert shown.get_figheight() <= HEIGHT
        assert len(shown.alt) > 100
        assert len(texts(shown)) > 5


def broken_pictures() -> dict[str, Callable[[Picture], object]]:
    return {
        "cut": lambda shown: shown.text(0.98, 0.5, "a text that goes on"),
        "lies on": lambda shown: (shown.text(0.3, 0.5, "one text"), shown.text(0.32, 0.5, "another")),
        "less than 8": lambda shown: shown.text(0.3, 0.5, "small", fontsize=7),
    }


@pytest.mark.parametrize("fault", broken_pictures())
def test_the_check_of_layouts_finds_what_is_wrong(fault: str):
    assert problems(drawn(lambda: picture(2))) == []
    shown = drawn(lambda: picture(2))
    drawn(lambda: broken_pictures()[fault](shown) and shown)
    (found,) = problems(shown)
    assert fault in found


@pytest.mark.mpl_image_compare(baseline_dir="baseline", tolerance=1.5, savefig_kwargs={"dpi": 60}, style="default")
@pytest.mark.parametrize("name", FIGURES)
def test_figures_look_as_they_did(name: str, made: runs.Runs):
    return figure(name, made)


def test_heatmaps_show_every_measure_and_the_chosen_cell(made: runs.Runs, odd: runs.Runs):
    shown, frame, best = figure("fig_sweep", made), made.sweep.frame, made.sweep.best
    panels = [axes for axes in shown.axes if axes.images]
    assert len(panels) == 9 + 3 * len(NORMS)
    assert len([axes for axes in figure("fig_sweep", odd).axes if axes.images]) == 9 + 3 * len(NORMS) + 5 + len(NORMS)
    named = {axes.get_title(loc="left"): axes for axes in panels}
    for title, measure, form in (
        ("IIA c>d (%)", "iia_c2d", "{:.0f}"), ("r, imageability, around", "r_imageability_around", "{:+.2f}"),
        ("IIA random (%)", "iia_random", "{:.0f}"), ("shift d>c", "shift_d2c", "{:+.2f}"),
    ):  # fmt: skip
        factor = 100 if "f}" in form and "+" not in form else 1
        found = {text.get_position(): text.get_text() for text in named[title].texts}
        for _, row in frame.iterrows():
            where = ([6, 7, 8].index(row["layer"]), [4, 16].index(row["size"]))
            written = form.format(factor * row[measure]).replace("+0.", ".").replace("-0.", "\N{MINUS SIGN}.")
            assert found[where] == written
        (outline,) = [patch for patch in named[title].patches if isinstance(patch, Rectangle)]
        column, row = outline.get_x() + 0.5, outline.get_y() + 0.5
        assert ([6, 7, 8][round(column)], [4, 16][round(row)]) == (best["layer"], best["size"])


def test_pairs_show_texts_and_mean_scores(made: runs.Runs):
    shown, said = figure("fig_pairs", made), texts(figure("fig_pairs", made))
    scores: dict[str, list[list[tuple[float, float]]]] = {}
    for one in made.evaluations:
        both = [(pair["positive"], pair["negative"]) for pair in one.shown]
        scores.setdefault(one.about["label"], []).append(both)
    assert len(scores) == 3
    assert "the wedding at the harbour" in said
    rows = [axes for axes in shown.axes if len(axes.lines) == 9]
    assert len(rows) == 2
    for label, seeds in scores.items():
        for pair, (description, caption) in enumerate(np.mean(seeds, axis=0)):
            assert value_text(description - caption) in said
            assert f"{label}: description {description:.3f}, caption {caption:.3f}" in shown.alt
            drawn_at = {tuple(np.ravel(one.get_xydata())) for one in rows[pair].lines}
            y = list(scores).index(label)
            assert {(description, y), (caption, y), (caption, y, description, y)} <= drawn_at
    assert len({len(seeds) for seeds in scores.values()}) == 2


def test_attributions_have_their_value_below_each_word_and_a_mark_for_the_sign(made: runs.Runs):
    shown = figure("fig_attributions", made)
    said = texts(shown)
    best = made.sweep.cells[tuple(int(made.sweep.best[name]) for name in ("layer", "size", "seed"))]
    description, caption = best["examples"][0], best["examples"][2]
    boxes = [patch for axes in shown.axes for patch in axes.patches]
    values = [value for text in (description, caption) for route in ("full", "through", "around")
              for value in text[route]]  # fmt: skip
    assert len(boxes) == len(values) == 3 * (6 + 5)
    for value, box in zip(values, boxes, strict=True):
        assert value_text(value) in said
        assert (box.get_linestyle() in ("-", "solid")) == (value >= 0)
        assert to_rgb(box.get_facecolor()) == pytest.approx(shade(value, max(map(abs, values))))
    assert len({box.get_linestyle() if isinstance(box.get_linestyle(), str) else "dashed" for box in boxes}) == 2
    assert f"wedding {value_text(caption['through'][1])}" in shown.alt


def test_an_intervention_has_its_scores(made: runs.Runs):
    said = texts(figure("fig_method", made))
    assert {"clean: 0.500", "counterfactual: 0.625", "the wedding at the harbour", "a red circle at the left"} <= set(
        said
    )
    layer = int(made.sweep.best["layer"])
    assert f"token, layer {layer} (block {layer - 1})" in said


def test_correlations_are_those_of_scipy(made: runs.Runs):
    shown = figure("fig_norms", made)
    members = [one for one in made.evaluations if one.about["label"] == "IIT-DAS, LoRA"]
    said = " ".join(texts(shown))
    for norm in NORMS:
        for route in MEASURED:
            ratings = members[0].ratings[norm]
            rated = [word for word in WORDS if not math.isnan(ratings[word])]
            each = [scipy_stats.pearsonr([one.words[route][w] for w in rated], [ratings[w] for w in rated])[0]
                    for one in members]  # fmt: skip
            assert f"r = {np.mean(each):+.2f}".replace("-", "\N{MINUS SIGN}") in said
            assert f"n = {len(rated)}" in said
    dots = [axes for axes in shown.axes if axes.get_title(loc="left") in NORMS]
    labels = [[label.get_text() for label in axes.get_yticklabels() if label.get_text()] for axes in dots]
    assert [len(each) for each in labels] == [1 + 1 + 3 + 3, 0]
    assert labels[0][:3] == ["base: full", "behavioral, LoRA: full", "IIT-DAS, LoRA: through Z"]


def test_without_evaluations_words_are_of_the_sweep(tmp_path: Path):
    of = runs.find([write_sweep(tmp_path / "sweep")])
    sweep = load_sweep(tmp_path / "sweep")
    shown = " ".join(texts(figure("fig_norms", of)))
    for norm in NORMS:
        for route in MEASURED:
            value, low, high = (sweep.best[f"r_{norm}_{route}{end}"] for end in ("", "_low", "_high"))
            assert f"r = {value:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "\N{MINUS SIGN}") in shown


def test_curves_are_means_over_seeds(made: runs.Runs):
    shown = figure("fig_training", made)
    tables = [one.history for one in made.tunings if one.about["objective"] == "iit-das"]
    assert len(tables) == 2
    loss, preference, iia = (shown.axes[i] for i in range(3))
    curves = {one.get_label(): one for one in preference.lines}
    mean = 100 * np.mean([table["preference"] for table in tables], axis=0)
    np.testing.assert_allclose(curves["IIT-DAS, LoRA"].get_ydata(), mean)
    np.testing.assert_array_equal(curves["IIT-DAS, LoRA"].get_xdata(), tables[0]["step"])
    assert not np.allclose(mean, 100 * tables[0]["preference"])
    assert len(loss.lines) == 2
    assert sum(len(one.get_xdata()) > 0 for one in iia.lines) == 2


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=8, max_size=30).filter(
        lambda points: np.ptp([x for x, _ in points]) > 0.1
    )
)
def test_a_fitted_line_is_that_of_numpy_within_its_interval(drawn_points: list[tuple[float, float]]):
    x, y = np.array(drawn_points).T
    found = line(x, y, draws=200)
    assert found is not None
    np.testing.assert_allclose(found.fit, np.polyval(np.polyfit(x, y, 1), found.at), atol=1e-8)
    assert (found.at[0], found.at[-1]) == (x.min(), x.max())
    assert (found.low <= found.high).all()


def test_the_interval_of_a_line_is_that_of_resampling(generator):
    draw = np.random.default_rng(1)
    x = draw.uniform(100, 700, 40)
    y = 0.001 * x + draw.normal(0, 0.2, 40)
    found = line(np.append(x, np.nan), np.append(y, 3.0), places=3)
    assert found is not None
    sampled = []
    for _ in range(3000):
        rows = draw.integers(0, 40, 40)
        sampled.append(np.polyval(np.polyfit(x[rows], y[rows], 1), found.at))
    low, high = np.percentile(sampled, [2.5, 97.5], axis=0)
    np.testing.assert_allclose(found.low, low, atol=0.02)
    np.testing.assert_allclose(found.high, high, atol=0.02)
    assert (found.low < found.fit).all()
    assert (found.fit < found.high).all()


def test_there_is_no_line_through_too_little():
    seven = np.arange(7)
    assert line(seven, seven**2) is None
    assert line([1] * 8, range(8)) is None
    assert line([*seven, np.nan], range(8)) is None
    assert line(range(8), range(8)) is not None


@given(st.text(max_size=80), st.floats(20, 200), st.integers(1, 4))
def test_wrapped_texts_fit_and_lose_nothing_silently(text: str, width: float, most: int):
    lines = wrapped(text, width, 8.0, FONT, most)
    assert 1 <= len(lines) <= most
    assert all(width_of(one, 8.0, FONT) <= width for one in lines)
    letters = "".join(text.split())
    kept = "".join("".join(lines).split())
    assert kept == letters or (lines[-1].endswith("\N{HORIZONTAL ELLIPSIS}") and letters.startswith(kept[:-1]))
    short = shortened(text, width, 8.0, FONT)
    assert width_of(short, 8.0, FONT) <= width
    assert short == " ".join(text.split()) or short.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_colours_are_told_apart_in_grey_or_by_their_mark():
    assert len({look(number)["marker"] for number in range(12)}) == 12
    assert all(contrast(ink, (1, 1, 1)) >= 3 for ink in (RAISES, LOWERS))  # WCAG: graphics


# What red, green and blue (linear) become for those who lack one kind of cone (Machado et al. 2009, severity 1).
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", BLIND)
def test_colours_are_told_apart_by_the_colour_blind(kind: str):
    def seen(colour: object) -> np.ndarray:
        linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)])
        return np.clip(BLIND[kind] @ linear, 0, 1) ** (1 / 2.4)

    for pair in ((shade(1, 1), shade(-1, 1)), (BLUE, VERMILION), (BLUE, GREEN), (VERMILION, GREEN), (ORANGE, SKY)):
        one, other = map(seen, pair)
        assert np.linalg.norm(one - other) > 0.1, pair
    red, green = seen((0.6, 0.2, 0.2)), seen((0.3, 0.35, 0.2))
    assert kind == "tritanopia" or np.linalg.norm(red - green) < 0.1  # what the measure must not let pass


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """All that can be made, and the runs that it was made of."""
    folder = tmp_path_factory.mktemp("written")
    write_sweep(folder / "sweep")
    write_paper(folder / "paper", readers=True)
    named = [str(folder / "sweep"), str(folder / "paper")]
    assert make.main(["--run", *named, "--out", str(folder / "out")]) == 0
    return folder / "out", folder


def test_all_figures_and_tables_are_written(written: tuple[Path, Path]):
    out, _ = written
    expected = {f"{name}.{end}" for name in FIGURES for end in ("pdf", "png", "alt.txt")}
    expected |= {f"{name}.{end}" for name in TABLES for end in ("csv", "md", "tex")}
    assert {path.name for path in out.iterdir()} == expected
    for name in FIGURES:
        with Image.open(out / f"{name}.png") as image:
            assert image.width == round(300 * PAGE)
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            assert image.info["Description"] == (out / f"{name}.alt.txt").read_text().strip()
        content = (out / f"{name}.pdf").read_bytes()
        assert content.startswith(b"%PDF")
        assert b"/TrueType" in content or b"/CIDFontType2" in content
        assert b"/Type3" not in content
        (box,) = set(re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ", content))
        assert float(box) == pytest.approx(72 * PAGE)
    table = pd.read_csv(out / "table2.csv")
    assert table["overall n"].tolist() == [1, 2, 2]


def test_the_same_runs_give_the_same_bytes(written: tuple[Path, Path], tmp_path: Path):
    out, folder = written
    assert make.main(["--run", str(folder / "paper"), str(folder / "sweep"), "--out", str(tmp_path)]) == 0
    for path in out.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_one_figure_alone(written: tuple[Path, Path], tmp_path: Path, capsys):
    _, folder = written
    assert make.main(["--run", str(folder / "sweep"), "--out", str(tmp_path), "--only", "fig_sweep"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"fig_sweep.{e}" for e in ("alt.txt", "pdf", "png")]
    assert "not made" not in capsys.readouterr().out


def test_what_cannot_be_made_is_named_with_what_it_needs(written: tuple[Path, Path], tmp_path: Path, capsys):
    _, folder = written
    assert make.main(["--run", str(folder / "sweep"), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "not made: fig_training needs fine-tuned runs: python -m training.finetune" in said
    assert "not made: table1 needs evaluated models" in said
    assert (tmp_path / "fig_norms.pdf").is_file()


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (None, "--only fig_nonsense", "there is no 'fig_nonsense'; known: fig_pairs"),
        (None, "", "name run folders with --run"),
        (None, "--run {missing}", "cannot read '.*missing'"),
        (None, "--run {sweep} --only fig_training table2", "fig_training needs fine-tuned runs"),
        (lambda at: write_sweep(at / "paper" / "second"), "--run {sweep} {paper}", "are both sweeps; name one"),
        (lambda at: (at / "empty").mkdir(), "--run {empty}", "is no run folder, and holds none"),
        (lambda at: write_evaluation(at / "paper" / "twice"), "--run {paper}", "more than one of the runs is base"),
        (lambda at: write(at / "paper/iit-das-seed0/history.csv", "step"), "--run {paper}", "fine-tune again"),
        *(
            (lambda at, table=table: write(at / "paper/iit-das-seed0/history.csv", table), "--run {paper}", message)
            for table, message in (
                ("step,val_loss,preference\n", "no steps that are whole numbers and ascend"),
                ("step,val_loss,preference\n1,1,1\n1,1,1\n", "no steps that are whole numbers and ascend"),
                ("step,val_loss,preference\n0.5,1,1\n", "no steps that are whole numbers and ascend"),
                ("step,val_loss,preference\n0,nan,1\n", "row 2, val_loss: 'nan' is not a number"),
                ("step,val_loss,preference,iia_c2d\n0,1,1,[]\n", r"row 2, iia_c2d: '\[\]' is not a number"),
                ("step,val_loss\n0,1\n", "has no column preference"),
            )
        ),
        (
            lambda at: change_settings(at / "paper/iit-das-seed0/manifest.json", objective="lever"),
            "--run {paper}",
            r'\["settings"\]\["objective"\] is "lever"',
        ),
        (lambda at: (at / "sweep/examples/0.jpg").unlink(), "--run {sweep} --only fig_method", "needs the picture"),
        (lambda at: write(at / "sweep/examples/0.jpg"), "--run {sweep} --only fig_attributions", "needs the picture"),
        (
            lambda at: (at / "sweep/ratings.json").unlink(),
            "--run {sweep} --only fig_norms",
            "fig_norms needs ratings.json",
        ),
        (lambda at: (at / "sweep/examples.json").unlink(), "--run {sweep} --only fig_method", "keeps examples"),
        (
            lambda at: (at / "paper/base/examples.json").unlink(),
            "--run {paper} --only fig_pairs",
            "evaluate the models",
        ),
        (lambda at: write(at / "sweep/manifest.json", KIND), "--run {sweep}", "that no figure is made of: odd"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(change, arguments: str, message: str, tmp_path: Path, capsys):
    write_sweep(tmp_path / "sweep")
    write_paper(tmp_path / "paper")
    if change is not None:
        change(tmp_path)
    places = {name: str(tmp_path / name) for name in ("sweep", "paper", "empty", "missing")}
    out = tmp_path / "out"
    assert make.main([*(one.format(**places) for one in arguments.split()), "--out", str(out)]) == 2
    assert re.search(message, one_line(capsys))
    assert not out.exists()


def test_letters_that_no_font_has_are_named(tmp_path: Path, capsys):
    write_sweep(tmp_path / "sweep", texts=(("a \u6f22\u5b57", "b c"),))
    arguments = ["--run", str(tmp_path / "sweep"), "--out", str(tmp_path / "out"), "--only", "fig_attributions"]
    assert make.main(arguments) == 0
    said = capsys.readouterr().out
    assert "note: fig_attributions: no font here has \u5b57\u6f22; install one that has" in said
    assert "\u6f22" in (tmp_path / "out" / "fig_attributions.alt.txt").read_text()


def test_figures_need_no_torch(written: tuple[Path, Path], tmp_path: Path):
    _, folder = written
    arguments = ["--run", str(folder / "sweep"), str(folder / "paper"), "--out", str(tmp_path)]
    code = (
        f"import sys; from figures import make; assert make.main({arguments!r}) == 0; "
        "print([name for name in ('torch', 'transformers', 'matplotlib.pyplot') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_seeds_are_counted_where_they_were_measured(tmp_path: Path):
    paper = write_paper(tmp_path / "paper")
    evaluation = paper / "iit-das-seed0/evaluation"
    (evaluation / "cells/norms.json").unlink()
    lines = (evaluation / "results.csv").read_text().splitlines()
    write(evaluation / "results.csv", "\n".join(line for line in lines if not line.startswith("norms")))
    of = runs.find([paper])
    assert "word types: IIT-DAS, LoRA" in texts(figure("fig_norms", of))  # no means of several seeds
    (line,) = [
        line for line in markdown(of.tables["table3"]).splitlines() if line.startswith("| IIT-DAS, LoRA (n = 2)")
    ]
    assert line.count("(n = 1)") == 2 * len(MEASURED)
    assert "(n = 1)" not in markdown(of.tables["table1"]).replace("base (n = 1)", "")


def test_curves_end_where_the_first_seed_ends(tmp_path: Path):
    write_tuning(tmp_path / "a", seed=0, steps=(0, 10, 20, 30))
    write_tuning(tmp_path / "b", seed=1, steps=(0, 10))
    of = runs.find([tmp_path])
    curve = figure("fig_training", of).axes[1].lines[0]
    assert curve.get_xdata().tolist() == [0, 10]
    mean = np.mean([one.history["preference"][:2] for one in of.tunings], axis=0)
    np.testing.assert_allclose(curve.get_ydata(), 100 * mean)
    assert "IIT-DAS, LoRA, 2 seeds: loss 2 and 0.01" in figure("fig_training", of).alt  # of what was kept


def test_what_is_not_finished_is_left_out_and_named(tmp_path: Path, capsys):
    paper = write_paper(tmp_path / "paper")
    for run in ("iit-das-seed1", "behavioral-seed1/evaluation"):
        manifest = json.loads((paper / run / "manifest.json").read_text())
        del manifest["finished"]
        write(paper / run / "manifest.json", json.dumps(manifest))
    (paper / "iit-das-seed1" / "history.csv").unlink()
    assert make.main(["--run", str(paper), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "iit-das-seed1' is not finished, and left out" in said
    assert "behavioral-seed1' has no finished evaluation" in said
    assert "| IIT-DAS, LoRA (n = 1) |" in (tmp_path / "out" / "table1.md").read_text()


def test_numbers_that_are_not_defined_are_dashes(tmp_path: Path):
    sweep, paper = write_sweep(tmp_path / "sweep"), write_paper(tmp_path / "paper")
    for path in sweep.glob("cells/*.json"):
        cell = json.loads(path.read_text())
        for text in cell["examples"]:
            text["through"] = [None] * len(text["words"])
            text["swap"]["counterfactual"] = None
        rewrite(path, cell)
    for path in paper.glob("*/evaluation/cells/norms.json"):
        cell = json.loads(path.read_text())
        cell["details"]["words"]["full"] = dict.fromkeys(cell["details"]["words"]["full"])
        rewrite(path, cell)
    for path in paper.glob("**/cells/concadia.json"):
        cell = json.loads(path.read_text())
        cell["details"]["examples"][0]["caption"] = None
        rewrite(path, cell)
    of = runs.find([sweep, paper])
    assert texts(figure("fig_attributions", of)).count("-") == 6 + 5
    assert "counterfactual: -" in texts(figure("fig_method", of))
    assert any("r is not defined" in text for text in texts(figure("fig_norms", of)))
    assert "the wedding at the harbour" not in texts(figure("fig_pairs", of))  # of the pair that lacks a score
    for name in FIGURES:
        shown = figure(name, of)
        assert "nan" not in " ".join(texts(shown)).lower().split()
        assert problems(shown) == []


def test_scores_that_were_given_stand_beside_models(tmp_path: Path):
    paper = write_paper(tmp_path / "paper", readers=True)
    for path in paper.glob("**/manifest.json"):
        if "evaluation" in path.read_text() and "kind" in path.read_text():
            cell = {"settings": {"ratings": "r", "prefix": "A photo depicts ", "against": None}, "rows": []}
            write(path.parent / "cells" / "blv.json", json.dumps(cell))
    given = write_evaluation(tmp_path / "paper" / "given", "scores of clipscores", readers=True)
    write(given / "cells" / "blv.json", json.dumps({"settings": {"ratings": "r", "against": None}}))
    table = runs.find([paper]).tables["table2"]
    assert "scores of clipscores (n = 1)" in table.rows
    write(given / "cells" / "blv.json", json.dumps({"settings": {"ratings": "others", "against": None}}))
    with pytest.raises(UserError, match="they differ in ratings"):
        _ = runs.find([paper]).tables


@given(st.lists(st.text("ab, ()", min_size=1, max_size=60), min_size=1, max_size=4, unique=True), st.floats(30, 200))
def test_shortened_names_fit(names: list[str], width: float):
    found = told_apart(names, width, 8.0, FONT)
    assert list(found) == names
    assert all(width_of(one, 8.0, FONT) <= width for one in found.values())


def test_names_that_begin_alike_are_told_apart():
    names = ["IIT-DAS, LoRA (layer 9, size 64)", "IIT-DAS, LoRA (layer 9, size 16)", "base"]
    found = told_apart(names, 100, 8.0, FONT)
    assert len(set(found.values())) == 3
    assert found["base"] == "base"
    assert found[names[0]].endswith("64)")
    assert found[names[0]].startswith("IIT")


def attributions() -> Attributions:
    words = (("a", "red", "circle"), ("the",))
    word_of = np.array([[-1, 0, 1, 1, 2, -1], [-1, 0, -1, -1, -1, -1]])
    draw = np.random.default_rng(0)
    tokens = {route: np.where(word_of >= 0, draw.normal(0, 0.1, word_of.shape), 0) for route in MEASURED}
    return Attributions(words, word_of, tokens, np.array([0.5, 0.25]), np.array([0.1, 0.2]), np.array([20, 40]))


def test_attributions_plot_words_and_values():
    found = attributions()
    shown = found.plot(0)
    said = texts(shown)
    for route in MEASURED:
        assert route in said
        for word, value in zip(found.words[0], found.by_word(route)[0], strict=True):
            assert said.count(word) == 3
            assert value_text(value) in said
            assert f"{word} {value_text(value)}" in shown.alt
    data, facts = shown._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert facts["image/png"]["alt"] == shown.alt
    assert texts(found.plot(1)) != said
    assert problems(shown) == []
    with pytest.raises(IndexError):
        found.plot(2)
    assert repr(found) == "Attributions(2 texts, 4 words, routes through, around, full)"


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
    assert "Fine-tuned at each cell" in tuned
    assert tuned.count("<table>") == 2
    assert tuned.count(" *<") == 2
    shown = small.plot("r_imageability_full")
    assert "imageability, attributions full" in shown.alt
    values = {text.get_text() for text in shown.axes[0].texts}
    assert values == {f"{value:+.2f}" for value in small.frame["r_imageability_full"]}
    with pytest.raises(UserError, match="there is no measure 'nonsense'; known: iia, "):
        small.plot("nonsense")
    assert repr(small) == f"SweepRun(6 cells in '{tmp_path / 'small'}')"
    assert small.rotation_path((6, 4, 0)).name == "layer06-size004-seed0.safetensors"


def test_points_are_points():
    shown = picture(2, 3)
    axes = points(shown)
    assert axes.transData.transform((0, 0)) == pytest.approx(shown.transFigure.transform((0, 1)))
    assert axes.transData.transform((216, 144)) == pytest.approx(shown.transFigure.transform((1, 0)))
