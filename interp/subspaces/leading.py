"""Leading directions of a subspace Z for given texts, and the texts and the words at their ends.

All bases of Z describe it equally well, so a meaningful basis is chosen. The first direction is the difference of the
kinds' mean streams, within Z. The others are the principal components, within Z, of the streams without the first
direction. All directions are orthogonal, and do not depend on the basis in which Z is given.

The sign of the first direction puts the mean of positive texts at its upper end. The sign of a component puts positive
texts above negative texts in more than half of the comparisons. The sign of a component carries little information,
since the kinds then differ only in the shape of their distributions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp.clip.tensors import Float
from interp.runs.directions import LEAST_ARTICLES, LEAST_TEXTS, End, EndText, EndWord, LeadingDirection
from interp.stats import placement

TEXTS, WORDS = 5, 10  # numbers of texts and of words at an end
FOLDS = 5
ROUNDING = 1e-10  # share of the variance that can be rounding errors
_TIE = 1e-9  # smaller differences are rounding errors
MEANS = "difference of the kinds' means"


@dataclass(frozen=True)
class Text:
    """Text with its words, pair and article.

    Attributes:
        words: words as the tokenizer splits the text, lower case.
        pair, article: pair and article to which the text belongs.
    """

    kind: str
    text: str
    words: Sequence[str]
    pair: str
    article: str


def axes(inside: Float[np.ndarray, "n k"], most: int) -> list[tuple[str, Float[np.ndarray, " k"]]]:
    """Return the leading directions within Z: a title and a unit vector for each, orthogonal to each other.

    Directions along which texts differ only by rounding are left out. The first direction is left out if the means
    agree.

    Args:
        inside: coordinates in Z of the positive texts, then of as many negative texts, relative to the mean of all.
        most: largest number of directions.
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
    out += [
        (f"principal component {number} of the rest", _with_sign(axis, inside)) for number, axis in enumerate(kept, 1)
    ]
    return out[:most]


def _by_kind(inside: np.ndarray) -> np.ndarray:
    """Return the values with a first axis for the kind."""
    return inside.reshape(2, len(inside) // 2, *inside.shape[1:])


def _with_sign(axis: Float[np.ndarray, " k"], inside: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " k"]:
    """Return the axis with the sign by which positive texts lie above negative ones.

    In case of a tie, the text furthest out is above 0. If two texts are equally far out, the first text is above 0.
    """
    values = inside @ axis
    leans = _auc(*_by_kind(values)) - 0.5, (values.max() + values.min()) / values.std(), values[0]
    return axis if next((lean for lean in leans if abs(lean) > _TIE), 1) > 0 else -axis


def _auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the area under the ROC curve (AUC)."""
    return float(placement(positive, negative).mean())


def cross_fitted(inside: Float[np.ndarray, "n k"], articles: Sequence[str]) -> float:
    """Return the share of comparisons in which a positive text lies above a negative one, cross-fitted over articles.

    Texts are compared along the difference of the means of other articles' texts. Along the difference of their own
    means, positive texts would lie above negative texts even if nothing separated the kinds. This effect grows with the
    number of directions. Articles are divided into `FOLDS` parts, and texts are compared within each part.

    Args:
        inside: as for `axes`.
        articles: article of each pair.

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
            above += count * _auc(*(both[:, held] @ (positive - negative)))
            compared += count
    return above / compared if compared else math.nan


def leading(
    inside: Float[np.ndarray, "n k"], title: str, axis: Float[np.ndarray, " k"], texts: Sequence[Text]
) -> LeadingDirection:
    """Return the share of variance, the AUC and the ends of one of the directions from `axes`.

    Args:
        inside: coordinates of all texts, which vary along the axis.
    """
    values = inside @ axis
    share = float(np.square(values).sum() / np.square(inside).sum())
    if title == MEANS:
        auc = cross_fitted(inside, [text.article for text in texts[: len(texts) // 2]])
    else:
        auc = _auc(*_by_kind(values))
    values = values / values.std()
    words = word_differences(values, texts)
    return LeadingDirection(title, share, auc, *(_end(values, words, texts, sign) for sign in (1, -1)))


def _end(values: Float[np.ndarray, " n"], words: Sequence[EndWord], texts: Sequence[Text], sign: int) -> End:
    """Return the texts furthest out, at most one per article and without duplicates, and the words."""
    ends: list[EndText] = []
    seen: set[tuple[str, str]] = set()
    for row in np.argsort(-sign * values, kind="stable").tolist():
        text = texts[row]
        marks = {("article", text.article), ("text", text.text.casefold())}
        if sign * values[row] <= 0 or len(ends) == TEXTS:
            break
        if not marks & seen:
            ends.append(EndText(text.kind, text.text, float(values[row]), text.pair))
            seen |= marks
    out = sorted((-sign * word.difference, word.word, word) for word in words if sign * word.difference > 0)
    return End(tuple(ends), tuple(word for _, _, word in out[:WORDS]))


def word_differences(values: Float[np.ndarray, " n"], texts: Sequence[Text]) -> list[EndWord]:
    """Return for each word type the mean value of the texts that contain the word minus that of all other texts.

    Function words, numbers and signs are included. Words are left out if they occur in fewer than `LEAST_TEXTS` texts,
    in texts of fewer than `LEAST_ARTICLES` articles, or in every text.
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
