"""A batch that several processes share: what each of them computes is there for all, with its gradient.

The loss of a batch is the mean of what the processes say, as their gradients are averaged. What was `joined` may go
into the losses of all of them: its gradient is summed over these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import distributed

from interp.clip.tensors import Int, Tensor
from interp.subspaces.trainable_run import TrainableRun


@dataclass(frozen=True, eq=False)
class Share:
    """The pairs of a batch that this process computes.

    Attributes:
        pairs: their places in the batch, shape (m,).
        n: pairs of the batch.
        processes: how many share it; a single one has all of it.
    """

    pairs: Int[Tensor, " m"]
    n: int
    processes: int

    @classmethod
    def of(cls, n: int, processes: int, index: int) -> Share:
        """That of one process; no two differ by more than one pair."""
        return cls(torch.arange(n).tensor_split(processes)[index], n, processes)

    @property
    def texts(self) -> Int[Tensor, " k"]:
        """Places of their texts among all 2 n of the batch, of which those of one kind come first."""
        return torch.cat([self.pairs, self.pairs + self.n])

    @property
    def weight(self) -> float:
        """Of the mean over these pairs in the mean of what all processes say."""
        return len(self.pairs) * self.processes / self.n

    def joined(self, own: Tensor) -> Tensor:
        """Rows for all texts or pairs of the batch, from those of this process; every process must call this."""
        return own if self.processes == 1 else _Sum.apply(self.placed(own))

    def placed(self, own: Tensor) -> Tensor:
        """The same, but rows of other processes are 0."""
        if self.processes == 1:
            return own
        places = self.pairs if len(own) == len(self.pairs) else self.texts
        total = self.n * (len(own) // len(self.pairs))
        return own.new_zeros(total, *own.shape[1:]).index_copy(0, places.to(own.device), own)

    def spread(self, run: TrainableRun) -> TrainableRun:
        """The run of all texts of the batch: any can lend its stream, but only those of this process can be pushed."""
        if self.processes == 1:
            return run
        return replace(
            run,
            embeddings=self.placed(run.embeddings),
            streams=self.joined(run.streams),
            rest=None if run.rest is None else self.placed(run.rest),
            places=self.placed(run.places),
            eot=self.placed(run.eot),
            rows=torch.arange(2 * self.n, device=run.rows.device),
        )


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(_ctx: Any, value: Tensor) -> Tensor:
        return _summed(value)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _summed(value: Tensor) -> Tensor:
    out = value.contiguous().clone()
    distributed.all_reduce(out)
    return out
