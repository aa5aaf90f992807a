"""Causal interpretability for CLIP: rotations, interchange interventions, mediated attributions, sweeps.

`__init__.pyi` lists the public names. Importing this package is cheap: each name is loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
