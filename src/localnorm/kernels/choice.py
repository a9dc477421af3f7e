"""Whether the compiled CPU kernel can be used here at all; said once where it can't."""

from __future__ import annotations

import warnings
from functools import cache
from types import ModuleType


@cache
def cpu_kernel() -> ModuleType | None:
    """Return `localnorm.kernels.cpu`, imported at the first call since Numba takes half a second, or None.

    Warns:
        RuntimeWarning: Numba can't be imported; the doors then compute in plain operations, slower and as exact.
    """
    try:
        from localnorm.kernels import cpu
    except ImportError as problem:
        warnings.warn(
            f"localnorm's CPU kernel needs Numba, which can't be imported here ({problem}); slower operations "
            "take its place. Install it with: pip install numba.",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
    return cpu
