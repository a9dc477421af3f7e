"""The compiled CPU kernel by itself: a pass over NumPy arrays, and its parts as loops over arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from localnorm import LRNSpec
from localnorm.kernels import cpu
from localnorm.kernels.cpu.intrinsics import pointer, read, write
from localnorm.kernels.layout import Layout, layout
from localnorm.kernels.plan import Plan, plan


def strides(a: np.ndarray) -> tuple[int, ...]:
    """Return the strides in elements."""
    return tuple(stride // a.itemsize for stride in a.strides)


def run_kernel(
    name: str, arrays: tuple[np.ndarray, ...], spec: LRNSpec, axis: int = 1, *, threads: int = 2, **options: Any
) -> cpu.Done:
    """Run a pass over x, the output and, for "backward", the gradient of the output."""
    x = arrays[0]
    constants = cpu.of_spec(spec, min(spec.size, x.shape[axis]), x.dtype.name)
    memory = tuple(cpu.Memory(a.ctypes.data, strides(a)) for a in arrays)
    window = (spec.lo, spec.hi)
    return cpu.run_pass(name, x.shape, axis, x.dtype.name, window, memory, constants, threads, **options)


def cut(x: np.ndarray, axis: int = 1, lo: int = 2, hi: int = 2, *, threads: int = 2) -> tuple[Layout, Plan]:
    """Return the layout and the plan of a pass from x to an array in the same order of memory."""
    found = layout(x.shape, axis, strides(x), strides(np.empty_like(x)))
    most = found.channels - 1
    return found, plan(found, min(lo, most), min(hi, most), threads)


def seen(a: np.ndarray, found: Layout, array: int = 0) -> np.ndarray:
    """Return an array in the shape of its layout, ``(*outer, channels, positions)``."""
    steps = (*found.outer_steps[array], found.channel_steps[array], found.position_steps[array])
    extents = (*found.outer, found.channels, found.positions)
    return np.lib.stride_tricks.as_strided(a, extents, [step * a.itemsize for step in steps])


def over(function: Any, *others: Any) -> Callable[[np.ndarray, np.generic], np.ndarray]:
    """Return a compiled loop that calls a part of the kernel with each element of an array, and the others."""

    @njit
    def loop(source, target, count, like, kind):
        for i in range(count):
            write(pointer(target, kind), i, function(read(pointer(source, like), i), *others))

    def apply(x: np.ndarray, kind: np.generic) -> np.ndarray:
        found = np.zeros(x.shape, kind.dtype)
        loop(x.ctypes.data, found.ctypes.data, x.size, x.dtype.type(0), kind)
        return found

    return apply
