"""Import a kernel at its first use, or warn once and return None if it can't be used here."""

from __future__ import annotations

import os
import warnings
from functools import cache
from types import ModuleType

_GPU = "LOCALNORM_GPU"
"""Set to 1, it enables the GPU kernel; set to 0, it disables it without a warning."""


@cache
def cpu_kernel() -> ModuleType | None:
    """Return `localnorm.kernels.cpu`, imported at the first call, or None.

    Warns:
        RuntimeWarning: the native library is missing or can't be loaded; array operations compute instead, slower
            and as exact.
    """
    try:
        from localnorm.kernels import cpu
    except ImportError as problem:
        warnings.warn(
            f"localnorm's native library can't be loaded here ({problem}); slower array operations take its "
            "place. Install a wheel of localnorm for this platform, or a C++ compiler, and reinstall localnorm.",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
    return cpu


@cache
def gpu_kernel() -> ModuleType | None:
    """Return `localnorm.kernels.gpu.launch` if LOCALNORM_GPU=1 enables it, else None.

    The kernel is experimental: it has never run on a GPU. By default torch operations in float64 compute instead.

    Warns:
        RuntimeWarning: LOCALNORM_GPU is not set, or it is 1 and Triton can't be imported.
    """
    setting = os.environ.get(_GPU, "")
    if setting == "0":
        return None
    if setting != "1":
        warnings.warn(
            "CUDA tensors are normalized by torch operations in float64, exact but slower than a kernel. "
            "localnorm's Triton kernel is experimental and has never run on a GPU; set the environment variable "
            f"{_GPU}=1 to use it, or {_GPU}=0 to silence this warning.",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
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
