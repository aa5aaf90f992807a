"""Correlations with norms over the whole grid of a sweep, and their adjusted p-values."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from interp.measures import MEASURED, Model
from interp.report.norm_tests import FILE, MODELS, norm_tests, sentence
from interp.report.sweep_run import SweepRun, load_sweep
from interp.runs.place import Place
from interp.runs.ratings import RATINGS
from interp.sweep.outputs import print_result, write_outputs
from tests.oracles.word_types import step_down_by_signs
from tests.report.hostile import fill
from tests.report.test_hostile import MARKUP
from tests.run_folders import NORMS, WORDS, kept, write_sweep

Cells = dict[Model, dict[Place, dict[str, Any]]]
Articles = dict[str, list[int]]
ARTICLES = 20


def grid(seed: int = 0, words: int = 60) -> tuple[Cells, Articles, dict[str, dict[str, float]]]:
    """Return four cells, each with a trained model; one norm acts through Z in two cells and rates most words."""
    rng, names = np.random.default_rng(seed), [f"word{number}" for number in range(words)]
    ratings = {norm: dict(zip(names, rng.normal(size=words).tolist(), strict=True)) for norm in NORMS}
    full = {word: rng.normal() for word in names}

    def said_of(strength: float) -> dict[str, dict[str, list[float]]]:
        through = {word: [strength * ratings[NORMS[0]][word] + rng.normal(), 3] for word in names}
        around = {word: [full[word] - through[word][0], 3] for word in names}
        return {"through": through, "around": around, "full": {word: [full[word], 3] for word in names}}

    articles = {word: rng.integers(0, ARTICLES, 3).tolist() for word in names}
    cells: Cells = {"": {}, "tuned": {}}
    for place in (Place(layer, size, 0) for layer in (0, 1) for size in (2, 4)):
        cells[""][place], cells["tuned"][place] = said_of(1.0 * place.layer), said_of(0.5)
    for word in names[:5]:
        del ratings[NORMS[0]][word]
        del ratings[NORMS[1]][word]
    return cells, articles, ratings


def values_of(words: Mapping[str, Any], rating: Mapping[str, float], route: str) -> tuple[list[float], list[float]]:
    return [words[route][word][0] for word in rating], list(rating.values())


@pytest.mark.slow
@pytest.mark.parametrize("model", ["frozen", "trained"])
def test_p_values_are_those_of_a_loop(model: str):
    cells, articles, ratings = grid()
    words_by_place = cells[MODELS[model]]
    tests = norm_tests(cells, articles, ratings).query("model == @model")
    assert len(tests) == len(words_by_place) * len(NORMS) * len(MEASURED)
    for _, row in tests.iterrows():
        words = words_by_place[Place.of(row)]
        assert row.r == pytest.approx(scipy_stats.pearsonr(*values_of(words, ratings[row.norm], row.route)).statistic)
        assert row.n == 55
    keys = tests[["layer", "size", "route"]].drop_duplicates().itertuples(index=False)
    tables = [words_by_place[Place(layer, size, 0)][route] for layer, size, route in keys]
    words = list(ratings[NORMS[0]])
    attributions = np.array([[table[word][0] for word in words] for table in tables])
    norms = np.array([list(values.values()) for values in ratings.values()])
    places = [articles[word] for word in words]
    rng = np.random.default_rng(7)
    signs = [tuple(rng.choice([-1.0, 1.0], size).tolist() for size in (ARTICLES, len(words))) for _ in range(400)]
    naive = step_down_by_signs(attributions, norms, places, signs)
    np.testing.assert_allclose(tests.p_max.to_numpy().reshape(naive.shape), naive, atol=0.1)  # four standard errors
    assert (tests.p_max >= tests.p).all()
    assert (tests.p_max < 0.05).any()
    assert (tests.p_max > 0.5).any()
    same = tests[(tests.norm == NORMS[1]) & (tests.route == "full") & (model == "frozen")]
    assert same.r.round(12).nunique() <= 1


def test_a_family_is_all_of_a_model():
    cells, articles, ratings = grid()
    both = norm_tests(cells, articles, ratings)
    assert list(dict.fromkeys(both.model)) == ["trained", "frozen"]
    frozen = both[both.model == "frozen"].reset_index(drop=True)
    pd.testing.assert_frame_equal(norm_tests({"": cells[""]}, articles, ratings), frozen)
    last = norm_tests({"": dict(list(cells[""].items())[-1:])}, articles, ratings)
    whole = frozen[-len(last) :]
    np.testing.assert_array_equal(last.p, whole.p)  # the drawn signs are equal
    assert (last.p_max.to_numpy() <= whole.p_max.to_numpy()).all()
    assert (last.p_max.to_numpy() < whole.p_max.to_numpy() - 0.05).any()


def test_what_is_not_defined_has_no_test_and_does_not_count():
    both, articles, ratings = grid()
    cells = {"": both[""]}
    whole = norm_tests(cells, articles, ratings)
    ratings["nothing"] = {}
    spoiled = next(iter(cells[""]))
    cells[""][spoiled]["through"]["word9"][0] = float("nan")
    tests = norm_tests(cells, articles, ratings)
    lost = (tests.norm == "nothing") | ((tests.route == "through") & (tests[[*Place._fields]] == spoiled).all(axis=1))
    for key in ("r", "p", "p_max"):
        assert (tests[key].isna() == lost).all()
    assert (tests[tests.norm == "nothing"].n == 0).all()
    assert len(tests) == len(whole) * 3 // 2
    kept = tests[~lost].merge(whole, on=[*Place._fields, "model", "norm", "route"], suffixes=("", "_whole"))
    assert (kept.p == kept.p_whole).all()
    assert (kept.p_max <= kept.p_max_whole).all()
    assert norm_tests(cells, articles, {}).empty
    assert sentence(norm_tests(cells, articles, {})) == ""


def test_words_without_an_article_have_no_test():
    cells, articles, ratings = grid()
    kept_articles = {word: places for word, places in articles.items() if word != "word9"}
    assert (norm_tests(cells, kept_articles, ratings).n == 54).all()
    assert norm_tests(cells, {}, ratings).empty


def test_the_sentence_counts_what_holds_through_z():
    rows = [
        {**Place(layer, 2, 0)._asdict(), "model": model, "norm": norm, "route": route, "p_max": most}
        for model, most in (("trained", 0.04), ("frozen", 0.2))
        for layer in (1, 2, 3)
        for norm in NORMS
        for route in MEASURED
    ]
    tests = pd.DataFrame(rows)
    tests.loc[tests.layer == 3, "p_max"] = np.nan
    assert sentence(tests) == (
        "Over the whole grid (3 cells x 2 norms x 3 routes; p < 0.05, adjusted): of 6 correlations through Z, 4 are "
        "significant in the trained models; 0 are significant in the frozen model."
    )
    rows = tests[(tests.model == "trained") & (tests.layer == 1) & (tests.norm == NORMS[0])]
    assert sentence(rows) == (
        "Over the whole grid (1 cell x 1 norm x 3 routes; p < 0.05, adjusted): of 1 correlation through Z, 1 are "
        "significant in the trained models."
    )


@pytest.fixture
def sweep(tmp_path: Path) -> SweepRun:
    write_sweep(tmp_path / "run", layers=(6, 7), sizes=(4,))
    fill(tmp_path / "run")
    return load_sweep(tmp_path / "run")


@pytest.mark.slow
def test_the_file_holds_the_grid_and_no_word(sweep: SweepRun, capsys: pytest.CaptureFixture[str]):
    hostile = {"red": MARKUP, "harbour": '=HYPERLINK("x")', "star": 'a,"b\n'}
    ratings = {
        norm: {hostile.get(word, word): value for word, value in by_word.items()}
        for norm, by_word in sweep.ratings.items()
    }
    sweep.folder.write_file(RATINGS, {"ratings": ratings})
    for name in sweep.folder.names():
        cell = kept(sweep.folder.cell_path(name))
        for route in MEASURED:
            cell["words"][route] = {hostile.get(word, word): number for word, number in cell["words"][route].items()}
        cell["articles"] = {hostile.get(word, word): places for word, places in cell["articles"].items()}
        sweep.folder.write(name, cell)
    print_result(write_outputs(sweep.folder), verbose=True)
    rows = list(csv.reader((sweep.folder.path / FILE).read_text().splitlines()))
    assert len(rows) == 1 + 2 * len(NORMS) * len(MEASURED)
    assert rows[0] == ["layer", "size", "seed", "model", "norm", "route", "n", "r", "p", "p_max"]
    assert {cell for row in rows[1:] for cell in row[3:6]} == {"frozen", *NORMS, *MEASURED}
    assert all(float(cell) >= -1 for row in rows[1:] for cell in (*row[:3], *row[6:]))
    assert {row[6] for row in rows[1:]} == {str(len(WORDS) - 1)}
    printed = capsys.readouterr().out
    assert sentence(load_sweep(sweep.folder.path).norm_tests) in " ".join(printed.split())
    page = (sweep.folder.path / "report.html").read_text()
    assert MARKUP not in page
