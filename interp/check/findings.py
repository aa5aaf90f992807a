"""Findings of a check: an error, and the largest error that rounding explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from interp.cli import aligned
from interp.clip.tensors import Tensor

# Products within a block round too. In half precision their sums are kept in float32, and only results are rounded.
# On random and on trained towers errors were at most half of the tolerance; in bfloat16 _COARSEST is the tolerance.
SLACK, _HALF_SLACK = 32.0, 8.0
_COARSEST = 0.1  # relative to the length of the compared vector: a larger tolerance would let anything pass


@dataclass(frozen=True)
class Finding:
    """Result of one comparison.

    Attributes:
        what: name of the comparison.
        error: largest error.
        tolerance: largest error that passes.
        least: True if the error is a change that must be there: it must be larger than the tolerance.
        note: reason why the error could not be computed; else empty.
    """

    what: str
    error: float
    tolerance: float
    least: bool = False
    note: str = ""

    @property
    def ok(self) -> bool:
        """True if the comparison passes; NaN never passes."""
        return self.error > self.tolerance if self.least else self.error <= self.tolerance

    @property
    def complaint(self) -> str:
        """Description of the fault and its size."""
        if self.note:
            return f"{self.what}: {self.note}"
        return f"{self.what}: {self.error:.2g}, allowed {'above' if self.least else 'up to'} {self.tolerance:.2g}"


def tolerance(dtype: torch.dtype, depth: int, *, passes: int = 1, condition: float = 1.0) -> float:
    """Return the distance that rounding can cause between two computations of one vector, relative to its length.

    Each block adds to the stream twice, and each sum is off by up to eps/2. These errors are independent and of either
    sign, so over n sums they grow with the square root of n. Two computations of the same vector have 2 x 2 x depth
    sums.

    Args:
        dtype: dtype of the arithmetic.
        depth: depth of the tower, in blocks.
        passes: 2 for gradients, which pass each block forward and backward.
        condition: factor by which the compared quantity enlarges an error of the stream.
    """
    sums, slack = 2 * 2 * depth * passes, _HALF_SLACK if dtype.itemsize < 4 else SLACK
    return min(_COARSEST, slack * condition * torch.finfo(dtype).eps / 2 * math.sqrt(sums))


def with_basis(dtype: torch.dtype) -> torch.dtype:
    """Return the coarser of a dtype and float32, in which subspaces are kept."""
    return max(dtype, torch.float32, key=lambda candidate: torch.finfo(candidate).eps)


def distance(computed: Tensor, expected: Tensor) -> float:
    """Return the largest distance of two rows, relative to the expected row's length; infinite if any value is NaN."""
    computed, expected = (part.detach().to("cpu", torch.float64) for part in (computed, expected))
    apart = (computed - expected).norm(dim=-1) / expected.norm(dim=-1)
    return float(apart.nan_to_num(nan=math.inf).max())


def table(findings: Sequence[Finding]) -> str:
    """Return the findings in plain text, one per line."""
    head = ["what", "largest error", "tolerance", ""]
    rows = [
        [
            f"{finding.what}, at least" if finding.least else finding.what,
            "-" if finding.note else f"{finding.error:.1e}",
            f"{'>' if finding.least else ''}{finding.tolerance:.1e}",
            "ok" if finding.ok else "FAILED",
        ]
        for finding in findings
    ]
    return "\n".join(aligned([head, *rows], left=1))
