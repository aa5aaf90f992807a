"""Batches that several processes share: the results of each process are available to all, with their gradients.

The loss of a batch is the mean of the processes' losses, since their gradients are averaged. The result of `joined` may
enter the losses of all processes; its gradient is the sum over these losses.
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
    """Pairs of a batch that this process computes.

    Attributes:
        pairs: places of the pairs in the batch, shape (m,).
        n: number of pairs in the batch.
        processes: number of processes that share the batch; a single process has all pairs.
    """

    pairs: Int[Tensor, " m"]
    n: int
    processes: int

    @classmethod
    def of(cls, n: int, processes: int, index: int) -> Share:
        """Return the share of one process; two shares differ by at most one pair."""
        return cls(torch.arange(n).tensor_split(processes)[index], n, processes)

    @property
    def texts(self) -> Int[Tensor, " k"]:
        """Places of these pairs' texts among all 2 n texts of the batch, in which the texts of one kind come first."""
        return torch.cat([self.pairs, self.pairs + self.n])

    @property
    def weight(self) -> float:
        """Weight of this process's mean loss in the average over processes."""
        return len(self.pairs) * self.processes / self.n

    def joined(self, rows: Tensor) -> Tensor:
        """Return rows for all texts or pairs of the batch, given this process's rows; all processes must call this."""
        return rows if self.processes == 1 else _Sum.apply(self.placed(rows))

    def placed(self, rows: Tensor) -> Tensor:
        """Return rows for all texts or pairs of the batch, with 0 for rows of other processes."""
        if self.processes == 1:
            return rows
        places = self.pairs if len(rows) == len(self.pairs) else self.texts
        total = self.n * (len(rows) // len(self.pairs))
        return rows.new_zeros(total, *rows.shape[1:]).index_copy(0, places.to(rows.device), rows)

    def spread(self, run: TrainableRun) -> TrainableRun:
        """Return the run of all texts of the batch.

        Streams of all texts are available, but only texts of this process can be pushed.
        """
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
    """Sum over all processes, whose gradient is the sum of the gradients of all processes."""

    @staticmethod
    def forward(_ctx: Any, value: Tensor) -> Tensor:
        return _sum_over_processes(value)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        return _sum_over_processes(gradients[0])


def _sum_over_processes(value: Tensor) -> Tensor:
    out = value.contiguous().clone()
    distributed.all_reduce(out)
    return out
