"""Tests of the registry of executors, of the order of tasks, and of the notice of omitted cells."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.errors import UserError
from interp.measures import EDIT
from interp.runs.place import Place
from interp.sweep import __main__ as sweep
from interp.sweep.executors import EXECUTORS, find_executor
from interp.sweep.executors.executor import Executor, in_workers, tasks
from interp.sweep.executors.local import LocalExecutor
from interp.sweep.tasks import cells_task, edit_task, path_task, search_task, train_task
from interp.sweep.work import Work
from tests.sweep.sweeping import FROZEN, SMALL
from tests.wording import exits, raises, refused

OPTIONS = [*FROZEN, *SMALL, "--controls", "none", "--layers", "4", "--jobs", "1"]
PLACES = st.lists(st.builds(Place, st.integers(1, 5), st.integers(1, 4), st.integers(0, 3)), unique=True)


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_engine_of_the_registry_is_an_executor(name: str):
    assert isinstance(find_executor(name), Executor)


def test_an_engine_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with raises(UserError, "'abacus'"):
        find_executor("abacus")
    with exits(capsys, "'abacus'", "'local'", "'ray'", "'shards'"):
        sweep.main(["--engine", "abacus", "--out", str(tmp_path)])
    for options in (["--engine", "shards"], ["--engine", "ray", "--shard", "1/2"]):
        refused(sweep.main([*options, "--out", str(tmp_path / "run")]), capsys, "--shard")


@given(PLACES, st.integers(1, 30), st.booleans())
def test_each_cell_is_computed_once_and_searched_once_before_that_if_it_is_for_itself(
    places, at_once: int, alone: bool
):
    first, then = tasks(places, at_once, alone=alone)
    assert sorted(cell for cells in then for cell in cells) == sorted(places)
    assert sorted(cell for cells in first for cell in cells) == (sorted(places) if first else [])
    assert first or not alone or not places
    assert all(len({(cell.layer, cell.seed) for cell in cells}) == 1 for cells in first)


class Nowhere(Work):
    """Work with a folder alone."""

    def __init__(self) -> None:
        object.__setattr__(self, "folder", Path("nowhere"))


class Recording:
    """Workers that record their tasks."""

    def __init__(self) -> None:
        self.done: dict[Any, list[Any]] = {}

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        self.done[task] = list(items)


@given(PLACES, PLACES, st.integers(0, 9))
def test_workers_are_asked_for_every_task(places, more, count: int):
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr("interp.sweep.executors.executor.paths_done", lambda _: 0)
        workers = Recording()
        in_workers(Nowhere(), workers, 2, range(count), places, lambda: more, lambda _: "")
    assert list(workers.done) == [search_task, edit_task, path_task, cells_task, train_task]
    assert workers.done[edit_task] == []
    assert workers.done[path_task] == [(row, ()) for row in range(count)]
    assert Counter(cell for cells in workers.done[cells_task] for cell in cells) == Counter(places)
    assert workers.done[train_task] == more


class Editing:
    """Trainings with an objective alone."""

    objective = EDIT


def test_edits_are_trained_before_texts_are_attributed_with_them():
    work, places = Nowhere(), [Place(6, 4, 0), Place(7, 4, 0)]
    object.__setattr__(work, "trained", Editing())
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr("interp.sweep.executors.executor.paths_done", lambda _: 0)
        workers = Recording()
        in_workers(work, workers, 2, range(3), places, tuple, lambda _: "")
    assert list(workers.done) == [search_task, edit_task, path_task, cells_task, train_task]
    assert workers.done[edit_task] == places
    assert workers.done[path_task] == [(row, places) for row in range(3)]


class Lazy(LocalExecutor):
    """Executor that omits the last cell."""

    def compute(self, work, clip, run, places, more, on_cells) -> None:
        super().compute(work, clip, run, places[:-1], more, on_cells)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Executor], None]:
    """Return a function that registers an executor, as a file and a line of the registry do."""

    def register(name: str, executor: Executor) -> None:
        module = ModuleType(f"executor_{name}")
        module.EXECUTOR = executor  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(EXECUTORS, name, module.__name__)

    return register


@pytest.mark.slow
def test_an_executor_that_leaves_out_a_cell_is_noticed(small, registered, tmp_path: Path, capsys):
    registered("lazy", Lazy())
    out, options = tmp_path / "run", [*OPTIONS, "--model", small.name]
    status = sweep.main([*options, "--out", str(out), "--engine", "lazy"])
    error = capsys.readouterr().err.splitlines()[-1]  # after the lines of the progress bar
    refused(status, f"{error}\n", "--engine lazy", 1, 2, "layer04-size006-seed0")
    assert [path.name for path in (out / "cells").glob("*.json")] == ["layer04-size002-seed0.json"]
    assert not (out / "results.csv").exists()

    # another engine computes the omitted cell, with the numbers of an engine that computes all cells
    assert sweep.main([*options, "--out", str(out)]) == 0
    registered("second", LocalExecutor())
    assert sweep.main([*options, "--out", str(tmp_path / "whole"), "--engine", "second"]) == 0
    assert (out / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()
