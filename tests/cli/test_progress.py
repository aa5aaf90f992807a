"""Progress without a terminal: one line per minute."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interp.cli.progress import Bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list with the time in seconds as its only element."""
    now = [100.0]
    monkeypatch.setattr(Bar, "clock", staticmethod(lambda: now[0]))
    return now


def test_a_line_a_minute_says_how_much_is_left(clock: list[float], capsys: pytest.CaptureFixture[str]):
    with Bar(total=200, desc="images", unit="image") as bar:
        for _ in range(100):
            clock[0] += 1.5
            bar.update()
        assert bar.n == 100
    assert capsys.readouterr().err.splitlines() == [
        "images: 40 of 200 images, about 4.0 minutes left",
        "images: 80 of 200 images, about 3.0 minutes left",
    ]


def test_what_is_looped_over_is_counted(clock: list[float], capsys: pytest.CaptureFixture[str]):
    def slow(items: range) -> Iterator[int]:
        for item in Bar(items, desc="tasks", unit="task"):
            clock[0] += 61
            yield item

    assert list(slow(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err.splitlines()[0] == "tasks: 1 of 3 tasks, about 2.0 minutes left"


def test_without_a_total_it_says_how_long_it_took(clock: list[float], capsys: pytest.CaptureFixture[str]):
    bar = Bar(desc="abilities", unit="image")
    clock[0] += 90
    bar.update(7)
    assert capsys.readouterr().err == "abilities: 7 images in 90 seconds\n"


@pytest.mark.parametrize("disable", [True, None])
def test_a_quick_or_quiet_one_says_nothing(
    clock: list[float], capsys: pytest.CaptureFixture[str], disable: bool | None
):
    with Bar(total=3, disable=disable) as bar:
        clock[0] += 1000 if disable else 10
        bar.update(3)
    assert capsys.readouterr().err == ""
