"""Contents of the charts of the second toy world, and their division between splits.

A chart shows two or three series (bars or lines, each in the colour of its country) of one measure (the letters at the
vertical axis) over a decade (the digits below the horizontal axis). A shaded band marks an event. Each of the first two
series has a trend; one of these two series lies above the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations

import numpy as np

from interp.data.toy.charts import words
from interp.data.toy.splits import belongs, divided, in_groups

VALUES: dict[str, tuple[str, ...]] = {
    "marks": tuple(words.MARKS),
    "count": tuple(words.COUNTS),
    "colours": tuple(" ".join(two) for two in permutations(words.COUNTRIES, 2)),
    "first_trend": tuple(words.TRENDS),
    "second_trend": tuple(words.TRENDS),
    "level": tuple(words.LEVELS),
    "grid": tuple(words.GRIDS),
    "measure": tuple(words.MEASURES),
    "decade": tuple(words.DECADES),
    "event": tuple(words.EVENTS),
}
SERIES_FIELDS = ("marks", "count", "colours", "first_trend", "second_trend", "level")
ARTICLE_FIELDS = ("measure", "decade", "event")


@dataclass(frozen=True)
class Chart:
    """Content of one chart; each field holds a value of the same name in `VALUES`."""

    marks: str
    count: str
    colours: str
    first_trend: str
    second_trend: str
    level: str
    grid: str
    measure: str
    decade: str
    event: str

    @property
    def first(self) -> str:
        """Colour of the first series."""
        return self.colours.split()[0]

    @property
    def second(self) -> str:
        """Colour of the second series."""
        return self.colours.split()[1]

    @property
    def third(self) -> str | None:
        """Colour of the third series, the first colour that the other series do not have; None for two series."""
        free = [colour for colour in words.COUNTRIES if colour not in self.colours.split()]
        return free[0] if self.count == "three" else None


@cache
def chart_combinations(split: str, names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the combinations of the named attributes that belong to a split."""
    return divided(split, tuple(VALUES[name] for name in names))


def sample_chart(split: str, rng: np.random.Generator, article: tuple[str, ...] | None = None) -> Chart:
    """Draw a chart from the combinations of a split; `article` optionally gives measure, decade and event."""
    series, articles = (chart_combinations(split, names) for names in (SERIES_FIELDS, ARTICLE_FIELDS))
    article = article or articles[int(rng.integers(len(articles)))]
    drawn = dict(zip(SERIES_FIELDS, series[int(rng.integers(len(series)))], strict=True))
    grid = VALUES["grid"][int(rng.integers(len(VALUES["grid"])))]
    return Chart(**drawn, grid=grid, **dict(zip(ARTICLE_FIELDS, article, strict=True)))


def sample_charts(split: str, n: int, rng: np.random.Generator) -> list[Chart]:
    """Draw `n` charts from the combinations of a split, with replacement."""
    return [sample_chart(split, rng) for _ in range(n)]


def alike_charts(split: str, n: int, alike: int, rng: np.random.Generator) -> list[Chart]:
    """Draw `n` charts in groups of `alike`; each differs from the first of its group in at most two attributes.

    As with `interp.data.toy.scenes.alike_scenes`, a model that learns from these batches must respect every word.
    """

    def vary(first: Chart) -> Chart:
        chart = _varied(first, SERIES_FIELDS[int(rng.integers(len(SERIES_FIELDS)))], split, rng)
        return _varied(chart, ARTICLE_FIELDS[int(rng.integers(len(ARTICLE_FIELDS)))], split, rng)

    return in_groups(n, alike, lambda: sample_chart(split, rng), vary)


def _varied(chart: Chart, name: str, split: str, rng: np.random.Generator) -> Chart:
    """Return the chart with another value of one attribute, if the split has that combination."""
    other = replace(chart, **{name: VALUES[name][int(rng.integers(len(VALUES[name])))]})
    return other if belongs(other, split, chart_combinations, SERIES_FIELDS, ARTICLE_FIELDS) else chart
