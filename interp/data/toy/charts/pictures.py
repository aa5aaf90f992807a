"""Drawing of charts, 64 by 64 pixels; `interp.data.toy.charts.charts` describes their contents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from interp.data.pairs import digest
from interp.data.toy.charts.charts import Chart
from interp.data.toy.charts.words import MEASURE_LETTERS
from interp.data.toy.pictures import SIZE

if TYPE_CHECKING:
    from PIL.Image import Image

_LEFT, _RIGHT, _TOP, _BOTTOM = 11, 62, 3, 53  # the axes, in pixels
_SERIES_RGB = {
    "red": (215, 35, 35),
    "blue": (35, 75, 215),
    "green": (20, 150, 55),
    "yellow": (235, 195, 10),
    "orange": (245, 135, 15),
    "violet": (145, 40, 185),
    "teal": (25, 170, 175),
    "black": (15, 15, 15),
}
_EVENT_RGB = {  # colour of the shaded band
    "recession": (205, 205, 210),
    "boom": (255, 225, 150),
    "reform": (200, 225, 255),
    "embargo": (255, 200, 200),
    "shortage": (225, 205, 175),
    "invention": (205, 245, 205),
    "subsidy": (235, 205, 250),
    "inflation": (195, 245, 240),
}
_FONT = {  # 3 x 5 pixels, rows from the top
    letter: np.array([[int(bit) for bit in row] for row in rows.split()], bool)
    for letter, rows in {
        "0": "111 101 101 101 111",
        "1": "010 110 010 010 111",
        "2": "111 001 111 100 111",
        "3": "111 001 111 001 111",
        "4": "101 101 111 001 001",
        "5": "111 100 111 001 111",
        "6": "111 100 111 101 111",
        "7": "111 001 010 010 010",
        "8": "111 101 111 101 111",
        "9": "111 101 111 001 111",
        "A": "010 101 111 101 101",
        "D": "110 101 101 101 110",
        "E": "111 100 110 100 111",
        "J": "001 001 001 101 111",
        "M": "101 111 111 101 101",
        "O": "111 101 101 101 111",
        "P": "111 101 111 100 100",
        "R": "110 101 110 101 101",
        "S": "011 100 010 001 110",
        "T": "111 010 010 010 010",
        "U": "101 101 101 101 111",
        "W": "101 101 111 111 101",
    }.items()
}
_POINTS = 6  # bars or vertices of a series
_HEIGHTS = {  # heights of a series at its points, within its half of the chart; 0 is low, 1 is high
    "rise": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "fall": (1.0, 0.8, 0.6, 0.4, 0.2, 0.0),
    "flat": (0.5,) * 6,
    "peak": (0.0, 0.5, 1.0, 1.0, 0.5, 0.0),
    "dip": (1.0, 0.5, 0.0, 0.0, 0.5, 1.0),
}
_HALVES = {"above": 0.58, "below": 0.08}  # beginning of the half of a series, as a share of the height
_HALF = 0.34


def render_chart(chart: Chart, rng: np.random.Generator) -> np.ndarray:
    """Draw a chart.

    Args:
        chart: content of the chart.
        rng: moves each point of a series by at most 3 % of the height, and dims the light by at most 8 %.

    Returns:
        Colours from 0 to 255, uint8, shape (64, 64, 3).
    """
    picture = np.full((SIZE, SIZE, 3), 250.0, np.float32)
    middle = (_LEFT + _RIGHT) // 2
    picture[_TOP:_BOTTOM, middle - 7 : middle + 8] = _EVENT_RGB[chart.event]
    if chart.grid == "grid":
        picture[_TOP:_BOTTOM:7, _LEFT:_RIGHT] *= 0.8
    for number, (colour, heights) in enumerate(_series(chart)):
        rows = _BOTTOM - 1 - np.clip(heights + rng.uniform(-0.03, 0.03, _POINTS), 0, 1) * (_BOTTOM - _TOP - 2)
        draw = _draw_bars if chart.marks == "bar" else _draw_line
        draw(picture, rows, number, 3 if chart.third else 2, _SERIES_RGB[colour])
    picture[_TOP : _BOTTOM + 1, _LEFT - 1] = picture[_BOTTOM, _LEFT - 1 : _RIGHT] = 60.0
    _label(picture, MEASURE_LETTERS[chart.measure], top=24, left=1)
    _label(picture, chart.decade[2:], top=57, left=_LEFT)
    _label(picture, str(int(chart.decade) + 10)[2:], top=57, left=_RIGHT - 8)
    picture *= rng.uniform(0.92, 1.0)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def _series(chart: Chart) -> list[tuple[str, np.ndarray]]:
    """Return colour and heights (0 to 1) of each series; a third series is flat and in the middle."""
    other = {"above": "below", "below": "above"}[chart.level]
    series = [
        (colour, _HALVES[half] + _HALF * np.array(_HEIGHTS[trend]))
        for colour, half, trend in (
            (chart.first, chart.level, chart.first_trend),
            (chart.second, other, chart.second_trend),
        )
    ]
    return series + ([(chart.third, np.full(_POINTS, 0.5))] if chart.third else [])


def _draw_bars(picture: np.ndarray, rows: np.ndarray, number: int, count: int, colour: tuple[int, int, int]) -> None:
    """Draw one series as bars, next to the bars of the other series."""
    width = 2 if count == 3 else 3
    for place, row in enumerate(rows):
        left = _LEFT + 1 + round(place * (_RIGHT - _LEFT) / _POINTS) + number * width
        picture[round(row) : _BOTTOM, left : left + width] = colour


def _draw_line(picture: np.ndarray, rows: np.ndarray, _number: int, _count: int, colour: tuple[int, int, int]) -> None:
    """Draw one series as a line of two pixels."""
    columns = np.linspace(_LEFT + 2, _RIGHT - 3, _POINTS)
    x = np.linspace(columns[0], columns[-1], 4 * SIZE)
    y = np.interp(x, columns, rows)
    for shift in (0, 1):
        at = np.clip(np.round(y + shift).astype(int), _TOP, _BOTTOM - 1)
        picture[at, np.round(x).astype(int)] = colour


def _label(picture: np.ndarray, text: str, *, top: int, left: int) -> None:
    """Write letters of 3 by 5 pixels."""
    for place, letter in enumerate(text):
        area = picture[top : top + 5, left + 4 * place : left + 4 * place + 3]
        area[_FONT[letter]] = 20.0


@dataclass(frozen=True)
class ChartPicture:
    """Drawing of a chart; `noise` is the seed of its jitter and its light."""

    chart: Chart
    noise: int

    def open(self) -> Image:
        """Return the picture as RGB, 64 x 64 pixels."""
        from PIL import Image

        return Image.fromarray(render_chart(self.chart, np.random.default_rng(self.noise)))

    @property
    def key(self) -> str:
        """Key that changes with the chart, the noise, and the drawing code."""
        return f"{_drawn()} {self.chart} {self.noise}"


@cache
def _drawn() -> str:
    """Return a digest of one picture of each kind, which changes with the drawing code."""
    charts = [
        Chart(marks, "three", "red blue", "rise", "dip", "above", "grid", "price", "1960", "boom")
        for marks in ("bar", "line")
    ]
    return digest([render_chart(chart, np.random.default_rng(0)).tobytes().hex() for chart in charts])
