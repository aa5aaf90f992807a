"""Tests of the preference by words alone, against explicit counts."""

from __future__ import annotations

import math

import pytest

from interp.evidence.words_alone import words_alone

TRAIN = ["a red circle", "a red star", "the wedding", "the star of hope"]


def test_it_is_the_share_of_pairs_whose_likelier_text_is_positive():
    counts = {"positive": {"a": 2, "red": 2, "circle": 1, "star": 1}, "negative": {"the": 2, "wedding": 1}}
    counts["negative"] |= {"star": 1, "of": 1, "hope": 1}
    words = {word for kind in counts.values() for word in kind}

    def odds(text: str) -> float:
        logs = {
            kind: sum(
                math.log((table.get(word, 0) + 1) / (sum(table.values()) + len(words)))
                for word in text.split()
                if word in words
            )
            for kind, table in counts.items()
        }
        return logs["positive"] - logs["negative"]

    test = ["a red wedding", "the red star", "unknown", "the hope", "a circle", "nothing here"]
    pairs = list(zip(test[:3], test[3:], strict=True))
    shares = [1.0 if odds(p) > odds(n) else 0.5 if odds(p) == odds(n) else 0.0 for p, n in pairs]
    assert shares == [1.0, 0.0, 0.5]
    assert words_alone(TRAIN, test, ["1", "2", "3"]).value == pytest.approx(sum(shares) / 3)
