"""The page of a sweep, as a browser reads the page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from figures import make
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.result import Attributions
from interp.attribution.sampling import attributed_pairs
from interp.clip.image_features import image_features
from interp.clip.model import Clip
from interp.data import load_pairs
from interp.data.norms import load_norms
from interp.measures import MEASURED
from interp.report import __main__ as command
from interp.report.sweep_run import load_sweep
from interp.runs.directions import read_directions
from interp.runs.examples import read_examples
from interp.runs.folder import RunFolder, update_manifest
from interp.runs.ratings import RATINGS
from interp.subspaces.rotation import Rotation
from interp.sweep.outputs import write_outputs
from tests.report.pages import HOSTILE, parsed, remade, words_of
from tests.run_folders import FIELDS, kept, rewrite, versioned
from tests.wording import refused

pytestmark = pytest.mark.slow


def _data(document: Any, name: str) -> Any:
    """Return the numbers that a script of the page reads."""
    (script,) = (script for script in document.iter("script") if script.get("id") == name)
    return json.loads(script.text)


def test_such_a_sweep_can_be_drawn(done: Path, tmp_path: Path, capsys):
    assert make.main(["--run", str(done), "--out", str(tmp_path)]) == 0
    for name in ("fig_method", "fig_sweep", "fig_attributions", "fig_norms"):
        assert (tmp_path / f"{name}.pdf").is_file()
    assert "note:" not in capsys.readouterr().out
    assert "script" in (tmp_path / "fig_attributions.alt.txt").read_text()


def test_texts_from_data_stay_text(done: Path):
    document = parsed(done / "report.html")
    scripts = list(document.iter("script"))
    assert [script.get("type") for script in scripts] == ["application/json", "application/json", None]
    assert all(image.get("onerror") is None and image.get("src").startswith("data:") for image in document.iter("img"))
    directions = read_directions(RunFolder(done))
    assert directions is not None
    assert {image.get("alt") for image in document.iter("img")} == {
        example.positive for example in (*read_examples(RunFolder(done)), *directions.shown.values())
    }
    shown = {words_of(element) for element in document.iter("li")}
    for text in (text for element in directions.leading for end in element.ends for text in end.texts):
        assert any(element.startswith(" ".join(text.text.split())) for element in shown)
        assert any(evil in text.text for evil in HOSTILE)
    shown = {word.text for tag in ("span", "bdi") for word in document.iter(tag)}
    assert shown & {"<script>window.broken=1</script>", "<"}
    for word in ("<", ">", "script", "onerror"):
        assert any(word in (text or "") for text in shown)


def test_nothing_is_fetched(done: Path):
    document = parsed(done / "report.html")
    for element in document.iter():
        for name in ("src", "href"):
            assert (element.get(name) or "#").startswith(("#", "data:"))
    assert "url(" not in (done / "report.html").read_text(encoding="utf-8")


def test_the_page_says_what_the_files_say(done: Path):
    document = parsed(done / "report.html")
    folder = RunFolder(done)
    cells = [kept(folder.cell_path(name)) for name in folder.names()]
    (table,) = (element for element in document.iter("table") if element.get("class") == "sortable")
    rows = list(table.find("tbody").iter("tr"))
    assert len(rows) == len(cells) == 4
    titles = ["".join(head.itertext()) for head in table.find("thead").iter("th")]
    column = titles.index("IIA")
    shown = sorted(float(list(row)[column].get("data-value")) for row in rows)
    assert [next(iter(row)).tag for row in rows] == ["th"] * 4
    assert sum("(chosen)" in "".join(row.itertext()) for row in rows) == 1
    assert len(set(titles)) == len(titles)
    np.testing.assert_allclose(shown, sorted(100 * cell["measures"]["iia"] for cell in cells), rtol=1e-8)
    data = _data(document, "attributions")
    maps = {heatmap["title"]: heatmap["cells"] for heatmap in _data(document, "heatmaps")}
    for cell in cells:  # with one seed, a value of the heatmap is the value of the cell
        at = f"{cell['cell']['layer']}/{cell['cell']['size']}"
        assert (
            maps["IIA on held-out pairs, mean of both directions (%)"][at][0] == f"{100 * cell['measures']['iia']:.1f}"
        )
    example = cells[0]["examples"][0]
    place = "/".join(str(cells[0]["cell"][name]) for name in ("layer", "size", "seed"))
    np.testing.assert_allclose(data["cells"][place][0]["through"], example["through"], atol=1e-5)
    assert data["cells"][place][0]["swap"]["source"] == example["swap"]["source"]
    assert folder.manifest()["command"] in words_of(document)


def test_examples_are_those_of_the_pairs_that_are_attributed(done: Path, small: Clip):
    """Attributions equal those of the attributor, and Z comes from a text of the other kind."""
    folder = RunFolder(done)
    pairs = load_pairs(f"concadia:{done.parent / 'data'}").split("test")
    features = image_features(small, pairs)
    drawn, _ = attributed_pairs(small, features, load_norms("imageability,concreteness"), 5)
    shown, images = [pairs.pairs[i] for i in drawn], features.embeddings[drawn]
    sentences = [getattr(pair, FIELDS[kind]) for kind in ("description", "caption") for pair in shown]
    examples = read_examples(folder)
    assert [pair.id for pair in examples] == [pair.id for pair in shown]
    for name in folder.names():
        cell = kept(folder.cell_path(name))
        texts = cell["examples"]
        assert [text["kind"] for text in texts] == ["description"] * 5 + ["caption"] * 5
        rotation = Rotation.load(folder.path / "rotations" / f"{name}.safetensors")
        attributions = MediatedIntegratedGradients(small, rotation).attribute(
            sentences, images.repeat(2, 1), n_steps=3, tolerance=0.01
        )
        assert isinstance(attributions, Attributions)
        for number, text in enumerate(texts):
            assert tuple(text["words"]) == attributions.words[number]
            for route in MEASURED:
                np.testing.assert_allclose(text[route], attributions.by_word(route)[number], atol=1e-5)
            # the cached engine and a whole pass give equal scores
            assert text["swap"]["base"] == pytest.approx(text["score"], abs=1e-5)
            assert text["swap"]["counterfactual"] != text["swap"]["base"]
            assert text["swap"]["source_pair"] != drawn[number % 5]
            assert ("harbour" in text["swap"]["source"]) == (text["kind"] == "description")


def test_norms_of_the_chosen_cell_are_those_of_the_tables(done: Path):
    """Each number has its interval, and p is adjusted for the whole grid."""
    best, tests = load_sweep(done).best, pd.read_csv(done / "norms.csv")
    (table,) = (element for element in parsed(done / "report.html").iter("table") if element.get("class") == "norms")
    rows = [["|".join(cell.itertext()).replace("||", "|") for cell in row] for row in table.find("tbody").iter("tr")]
    assert len(rows) == 2 * len(MEASURED)
    for name, types, covered, reliable, *related, adjusted in rows:
        norm, route = name.split(", ")
        assert types == f"{best[f'n_{norm}']:.0f}"
        assert covered == f"{100 * best[f'attribution_coverage_{norm}_{route}']:.1f}"
        reliability = best[f"reliability_{norm}_{route}"]
        assert reliable == ("-" if np.isnan(reliability) else f"{100 * reliability:+.1f}")
        for stem, text in zip(("r", "disattenuated", "rho", "partial", "beta"), related, strict=True):
            key = f"{stem}_{norm}_{route}"
            value, *ends = (best[column] for column in (key, f"{key}_low", f"{key}_high"))
            parts = [[float(number) for number in re.findall(r"[+-][\d.]+", part)] for part in text.split("|")]
            wanted = [[] if np.isnan(value) else [value], *([] if np.isnan(ends[0]) else [ends])]
            assert parts == [pytest.approx(numbers, abs=0.00501) for numbers in wanted]
        (tested,) = tests.query(
            f"layer == {best.layer} and size == {best['size']} and norm == '{norm}' and route == '{route}'"
        ).to_dict("records")
        assert tested["r"] == pytest.approx(best[f"r_{norm}_{route}"], abs=1e-9)
        value = tested["p_max"]
        assert adjusted == ("< 0.0001" if value < 0.0001 else f"{value:.4f}")


def test_a_run_without_ratings_has_a_page_too(copy: Path):
    """A sweep writes ratings after its last cell."""
    assert "Over the whole grid (4 cells x 2 norms x 3 routes; p < 0.05, adjusted)" in words_of(remade(copy))
    (copy / RATINGS).unlink()
    document = remade(copy)
    assert "The run folder lacks ratings of words, so there are no tests" in words_of(document)
    (table,) = (element for element in document.iter("table") if element.get("class") == "norms")
    assert {list(row)[-1].text for row in table.find("tbody").iter("tr")} == {"-"}


@pytest.mark.parametrize("name", ["directions", "n_imageability", "rho_imageability_through_low", "converged"])
def test_a_run_that_lacks_a_measure_is_one_line(copy: Path, capsys, name: str):
    folder = RunFolder(copy)
    for cell_name in folder.names():
        cell = kept(folder.cell_path(cell_name))
        del cell["measures"][name]
        folder.write(cell_name, cell)
    refused(command.main([str(copy)]), capsys, f'"{name}"')


@pytest.mark.parametrize("name", ["directions", "n_imageability"])
def test_a_count_that_is_not_known_in_a_cell_is_one_line(copy: Path, capsys, name: str):
    folder = RunFolder(copy)
    cell = kept(folder.cell_path(folder.names()[0]))
    cell["measures"][name] = None
    folder.write(folder.names()[0], cell)
    refused(command.main([str(copy)]), capsys, f'"{name}"')


@pytest.mark.parametrize("ratings", [[1], {"imageability": 1}, {"imageability": {"red": "7"}}])
def test_ratings_that_are_none_are_one_line(copy: Path, capsys, ratings: Any):
    rewrite(copy / RATINGS, json.loads((copy / RATINGS).read_text()) | {"ratings": ratings})
    refused(command.main([str(copy)]), capsys, 'ratings.json" ["ratings"]')


def test_warnings(copy: Path):
    assert "not finished" not in words_of(parsed(copy / "report.html"))
    RunFolder(copy).cell_path("layer04-size002-seed0").unlink()
    update_manifest(
        RunFolder(copy),
        truncated="3 of 80 texts were cut to the model's 77 tokens",
        wordless="2 of 80 texts have no word",
        notes=["<i>a note</i>"],
    )
    words = words_of(remade(copy))
    assert "1 cell of the last command is not finished: layer04-size002-seed0. Reload the page while" in words
    assert "3 of 80 texts were cut" in words
    assert "2 of 80 texts have no word" in words
    assert "<i>a note</i>." in words


def test_a_run_without_examples_has_a_page_too_and_one_with_damaged_ones_is_told(copy: Path, capsys):
    (copy / "examples.json").write_text("{damaged")
    refused(command.main([str(copy)]), capsys, "examples.json")
    (copy / "examples.json").unlink()
    assert "holds no example texts" in words_of(remade(copy))


def test_a_cell_that_keeps_no_words_is_one_line(copy: Path, capsys):
    folder = RunFolder(copy)
    for name in folder.names():
        cell = kept(folder.cell_path(name))
        del cell["words"]
        folder.write(name, cell)
    refused(command.main([str(copy)]), capsys, '"words"')


def test_what_is_missing_of_an_example_is_said(copy: Path):
    (copy / "examples" / "0.jpg").unlink()
    content = json.loads((copy / "examples.json").read_text())
    content["examples"][1]["image"] = "../manifest.json"  # the page shows no file outside the folder of pictures
    rewrite(copy / "examples.json", content)
    document = remade(copy)
    assert "The picture 0.jpg is missing" in words_of(document)
    assert len([image for article in document.iter("article") for image in article.iter("img")]) == 3


def test_undefined_numbers_are_dashes(copy: Path):
    folder = RunFolder(copy)
    for name in folder.names():
        cell = kept(folder.cell_path(name))
        for end in ("", "_low", "_high"):
            cell["measures"][f"r_imageability_through{end}"] = float("nan")
        cell["examples"][0]["through"][0] = cell["examples"][1]["swap"]["base"] = float("nan")
        word = next(iter(cell["words"]["through"]))
        cell["words"]["through"][word][0] = float("nan")
        folder.write(name, cell)
    document = remade(copy)
    data = _data(document, "attributions")
    assert all(cell[0]["through"][0] is None for cell in data["cells"].values())
    assert not re.search(r"\bnan\b", words_of(document), re.IGNORECASE)
    write_outputs(folder)


@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (lambda run: (run / "manifest.json").unlink(), "manifest.json"),
        (lambda run: shutil.rmtree(run / "cells"), "interp.sweep"),
        (lambda run: (run / "cells" / "layer04-size002-seed0.json").write_text("{"), "layer04-size002-seed0.json"),
        (lambda run: update_manifest(RunFolder(run), settings=versioned("finetune")), "(finetune)"),
    ],
)
def test_runs_that_have_no_page(copy: Path, capsys, spoil, value: object):
    before = (copy / "report.html").read_bytes()
    spoil(copy)
    refused(command.main([str(copy)]), capsys, value)
    assert (copy / "report.html").read_bytes() == before


def test_another_file(done: Path, tmp_path: Path, capsys):
    assert command.main([str(done), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_bytes() == (done / "report.html").read_bytes()
    refused(command.main([str(done), "--out", "/proc/nowhere/page.html"]), capsys, "/proc/nowhere")
