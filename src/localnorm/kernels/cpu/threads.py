"""Running a compiled pass on several threads.

Behind the torch door these are torch's own, by way of the OpenMP library that torch has loaded: threads of ours
would fight for the cores with those of torch, which keep spinning for a while after each operation. Elsewhere they
are threads of a pool. A pass takes tiles until there are none, so it does not matter how many threads come.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

_IMPORTED_BY = os.getpid()


def own_threads() -> int:
    """Return how many threads to use where no framework says it: OMP_NUM_THREADS, or one for each core."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdecimal() and int(asked):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(address: int, block: int, threads: int, *, with_torch: bool) -> None:
    """Call the C function at an address with a block, on so many threads at once; return when all are done.

    In a process that was forked off one is used: the threads of the parent are not there, and OpenMP waits for
    them for ever.
    """
    if threads == 1 or os.getpid() != _IMPORTED_BY:
        _function(address)(block)
        return
    parallel = torch_parallel() if with_torch else None
    if parallel is not None:
        parallel(address, block, threads, 0)
        return
    function = _function(address)
    try:
        others = [_pool().submit(function, block) for _ in range(threads - 1)]
    except RuntimeError:  # The interpreter is shutting down.
        others = []
    function(block)
    wait(others)


@cache
def _function(address: int) -> Callable[[int], object]:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(own_threads(), 2), thread_name_prefix="localnorm")


@cache
def torch_parallel() -> Callable[[int, int, int, int], None] | None:
    """Return OpenMP's entry for a parallel region, in the library that torch computes with, or None.

    The library counts as torch's if it has torch's number of threads.
    """
    if sys.platform != "linux":
        return None
    import torch

    library = ctypes.CDLL(None)
    if not hasattr(library, "GOMP_parallel") or library.omp_get_max_threads() != torch.get_num_threads():
        return None
    parallel = library.GOMP_parallel
    parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    parallel.restype = None
    return parallel
