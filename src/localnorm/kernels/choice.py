"""Which kernels can be used here at all; said once where one can't."""

from __future__ import annotations

import warnings
from functools import cache
from types import ModuleType


@cache
def cpu_kernel() -> ModuleType | None:
    """Return `localnorm.kernels.cpu`, imported at the first call, or None.

    Warns:
        RuntimeWarning: the native library is not there or can't be loaded; array operations then take its place,
            slower and as exact.
    """
    try:
        from localnorm.kernels import cpu
    except ImportError as problem:
        warnings.warn(
            f"localnorm's native library can't be loaded here ({problem}); slower array operations take its place. "
            "Install a wheel of localnorm for this platform, or a C++ compiler and then localnorm anew.",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
    return cpu


@cache
def gpu_kernel() -> ModuleType | None:
    """Return `localnorm.kernels.gpu.launch`, imported when the first CUDA tensor is met, or None.

    Warns:
        RuntimeWarning: Triton can't be imported; torch operations in float64 then take its place.
    """
    try:
        from localnorm.kernels.gpu import launch
    except ImportError as problem:
        warnings.warn(
            f"localnorm's GPU kernel needs Triton, which can't be imported here ({problem}); slower operations "
            "take its place on CUDA tensors. Install it with: pip install 'localnorm[gpu]'.",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
    return launch
