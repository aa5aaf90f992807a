"""Choice of the pairs that are also attributed from the second baseline. No torch.

The second baseline shows how much attributions depend on the first baseline. Attributions from the second baseline take
longer, so they are limited to half of the pairs.
"""

from __future__ import annotations

CHECKED = slice(None, None, 2)  # every other attributed pair


def checked_texts(pairs: int) -> list[int]:
    """Return the numbers of the checked pairs' texts among the texts of `pairs` pairs, positive texts first."""
    numbers = range(pairs)[CHECKED]
    return [*numbers, *(number + pairs for number in numbers)]
