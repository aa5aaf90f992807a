"""Print how often 95 % intervals hold the truth, as a table in Markdown: `python -m tests.measure_coverage`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from itertools import product

from tests.coverage import DRAWS, SAMPLES, STATISTICS, Sample, measure


def rows(draws: int, seed: int, names: list[str]) -> Iterator[str]:
    """Yield the lines of the table: a row for each statistic and kind of article, a column for each sample size."""
    columns = list(dict.fromkeys((sample.articles, sample.uneven) for sample in SAMPLES))
    kinds = list(dict.fromkeys((sample.skewed, sample.icc) for sample in SAMPLES))
    heads = [f"{articles} {'log-normal' if uneven else 'even'}" for articles, uneven in columns]
    yield "| | effects of articles | ICC | " + " | ".join(heads) + " |"
    yield "| --- | --- | ---:" + " | ---:" * len(heads) + " |"
    for name, (skewed, icc) in product(names, kinds):
        cells = []
        for articles, uneven in columns:
            coverage = measure(name, Sample(articles, uneven, skewed, icc), draws, seed)
            refused = f" ({100 * coverage.refused:.0f})" if coverage.refused else ""
            cells.append("none" if math.isnan(coverage.covered) else f"{100 * coverage.covered:.1f}{refused}")
        yield f"| {name} | {'exponential' if skewed else 'normal'} | {icc} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="number of simulated data sets in each cell")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws")
    parser.add_argument(
        "--only", nargs="*", choices=list(STATISTICS), default=list(STATISTICS), help="statistics to measure"
    )
    args = parser.parse_args()
    print(f"Coverage in % of {args.draws} draws (in brackets: % of draws without an interval)\n")
    for line in rows(args.draws, args.seed, args.only):
        print(line, flush=True)


if __name__ == "__main__":
    main()
