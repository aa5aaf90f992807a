"""Attributions: a number for each token of each text and route, with tables, plots and HTML. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np

from interp.drawing.markup import direction, escape, plural, shaded, signed
from interp.measures import Route

if TYPE_CHECKING:
    import pandas as pd
    from captum.attr._utils.visualization import VisualizationDataRecord

    from interp.drawing.pictures import Picture

ROUTES: tuple[Route, ...] = get_args(Route)
SHOWN = 8  # texts that a notebook shows
TOLERANCE = 0.01  # largest relative error of a text's sum of attributions that sweeps and evaluations accept
# Least denominator of a relative error of a difference of scores. A text whose score hardly differs from its baseline's
# score would need arbitrarily many points. Typical differences of a cosine are 0.1 to 0.5.
LEAST_DIFFERENCE = 0.05


def relative_delta(full: np.ndarray, score: np.ndarray, baseline_score: np.ndarray) -> np.ndarray:
    """Return |sum of a text's attributions - difference of scores| / max(|difference|, `LEAST_DIFFERENCE`).

    Args:
        full: attributions by every path, shape (n, t).
        score, baseline_score: scores of the n texts and of their baselines.

    Returns:
        Relative error of each text, shape (n,).
    """
    difference = score - baseline_score
    return np.abs(full.sum(1) - difference) / np.maximum(np.abs(difference), LEAST_DIFFERENCE)


@dataclass(frozen=True, repr=False)
class Attributions:
    """Contribution of each token of each text to its score, by route.

    Attributes:
        words: words of each text, in order, in lower case.
        word_of: token -> number of its word in the text, -1 for BOS, EOT and padding; shape (n, t).
        tokens: route -> attributions, float64, shape (n, t). They are zero for padding and, from the default baseline,
            for BOS and EOT.
        score, baseline_score: scores of each text and of its baseline.
        points: number of points of each text's path integral, shape (n,).
    """

    words: tuple[tuple[str, ...], ...]
    word_of: np.ndarray
    tokens: Mapping[Route, np.ndarray]
    score: np.ndarray
    baseline_score: np.ndarray
    points: np.ndarray

    def __len__(self) -> int:
        return len(self.words)

    def take(self, texts: Sequence[int]) -> Attributions:
        """Return the attributions of the given texts, in the order given."""
        rows = list(texts)
        tokens = {route: values[rows] for route, values in self.tokens.items()}
        words, numbers = tuple(self.words[row] for row in rows), (self.score, self.baseline_score, self.points)
        return Attributions(words, self.word_of[rows], tokens, *(each[rows] for each in numbers))

    def __repr__(self) -> str:
        counts = f"{plural(len(self), 'text')}, {plural(sum(map(len, self.words)), 'word')}"
        return f"Attributions({counts}, routes {', '.join(self.tokens)})"

    def by_word(self, route: Route) -> list[np.ndarray]:
        """Return attributions summed over the tokens of each word: one array per text, with one value per word."""
        out = []
        for words, owners, values in zip(self.words, self.word_of, self.tokens[route], strict=True):
            inside = owners >= 0
            out.append(np.bincount(owners[inside], values[inside], minlength=len(words)))
        return out

    def by_occurrence(self, route: Route) -> np.ndarray:
        """Return `by_word` of all texts in one array, ordered by text."""
        return np.concatenate([np.zeros(0), *self.by_word(route)])

    def by_type(self, route: Route) -> dict[str, tuple[float, int]]:
        """Return word type -> mean attribution over all its occurrences, and their number; sorted by word."""
        seen: dict[str, list[float]] = {}
        for words, values in zip(self.words, self.by_word(route), strict=True):
            for word, value in zip(words, values, strict=True):
                seen.setdefault(word, []).append(float(value))
        return {word: (float(np.mean(values)), len(values)) for word, values in sorted(seen.items())}

    @property
    def delta(self) -> np.ndarray:
        """Convergence error: sum of the full attributions minus (score - baseline score), per text.

        Raises:
            KeyError: neither `full` nor all three other routes were computed.
        """
        return self._whole.sum(1) - (self.score - self.baseline_score)

    @property
    def relative_delta(self) -> np.ndarray:
        """Absolute `delta` over the larger of the absolute difference of scores and `LEAST_DIFFERENCE`, per text.

        Raises:
            KeyError: see `delta`.
        """
        return relative_delta(self._whole, self.score, self.baseline_score)

    @property
    def _whole(self) -> np.ndarray:
        routes: tuple[Route, ...] = ("full",) if "full" in self.tokens else ("through", "around", "bypass")
        return np.sum([self.tokens[route] for route in routes], axis=0)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each word of each text: `text`, `place`, `word`, and a column for each route."""
        import pandas as pd

        table: dict[str, list[object]] = {"text": [], "place": [], "word": []}
        for text, words in enumerate(self.words):
            table["text"] += [text] * len(words)
            table["place"] += range(len(words))
            table["word"] += words
        frame = pd.DataFrame(table)
        for route in self.tokens:
            frame[route] = self.by_occurrence(route)
        return frame

    def to_captum(self, route: Route) -> list[VisualizationDataRecord]:
        """Return the words of each text for captum's `visualize_text`, coloured relative to the largest attribution.

        The columns for labels hold the number of the text, its score, and the route with the sum of its attributions.
        Markup in a text is escaped, which captum does not do.

        Raises:
            KeyError: the route was not computed.
        """
        from interp.attribution.as_captum import records

        complete = "full" in self.tokens or len(self.tokens) == len(ROUTES)
        delta = self.delta if complete else np.full(len(self), np.nan)
        return records(route, self.words, self.by_word(route), self.score, delta)

    def plot(self, text: int = 0) -> Picture:
        """Draw the words of a text on colours by sign and size, with values below the words and a block for each route.

        Args:
            text: number of the text.

        Raises:
            IndexError: there is no such text.
        """
        from interp.drawing.pictures import Block, Picture, draw_words, points, value_text, words_height

        words, size, left, width = self.words[text], 9.0, 48.0, 400.0
        rows = {route: self.by_word(route)[text].tolist() for route in self.tokens}
        reach = max((abs(value) for values in rows.values() for value in values), default=0.0)
        tops, top = {}, 20.0
        for route, values in rows.items():
            tops[route] = top
            top += words_height(words, values, Block(left, top, width, size)) + 6
        picture = Picture((left + width + 8) / 72, top / 72)
        axes = points(picture)
        title = f"score {self.score[text]:+.3f}, baseline {self.baseline_score[text]:+.3f}"
        axes.text(4, 12, title, fontsize=size)
        lines = []
        for route, values in rows.items():
            axes.text(4, tops[route] + 0.95 * size, route, fontsize=size)
            draw_words(axes, words, values, reach, Block(left, tops[route], width, size))
            pairs = zip(words, values, strict=True)
            lines.append(f"{route}: " + ", ".join(f"{word} {value_text(value)}" for word, value in pairs))
        picture.alt = f"Contribution of each word to the score. {title}. {'. '.join(lines)}."
        return picture

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: words on colours by sign and size, with their values, in a line for each route."""
        by_word = {route: self.by_word(route)[:SHOWN] for route in self.tokens}
        reach = max(
            (float(np.abs(values).max(initial=0.0)) for each in by_word.values() for values in each), default=0.0
        )
        parts = []
        for number, words in enumerate(self.words[:SHOWN]):
            look = f'style="text-align:start" dir="{direction(words)}"'
            rows = "".join(
                f'<tr><th scope="row" style="text-align:left">{route}</th>'
                f"<td {look}>{shaded(words, each[number].tolist(), reach)}</td></tr>"
                for route, each in by_word.items()
            )
            title = f"text {number}: score {signed(self.score[number])}, baseline {signed(self.baseline_score[number])}"
            parts.append(
                f'<table><caption style="text-align:left">{escape(title)}</caption><tbody>{rows}</tbody></table>'
            )
        more = len(self) - len(parts)
        return "".join(parts) + (f"<p>and {more} more texts: see to_frame()</p>" if more > 0 else "")
