"""Launch the native CPU kernel on torch tensors."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from localnorm.kernels.available import cpu_kernel
from localnorm.learnable import NAMES
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
    out = empty_like(call.x) if call.out is None else call.out
    _run(call, call.x, out)
    if call.out is not None:
        # The kernel wrote to the caller's tensor behind torch's back: bump its version counter.
        torch.autograd.graph.increment_version(out)
    return out


def backward(call: Call) -> Gradients:
    """Return the gradients for x and for the learned values."""
    out = empty_like(call.x)
    sums = _run(call, call.x, out, call.grad)
    gradients = {}
    for name, value in call.values.items():
        column = torch.from_numpy(sums[:, NAMES.index(name)])  # type: ignore[index]
        column = (column if value.numel() == len(column) else column.sum()).reshape(value.shape)
        # The strides are those that the operator promises a compiled graph.
        gradients[name] = torch.empty_like(value).copy_(column)
    return Gradients(out, gradients)


def _run(call: Call, *tensors: Tensor | None) -> NDArray[np.float64] | None:
    """Run a pass over x, the output and the gradient; return the sums for learned k, alpha and beta."""
    kernel = cpu_kernel()
    x, out, grad = tensors if len(tensors) == 3 else (*tensors, None)
    arrays = [tensor for tensor in (x, out, grad) if tensor is not None]
    kind = kernel.FORWARD if grad is None else kernel.BACKWARD  # type: ignore[union-attr]
    size = x.element_size()  # type: ignore[union-attr]
    strides = [tuple(step * size for step in array.stride()) for array in arrays]
    shape, addresses = tuple(call.x.shape), [array.data_ptr() for array in arrays]
    dtype, in_place = _DTYPES[call.x.dtype], addresses[0] == addresses[1]
    if call.values:
        values, axis = _values(call)
        window = (call.spec.lo, call.spec.hi)
        run = kernel.Pass(  # type: ignore[union-attr]
            kind, dtype, shape, call.axes, window, strides, values, value_axis=axis, in_place=in_place
        )
    else:
        run = kernel.of_spec(kind, dtype, shape, call.axes, call.spec, in_place, *strides)  # type: ignore[union-attr]
    sums: NDArray[np.float64] | None = run.run(
        *addresses,
        threads=torch.get_num_threads() if run.threads > 1 else 1,
        parallel=_team() if run.threads > 1 else None,
        learned=bool(call.values) and grad is not None,
    )
    return sums


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
