"""Local response normalization (LRN), exact, in every framework.

``import localnorm`` loads NumPy at most. Each framework has its own API: ``localnorm.torch``, ``localnorm.keras``
and ``localnorm.jax``; `local_response_norm` is for NumPy. ``localnorm.lab`` measures normalization layers.
"""

from __future__ import annotations

from localnorm import reference
from localnorm.errors import LocalnormError
from localnorm.numpy import local_response_norm
from localnorm.spec import LRNSpec

__all__ = ["LRNSpec", "LocalnormError", "__version__", "local_response_norm", "reference"]

__version__ = "0.1.0"
