"""Launch the native CPU kernel on torch tensors."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from localnorm.kernels.available import cpu_kernel
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch.call import Call, Gradients, in_memory_alike
from localnorm.torch.system import empty_like, parallel

_DTYPES = {
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.float32: "float32",
    torch.float64: "float64",
}


def takes(call: Call) -> bool:
    """Return whether the kernel can read the tensors, and the learned values are in its range."""
    if not call.x.is_cpu or not in_memory_alike(call) or cpu_kernel() is None:
        return False
    if not call.values:
        return True
    # One axis along which values differ: not values of their own for each sample of a batch.
    if len({axis for value in call.values.values() for axis, extent in enumerate(value.shape) if extent > 1}) > 1:
        return False
    return all(bool(((value >= 0) & value.isfinite()).all()) for value in call.values.values())


def forward(call: Call) -> Tensor:
    """Return ``x * s^-beta``, written into ``call.out`` if given."""
    if call.out is None:
        out = empty_like(call.x)
        _run(call, out)
        return out
    _run(call, call.out)
    # The kernel wrote to the caller's tensor behind torch's back: bump its version counter.
    torch.autograd.graph.increment_version(call.out)
    return call.out


def backward(call: Call) -> Gradients:
    """Return the gradients for x and for the learned values."""
    out = empty_like(call.x)
    sums = _run(call, out)
    gradients = {}
    for name, value in call.values.items():
        column = torch.from_numpy(sums[:, NAMES.index(name)])  # type: ignore[index]
        column = (column if value.numel() == len(column) else column.sum()).reshape(value.shape)
        # The strides are those that the operator promises a compiled graph.
        gradients[name] = torch.empty_like(value).copy_(column)
    return Gradients(out, gradients)


def _run(call: Call, out: Tensor) -> NDArray[np.float64] | None:
    """Run a pass over x, the output and the gradient; return the sums for learned k, alpha and beta."""
    x, grad, values = call.x, call.grad, call.values
    strides = (x.stride(), out.stride()) if grad is None else (x.stride(), out.stride(), grad.stride())
    start, to = x.data_ptr(), out.data_ptr()
    if values:
        prepared = _prepare(x.dtype, x.shape, call.axes, call.spec, start == to, strides, *_values(call))
    else:
        prepared = _prepared(x.dtype, x.shape, call.axes, call.spec, start == to, strides)
    several = prepared.threads > 1
    sums: NDArray[np.float64] | None = prepared.run(
        start,
        to,
        0 if grad is None else grad.data_ptr(),
        threads=torch.get_num_threads() if several else 1,
        parallel=_team() if several else None,
        learned=bool(values) and grad is not None,
    )
    return sums


def _prepare(
    dtype: torch.dtype,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    spec: LRNSpec,
    in_place: bool,
    strides: tuple[tuple[int, ...], ...],
    values: list[NDArray[np.float64]] | None = None,
    axis: int = -1,
) -> Any:  # noqa: ANN401
    """Return the pass over x, the output and, to go backward, the gradient.

    Args:
        dtype: of the tensors.
        shape: of the tensors.
        axes: the axes that the window spans.
        spec: the window, and the values by default.
        in_place: whether the output is x.
        strides: of each tensor, in elements.
        values: k, alpha and beta, if some are learned.
        axis: the axis along which they differ, or -1.
    """
    kernel = cpu_kernel()
    if kernel is None:
        raise RuntimeError("the kernel was there when the call was looked up")
    return kernel.Pass(
        kernel.FORWARD if len(strides) == 2 else kernel.BACKWARD,
        _DTYPES[dtype],
        tuple(shape),
        axes,
        (spec.lo, spec.hi),
        [tuple(step * dtype.itemsize for step in each) for each in strides],
        kernel.numbers(spec) if values is None else values,
        value_axis=axis,
        in_place=in_place,
    )


_prepared = lru_cache(maxsize=1024)(_prepare)


def _values(call: Call) -> tuple[list[NDArray[np.float64]], int]:
    """Return k, alpha and beta, all of one length, and the axis along which they differ, or -1."""
    numbers = [
        call.values[name].detach().double().reshape(-1).numpy()
        if name in call.values
        else np.array([getattr(call.spec, name)])
        for name in NAMES
    ]
    count = max(map(len, numbers))
    shapes = (value.shape for value in call.values.values())
    axis = next((axis for shape in shapes for axis, extent in enumerate(shape) if extent > 1), -1)
    return [np.ascontiguousarray(np.broadcast_to(each, count)) for each in numbers], axis


@cache
def _team() -> object:
    """Return a way to enter torch's OpenMP team, or None to use a pool of our own."""
    enter = parallel()
    return None if enter is None else lambda function, argument, threads: enter(function, argument, threads, 0)
