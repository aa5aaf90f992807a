"""The leading directions of a subspace Z, of what texts have in it, and the texts and the words at their ends.

Any basis of Z describes it as well as another, so the one that is taken must mean something. First comes the direction,
within Z, of the difference of the kinds' mean streams; then the principal components, within Z, of what is left of the
streams when that direction is taken out of them. All are orthogonal, and do not depend on the basis that Z came with.

The sign of the first is such that the mean of positive texts is at its upper end, that of a component such that these
lie above negative ones more often than not. The latter says little: where means agree, kinds differ in shape alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp.clip.tensors import Float
from interp.runs.directions import LEAST_ARTICLES, LEAST_TEXTS, End, EndText, EndWord, Leading
from interp.stats import placement

TEXTS, WORDS = 5, 10  # at an end
FOLDS = 5
ROUNDING = 1e-10  # a share of the variance that rounding can make
_TIE = 1e-9  # what is less is rounding
MEANS = "difference of the kinds' means"


@dataclass(frozen=True)
class Text:
    """A text, and what it has to do with others.

    Attributes:
        words: as the tokenizer splits it, lower case.
        pair, article: to which it belongs.
    """

    kind: str
    text: str
    words: Sequence[str]
    pair: str
    article: str


def axes(inside: Float[np.ndarray, "n k"], most: int) -> list[tuple[str, Float[np.ndarray, " k"]]]:
    """The leading directions within Z: what each is, and a unit vector; these are orthogonal to each other.

    Directions along which texts do not differ, but for rounding, are left out, and so is the first if means agree.

    Args:
        inside: what positive texts, and then as many negative ones, have in Z, from the mean of all.
        most: directions that are wanted.
    """
    total = float(np.square(inside).sum()) / len(inside)
    positive, negative = _by_kind(inside).mean(1)
    difference = positive - negative
    size = float(np.linalg.norm(difference))
    out, left = [], inside
    if size**2 > ROUNDING * total:
        first = difference / size
        out.append((MEANS, first))
        left = inside - np.outer(inside @ first, first)
    variances, vectors = np.linalg.eigh(left.T @ left / len(left))
    kept = [vectors[:, i] for i in np.argsort(-variances, kind="stable") if variances[i] > ROUNDING * total]
    out += [(f"principal component {number} of the rest", _turned(axis, inside)) for number, axis in enumerate(kept, 1)]
    return out[:most]


def _by_kind(inside: np.ndarray) -> np.ndarray:
    """The same with a first axis for the kind."""
    return inside.reshape(2, len(inside) // 2, *inside.shape[1:])


def _turned(axis: Float[np.ndarray, " k"], inside: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
    """The axis with the sign by which positive texts lie above negative ones; if they tie, by which the text furthest
    out is above 0; and if two are as far, the first text."""
    values = inside @ axis
    leans = _above(*_by_kind(values)) - 0.5, (values.max() + values.min()) / values.std(), values[0]
    return axis if next((lean for lean in leans if abs(lean) > _TIE), 1) > 0 else -axis


def _above(positive: np.ndarray, negative: np.ndarray) -> float:
    """The area under the curve."""
    return float(placement(positive, negative).mean())


def cross_fitted(inside: Float[np.ndarray, "n k"], articles: Sequence[str]) -> float:
    """How often a positive text lies above a negative one along the difference of the means of other articles' texts.

    Along that of their own means they would do so even where nothing tells them apart, the more often the more
    directions there are. Articles are dealt out to `FOLDS` parts, and texts are compared within each.

    Args:
        inside: as for `axes`.
        articles: of each pair.

    Returns:
        A share; NaN if all pairs are of one article.
    """
    both = _by_kind(inside)
    fold = np.unique(np.asarray(articles), return_inverse=True)[1] % FOLDS
    above, compared = 0.0, 0
    for number in range(FOLDS):
        held = fold == number
        if held.any() and not held.all():
            positive, negative = both[:, ~held].mean(1)
            count = int(held.sum()) ** 2
            above += count * _above(*(both[:, held] @ (positive - negative)))
            compared += count
    return above / compared if compared else math.nan


def leading(
    inside: Float[np.ndarray, "n k"], title: str, axis: Float[np.ndarray, " k"], texts: Sequence[Text]
) -> Leading:
    """What is said of one of the directions that `axes` gives.

    Args:
        inside: of all texts, which vary along the axis.
    """
    values = inside @ axis
    share = float(np.square(values).sum() / np.square(inside).sum())
    if title == MEANS:
        auc = cross_fitted(inside, [text.article for text in texts[: len(texts) // 2]])
    else:
        auc = _above(*_by_kind(values))
    values = values / values.std()
    words = word_differences(values, texts)
    return Leading(title, share, auc, *(_end(values, words, texts, sign) for sign in (1, -1)))


def _end(values: Float[np.ndarray, " n"], words: Sequence[EndWord], texts: Sequence[Text], sign: int) -> End:
    """The texts furthest out, one of each article and none that reads as another one does, and the words."""
    found: list[EndText] = []
    seen: set[tuple[str, str]] = set()
    for row in np.argsort(-sign * values, kind="stable").tolist():
        text = texts[row]
        marks = {("article", text.article), ("text", text.text.casefold())}
        if sign * values[row] <= 0 or len(found) == TEXTS:
            break
        if not marks & seen:
            found.append(EndText(text.kind, text.text, float(values[row]), text.pair))
            seen |= marks
    out = sorted((-sign * one.difference, one.word, one) for one in words if sign * one.difference > 0)
    return End(tuple(found), tuple(one for _, _, one in out[:WORDS]))


def word_differences(values: Float[np.ndarray, " n"], texts: Sequence[Text]) -> list[EndWord]:
    """Of each word type the mean value of the texts that hold it minus that of all others.

    Function words, numbers and signs are among them. Words in fewer than `LEAST_TEXTS` texts, in texts of fewer than
    `LEAST_ARTICLES` articles, and in every text are left out.
    """
    holders: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for word in set(text.words):
            holders.setdefault(word, []).append(row)
    out, total = [], float(values.sum())
    for word, rows in holders.items():
        count, others = len(rows), len(texts) - len(rows)
        if count >= LEAST_TEXTS and others and len({texts[row].article for row in rows}) >= LEAST_ARTICLES:
            held = float(values[rows].sum())
            out.append(EndWord(word, held / count - (total - held) / others, count))
    return out
