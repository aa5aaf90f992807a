"""Which pairs are attributed from the second baseline too. No torch.

It is there to show what attributions owe to the first one, and takes longer than they do: half of the pairs must do.
"""

from __future__ import annotations

CHECKED = slice(None, None, 2)  # of the attributed pairs, every other one


def checked_texts(pairs: int) -> list[int]:
    """The numbers of their texts among those of so many pairs, of which the positive ones come first."""
    some = range(pairs)[CHECKED]
    return [*some, *(number + pairs for number in some)]
