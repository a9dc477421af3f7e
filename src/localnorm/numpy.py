"""The NumPy door."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from localnorm.axes import window_axes
from localnorm.errors import DTypeError, OutputError
from localnorm.kernels.arithmetic import Arithmetic, Operations
from localnorm.kernels.choice import cpu_kernel
from localnorm.kernels.windows import window_sum
from localnorm.spec import LRNSpec

_DTYPES = ("float16", "bfloat16", "float32", "float64")
_NAMES: dict[np.dtype[Any], str] = {}
"""The names of dtypes met so far that are taken: asking NumPy for one takes longer than many a call."""

# Elements of a block: 1 MiB in float64, so that the passes over it find it in cache.
_ELEMENTS = 2**17


def _window_sum(q: NDArray[Any], lo: int, hi: int, axes: Sequence[int]) -> NDArray[Any]:
    total: NDArray[Any] = window_sum(q, lo, hi, axes, np.pad)
    return total


_OPERATIONS = Operations(
    where=np.where,
    total=np.sum,
    either=lambda condition, then, otherwise: then() if condition else otherwise(),
    sqrt=np.sqrt,
    log=np.log,
    power=lambda s, exponent, ordinary: np.power(s, exponent),  # noqa: ARG005
    cheap_sum=_window_sum,
    costly_sum=_window_sum,
)


def local_response_norm(
    x: ArrayLike, spec: LRNSpec, axis: int = 1, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Divide each activation by its neighbours.

    ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``, where the window ``W(c)`` and alpha are those of
    the spec: across channels, or within each channel over the last ``spec.spatial`` axes other than `axis`.

    The native library does it, in float32 (in float64 for float64), on as many threads as there are cores, or as
    OMP_NUM_THREADS says, also where a square overflows or vanishes or a NaN or an infinity is. Where the library
    can't be loaded, and for arrays of another byte order, operations of NumPy in float64 take its place: slower, and
    as right. The result is rounded once and errs by less than 8 machine epsilons.

    Args:
        x: float16, bfloat16 (that of ml_dtypes), float32 or float64, of rank 1 or more, with any strides; or
            what NumPy makes such an array of.
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
        raise DTypeError("x must not be masked, since a window has no word for what is missing; pass x.filled(0).")
    array = np.asarray(x)
    name = _NAMES.get(array.dtype) or _checked_name(array.dtype)
    axes = window_axes(spec, array.ndim, axis)
    if out is None:
        out = np.empty_like(array, subok=False)
    else:
        out = _checked_out(out, array)
        if out is not array and np.may_share_memory(out, array):
            array = array.copy()
    kernel = cpu_kernel() if array.size and array.dtype.isnative else None
    if kernel is None:
        _plainly(array, out, spec, axes)
        return out
    in_place = out is array
    found = kernel.of_spec(kernel.FORWARD, name, array.shape, axes, spec, in_place, array.strides, out.strides)
    threads = kernel.own_threads() if found.threads > 1 else 1
    found.run(array.ctypes.data, out.ctypes.data, threads=threads)
    return out


def _checked_name(dtype: np.dtype[Any]) -> str:
    if dtype.name not in _DTYPES:
        raise DTypeError(
            f"x must be float16, bfloat16, float32 or float64, got {dtype}; convert it, e.g. x.astype(np.float32)."
        )
    return _NAMES.setdefault(dtype, dtype.name)


def _plainly(x: NDArray[Any], out: NDArray[Any], spec: LRNSpec, axes: tuple[int, ...]) -> None:
    """Write the result of plain operations in float64, which are right for every x."""
    arithmetic = Arithmetic(_OPERATIONS, spec, axes, "float64", x.dtype.name)
    # Infinities and NaNs are answers here, and half precision may have none better.
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
    """Yield the index of each block: everything along the window's axes, a part of the others."""
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
    """Return the index of a block within a block; the inner one leaves the axis that the outer one cut whole."""
    return tuple(o if i == slice(None) else i for o, i in zip(outer, inner, strict=True))
