"""Huge pages for large outputs (madvise), and torch's own OpenMP threads (GOMP_parallel)."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

_LARGE = 2**22
"""Outputs of at least so many bytes are freshly mapped by the allocator, with a page fault for each page."""
_PAGE, _ADVICE = 2**21, 14
"""The size of a huge page, and MADV_HUGEPAGE, on x86 and most other processors."""


def empty_like(x: Tensor) -> Tensor:
    """Return ``torch.empty_like(x)``, with large CPU outputs advised to use huge pages on Linux.

    Page faults, one for every 4 KiB, take half of the time of an operation that writes a large new tensor. The
    advice is for this memory only and ends with it.
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
    """Return ``GOMP_parallel`` of the OpenMP library that torch has loaded, or None if there is none.

    Run on torch's OpenMP pool, because a second pool would compete with its spinning threads. A library is taken
    for torch's if it has torch's number of threads.
    """
    if sys.platform != "linux":
        return None
    # Ask torch first: its first answer in a thread sets the number of OpenMP threads there.
    threads, library = torch.get_num_threads(), ctypes.CDLL(None)
    if not hasattr(library, "GOMP_parallel") or library.omp_get_max_threads() != threads:
        return None
    function = library.GOMP_parallel
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    function.restype = None
    return function
