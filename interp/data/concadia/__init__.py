"""Concadia (Kreiss et al. 2022). `python -m interp.data.concadia check FOLDER` checks a copy of it."""

from interp.data.concadia.reading import load_concadia

__all__ = ["load_concadia"]
