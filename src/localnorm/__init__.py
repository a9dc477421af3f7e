"""Local response normalization (LRN), exact, in every framework.

``import localnorm`` loads NumPy at most. Each framework has its own door
(``localnorm.torch``), and ``localnorm.lab`` measures normalization layers.
"""

from __future__ import annotations

from localnorm.errors import LocalnormError
from localnorm.spec import LRNSpec

__all__ = ["LRNSpec", "LocalnormError", "__version__"]

__version__ = "0.1.0"
