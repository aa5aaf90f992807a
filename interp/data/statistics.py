"""Command `python -m interp.data.statistics`: statistics of the two kinds of text, compared between data sets.

The toy world is built to have the statistics of Concadia. This command compares the toy world, Concadia and your own
data.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np

from interp import cli
from interp.data import DATA_HELP, DataError, data_labels, load_pairs
from interp.data.norms import Norm, load_norm
from interp.data.pairs import Pair, PairSet
from interp.data.word_rules import FOLDS, bayes_hits, concreteness_hits, longer_hits, own_bayes_hits
from interp.data.words import FUNCTION_WORDS, TOKEN, is_content
from interp.stats import pearson
from interp.stats.bag_of_words import naive_bayes

_SAMPLE = 200  # pairs; some statistics depend on the size of a sample and need samples of equal size
_MOST_DRAWS = 10_000


ROWS = {  # key -> name of the statistic, and its format
    "mrc": ("content tokens rated in MRC", ".0%"),
    "brysbaert": ("content tokens rated by Brysbaert", ".0%"),
    "imageability": ("MRC imageability of rated content tokens", ".0f"),
    "text": ("MRC imageability of a text: difference of the kinds", "+.0f"),
    "d": ("the same as Cohen's d", "+.2f"),
    "r": ("r over word types, log-odds of the first kind with imageability", "+.2f"),
    "shared": ("content tokens whose word the other kind also uses", ".0%"),
    "own": ("content words of the second text that its first text has", ".0%"),
    "bayes": ("kind told from a bag of words (naive Bayes, divided by group)", ".0%"),
    "names": ("names (capitalised, not initial)", ".0%"),
    "digits": ("tokens with digits", ".0%"),
    "function": ("function words", ".0%"),
    "words": ("words, median", ".0f"),
    "longer": ("first text has more words", ".0%"),
}


RULES = {  # key -> rule that prefers a text without an image, for all pairs of a data set
    "longer": "longer text",
    "concrete": "more concrete text (Brysbaert)",
    "first": "naive Bayes of the first data set",
    "own": "naive Bayes of the data set itself, ten-fold, divided by group",
}


_norm = cache(load_norm)


def text_statistics(pairs: Sequence[Pair]) -> dict[str, tuple[float, ...]]:
    """Compute statistics of the texts of pairs.

    *Content tokens* are words of letters that are not function words.

    Returns:
        For each key of `ROWS`, the values of the positive and the negative texts, or one value that compares them.
    """
    kinds = [[pair.positive for pair in pairs], [pair.negative for pair in pairs]]
    tokens = [[TOKEN.findall(text) for text in texts] for texts in kinds]
    lower = [[[word.lower() for word in text] for text in texts] for texts in tokens]
    content = [[[word for word in text if is_content(word)] for text in texts] for texts in lower]
    flat = [[word for text in texts for word in text] for texts in content]
    used = [{word for text in texts for word in text} for texts in lower]
    imageability, concreteness = _norm("imageability"), _norm("concreteness")
    means = [np.array([_mean(imageability, text) for text in texts]) for texts in content]
    means = [values[np.isfinite(values)] for values in means]
    fewest = min(map(len, means))
    gap = means[0].mean() - means[1].mean() if fewest else float("nan")
    spread = np.sqrt((means[0].var(ddof=1) + means[1].var(ddof=1)) / 2) if fewest > 1 else float("nan")
    overlaps = [
        np.mean([word in first for word in second])
        for first, second in zip(lower[0], content[1], strict=True)
        if second
    ]
    longer = [len(first) > len(second) for first, second in zip(*tokens, strict=True)]
    return {
        "mrc": _shares(flat, imageability.ratings.__contains__),
        "brysbaert": _shares(flat, concreteness.ratings.__contains__),
        "imageability": tuple(_mean(imageability, words) for words in flat),
        "text": (float(gap),),
        "d": (float(gap / spread) if spread > 0 else float("nan"),),
        "r": (_log_odds_correlation(flat, imageability),),
        "shared": tuple(_share(words, used[1 - kind].__contains__) for kind, words in enumerate(flat)),
        "own": (float(np.mean(overlaps)),),
        "bayes": (_naive_bayes(kinds, [pair.group for pair in pairs]),),
        "names": tuple(
            float(np.mean([place > 0 and word[0].isupper() for text in texts for place, word in enumerate(text)]))
            for texts in tokens
        ),
        "digits": _shares(
            [list(chain.from_iterable(texts)) for texts in tokens], lambda word: any(c.isdigit() for c in word)
        ),
        "function": _shares([list(chain.from_iterable(texts)) for texts in lower], FUNCTION_WORDS.__contains__),
        "words": tuple(float(np.median([len(text) for text in texts])) for texts in tokens),
        "longer": (float(np.mean(longer)),),
    }


def rules(pairs: Sequence[Pair], first: Sequence[Pair] | None) -> dict[str, float]:
    """Return for each key of `RULES` the share of pairs whose first text wins without an image; ties count half.

    Args:
        first: pairs of the first data set, on which the rule ``first`` is trained; None if `pairs` are the first data
            set, so that this rule gives NaN.
    """
    hits = {
        "longer": longer_hits(pairs),
        "concrete": concreteness_hits(pairs),
        "first": np.full(len(pairs), np.nan) if first is None else bayes_hits(first, pairs),
        "own": own_bayes_hits(pairs),
    }
    return {key: float(values.mean()) for key, values in hits.items()}


def one_of_each_group(pairs: Sequence[Pair], n: int = _SAMPLE, *, seed: int = 0) -> list[Pair]:
    """Return at most `n` pairs drawn at random, at most one per group.

    The published sample of Concadia is nearly of this form.
    """
    drawn = (pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs)))
    chosen: dict[str, Pair] = {}
    for pair in drawn:
        chosen.setdefault(pair.group, pair)
    return list(chosen.values())[:n]


def _share(words: Sequence[str], condition: Callable[[str], bool]) -> float:
    return float(np.mean([condition(word) for word in words]))


def _shares(kinds: Sequence[Sequence[str]], condition: Callable[[str], bool]) -> tuple[float, ...]:
    return tuple(_share(words, condition) for words in kinds)


def _mean(norm: Norm, words: Sequence[str]) -> float:
    """Return the mean rating of the rated words; NaN if no word is rated."""
    ratings = norm.of(words)
    return float(np.nanmean(ratings)) if np.isfinite(ratings).any() else float("nan")


def _log_odds_correlation(kinds: Sequence[Sequence[str]], norm: Norm) -> float:
    """Return Pearson's r over rated word types, with half a count added to each count."""
    first, second = map(Counter, kinds)
    types = [word for word in sorted({*first, *second}) if word in norm.ratings]
    odds = [(first[word] + 0.5) / first.total() / (second[word] + 0.5) * second.total() for word in types]
    return pearson(np.log(odds), norm.of(types))


