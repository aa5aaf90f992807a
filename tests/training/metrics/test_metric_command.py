"""`clip-descriptions metric`, from options to its page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.report.browser import check_access
from tests.wording import refused
from training import metric
from training.metrics.checks import CHECKS

SMALL = ("--data", "toy", "--limit", "240")


@pytest.fixture(scope="module")
def made(small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("metric") / "out"
    assert metric.main(["--model", small.name, *SMALL, "--out", str(out)]) == 0
    return out


def numbers(folder: Path) -> pd.DataFrame:
    frame = pd.read_csv(folder / "results.csv", float_precision="round_trip")
    return frame.set_index(["part", "of", "metric", "measure"], verify_integrity=True).sort_index()


def test_every_check_has_outcomes_with_intervals_for_each_metric(made: Path, small):
    frame = numbers(made).reset_index()
    plain = frame[~frame["metric"].str.contains("−")]
    assert set(plain["metric"]) == {small.name, f"{small.name}, in context", "length", "concreteness"}
    rows_of_model = plain[plain["metric"] == small.name]
    assert set(rows_of_model["of"]) == set(CHECKS) - {"context of another article"}
    assert (plain.groupby(["of", "metric"])["value"].sum() - 1).abs().max() < 1e-9
    assert frame[frame["metric"].str.startswith(f"{small.name}, in context −")]["of"].nunique() == len(
        rows_of_model["of"].unique()
    )


def test_the_items_can_be_scored_elsewhere(made: Path, tmp_path: Path, capsys):
    """A file with the scores of a metric gives the numbers of the metric itself."""
    items = pd.read_json(made / "items.jsonl", lines=True)
    assert items["item"].is_unique
    items["score"] = items["text"].str.len()
    items[["item", "score"]].to_csv(tmp_path / "characters.csv", index=False)
    out = tmp_path / "out"
    assert metric.main(["--scores", str(tmp_path / "characters.csv"), *SMALL, "--out", str(out)]) == 0
    frame = numbers(out)
    text_checks = [name for name, check in CHECKS.items() if check.part == "text"]
    for name in text_checks:
        for outcome in ("worse", "same", "better"):
            assert frame.loc[("checks", name, "characters", outcome), "value"] == pytest.approx(
                frame.loc[("checks", name, "length", outcome), "value"]
            )
    for part in ("image", "context"):  # a file may depend on them; this one does not
        name = next(name for name, check in CHECKS.items() if check.part == part)
        assert frame.loc[("checks", name, "characters", "same"), "value"] == 1.0
    assert frame.loc[("checks", "shuffled words", "length − characters", "worse"), "value"] == 0.0
    other = ["--scores", str(tmp_path / "characters.csv"), *SMALL, "--seed", "5", "--out", str(tmp_path / "new")]
    refused(metric.main(other), capsys, "characters.csv", "items.jsonl")  # other texts than those that were scored


def test_a_stopped_benchmark_goes_on_to_the_same_files(made: Path, small, tmp_path: Path, capsys):
    out = tmp_path / "out"
    shutil.copytree(made, out)
    kept = sorted((out / "cells").glob("*.json"))
    for path in kept[::2]:
        path.unlink()
    kept[1].write_text("{")  # cut short
    assert metric.main(["--model", small.name, *SMALL, "--out", str(out)]) == 0
    assert "computed again" in capsys.readouterr().out
    for name in ("results.csv", "results.json", "items.jsonl", "metrics.html"):
        assert (out / name).read_bytes() == (made / name).read_bytes(), name
    times = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    assert metric.main(["--model", small.name, *SMALL, "--out", str(out)]) == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times  # no item is scored again


def test_words_alone_are_compared_without_a_model(tmp_path: Path):
    assert metric.main([*SMALL, "--checks", "shuffled words", "--out", str(tmp_path / "out")]) == 0
    assert set(numbers(tmp_path / "out").reset_index()["of"]) == {"shuffled words"}
    assert metric.main([*SMALL, "--out", str(tmp_path / "out")]) == 0  # other checks go into the same folder


def test_other_settings_are_refused_in_the_same_folder(made: Path, small, capsys):
    refused(metric.main(["--model", small.name, *SMALL, "--seed", "1", "--out", str(made)]), capsys, made)


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        (("--model", "toy"), "--data"),
        (("--model", "toy", *SMALL, "--checks", "shufled"), "shufled"),
        (("--model", "toy,base", *SMALL), "base"),
        (("--model", "toy", "--data", "toy", "--splits", "dev"), "dev"),
        (("--scores", "none.csv", *SMALL), "none.csv"),
        (("--model", "toy", "--blv", "nowhere"), "nowhere"),
        (("--model", "toy,toy", *SMALL), "toy"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, quoted, capsys, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(metric.main([*arguments, "--out", "new"]), capsys, quoted)
    assert not Path("new").exists()


@pytest.mark.slow
def test_published_metrics_agree_with_readers_as_published(published: Path, tmp_path: Path):
    """Numbers are those of the README of the shared data, with the ceiling and the order of pairs."""
    folder = published / "blv"
    clipscore = tmp_path / "clipscore.csv"
    shutil.copy(folder / "reference_clipscores.csv", clipscore)
    files = [str(clipscore), str(folder / "spurts_scores.csv"), str(folder / "length_scores.csv")]
    assert metric.main(["--scores", *files, "--blv", str(folder), "--out", str(tmp_path / "out")]) == 0
    frame = numbers(tmp_path / "out")["value"].loc["readers"]
    expected = {
        "clipscore": (0.0745, 0.1047, 0.0853, 0.0890),
        "spurts_scores": (0.4116, 0.2476, 0.2563, -0.2494),
        "length_scores": (0.5729, 0.4512, 0.2379, -0.2837),
    }
    questions = ("overall", "imaginability", "relevance", "irrelevance")
    for name, values in expected.items():
        correlations = [round(frame[question, name, "pearson"], 4) for question in questions]
        assert correlations == pytest.approx(values, abs=1e-4)
    assert frame["overall", "spurts_scores", "pearson given length"] == pytest.approx(0.210, abs=5e-4)
    orders = [round(100 * frame["overall", name, "order within images"], 1) for name in expected]
    assert orders == [53.8, 67.0, 78.0]
    assert [round(frame[question, "clipscore", "ceiling"], 2) for question in questions] == [0.77, 0.75, 0.70, 0.44]
    rows = pd.DataFrame(json.loads((tmp_path / "out" / "results.json").read_text()))
    difference = rows[(rows["metric"] == "length − clipscore") & (rows["of"] == "overall")].iloc[0]
    assert difference["value"] == pytest.approx(0.5729 - 0.0745, abs=1e-3)
    assert 0 < difference["low"] < difference["value"] < difference["high"]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_the_page_opens_cleanly_and_can_be_used_by_all(browser, made: Path, width: int, dark: bool):
    check_access(browser, made / "metrics.html", width=width, dark=dark)


@pytest.mark.slow
def test_z_neutral_is_a_metric_of_its_own(tmp_path: Path, small):
    from training import finetune

    tuning = ["--layer", "4", "--size", "6", "--max-steps", "2", "--lora-rank", "2", "--device", "cpu"]
    run = tmp_path / "run"
    assert finetune.main([*tuning, "--model", small.name, "--limit", "60", "--out", str(run)]) == 0
    assert metric.main(["--model", f"base,{run}", *SMALL, "--out", str(tmp_path / "out")]) == 0
    frame = numbers(tmp_path / "out").reset_index()
    assert {f"{run}, Z neutral", f"{run}, Z neutral − {run}", f"{run} − {small.name}"} <= set(frame["metric"])
    assert np.isfinite(frame["value"]).all()
