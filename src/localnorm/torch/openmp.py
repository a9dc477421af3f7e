"""Torch's own threads: others would fight them for the cores, as they keep spinning after each operation."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

import torch


@cache
def parallel() -> Callable[[int, int, int, int], object] | None:
    """Return ``GOMP_parallel`` of the OpenMP library that torch has loaded, or None where there is none.

    A library counts as torch's if it has torch's number of threads.
    """
    if sys.platform != "linux":
        return None
    # Torch is asked first: at the first question in a thread it tells OpenMP what it wants there.
    threads, library = torch.get_num_threads(), ctypes.CDLL(None)
    if not hasattr(library, "GOMP_parallel") or library.omp_get_max_threads() != threads:
        return None
    function = library.GOMP_parallel
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    function.restype = None
    return function
