"""Second toy world: charts with descriptions and captions in the words of a textbook of economics.

The embedded toy CLIP was pre-trained on scenes and on charts. A model that is fine-tuned on scenes never sees a chart,
so charts are another domain, which tests whether abilities learnt on scenes transfer. The group of a pair is its
article, which has one measure, decade and event.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from interp.data.pairs import Pair, PairSet, same_text
from interp.data.toy.charts.charts import ARTICLE_FIELDS, Chart, chart_combinations, sample_chart
from interp.data.toy.charts.pictures import ChartPicture
from interp.data.toy.charts.texts import write_chart_pair
from interp.data.toy.pairs import LONGEST_ARTICLE, ToySize, pair_set


def load_charts(size: ToySize | None = None, *, seed: int = 0) -> PairSet:
    """Return the world of charts as a `PairSet`.

    Args:
        size: number of pairs in each split.
        seed: seed of charts, texts and pixels.

    Returns:
        Pairs of train, val and test in this order.
    """
    size = size or ToySize()
    drawn: list[tuple[Pair, ChartPicture]] = []
    for number, field in enumerate(fields(size)):
        split, rng = field.name, np.random.default_rng([seed, 128, number])  # separate from the scenes of `load_toy`
        articles = chart_combinations(split, ARTICLE_FIELDS)
        first = len(drawn)
        while (count := len(drawn) - first) < getattr(size, split):
            article = articles[int(rng.integers(len(articles)))]
            most = min(int(rng.integers(1, LONGEST_ARTICLE + 1)), getattr(size, split) - count)
            for place in range(most):
                chart = sample_chart(split, rng, article)
                name = f"charts-{split}-{count + place:05d}"
                drawn.append(_pair(name, chart, split, f"{split}-{'-'.join(article)}", rng))
    return pair_set("toy:charts", drawn)


def _pair(name: str, chart: Chart, split: str, group: str, rng: np.random.Generator) -> tuple[Pair, ChartPicture]:
    description, caption = write_chart_pair(chart, rng)
    while same_text(description.text, caption.text):
        description, caption = write_chart_pair(chart, rng)
    context = f"During the {chart.event} of the {chart.decade}s the {chart.measure} level changed."
    return Pair(name, description.text, caption.text, split, group, context), ChartPicture(
        chart, int(rng.integers(2**31))
    )