def _naive_bayes(kinds: Sequence[Sequence[str]], groups: Sequence[str]) -> float:
    """Return the cross-validated accuracy of scikit-learn's multinomial naive Bayes in telling the kinds apart."""
    from sklearn.model_selection import GroupKFold, cross_val_score

    labels = [1] * len(kinds[0]) + [0] * len(kinds[1])
    folds = GroupKFold(min(FOLDS, len(set(groups))))
    texts, twice = [*kinds[0], *kinds[1]], [*groups, *groups]
    return float(cross_val_score(naive_bayes(), texts, labels, groups=twice, cv=folds).mean())


@dataclass(frozen=True)
class Options:
    """Options of the command."""

    data: tuple[str, ...] = cli.option(("toy",), f"data sets to compare: {DATA_HELP}", metavar="DATA", many=True)
    kinds: str | None = cli.option(
        None, "columns of a table with the two kinds of text; by default description,caption", metavar="KIND,KIND"
    )
    pairs: int = cli.option(
        _SAMPLE, "number of pairs in a sample, at most one per article; some statistics depend on this number", least=2
    )
    draws: int = cli.option(5, "number of samples; the table shows the mean over the samples", most=_MOST_DRAWS)
    seed: int = cli.option(0, "seed of the samples", least=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit status."""
    about = "Compare data sets by statistics of their two kinds of text."
    options = cli.parse(Options, "python -m interp.data.statistics", about, "", argv)

    def body() -> int:
        cli.check_bounds(options)
        names = data_labels(options.data)
        sets = [_load(spec, options) for spec in options.data]
        loaded = [pairs.pairs for pairs in sets]
        for note in dict.fromkeys(note for pairs in sets for note in pairs.notes):
            print(cli.wrapped(f"note: {note}"))
        columns = [_column(pairs, options) for pairs in loaded]
        lines = [["of the first kind of text, and of the second", *names]]
        lines += [
            [title, *(_formatted(column[key], form) for column in columns)] for key, (title, form) in ROWS.items()
        ]
        print("\n".join(cli.folded(lines)))
        preferred = [rules(pairs, loaded[0] if number else None) for number, pairs in enumerate(loaded)]
        lines = [["preference for the first kind without an image, %", *names]]
        lines += [[title, *(_percent(shares[key]) for shares in preferred)] for key, title in RULES.items()]
        lines.append(["pairs", *(str(len(pairs)) for pairs in loaded)])
        print("\n" + "\n".join(cli.folded(lines)))
        return 0

    return cli.run(body, on_interrupt=lambda: "nothing was kept")


def _load(spec: str, options: Options) -> PairSet:
    kinds = options.kinds if spec.startswith(("csv:", "hf:")) else None  # other data have their own kinds
    pairs = load_pairs(spec, as_published=True, kinds=kinds)
    if len({pair.group for pair in pairs.pairs}) < 2:
        raise DataError(f"{spec} has a single article; the comparison needs at least two")
    return pairs


def _column(pairs: Sequence[Pair], options: Options) -> dict[str, tuple[float, ...]]:
    samples = [
        text_statistics(one_of_each_group(pairs, options.pairs, seed=options.seed + i)) for i in range(options.draws)
    ]
    return {key: tuple(np.mean([sample[key] for sample in samples], axis=0)) for key in ROWS}


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f}"


def _formatted(values: Sequence[float], form: str) -> str:
    return ", ".join("-" if np.isnan(value) else f"{value:{form}}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
