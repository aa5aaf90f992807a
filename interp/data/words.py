"""Words of a text, its content words, and their frequency and concreteness. No torch."""

from __future__ import annotations

import math
import re
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.data.norms import Norm

TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d[\w.,]*|\w+")  # a word, a number, or a mixture of both
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # invalid in a text: NUL, and half of a surrogate pair
FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a an the this that these those some any each every all both no not nor and or but if then than so as at by
    for from in into of off on onto out over under up down to toward towards through with within without about
    above across after against along among around before behind below beneath beside between beyond during
    except inside near next outside since until upon via per while when where which who whom whose what how
    why because although though is are was were be been being am do does did done doing have has had having
    can could may might must shall should will would it its he him his she her hers they them their theirs we
    us our ours you your yours i me my mine myself himself herself itself themselves there here other another
    such own same too very more most much many few several only also just again once ever even still yet
    """,
    )
)


def is_content(word: str) -> bool:
    """Return whether a lower-case word is neither a function word nor begins with a digit or a sign; names are content.

    >>> [is_content(word) for word in ("harbour", "the", "3", ".")]
    [True, False, False, False]
    """
    return word[0].isalpha() and word not in FUNCTION_WORDS


def concreteness(text: str, norm: Norm) -> float:
    """Return the mean rating of the content words of a text; NaN if no word is rated.

    Args:
        norm: ratings of concreteness, or another norm.
    """
    ratings = norm.of(sorted(word for word in TOKEN.findall(text.lower()) if is_content(word)))
    rated = [rating for rating in ratings.tolist() if not math.isnan(rating)]
    return fmean(rated) if rated else math.nan


def log_frequency(word: str) -> float:
    """Return the frequency of a word in English, on the Zipf scale (van Heuven et al. 2014).

    The Zipf scale is the decimal logarithm of the uses in a billion words, here from wordfreq (Speer 2022).

    A word that wordfreq does not know gets 0, as if it were used once in a billion words. Known words begin at 1.
    Unknown words are signs, rare names, misspellings, and a tenth of the words that Brysbaert's norms rate, such as
    "abandoner". Among the toy world's words, the made-up names are unknown, and no norm rates these names.

    >>> log_frequency("the") > log_frequency("harbour") > log_frequency("brididek") == 0
    True
    """
    from wordfreq import zipf_frequency  # slow to import

    return float(zipf_frequency(word, "en"))
