"""Arbitrary label for a control: the search is repeated for a distinction that should not matter for the score."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from interp.subspaces.pairs import PairRun


def alphabetical_halves(pairs: PairRun, texts: Sequence[str]) -> PairRun:
    """Return pseudo-pairs of negative texts labelled by the alphabet: the first half is positive, the second negative.

    The beginning of a text can be read from the stream, and every text keeps its own image. But neither half fits its
    images better than the other half. If a search succeeds here too, an arbitrary label can be made to steer the score.

    Args:
        pairs: pairs whose negative texts are used.
        texts: negative texts of the pairs, in the order of the pairs.

    Returns:
        n // 2 pseudo-pairs of texts of different images, in a random order. If n is odd, the middle text is left out.
        The group of a pseudo-pair is the group of its positive text alone, since a pair has only one group. A source
        may therefore come from the base's own article if one of the two texts is the negative text of its pseudo-pair.
        Intervals ignore the articles of negative texts. Merging all pseudo-pairs that share an article would leave
        hardly more than one group, since each pseudo-pair links two articles.
    """
    n, order = len(pairs), sorted(range(len(texts)), key=lambda i: (texts[i].casefold(), i))
    half = n // 2
    first, second = torch.tensor(order[:half]), torch.tensor(order[n - half :])
    shuffled = torch.randperm(half, generator=torch.Generator().manual_seed(0))
    first, second = first[shuffled], second[shuffled.flip(0)]
    groups = tuple(pairs.clusters[i] for i in first.tolist())
    run = pairs.run.take(torch.cat([first + n, second + n]))
    return PairRun(run, pairs.targets[first + n], pairs.logit_scale, groups, pairs.targets[second + n])
