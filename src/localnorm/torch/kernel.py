"""The compiled CPU kernel behind the torch door, and the portable arithmetic for all that it leaves.

CUDA tensors are handed on to `localnorm.torch.cuda`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnorm.kernels.choice import cpu_kernel
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch import cuda, portable
from localnorm.torch.graph import Gradients, Values, anywhere, differentiable
from localnorm.torch.openmp import parallel
from localnorm.torch.pages import empty_like
from localnorm.torch.transforms import dispatch_mode, watched

_DTYPES = {
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.float32: "float32",
    torch.float64: "float64",
}


def forward(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values, out: Tensor | None = None) -> Tensor:
    """Return ``x * s^-beta``, written into out if given, which may be x."""
    if x.device.type == "cuda":
        y = cuda.forward(x, spec, axes, values)
        return y if out is None else out.copy_(y)
    out = empty_like(x) if out is None else out
    kernel = _kernel(x, spec, axes, values)
    if kernel is None:
        if watched(x) and not x.is_meta:
            return out.copy_(anywhere(x, spec, axes, values))
        return portable.forward(x, spec, axes, values, out)
    _run(kernel, kernel.FORWARD, (x, out), spec, axes, values)
    # Autograd learns of what torch itself has not written.
    torch.autograd.graph.increment_version(out)
    return out


def backward(x: Tensor, grad: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Gradients:
    """Return the gradients for x and for the learned values."""
    if x.device.type == "cuda":
        return cuda.backward(x, grad, spec, axes, values)
    grad = grad.resolve_neg()
    kernel = None
    if _in_memory(grad) and (grad.dtype, grad.shape) == (x.dtype, x.shape):
        kernel = _kernel(x, spec, axes, values)
    if kernel is None:
        return (differentiable if watched(x) and not x.is_meta else portable.backward)(x, grad, spec, axes, values)
    out = empty_like(x)
    sums = _run(kernel, kernel.BACKWARD, (x, out, grad), spec, axes, values)
    found = {}
    for name, value in values.items():
        column = torch.from_numpy(sums[:, NAMES.index(name)])
        column = (column if value.numel() == len(column) else column.sum()).reshape(value.shape)
        # The strides are those that the operator promises a compiled graph.
        found[name] = torch.empty_like(value).copy_(column)
    return Gradients(out, found)


def _kernel(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> ModuleType | None:
    """Return the compiled kernel, or None where it can't be used."""
    if not _in_memory(x) or dispatch_mode():
        return None
    if any(value.numel() not in (1, value.shape[axes[0]]) for value in values.values()):
        # One value a channel and a window within the channel, or values of its own for each of a batch.
        return None
    if any(bool((value < 0).any()) or not bool(value.isfinite().all()) for value in values.values()):
        return None
    return cpu_kernel()


def _in_memory(x: Tensor) -> bool:
    """Whether there are elements, and at the addresses that the strides say."""
    if x.device.type != "cpu" or x.layout != torch.strided or type(x) not in (Tensor, nn.Parameter) or x.is_neg():
        return False
    try:
        # Null are those of zeros that autograd makes without memory, and of what torch.func wraps.
        return x.data_ptr() != 0
    except RuntimeError:
        return False


def _run(
    kernel: ModuleType, kind: int, tensors: tuple[Tensor, ...], spec: LRNSpec, axes: tuple[int, ...], values: Values
) -> Any:  # noqa: ANN401
    x, size = tensors[0], tensors[0].element_size()
    strides = [tuple(step * size for step in tensor.stride()) for tensor in tensors]
    shape, dtype, in_place = tuple(x.shape), _DTYPES[x.dtype], x.data_ptr() == tensors[1].data_ptr()
    if values:
        numbers = [
            values[name].detach().double().reshape(-1).numpy() if name in values else np.array([getattr(spec, name)])
            for name in NAMES
        ]
        count = max(map(len, numbers))
        made = kernel.Pass(
            kind,
            dtype,
            shape,
            axes,
            (spec.lo, spec.hi),
            strides,
            [np.ascontiguousarray(np.broadcast_to(one, count)) for one in numbers],
            value_axis=axes[0] if count > 1 else -1,
            in_place=in_place,
        )
    else:
        made = kernel.of_spec(kind, dtype, shape, axes, spec, in_place, *strides)
    enter = parallel()
    return made.run(
        *(tensor.data_ptr() for tensor in tensors),
        threads=torch.get_num_threads(),
        parallel=None if enter is None else lambda function, call, threads: enter(function, call, threads, 0),
        learned=bool(values) and kind == kernel.BACKWARD,
    )
