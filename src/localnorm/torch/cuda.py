"""The GPU kernel behind the torch door: CUDA tensors in eager mode, and what the operators do.

No value of a tensor is looked at here, and memory comes from torch alone, so CUDA graphs can capture all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from localnorm.kernels.available import gpu_kernel
from localnorm.kernels.gpu.tiling import MOST_OUTER, takes
from localnorm.kernels.layout import layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch.fallback import backward as portable_backward
from localnorm.torch.fallback import forward as portable_forward
from localnorm.torch.traced import Gradients, Values, anywhere, differentiable

_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
_USUAL = 132
"""Multiprocessors to plan for where there is no GPU to ask, as while a graph is traced elsewhere."""

_MOST_AXES = MOST_OUTER + 2
"""Of so many, the kernel can count all. More may have to be merged."""

Wrap = Callable[[Any], Any]
"""What is done to a kernel before it is called; in an operator, ``torch.library.wrap_triton``."""


def forward(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    """Return ``x * s^-beta`` for a CUDA tensor in eager mode."""
    if gpu_kernel() is None:
        return portable_forward(x, spec, axes, values, torch.empty_like(x))
    if not (_in_memory(x) and usable(x, spec, axes, values)):
        return anywhere(x, spec, axes, values)
    with _on(x):
        return run_forward(x, spec, axes[0], values)


def backward(x: Tensor, grad: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Gradients:
    """Return the gradients for x and for the learned values."""
    if gpu_kernel() is None:
        return portable_backward(x, grad, spec, axes, values)
    grad = grad.resolve_neg()
    alike = (grad.dtype, grad.shape) == (x.dtype, x.shape) and _in_memory(grad)
    if not (alike and _in_memory(x) and usable(x, spec, axes, values)):
        return differentiable(x, grad, spec, axes, values)
    with _on(x):
        return run_backward(x, grad, spec, axes[0], values)


def usable(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> bool:
    """Whether the kernel takes this dtype, this memory and these values; float64 it does not take."""
    if x.dtype not in _DTYPES or len(axes) != 1 or any(extent == 0 for extent in x.shape):
        return False
    if any(value.numel() not in (1, value.shape[axes[0]]) for value in values.values()):
        # One value a channel and a window within the channel, or values of its own for each of a batch.
        return False
    if x.ndim > _MOST_AXES and len(layout(x.shape, axes[0], x.stride()).outer) > MOST_OUTER:
        return False
    return takes(spec, values.keys(), x.shape[axes[0]])


def traceable(x: Tensor) -> bool:
    """Whether `usable` can be asked of a tensor of symbolic shape: the compiler does not sort symbols."""
    return x.ndim <= _MOST_AXES


def run_forward(x: Tensor, spec: LRNSpec, axis: int, values: Values, wrap: Wrap | None = None) -> Tensor:
    """Launch the forward pass; only without `wrap` may shapes be kept, since in a graph they may be symbols."""
    gpu: Any = gpu_kernel()
    out = torch.empty_like(x)
    given = _pass(x, spec, axis, values)
    prepare = gpu.forward if wrap is None else gpu.Pass.forward
    _start(prepare(given, x.stride(), out.stride()), {"x": x, "y": out, **_learned(values)}, wrap)
    return out


def run_backward(
    x: Tensor, grad: Tensor, spec: LRNSpec, axis: int, values: Values, wrap: Wrap | None = None
) -> Gradients:
    """Launch the backward pass, and sum what the programs found for each learned value."""
    gpu: Any = gpu_kernel()
    out = torch.empty_like(x)
    if grad.stride() != x.stride():
        # Read once more and written once, it lies as x does, which every kernel is quickest with.
        grad = torch.empty_like(x).copy_(grad)
    given = _pass(x, spec, axis, values)
    prepare = gpu.backward if wrap is None else gpu.Pass.backward
    # What is made beside x in memory of its own has the strides of out.
    prepared = prepare(given, x.stride(), out.stride(), grad.stride(), out.stride())
    tensors = {"x": x, "y": out, "grad": grad, **_learned(values)}
    if prepared.scratch:
        tensors |= {name: torch.empty_like(x, dtype=torch.float32) for name in ("h", "r")}
    if not values:
        _start(prepared, tensors, wrap)
        return Gradients(out, {})
    sums = torch.empty(prepared.sums_shape, dtype=torch.float64, device=x.device)
    _start(prepared, {**tensors, "sums": sums}, wrap)
    totals = dict(zip(NAMES, sums.sum(0), strict=True))
    found = {name: totals[name] if value.numel() > 1 else totals[name].sum() for name, value in values.items()}
    # Copies: what an operator returns may not share memory.
    copies = {name: found[name].reshape(value.shape).to(value, copy=True) for name, value in values.items()}
    return Gradients(out, copies)


def _start(prepared: Any, tensors: Mapping[str, Tensor], wrap: Wrap | None) -> None:  # noqa: ANN401
    for launch in prepared.launches:
        given = {name: tensors[name] for name in launch.tensors}
        kernel = launch.kernel if wrap is None else wrap(launch.kernel)
        kernel[launch.grid](**given, **launch.arguments, num_warps=launch.warps)


def _pass(x: Tensor, spec: LRNSpec, axis: int, values: Values) -> Any:  # noqa: ANN401
    gpu: Any = gpu_kernel()
    learned = tuple((name, value.numel()) for name, value in values.items())
    return gpu.Pass(tuple(x.shape), axis, spec, learned, x.element_size(), _processors(x.device))


def _learned(values: Values) -> dict[str, Tensor]:
    return {f"learned_{name}": value.detach().double().reshape(-1).contiguous() for name, value in values.items()}


def _in_memory(x: Tensor) -> bool:
    """Whether there are elements, and at the addresses that the strides say."""
    if x.layout != torch.strided or type(x) not in (Tensor, nn.Parameter) or x.is_neg():
        return False
    if _get_current_dispatch_mode() is not None:
        return False
    try:
        # Null are those of zeros that autograd makes without memory, and of what torch.func wraps.
        return x.data_ptr() != 0
    except RuntimeError:
        return False


def _on(x: Tensor) -> Any:  # noqa: ANN401
    """Make the device of x the current one, which Triton launches on."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


@cache
def _processors(device: torch.device) -> int:
    if device.type != "cuda" or not torch.cuda.is_available():
        return _USUAL
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
