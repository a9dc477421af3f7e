"""Local response normalization of NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from localnorm.axes import window_axes
from localnorm.errors import DTypeError, OutputError
from localnorm.kernels.arithmetic import Arithmetic, Operations
from localnorm.kernels.available import cpu_kernel
from localnorm.kernels.blocks import blocks
from localnorm.kernels.window_sums import window_sum
from localnorm.spec import LRNSpec

_DTYPES = ("float16", "bfloat16", "float32", "float64")
_NAMES: dict[np.dtype[Any], str] = {}
"""The names of dtypes met so far that are taken: asking NumPy for one takes longer than many a call."""

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

    The native library computes in float32 (float64 for float64 input) on as many threads as OMP_NUM_THREADS says,
    by default one per core. NumPy operations in float64, which are slower, replace it if the library can't be
    loaded and for arrays of another byte order. The result is rounded once; its relative error is below 8 machine
    epsilons, also if squares overflow or underflow, or with NaN and infinity in other windows.

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
        _fallback(array, out, spec, axes)
        return out
    in_place = out is array
    prepared = kernel.of_spec(kernel.FORWARD, name, array.shape, axes, spec, in_place, array.strides, out.strides)
    threads = kernel.default_threads() if prepared.threads > 1 else 1
    prepared.run(array.ctypes.data, out.ctypes.data, threads=threads)
    return out


def _checked_name(dtype: np.dtype[Any]) -> str:
    if dtype.name not in _DTYPES:
        # A conversion of complex numbers would drop their imaginary part.
        is_complex = dtype.kind == "c"
        advice = (
            "normalize abs(x), or x.real and x.imag each"
            if is_complex
            else "convert it, e.g. x.astype(np.float32)"
        )
        raise DTypeError(f"x must be float16, bfloat16, float32 or float64, got {dtype}; {advice}.")
    return _NAMES.setdefault(dtype, dtype.name)


def _fallback(x: NDArray[Any], out: NDArray[Any], spec: LRNSpec, axes: tuple[int, ...]) -> None:
    """Write the result of NumPy operations in float64, which are accurate for every x."""
    arithmetic = Arithmetic(_OPERATIONS, spec, axes, "float64", x.dtype.name)
    # Infinities and NaNs are valid results here.
    with np.errstate(all="ignore"):
        for index in blocks(x.shape, x.strides, axes, _ELEMENTS):
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
