"""Checks of device and dtype, made before anything is read."""

from __future__ import annotations

import re

import torch

from interp.clip.errors import ModelError

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def check_device(device: str) -> None:
    """Raise `ModelError` unless a device of this name exists: cpu, cuda, cuda:N or mps."""
    match = re.fullmatch(r"(cpu|mps|cuda(?::(\d{1,4}))?)", device)
    if match is None:
        raise ModelError(f"unknown device '{device[:80]}'; known: cpu, cuda, cuda:1 (a GPU by its number), mps")
    if device == "mps" and not torch.backends.mps.is_available():
        raise ModelError("cannot use the device 'mps': this machine has none; choose cpu")
    if device.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise ModelError(f"cannot use the device '{device}': no GPU is visible; choose cpu")
        if int(match[2] or 0) >= count:
            raise ModelError(f"cannot use the device '{device}': the last GPU is cuda:{count - 1}")


def check_dtype(dtype: torch.dtype) -> None:
    """Raise `ModelError` unless models can be computed in a dtype."""
    if dtype not in DTYPES:
        names = ", ".join(map(_name, DTYPES))
        raise ModelError(f"cannot load a model in {_name(dtype)}; known: {names}")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
