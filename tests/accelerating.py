"""Reset of accelerate between fine-tunings in one process, which only tests need."""

from __future__ import annotations

import sys


def forget_precision() -> None:
    """Reset accelerate, which keeps the first precision, device and trackers of a process."""
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state(True)
