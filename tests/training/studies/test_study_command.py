"""`clip-descriptions study`, from power to the analysis of answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from interp.cli import commands
from interp.data.blv import load_blv
from tests.report.browser import check_access
from tests.wording import refused
from training import study
from training.studies.design import FILE, load_study

SMALL = ("--data", "toy", "--limit", "240", "--items", "12", "--people", "8", "--each", "12")


@pytest.fixture(scope="module")
def made(small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a study of the toy model and a model with random weights, and simulate answers."""
    folder = tmp_path_factory.mktemp("study")
    out = folder / "out"
    consent = folder / "consent.txt"
    consent.write_text("We ask.\nAnd you answer.\n\nThank you.")
    options = ["--consent", str(consent), "--language", "de", "--out", str(out)]
    assert study.main(["make", "--models", f"toy,{small.name}", *SMALL, *options]) == 0
    assert study.main(["simulate", "--study", str(out), "--prefer", "toy", "--preference", "0.7"]) == 0
    assert study.main(["analyse", str(out / "simulated"), "--study", str(out)]) == 0
    return out


def test_the_folder_holds_what_the_help_says(made: Path):
    study = load_study(made)
    codes = pd.read_csv(made / "codes.csv")
    assert codes["code"].is_unique
    assert set(codes["code"]) == set(study.form_of)
    for page in set(codes["page"]):
        text = (made / page).read_text(encoding="utf-8")
        assert "We ask.\\nAnd you answer.\\n\\nThank you." in text
        assert "http:" not in text
        assert "https:" not in text
        # blind to models and kinds
        data = text.partition('id="study">')[2].partition("</script>")[0]
        assert len(data) > 1000
        assert not any(name in data for name in (*study.models, *study.kinds, "stratum", "weight"))
    items = pd.read_csv(made / "items.csv")
    assert items["weight"].sum() == pytest.approx(study.pairs)
    assert {f"{name}.png" for name in (item.image for item in study.items)} == {
        path.name for path in (made / "images").iterdir()
    }


def test_the_same_seed_makes_the_same_study(made: Path, small, tmp_path: Path):
    out = tmp_path / "again"
    consent = ["--consent", str(made.parent / "consent.txt"), "--language", "de"]
    assert study.main(["make", "--models", f"toy,{small.name}", *SMALL, *consent, "--out", str(out)]) == 0
    assert (out / FILE).read_bytes() == (made / FILE).read_bytes()
    for number, change in enumerate((["--seed", "1"], ["--language", "en"])):
        other = tmp_path / f"other-{number}"
        options = [*SMALL, *consent, *change, "--out", str(other)]
        assert study.main(["make", "--models", f"toy,{small.name}", *options]) == 0
        assert load_study(other).id != load_study(made).id  # answer files for other words do not fit
        for page in other.glob("*.html"):
            text = page.read_text(encoding="utf-8")
            assert not any(kind in text for kind in load_study(other).kinds)


def test_the_analysis_has_numbers_a_page_and_ratings_for_others(made: Path, browser):
    out = made / "analysis-simulated"
    frame = pd.read_csv(out / "results.csv", float_precision="round_trip")
    assert not frame.duplicated(["part", "of", "metric", "measure"]).any()
    assert set(frame["part"]) == {"preference", "difference", "care", "agreement", "readers"}
    assert json.loads((out / "results.json").read_text())[0]["value"] == frame["value"][0]
    rated = load_blv(out / "blv")
    answers = len(list((made / "simulated").iterdir()))
    assert sum(text.raters for text in rated.texts) == answers * 12
    assert len(pd.read_csv(out / "choices.csv")) == answers * 12
    for width, dark in ((1280, False), (390, True)):
        check_access(browser, out / "study.html", width=width, dark=dark)


def test_power_has_a_table_a_picture_and_a_paragraph(made: Path, tmp_path: Path, capsys):
    options = ["--simulations", "20", "--out", str(tmp_path)]
    small = ["--people", "10,20", "--items", "12", "--preference", "0.6,0.9", "--correlation", "0.2"]
    assert study.main(["power", *small, *options]) == 0
    printed = capsys.readouterr().out
    frame = pd.read_csv(tmp_path / "power.csv")
    shares = frame.set_index(["people", "measure", "size"])["share"]
    assert shares[20, "preference", 0.9] == 1
    assert shares[20, "preference", 0.9] > shares[20, "preference", 0.6]
    paragraph = " ".join((tmp_path / "power.txt").read_text().split())
    assert paragraph in " ".join(printed.split())
    assert "20 simulated studies" in paragraph
    assert (tmp_path / "power.png").read_bytes()[:4] == b"\x89PNG"
    assert study.main(["power", "--study", str(made), "--preference", "0.7", "--correlation", "none", *options]) == 0
    assert pd.read_csv(tmp_path / "power.csv")[["people", "items", "each"]].values.tolist() == [[8, 12, 12]]


def test_variances_are_estimated_from_ratings(published: Path, tmp_path: Path):
    options = ["--people", "8", "--items", "8", "--preference", "0.6", "--correlation", "none", "--simulations", "2"]
    assert study.main(["power", "--blv", str(published / "blv"), *options, "--out", str(tmp_path)]) == 0
    assert "0.144 between people, 0.455 between texts and 1.104 within" in " ".join(
        (tmp_path / "power.txt").read_text().split()
    )


