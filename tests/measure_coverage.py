"""Print how often 95 % intervals hold the truth, as a table in Markdown: `python -m tests.measure_coverage`."""

from __future__ import annotations

import argparse
import math

from tests.coverage import DRAWS, SAMPLES, STATISTICS, measure


def table(draws: int, seed: int, names: list[str]) -> str:
    """Return a row for each statistic and kind of article, a column for each number of articles and their sizes."""
    columns = list(dict.fromkeys((one.articles, one.uneven) for one in SAMPLES))
    rows = list(dict.fromkeys((one.skewed, one.icc) for one in SAMPLES))
    heads = [f"{articles} {'log-normal' if uneven else 'even'}" for articles, uneven in columns]
    lines = [
        "| | effects of articles | ICC | " + " | ".join(heads) + " |",
        "| --- | --- | ---" + " | ---:" * len(heads) + " |",
    ]
    for name in names:
        for skewed, icc in rows:
            cells = []
            for column in columns:
                (sample,) = [
                    one for one in SAMPLES if (one.articles, one.uneven, one.skewed, one.icc) == (*column, skewed, icc)
                ]
                found = measure(name, sample, draws, seed)
                refused = f" ({100 * found.refused:.0f})" if found.refused else ""
                cells.append("none" if math.isnan(found.covered) else f"{100 * found.covered:.1f}{refused}")
            lines.append(f"| {name} | {'exponential' if skewed else 'normal'} | {icc} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="of data in each cell")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument(
        "--only", nargs="*", choices=list(STATISTICS), default=list(STATISTICS), help="these statistics"
    )
    args = parser.parse_args()
    print(f"Coverage in % of {args.draws} draws (in brackets: % of draws without an interval)\n")
    table(args.draws, args.seed, args.only)


if __name__ == "__main__":
    main()
