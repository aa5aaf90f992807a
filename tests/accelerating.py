"""Fine-tunings one after the other in one process, as only tests have them."""

from __future__ import annotations

import sys


def forget_precision() -> None:
    """Reset accelerate, which keeps the precision, the device and the trackers that a process first asked for."""
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state(True)
