"""Running the native library on several threads: those of a framework, or a pool of our own.

Each thread takes tiles until there are none, so it does not matter how many come.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache

_IMPORTED_BY = os.getpid()


def default_threads() -> int:
    """Return how many threads to use where no framework says it: OMP_NUM_THREADS, or one for each core."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdecimal() and int(asked):
        return int(asked)
    return _cores()


@cache
def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Parallel = Callable[[int, int, int], object]
"""Calls the C function at an address with an argument, on so many threads at once; returns when all are done."""


def run(function: int, argument: int, threads: int, parallel: Parallel | None = None) -> None:
    """Call the C function at an address with an argument, on so many threads at once; return when all are done.

    In a process that was forked off one is used: the threads of the parent are not there, and OpenMP waits for
    them for ever.
    """
    if threads == 1 or os.getpid() != _IMPORTED_BY:
        _function(function)(argument)
        return
    if parallel is not None:
        parallel(function, argument, threads)
        return
    call = _function(function)
    others: list[Future[object]] = []
    with suppress(RuntimeError):  # The interpreter is shutting down.
        others.extend(_pool().submit(call, argument) for _ in range(threads - 1))
    call(argument)
    wait(others)


@cache
def _function(address: int) -> Callable[[int], object]:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(default_threads(), 2), thread_name_prefix="localnorm")
