"""A pass over arrays: prepared once for shapes, strides and values, then run at addresses."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from localnorm.kernels.cpu.library import ABI, STATUS, library
from localnorm.kernels.cpu.parameters import BACKWARD, DTYPES, FORWARD, Call
from localnorm.kernels.cpu.threads import Parallel, run
from localnorm.spec import LRNSpec

# A thread has to be woken up, which costs as much as so many elements.
_PER_THREAD = 2**14

Values = Sequence[NDArray[np.float64]]
"""k, alpha and beta: contiguous, all three as long."""


class Pass:
    """A forward or backward pass over arrays of one shape, dtype and strides; many threads may run it at once.

    Attributes:
        tiles: independent parts, each of which one thread runs.
        threads: how many threads are worth their while.
    """

    __slots__ = ("_address", "_call", "_kept", "_library", "_size", "_sums", "_values", "threads", "tiles")

    def __init__(
        self,
        kind: int,
        dtype: str,
        shape: tuple[int, ...],
        axes: tuple[int, ...],
        window: tuple[int, int],
        strides: Sequence[tuple[int, ...]],
        values: Values,
        *,
        value_axis: int = -1,
        in_place: bool = False,
    ) -> None:
        """Lay out a pass.

        Args:
            kind: FORWARD or BACKWARD.
            dtype: float16, bfloat16, float32 or float64.
            shape: extents.
            axes: the axes that the window spans, counted from 0.
            window: lo and hi.
            strides: bytes from one index to the next of x, of the output, and for BACKWARD of its gradient.
            values: k, alpha and beta; one number each, or one for each index along `value_axis`.
            value_axis: the axis along which they differ, -1 where they do not.
            in_place: whether the output will be x itself.
        """
        self._library = library()
        extents, *steps = (np.array(numbers, np.int64) for numbers in (shape, *strides))
        self._kept = (extents, steps, values)
        call = Call(
            struct_size=ctypes.sizeof(Call),
            abi=ABI,
            pass_=kind,
            dtype=DTYPES[dtype],
            rank=len(shape),
            shape=extents.ctypes.data,
            window_axes=sum(1 << axis for axis in axes),
            # A window is cut at the borders; what is larger than any array need not fit into 64 bits.
            lo=min(window[0], 2**62),
            hi=min(window[1], 2**62),
            values=len(values[0]),
            value_axis=value_axis,
        )
        for name, array in zip(("x", "out", "grad"), steps, strict=False):
            setattr(call, f"{name}_strides", array.ctypes.data)
        # Addresses that only tell whether the output is x.
        call.x_data, call.out_data = 1, 1 if in_place else 2
        call.k, call.alpha, call.beta = (array.ctypes.data for array in values)
        self.tiles: int = _checked(self._library.tiles(ctypes.byref(call)))
        self._sums = _checked(self._library.sums(ctypes.byref(call)))
        self._values = len(values[0])
        self.threads = max(1, min(self.tiles, math.prod(shape) // _PER_THREAD))
        call.tiles = self.tiles
        self._call, self._address = call, ctypes.addressof(call)

    def run(
        self,
        x: int,
        out: int,
        grad: int = 0,
        *,
        threads: int = 1,
        parallel: Parallel | None = None,
        values: Values | None = None,
        learned: bool = False,
    ) -> NDArray[np.float64] | None:
        """Run the pass.

        Args:
            x: the address of element 0 of the input.
            out: of the output, the same one if the pass was laid out for that, else of memory apart.
            grad: of the gradient of the output; BACKWARD only.
            threads: at most so many.
            parallel: a framework's way to run a function on its threads; a pool of our own by default.
            values: k, alpha and beta in place of those that the pass was laid out with, as many.
            learned: whether to sum what k, alpha and beta get; BACKWARD only.

        Returns:
            What k, alpha and beta get, a row of three for each of the values, where asked for.
        """
        threads = min(threads, self.threads)
        if threads == 1 and values is None and not learned:
            _checked(self._library.run_at(self._address, x, out, grad))
            return None
        call = Call.from_buffer_copy(self._call)
        call.x_data, call.out_data, call.grad_data = x, out, grad
        if values is not None:
            call.k, call.alpha, call.beta = (array.ctypes.data for array in values)
        sums = None
        if learned:
            sums = np.empty(self._sums)
            call.sums = sums.ctypes.data
        address = ctypes.addressof(call)
        if threads == 1:
            _checked(self._library.run(address, 0, self.tiles))
        else:
            run(self._library.work, address, threads, parallel)
            _checked(call.status)
        if sums is None:
            return None
        totals = np.empty((self._values, 3))
        _checked(self._library.totals(address, totals.ctypes.data))
        return totals


def _checked(status: int) -> int:
    if status >= 0:
        return status
    raise (MemoryError if status == -5 else RuntimeError)(f"localnorm's native library refuses: {STATUS[status]}.")


def numbers(spec: LRNSpec) -> Values:
    """Return k, alpha and beta of a spec as a pass takes them."""
    return [np.array([value]) for value in (spec.k, spec.alpha, spec.beta)]


@lru_cache(maxsize=1024)
def of_spec(
    kind: int,
    dtype: str,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    spec: LRNSpec,
    in_place: bool,
    *strides: tuple[int, ...],
) -> Pass:
    """Return the pass of a spec; the same one for the same arguments, so that it costs little to ask again."""
    return Pass(kind, dtype, shape, axes, (spec.lo, spec.hi), strides, numbers(spec), in_place=in_place)


__all__ = ["BACKWARD", "FORWARD", "Pass", "Values", "numbers", "of_spec"]
