"""The CPU kernel by itself: passes over NumPy arrays, as a conformance API, and in every instruction set."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from conformance import DTYPES, Api, Array
from localnorm import LRNSpec
from localnorm.axes import window_axes
from localnorm.kernels import cpu
from localnorm.kernels.cpu import launch
from localnorm.kernels.cpu.library import NAME, Library
from localnorm.kernels.layout import Layout
from numpy_api import NUMBERS, as_array

ISAS = ("baseline", *(("neon",) if platform.machine() in ("aarch64", "arm64") else ("avx2", "avx512")))


def strides(a: np.ndarray) -> tuple[int, ...]:
    """Return the strides in elements."""
    return tuple(stride // a.itemsize for stride in a.strides)


def seen(a: np.ndarray, found: Layout, array: int = 0) -> np.ndarray:
    """Return an array in the shape of its layout, ``(*outer, channels, positions)``."""
    steps = (*found.outer_steps[array], found.channel_steps[array], found.position_steps[array])
    extents = (*found.outer, found.channels, found.positions)
    return np.lib.stride_tricks.as_strided(a, extents, [step * a.itemsize for step in steps])


@contextmanager
def instruction_set(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have passes made here run on an instruction set; skips where this machine has not got it.

    A library decides once, so a copy of it is loaded, which counts as another.
    """
    copied = shutil.copy(Path(cpu.__file__).parent / NAME, folder / f"{name}-{NAME}")
    with monkeypatch.context() as patch:
        patch.setenv("LOCALNORM_ISA", name)
        library = Library(str(copied))
        if library.isa != name:
            pytest.skip(f"this machine has no {name}")
        patch.setattr(launch, "library", lambda: library)
        cpu.of_spec.cache_clear()
        yield
    cpu.of_spec.cache_clear()


def run_kernel(
    kind: int,
    arrays: tuple[np.ndarray, ...],
    spec: LRNSpec,
    axis: int = 1,
    *,
    values: cpu.Values | None = None,
    threads: int = 1,
    learned: bool = False,
) -> np.ndarray | None:
    """Run a pass over x, the output and, for BACKWARD, the gradient of the output; `values` go with `axis`."""
    x = arrays[0]
    axes = window_axes(spec, x.ndim, axis)
    made = cpu.Pass(
        kind,
        x.dtype.name,
        x.shape,
        axes,
        (spec.lo, spec.hi),
        [a.strides for a in arrays],
        cpu.numbers(spec) if values is None else values,
        value_axis=-1 if values is None else axis % x.ndim,
        in_place=arrays[0] is arrays[1],
    )
    return made.run(*(a.ctypes.data for a in arrays), threads=threads, learned=learned)


def _forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    array = as_array(x, dtype, layout)
    y = np.empty_like(array)
    run_kernel(cpu.FORWARD, (array, y), spec, axis, threads=2)
    return y.astype(np.float64)


def _gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    array = as_array(x, dtype, layout)
    y = np.empty_like(array)
    run_kernel(cpu.BACKWARD, (array, y, grad.astype(NUMBERS[dtype])), spec, axis, threads=2)
    return y.astype(np.float64)


KERNEL = Api("kernel", DTYPES, _forward, _gradient)
