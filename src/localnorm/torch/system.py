"""Fresh memory for large results, in pages as large as the system has."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

_LARGE = 2**22
"""Bytes from which on a result is memory that the allocator has just mapped, and every page of it a fault."""
_PAGE, _ADVICE = 2**21, 14
"""The size of a large page, and MADV_HUGEPAGE, on x86 and on most others."""


def empty_like(x: Tensor) -> Tensor:
    """Return what ``torch.empty_like`` does; a large result on a CPU in large pages, where Linux has them.

    Half of the time of an operation on a large fresh tensor goes by while the system hands out its pages, 4 KiB at
    a time. The advice concerns this memory alone and ends with it.
    """
    out = torch.empty_like(x)
    size = out.numel() * out.element_size()
    if size >= _LARGE and out.device.type == "cpu" and (advise := _madvise()) is not None:
        start = -(-out.data_ptr() // _PAGE) * _PAGE
        end = (out.data_ptr() + size) // _PAGE * _PAGE
        if end > start:
            advise(start, end - start, _ADVICE)
    return out


@cache
def _madvise() -> Callable[[int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    advise = ctypes.CDLL(None).madvise
    advise.argtypes, advise.restype = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int), ctypes.c_int
    return advise


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
