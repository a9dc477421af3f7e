"""The compiled CPU kernel behind the torch door, and the portable arithmetic for all that it leaves.

CUDA tensors are handed on to `localnorm.torch.cuda`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from localnorm.kernels.available import cpu_kernel
from localnorm.kernels.layout import Layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch import cuda, fallback
from localnorm.torch.functorch import dispatch_mode, watched
from localnorm.torch.system import empty_like, parallel
from localnorm.torch.traced import Gradients, Values, anywhere, differentiable

_DTYPES = {
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.float32: "float32",
    torch.float64: "float64",
}


class _Kernel(NamedTuple):
    """The kernel's module and what it is given beside memory."""

    cpu: ModuleType
    constants: Any


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
        return fallback.forward(x, spec, axes, values, out)
    done = _run("forward", (x, out), spec, axes, kernel)
    # Autograd learns of what torch itself has not written.
    torch.autograd.graph.increment_version(out)
    for x_part, out_part in _left(done, x, out):
        fallback.forward(x_part, spec, (0,), _of_channels(values), out_part)
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
        return (differentiable if watched(x) and not x.is_meta else fallback.backward)(x, grad, spec, axes, values)
    out = empty_like(x)
    done = _run("backward", (x, out, grad), spec, axes, kernel, learned=bool(values))
    found = {}
    for name, value in values.items():
        sums = torch.from_numpy(done.sums[:, NAMES.index(name)])
        sums = (sums if value.numel() == len(sums) else sums.sum()).reshape(value.shape)
        # The strides are those that the operator promises a compiled graph.
        found[name] = torch.empty_like(value).copy_(sums)
    for x_part, out_part, grad_part in _left(done, x, out, grad):
        rest = fallback.backward(x_part, grad_part, spec, (0,), _of_channels(values))
        out_part.copy_(rest.x)
        found = {name: found[name] + rest.values[name].reshape(found[name].shape) for name in found}
    return Gradients(out, found)


def _kernel(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> _Kernel | None:
    """Return the compiled kernel, or None where it can't be used."""
    if len(axes) != 1 or not _in_memory(x) or dispatch_mode():
        return None
    channels = x.shape[axes[0]]
    if any(value.numel() not in (1, value.shape[axes[0]]) for value in values.values()):
        # One value a channel and a window within the channel, or values of its own for each of a batch.
        return None
    cpu = cpu_kernel()
    if cpu is None:
        return None
    size = min(spec.size, channels)
    dtype = _DTYPES[x.dtype]
    if values:
        constants = cpu.constants(size, dtype, *(_numbers(name, spec, values) for name in NAMES))
    else:
        constants = cpu.of_spec(spec, size, dtype)
    return None if constants is None else _Kernel(cpu, constants)


def _in_memory(x: Tensor) -> bool:
    """Whether there are elements, and at the addresses that the strides say."""
    if x.device.type != "cpu" or x.layout != torch.strided or type(x) not in (Tensor, nn.Parameter) or x.is_neg():
        return False
    try:
        # Null are those of zeros that autograd makes without memory, and of what torch.func wraps.
        return x.data_ptr() != 0
    except RuntimeError:
        return False


def _numbers(name: str, spec: LRNSpec, values: Values) -> NDArray[np.float64]:
    if name not in values:
        return np.array([getattr(spec, name)])
    return values[name].detach().double().reshape(-1).numpy()


def _run(
    name: str,
    tensors: tuple[Tensor, ...],
    spec: LRNSpec,
    axes: tuple[int, ...],
    kernel: _Kernel,
    *,
    learned: bool = False,
) -> Any:  # noqa: ANN401
    cpu, x = kernel.cpu, tensors[0]
    return cpu.run_pass(
        name,
        tuple(x.shape),
        axes[0],
        _DTYPES[x.dtype],
        (spec.lo, spec.hi),
        tuple(cpu.Memory(tensor.data_ptr(), tensor.stride()) for tensor in tensors),
        kernel.constants,
        torch.get_num_threads(),
        learned=learned,
        parallel=parallel(),
    )


def _left(done: Any, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:  # noqa: ANN401
    """Yield the parts of the tensors that the kernel has left, channels first."""
    if not done.left:
        return
    seen = [_as_laid_out(tensor, done.layout, i) for i, tensor in enumerate(tensors)]
    for index in done.left:
        yield tuple(tensor[index] for tensor in seen)


def _as_laid_out(x: Tensor, layout: Layout, array: int) -> Tensor:
    """Return x in the shape ``(*outer, channels, positions)``."""
    steps = (*layout.outer_steps[array], layout.channel_steps[array], layout.position_steps[array])
    return x.detach().as_strided((*layout.outer, layout.channels, layout.positions), steps)


def _of_channels(values: Values) -> dict[str, Tensor]:
    """Return the values for a part of the shape ``(channels, positions)``."""
    return {name: value.reshape(-1, 1) for name, value in values.items()}
