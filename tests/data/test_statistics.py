"""Statistics of texts; the texts of the toy world have the statistics of Concadia."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interp.data import load_pairs
from interp.data import statistics as measured
from interp.data.norms import load_norm
from interp.data.pairs import Pair
from interp.data.toy.pairs import ToySize, load_toy
from tests.wording import refused

# Statistics of 200 real pairs (Kreiss et al. 2022, "Concadia"), by our own count, with tolerances for the toy world.
CONCADIA = {
    "mrc": ((0.4875, 0.3445), 0.07),
    "brysbaert": ((0.77, 0.58), 0.10),
    "shared": ((0.43, 0.39), None),
    "names": ((0.10, 0.26), 0.05),
    "digits": ((0.01, 0.05), 0.05),
    "function": ((0.38, 0.32), 0.08),
    "words": ((11, 10), 3),
    "longer": ((0.55,), 0.07),
}
BETWEEN = {  # ranges of statistics of the toy world
    "d": (0.4, 0.7),
    "r": (0.1, 0.3),
    "shared": (0.3, 0.5),
    "own": (0.15, 0.35),
    "bayes": (0.65, 0.78),
}


def pair(number: int, positive: str, negative: str, group: str | None = None) -> Pair:
    return Pair(str(number), positive, negative, "test", group or str(number))


def mean_of_draws(pairs: tuple[Pair, ...], draws: int = 3) -> dict[str, np.ndarray]:
    samples = [measured.text_statistics(measured.one_of_each_group(pairs, seed=seed)) for seed in range(draws)]
    return {key: np.mean([sample[key] for sample in samples], axis=0) for key in measured.ROWS}


@pytest.mark.slow
def test_the_toy_world_has_the_statistics_of_concadia():
    world = mean_of_draws(load_toy(ToySize(3000, 0, 0)).pairs)
    for key, (real, tolerance) in CONCADIA.items():
        if tolerance is not None:
            np.testing.assert_allclose(world[key], real, rtol=0, atol=tolerance, err_msg=key)
    for key, (low, high) in BETWEEN.items():
        assert ((low <= world[key]) & (world[key] <= high)).all(), (key, world[key])
    described, captioned = world["imageability"]
    assert 25 <= described - captioned <= 50


def test_concadia_has_them(published: Path):
    real = mean_of_draws(load_pairs(f"concadia:{published / 'concadia-sample'}", as_published=True).pairs)
    for key, (expected, _) in CONCADIA.items():
        np.testing.assert_allclose(real[key], expected, rtol=0, atol=0.006, err_msg=key)
    for key, value in {"d": 0.58, "r": 0.26, "own": 0.28, "bayes": 0.66}.items():
        assert real[key] == pytest.approx(value, abs=0.006), key


def test_by_hand():
    pairs = [
        pair(1, "A red circle by the harbour", "Velmor Harbour in 1894"),
        pair(2, "The harbour", "The Kestor founder, a red circle"),
    ]
    values = measured.text_statistics(pairs)
    assert values["words"] == (4.0, 5.0)
    assert values["longer"] == (0.5,)
    assert values["function"] == (4 / 8, 3 / 10)  # a, by, the, the; in, the, a
    assert values["digits"] == (0.0, 1 / 10)
    assert values["names"] == (0.0, 2 / 10)  # Harbour and Kestor; a first word does not count
    assert values["shared"] == (1.0, 3 / 6)  # of velmor, harbour, kestor, founder, red, circle
    assert values["own"] == ((1 / 2 + 0 / 4) / 2,)  # harbour of velmor and harbour
    rated = load_norm("imageability").ratings
    of_texts = [np.mean([rated[word] for word in words.split()]) for words in ("red circle harbour", "harbour")]
    of_others = [rated["harbour"], np.mean([rated[word] for word in ("founder", "red", "circle")])]
    assert values["text"][0] == pytest.approx(np.mean(of_texts) - np.mean(of_others))
    assert values["mrc"] == (1.0, 4 / 6)  # red, circle, harbour and founder are rated; Velmor and Kestor are not


def test_what_decides_r_is_how_often_a_word_is_in_either_kind():
    more = [pair(i, "circle apple", "idea justice") for i in range(4)]
    less = [pair(i, "idea justice", "circle apple") for i in range(4)]
    assert measured.text_statistics(more)["r"][0] > 0.9
    assert measured.text_statistics(less)["r"][0] < -0.9


def test_naive_bayes_never_sees_the_group_that_it_judges():
    """Words that only one group has do not help; words of a kind do."""
    rng = np.random.default_rng(0)
    by_group = [pair(i, f"red word{i // 2}", f"red word{i // 2}", group=str(i // 2)) for i in range(40)]
    by_kind = [pair(i, f"red {rng.integers(9)}", f"old {rng.integers(9)}") for i in range(40)]
    assert measured.text_statistics(by_kind)["bayes"][0] == 1.0
    assert measured.text_statistics(by_group)["bayes"][0] == pytest.approx(0.5)


def test_one_of_each_group():
    pairs = [pair(i, "a", "b", group=str(i // 3)) for i in range(30)]
    drawn = measured.one_of_each_group(pairs, 7)
    assert len({sampled.group for sampled in drawn}) == len(drawn) == 7
    assert measured.one_of_each_group(pairs, 7) == drawn != measured.one_of_each_group(pairs, 7, seed=1)
    assert len(measured.one_of_each_group(pairs, 100)) == 10


@pytest.mark.slow
def test_the_command_puts_data_beside_each_other(capsys: pytest.CaptureFixture[str]):
    assert measured.main(["--data", "toy", "toy", "--pairs", "60", "--draws", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-2:] == ["toy", "toy"]
    assert len(lines) == 1 + len(measured.ROWS) + 2 + len(measured.RULES) + 1
    for line, (title, _) in zip(lines[1:], measured.ROWS.values(), strict=False):
        assert line.strip().startswith(title)
        values = line.replace(title, "").split()
        assert values[: len(values) // 2] == values[len(values) // 2 :] != []


@pytest.mark.parametrize(
    "arguments", ["--pairs 0", "--pairs 1", "--draws 0", "--draws -1", "--seed -1", "--data none"], ids=str
)
def test_bad_input(arguments: str, capsys: pytest.CaptureFixture[str]):
    flag, value = arguments.split()
    refused(measured.main([flag, value]), capsys, f"'{value}'" if value == "none" else (flag, value))


def test_data_of_a_single_article_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    rows = ["image,alt,caption,group", *(f"one.png,a red circle,Velmor {year},first" for year in (1894, 1895))]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    arguments = ["--data", f"csv:{tmp_path / 'pairs.csv'}"]
    refused(measured.main(arguments), capsys)
    values = measured.text_statistics([pair(1, "red circle", "the idea"), pair(2, "of", "Velmor")])
    assert np.isnan(values["d"][0])
    assert np.isfinite(values["text"][0])


def test_kinds_of_a_table_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = "".join(f"{i}.png,a red star and a moon {i},the news of harbour {i},g{i}\n" for i in range(12))
    (tmp_path / "pairs.csv").write_text(f"image,alt,title,group\n{rows}")
    data = f"csv:{tmp_path / 'pairs.csv'}"
    assert measured.main(["--data", data, "toy", "--kinds", "alt,title", "--pairs", "8", "--draws", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 140
    refused(measured.main(["--data", data]), capsys, "'description'")
