"""Rules of path integrals: points and weights on [0, 1]."""

from __future__ import annotations

import numpy as np
import torch

from interp.clip.tensors import Float, Tensor

_RIEMANN = ("left", "right", "middle", "trapezoid")


def path_rule(n_steps: int, method: str) -> tuple[Float[Tensor, " steps"], Float[Tensor, " steps"]]:
    """Return points and weights of the integral over [0, 1], float64, equal to those of captum's rule of the same name.

    Raises:
        ValueError: the rule is unknown.
    """
    kind = method.removeprefix("riemann_")
    if method == "gausslegendre":
        points, weights = np.polynomial.legendre.leggauss(n_steps)
        return torch.from_numpy(0.5 * (1 + points)), torch.from_numpy(0.5 * weights)
    if kind == method or kind not in _RIEMANN:
        names = ", ".join(f"riemann_{name}" for name in _RIEMANN)
        raise ValueError(f"unknown rule '{method}'; known: gausslegendre, {names}")
    step = 1 / n_steps
    first, last = {
        "left": (0.0, 1 - step),
        "right": (step, 1.0),
        "middle": (step / 2, 1 - step / 2),
        "trapezoid": (0.0, 1.0),
    }[kind]
    riemann_weights = torch.full((n_steps,), step, dtype=torch.float64)
    if kind == "trapezoid":  # as in captum, the ends have half the weight, and all weights add up to 1 - 1 / n
        riemann_weights[[0, -1]] /= 2
    return torch.linspace(first, last, n_steps, dtype=torch.float64), riemann_weights
