"""Local response normalization of NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike, NDArray

from localnorm.axes import window_axes
from localnorm.errors import DTypeError, OutputError
from localnorm.kernels.arithmetic import Arithmetic, Operations
from localnorm.kernels.available import cpu_kernel
from localnorm.kernels.layout import Layout
from localnorm.kernels.window_sums import window_sum
from localnorm.spec import LRNSpec

_DTYPES = ("float16", "bfloat16", "float32", "float64")

# Elements of a block: 1 MiB in float64, so that it stays in cache between passes.
_ELEMENTS = 2**17


def _window_sum(q: NDArray[Any], lo: int, hi: int, axes: Sequence[int]) -> NDArray[Any]:
    total: NDArray[Any] = window_sum(q, lo, hi, axes, np.pad)
    return total


_OPERATIONS = Operations(
    where=np.where,
    total=np.sum,
    cond=lambda condition, then, otherwise: then() if condition else otherwise(),
    sqrt=np.sqrt,
    log=np.log,
    power=lambda s, exponent, positive_finite: np.power(s, exponent),  # noqa: ARG005
    window_sum=_window_sum,
    window_sum_once=_window_sum,
)


def local_response_norm(
    x: ArrayLike, spec: LRNSpec, axis: int = 1, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Normalize each activation by the sum of squares of its neighbours.

    ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``, where the window ``W(c)`` and alpha are those of
    the spec: across channels, or within each channel over the last ``spec.spatial`` axes other than `axis`.

    A compiled kernel computes in float32 (float64 for float64 input) on as many threads as OMP_NUM_THREADS says,
    by default one per core. NumPy operations in float64, which are slower, replace it if squares overflow or
    underflow, for NaN and infinity, and for windows over two axes or more. The result is rounded once; its
    relative error is below 8 machine epsilons.

    Args:
        x: float16, bfloat16 (that of ml_dtypes), float32 or float64, of rank 1 or more, with any strides, or
            anything that `numpy.asarray` converts to such an array.
        spec: the normalization.
        axis: the channel axis; default 1, as in `localnorm.reference`.
        out: where to write the result: an array of the shape and dtype of `x`, which may be `x` itself. By
            default a new one, in the memory order of `x`.

    Returns:
        `out`, or a new array of the shape and dtype of `x`.

    Raises:
        DTypeError: integers, booleans, complex numbers, or another float (a TypeError).
        AxisError: no such axis, or too few axes for the spec (a ValueError and IndexError).
        OutputError: `out` can't take the result (a ValueError).

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.

    Example:
        >>> x = np.array([[3.0, 4.0, 0.0]], np.float32)
        >>> local_response_norm(x, LRNSpec(lo=1, hi=1, alpha=1.0, beta=0.5, k=0.0))
        array([[0.6, 0.8, 0. ]], dtype=float32)
    """
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError("x must not be a masked array: LRN is undefined for missing values; pass x.filled(0).")
    array = np.asarray(x)
    if array.dtype.name not in _DTYPES:
        raise DTypeError(
            f"x must be float16, bfloat16, float32 or float64, got {array.dtype}; "
            "convert it, e.g. x.astype(np.float32)."
        )
    axes = window_axes(spec, array.ndim, axis)
    out = np.empty_like(array, subok=False) if out is None else _checked_out(out, array)
    if out is not array and np.may_share_memory(out, array):
        array = array.copy()
    for x_part, out_part, part_axes in _skipped_by_kernel(array, out, spec, axes):
        _fallback(x_part, out_part, spec, part_axes)
    return out


def _skipped_by_kernel(
    x: NDArray[Any], out: NDArray[Any], spec: LRNSpec, axes: tuple[int, ...]
) -> Iterator[tuple[NDArray[Any], NDArray[Any], tuple[int, ...]]]:
    """Run the compiled kernel; yield the parts that it skipped, with the axes of their windows."""
    cpu = cpu_kernel() if x.size and len(axes) == 1 and _in_elements(x) and _in_elements(out) else None
    constants = cpu and cpu.of_spec(spec, min(spec.size, x.shape[axes[0]]), x.dtype.name)
    if cpu is None or constants is None:
        yield x, out, axes
        return
    arrays = tuple(
        cpu.Memory(a.ctypes.data, tuple(stride // a.itemsize for stride in a.strides)) for a in (x, out)
    )
    window = (spec.lo, spec.hi)
    done = cpu.run_pass("forward", x.shape, axes[0], x.dtype.name, window, arrays, constants, cpu.own_threads())
    if done.left:
        views = [_as_laid_out(a, done.layout, i) for i, a in enumerate((x, out))]
        for index in done.left:
            yield views[0][index], views[1][index], (0,)


def _in_elements(x: NDArray[Any]) -> bool:
    """Whether the array is aligned, in native byte order, and its strides are multiples of the item size."""
    return x.dtype.isnative and x.flags.aligned and not any(stride % x.itemsize for stride in x.strides)


def _as_laid_out(x: NDArray[Any], layout: Layout, array: int) -> NDArray[Any]:
    """Return x in the shape ``(*outer, channels, positions)``."""
    steps = (*layout.outer_steps[array], layout.channel_steps[array], layout.position_steps[array])
    return as_strided(x, (*layout.outer, layout.channels, layout.positions), [s * x.itemsize for s in steps])


def _fallback(x: NDArray[Any], out: NDArray[Any], spec: LRNSpec, axes: tuple[int, ...]) -> None:
    """Write the result of NumPy operations in float64, which are accurate for every x."""
    arithmetic = Arithmetic(_OPERATIONS, spec, axes, "float64", x.dtype.name)
    # Infinities and NaNs are valid results here.
    with np.errstate(all="ignore"):
        for index in _blocks(x, axes):
            out[index] = arithmetic.forward(x[index].astype(np.float64), {})


def _checked_out(out: object, x: NDArray[Any]) -> NDArray[Any]:
    if not isinstance(out, np.ndarray):
        raise OutputError(f"out must be a NumPy array, got {type(out).__name__}; pass np.empty_like(x).")
    if out.shape != x.shape or out.dtype != x.dtype:
        raise OutputError(
            f"out must have the shape and dtype of x, {x.shape} and {x.dtype}, got {out.shape} and {out.dtype}; "
            "pass np.empty_like(x)."
        )
    if not out.flags.writeable:
        raise OutputError("out must be writeable, got a read-only array; pass np.empty_like(x).")
    return out


def _blocks(x: NDArray[Any], axes: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield the index of each block: whole along the window's axes, a part of the other axes."""
    index = [slice(None)] * x.ndim
    others = (a for a in range(x.ndim) if a not in axes and x.shape[a] > 1)
    axis = max(others, key=lambda a: abs(x.strides[a]), default=None)
    if axis is None or x.size <= _ELEMENTS:
        yield tuple(index)
        return
    steps = max(1, _ELEMENTS * x.shape[axis] // x.size)
    for start in range(0, x.shape[axis], steps):
        index[axis] = slice(start, start + steps)
        yield from (_inside(index, inner) for inner in _blocks(x[tuple(index)], axes))


def _inside(outer: list[slice], inner: tuple[slice, ...]) -> tuple[slice, ...]:
    """Return the index of a block in a block; the inner index is whole along the axis that the outer one cuts."""
    return tuple(o if i == slice(None) else i for o, i in zip(outer, inner, strict=True))
