"""Measure how often intervals of correlations with norms hold the truth, and how often a null grid is significant.

Run it with `python -m tests.measure_norms_coverage`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from itertools import product

from tests.norms_worlds import World, coverage, family_error

SHARED = {"subject": 0.5, "article": 1.0}  # shared by the ratings and the attributions of an article
COVERED = {
    **{f"{n} articles, {tokens} tokens": World(n, tokens) for n, tokens in product((8, 20, 85), (10, 20, 40))},
    **{
        f"{n} articles, {tokens} tokens, shared effects": World(n, tokens, **SHARED)
        for n, tokens in product((8, 20, 85), (10, 20, 40))
    },
    "20 articles, 40 tokens, no correlation": World(r=0.0),
    "20 articles, 40 tokens, r = 0.8": World(r=0.8),
    "20 articles, 40 tokens, rating spreads values": World(hetero=True),
    "85 articles, 20 tokens, rare words are noisier": World(85, 20, rare=2.0),
    "20 articles, 40 tokens, skewed, tied, shared effects": World(skewed=True, ties=True, **SHARED),
}
SMALL, MIDDLE, LARGE = (
    {"articles": 20, "tokens": 8, "shared": 40, "single": 3},
    {"articles": 40, "tokens": 15, "shared": 60, "single": 4},
    {"articles": 85, "tokens": 20, "shared": 60, "single": 3},
)
CAUSES = {
    "independent words": {},
    "ties": {"ties": True},
    "skewed": {"skewed": True},
    "rating spreads values": {"hetero": True},
    "shared effects": {"subject": 0.7, "article": 1.0},
    "all of these": {"subject": 0.7, "article": 1.0, "ties": True, "skewed": True, "hetero": True},
}
SIMULATED = (
    (SMALL, 3, list(CAUSES)),
    (SMALL, 20, list(CAUSES)[1::2]),
    (MIDDLE, 3, list(CAUSES)),
    (LARGE, 3, list(CAUSES)),
    (LARGE, 60, list(CAUSES)[-1:]),
)
GRIDS = {
    f"{size['articles']} articles, {cells} cells, {cause}": (World(**size, **CAUSES[cause]), cells)  # type: ignore[arg-type]
    for size, cells, causes in SIMULATED
    for cause in causes
}


def main(arguments: list[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=500, help="samples of each world (default: 500)")
    draws = parser.parse_args(arguments).draws
    print(
        "| world | types | in two articles | mean r | interval holds it | holds true r | disattenuated r, median | "
        "interval known | holds true r | its width |\n" + "| --- " * 10 + "|"
    )
    for name, world in COVERED.items():
        row = asdict(coverage(world, draws))
        print(
            f"| {name} | {row['types']:.0f} | {row['repeated']:.0f} | {row['plain_mean']:+.2f} | "
            f"{row['plain']:.3f} | {row['truth']:.3f} | {row['median']:+.2f} | {row['defined']:.2f} | "
            f"{row['disattenuated']:.3f} | {row['width']:.2f} |",
            flush=True,
        )
    print("\n| null grid, 2 norms, 3 routes | types | any p < 0.05 |\n| --- | --- | --- |")
    for name, (world, cells) in GRIDS.items():
        error, types = family_error(world, cells, draws=draws)
        print(f"| {name} | {types:.0f} | {error:.3f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
