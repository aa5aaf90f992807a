"""An arbitrary label: the same search for a distinction that the score has no reason to depend on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from interp.subspaces.pairs import PairRun


def alphabetical_halves(pairs: PairRun, texts: Sequence[str]) -> PairRun:
    """The negative texts alone, labelled by the alphabet: those that come first are called positive, the others
    negative.

    What a text begins with can be read from the stream, and every text keeps its own image, but no half fits its images
    better than the other. A search that succeeds here too says that any label can be made to steer the score.

    Args:
        texts: the negative texts of the pairs, in their order.

    Returns:
        n / 2 pseudo-pairs of texts of different images, in a random order; of an odd number the one in the middle is
        left out. Their group is that of the positive text alone, since a pair has one: so a source may be of the base's
        own article where one of the two is a second text, and intervals do not heed the articles of these. To take
        together all pairs that share an article would leave hardly more than one group, for each pair links two.
    """
    n, order = len(pairs), sorted(range(len(texts)), key=lambda i: (texts[i].casefold(), i))
    half = n // 2
    first, second = torch.tensor(order[:half]), torch.tensor(order[n - half :])
    shuffled = torch.randperm(half, generator=torch.Generator().manual_seed(0))
    first, second = first[shuffled], second[shuffled.flip(0)]
    groups = tuple(pairs.clusters[i] for i in first.tolist())
    run = pairs.run.take(torch.cat([first + n, second + n]))
    return PairRun(run, pairs.targets[first + n], pairs.logit_scale, groups, pairs.targets[second + n])
