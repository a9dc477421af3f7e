"""Launch the experimental Triton kernels on CUDA tensors. They have never run on a GPU.

No value of a tensor is read here, and all memory comes from torch, which is what CUDA graphs ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor

from localnorm.kernels.available import gpu_kernel
from localnorm.kernels.gpu.tiling import MOST_OUTER, values_in_range
from localnorm.kernels.layout import layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch.call import Call, Gradients, Values, in_memory_alike
from localnorm.torch.functorch import compile_time_constant

_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_USUAL = 132
"""Multiprocessors to plan for without a GPU to ask, such as when a graph is traced elsewhere."""

_MOST_AXES = MOST_OUTER + 2
"""The kernel can count this many axes. With more, some may have to be merged."""

Wrap = Callable[[Any], Any]
"""Wraps a kernel before its launch; in an operator that is ``torch.library.wrap_triton``."""


def takes(call: Call) -> bool:
    """Return whether the kernel is enabled and can compute the call; float64 it can't."""
    if call.x.device.type != "cuda" or gpu_kernel() is None:
        return False
    return in_memory_alike(call) and usable(call.x, call.spec, call.axes, call.values)


def forward(call: Call) -> Tensor:
    """Return ``x * s^-beta``."""
    with _on(call.x):
        return run_forward(call.x, call.spec, call.axes[0], call.values)


def backward(call: Call) -> Gradients:
    """Return the gradients for x and for the learned values."""
    with _on(call.x):
        return run_backward(call.x, call.grad, call.spec, call.axes[0], call.values)  # type: ignore[arg-type]


@compile_time_constant
def enabled() -> bool:
    """Return whether the kernel may be used: LOCALNORM_GPU=1 is set, and Triton is installed."""
    return gpu_kernel() is not None


def usable(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> bool:
    """Return whether the kernel supports this dtype, these strides and these values; float64 it does not."""
    if x.dtype not in _DTYPES or len(axes) != 1 or any(extent == 0 for extent in x.shape):
        return False
    if any(value.numel() not in (1, value.shape[axes[0]]) for value in values.values()):
        # Values for each of a batch.
        return False
    if x.ndim > _MOST_AXES and len(layout(x.shape, axes[0], x.stride()).outer) > MOST_OUTER:
        return False
    return values_in_range(spec, values.keys(), x.shape[axes[0]])


def traceable(x: Tensor) -> bool:
    """Return whether `usable` may be called for a symbolic shape: the compiler can't sort symbols."""
    return x.ndim <= _MOST_AXES


def run_forward(x: Tensor, spec: LRNSpec, axis: int, values: Values, wrap: Wrap | None = None) -> Tensor:
    """Launch the forward pass; with `wrap` nothing is cached, because shapes in a graph may be symbols."""
    gpu: Any = gpu_kernel()
    out = torch.empty_like(x)
    described = _pass(x, spec, axis, values)
    prepare = gpu.forward if wrap is None else gpu.Pass.forward
    _start(prepare(described, x.stride(), out.stride()), {"x": x, "y": out, **_learned(values)}, wrap)
    return out


def run_backward(
    x: Tensor, grad: Tensor, spec: LRNSpec, axis: int, values: Values, wrap: Wrap | None = None
) -> Gradients:
    """Launch the backward pass, and add up the sums of its programs for each learned value."""
    gpu: Any = gpu_kernel()
    out = torch.empty_like(x)
    if grad.stride() != x.stride():
        # Every kernel is fastest if grad has the strides of x, which is worth one copy.
        grad = torch.empty_like(x).copy_(grad)
    described = _pass(x, spec, axis, values)
    prepare = gpu.backward if wrap is None else gpu.Pass.backward
    # A new tensor like x has the strides of out.
    prepared = prepare(described, x.stride(), out.stride(), grad.stride(), out.stride())
    tensors = {"x": x, "y": out, "grad": grad, **_learned(values)}
    if prepared.scratch:
        tensors |= {name: torch.empty_like(x, dtype=torch.float32) for name in ("h", "r")}
    if not values:
        _start(prepared, tensors, wrap)
        return Gradients(out, {})
    sums = torch.empty(prepared.sums_shape, dtype=torch.float64, device=x.device)
    _start(prepared, {**tensors, "sums": sums}, wrap)
    totals = dict(zip(NAMES, sums.sum(0), strict=True))
    gradients = {name: totals[name] if value.numel() > 1 else totals[name].sum() for name, value in values.items()}
    # Copies, because the outputs of an operator may not share memory.
    copies = {name: gradients[name].reshape(value.shape).to(value, copy=True) for name, value in values.items()}
    return Gradients(out, copies)


def _start(prepared: Any, tensors: Mapping[str, Tensor], wrap: Wrap | None) -> None:  # noqa: ANN401
    for launch in prepared.launches:
        pointers = {name: tensors[name] for name in launch.tensors}
        kernel = launch.kernel if wrap is None else wrap(launch.kernel)
        kernel[launch.grid](**pointers, **launch.arguments, num_warps=launch.warps)


def _pass(x: Tensor, spec: LRNSpec, axis: int, values: Values) -> Any:  # noqa: ANN401
    gpu: Any = gpu_kernel()
    learned = tuple((name, value.numel()) for name, value in values.items())
    return gpu.Pass(tuple(x.shape), axis, spec, learned, x.element_size(), _processors(x.device))


def _learned(values: Values) -> dict[str, Tensor]:
    return {f"learned_{name}": value.detach().double().reshape(-1).contiguous() for name, value in values.items()}


def _on(x: Tensor) -> Any:  # noqa: ANN401
    """Make the device of x the current one, which Triton launches on."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


@cache
def _processors(device: torch.device) -> int:
    if device.type != "cuda" or not torch.cuda.is_available():
        return _USUAL
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