REFUSED = {
    "a step with a slip": (["analyze"], "analyse"),
    "one model": (["make", "--models", "toy"], "two models"),
    "no models": (["make"], "--models"),
    "a model twice": (["make", "--models", "toy,toy"], "twice"),
    "two items": (["make", "--models", "toy,MODEL", "--items", "2"], "--items"),
    "few people": (["make", "--models", "toy,MODEL", "--items", "90", "--people", "2"], "3"),
    "no language": (["make", "--models", "toy,MODEL", "--language", "xx"], "xx"),
    "no tag": (["make", "--models", "toy,MODEL", "--text-language", "english"], "english"),
    "a preference below one half": (["power", "--preference", "0.4"], "0.4"),
    "no consent": (["make", "--models", "toy,MODEL", "--consent", "missing.txt"], "missing.txt"),
    "a full folder": (["make", "--models", "toy,MODEL", "--out", "MADE"], "MADE"),
    "no study": (["simulate", "--study", "missing"], "missing"),
    "prefer an unknown model": (["simulate", "--study", "MADE", "--prefer", "someone"], "someone"),
    "sure": (["simulate", "--study", "MADE", "--preference", "1"], "1"),
    "inattention": (["simulate", "--study", "MADE", "--inattention", "2"], "2"),
    "no answers": (["analyse", "missing", "--study", "MADE"], "missing"),
    "not numbers": (["power", "--people", "a"], "a"),
    "too many people": (["power", "--people", "99999"], "99999"),
    "a preference of 2": (["power", "--preference", "2"], "2"),
    "two variances": (["power", "--variances", "1,2"], "1,2"),
    "negative variances": (["power", "--variances=-1,1,1"], "--variances"),
    "too few people for items": (["power", "--people", "2", "--items", "99"], "--people"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_one_line(made: Path, small, tmp_path: Path, monkeypatch, capsys, name: str):
    monkeypatch.chdir(tmp_path)
    words, value = REFUSED[name]
    given = [word.replace("MADE", str(made)).replace("MODEL", small.name) for word in words]
    refused(study.main(given), capsys, value.replace("MADE", str(made)))
    assert not list(tmp_path.iterdir())


def test_files_that_do_not_fit_are_a_line_each_and_nothing_is_written(made: Path, tmp_path: Path, capsys):
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text("{")
    out = tmp_path / "out"
    assert study.main(["analyse", str(tmp_path), str(made / "simulated"), "--study", str(made), "--out", str(out)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in errors] == [True, True]
    assert not out.exists()


def test_a_language_of_ones_own_must_have_every_word(made: Path, small, tmp_path: Path, capsys):
    from training.studies.language import load_words

    words = load_words("en")
    assert load_words("de").keys() == words.keys()
    path = tmp_path / "mine.json"
    for change, value in (
        ({"title": None}, "title"),
        ({"scale": ["1"]}, "scale"),
        ({"progress": "Screen"}, "{i}"),
        ({"more": "x"}, "more"),
    ):
        path.write_text(json.dumps(words | change))
        refused(study.main(["make", "--models", f"toy,{small.name}", "--language", str(path)]), capsys, value)


def test_the_command_is_one_of_all(capsys):
    for step in study.STEPS:
        with pytest.raises(SystemExit) as ended:
            commands.main(["study", step, "--help"])
        assert ended.value.code == 0
        assert f"clip-descriptions study {step}" in capsys.readouterr().out


def test_texts_that_a_spreadsheet_would_take_for_formulas_are_analysed(make_study, tmp_path: Path, capsys):
    made = make_study(items=8, people=8, each=8)
    items = tuple(
        replace(item, texts=(f"-{number} degrees", f"=SUM(A{number})"), context=" ")
        for number, item in enumerate(made.items)
    )
    odd = replace(made, items=items).named()
    odd.save(tmp_path)
    for item in odd.items:
        path = tmp_path / "images" / f"{item.image}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), (len(item.key), int(item.key[-1]), 0)).save(path)
    assert study.main(["simulate", "--study", str(tmp_path)]) == 0
    assert study.main(["analyse", str(tmp_path / "simulated"), "--study", str(tmp_path)]) == 0
    assert "pearson" in set(pd.read_csv(tmp_path / "analysis-simulated" / "results.csv")["measure"])


def test_simulated_answers_never_overwrite_those_of_people(made: Path, tmp_path: Path, capsys):
    path = tmp_path / "answers-A1-QQQQ.json"
    path.write_text('{"study": "1"}')
    refused(study.main(["simulate", "--study", str(made), "--out", str(tmp_path)]), capsys, path.name)
    assert [path_in_folder.name for path_in_folder in tmp_path.iterdir()] == [path.name]


def test_answers_without_a_choice_are_refused(made: Path, tmp_path: Path, capsys):
    path = next((made / "simulated").iterdir())
    content = json.loads(path.read_text())
    screens = load_study(made).form_of[content["code"]].screens
    content["answers"] = [answer for answer in content["answers"] if screens[answer["screen"]].kind == "check"]
    (tmp_path / path.name).write_text(json.dumps(content))
    refused(study.main(["analyse", str(tmp_path), "--study", str(made), "--out", str(tmp_path / "out")]), capsys)
    assert not (tmp_path / "out").exists()
