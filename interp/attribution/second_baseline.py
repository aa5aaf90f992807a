"""Choice of the pairs that are also attributed from the second baseline. No torch.

The second baseline shows how much attributions depend on the first. It takes longer than the first, so half of the
pairs must suffice.
"""

from __future__ import annotations

CHECKED = slice(None, None, 2)  # every other attributed pair


def checked_texts(pairs: int) -> list[int]:
    """Return the numbers of the checked pairs' texts among the texts of `pairs` pairs, positive texts first."""
    some = range(pairs)[CHECKED]
    return [*some, *(number + pairs for number in some)]
