"""The function of the torch door: checks its input, then calls the operator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from localnorm.axes import channel_axis, window_axes
from localnorm.errors import AxisError, DeviceError, DTypeError, InplaceError, LayoutError
from localnorm.spec import LRNSpec
from localnorm.torch import autograd, cpu_op, cuda, onnx
from localnorm.torch.array_ops import wide_dtype
from localnorm.torch.cpu import forward
from localnorm.torch.functorch import transformed
from localnorm.torch.traced import traceable, tracing, without_sum

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def local_response_norm(
    input: Tensor,  # noqa: A002  the name that torch.nn.functional gives it
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    dim: int = 1,
    inplace: bool = False,
) -> Tensor:
    """Divide each activation by its neighbours along the channel axis.

    ``y_c = x_c / (k + alpha / size * sum_{j in W(c)} x_j^2)^beta``, where ``W(c)`` holds `size`
    channels around c, the extra one below where `size` is even, cut at the borders. This is the meaning of
    ``torch.nn.functional.local_response_norm``, for every rank, axis, memory format and floating dtype.

    On a CPU a compiled kernel does it, in float32 (in float64 for float64), on torch's threads; the result is
    rounded once, errs by less than 8 machine epsilons, and does not depend on the number of threads. Where
    a square would overflow or vanish, a NaN or an infinity is, and on other devices, torch operations in float64
    (float32 on MPS devices) take its place: slower, but right.

    Args:
        input: float16, bfloat16, float32 or float64, of rank 1 or more, in any memory format.
        size: channels in the window, at least 1.
        alpha: factor of the mean of squares over the window.
        beta: the exponent.
        k: the constant in the denominator.
        dim: the channel axis; 1 by default, as in torch.
        inplace: write the result into `input` and return it; only where no gradient is needed.

    Returns:
        A tensor of the shape, dtype and memory format of `input`. The backward pass keeps `input` and
        nothing else.

    Raises:
        SpecError: a hyperparameter that defines no LRN (a ValueError).
        AxisError: `dim` is out of range (a ValueError and IndexError).
        DTypeError: integer, boolean, complex, quantized or 8-bit input (a TypeError).
        LayoutError: a sparse, nested or MKL-DNN tensor (a TypeError).
        InplaceError: `inplace` with an input that needs a gradient or overlaps itself (a ValueError).

    Source: torch/nn/functional.py; Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.

    Example:
        >>> x = torch.tensor([[3.0, 4.0, 0.0]])
        >>> local_response_norm(x, size=3, alpha=3.0, beta=0.5, k=0.0)
        tensor([[0.6000, 0.8000, 0.0000]])
    """
    if torch.compiler.is_compiling():
        # With dynamic shapes the compiler leaves numbers open, too, until they are hashed.
        [size], [alpha], [beta], [k] = {size}, {alpha}, {beta}, {k}
    return apply_spec(input, _spec(size, alpha, beta, k), dim, inplace=inplace)


def _spec(size: int, alpha: float, beta: float, k: float) -> LRNSpec:
    """Return the spec: the compiler calls this, and does not look into it."""
    plain = all(type(value) in (int, float) for value in (size, alpha, beta, k))
    return (_kept_spec if plain else LRNSpec.from_torch)(size, alpha, beta, k)


# What torch.compiler.assume_constant_result does, without a second for importing the compiler.
_spec._dynamo_marked_constant = True  # type: ignore[attr-defined]  # noqa: SLF001


@lru_cache(maxsize=256, typed=True)
def _kept_spec(size: int, alpha: float, beta: float, k: float) -> LRNSpec:
    """Return a spec, built and checked once: that takes as long as a small input."""
    return LRNSpec.from_torch(size, alpha, beta, k)


def apply_spec(
    x: Tensor, spec: LRNSpec, dim: int, *, inplace: bool, learned: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Check x and dim, then normalize; the one entry that function and module share.

    `learned` holds what takes the place of the spec's k, alpha or beta: scalars, or vectors along the channel
    axis.
    """
    channel = checked_channel(x, dim)
    axes = window_axes(spec, x.ndim, dim, "dim")
    values = {name: _along_channels(value, x, channel) for name, value in (learned or {}).items()}
    compiling = torch.compiler.is_compiling()
    # A program is exported to be run, and from a model whose weights still ask for gradients.
    if inplace and not torch.compiler.is_exporting():
        _refuse_overwriting(x, values)
    y: Tensor
    if compiling and onnx.exporting():
        y = onnx.exported(x, spec, axes, values)
    elif not spec.alpha:
        y = without_sum(x, spec, values)
    elif compiling and x.device.type == "cpu" and not (torch.compiler.is_exporting() or transformed()):
        y = cpu_op.apply(x, spec, axes, values)
    elif compiling and not transformed() and _for_cuda(x, spec, axes, values):
        from localnorm.torch import cuda_op

        y = cuda_op.apply(x, spec, axes, values)
    elif compiling or tracing():
        y = traceable(x, spec, axes, values)
    elif inplace and not transformed():
        forward(x.detach(), spec, axes, values, out=x.detach())
        return x
    elif not (_needs_gradient(x, values) or transformed()):
        y = forward(x, spec, axes, values)
    else:
        y = autograd.apply(x, spec, axes, values)
    return x.copy_(y) if inplace else y


def checked_channel(x: Tensor, dim: int) -> int:
    """Return the channel axis counted from 0, or say what is wrong with x or dim."""
    if not isinstance(x, Tensor):
        raise DTypeError(f"input must be a torch.Tensor, got {type(x).__name__}; wrap it in torch.as_tensor.")
    if x.dtype not in _DTYPES:
        raise DTypeError(
            f"input must be float16, bfloat16, float32 or float64, got {x.dtype}; convert it, e.g. "
            f"{'x.dequantize()' if x.is_quantized else 'x.float()'}."
        )
    if x.layout is not torch.strided or x.is_nested:
        raise LayoutError(
            f"input must be a tensor with strides, got {'a nested one' if x.is_nested else x.layout}; convert it, "
            f"e.g. {'x.to_padded_tensor(0.0)' if x.is_nested else 'x.to_dense()'}."
        )
    return channel_axis(x.ndim, dim, "dim")


def _along_channels(value: Tensor, x: Tensor, channel: int) -> Tensor:
    """Return a value in the rank of x and in the dtype of the arithmetic."""
    if value.device != x.device:
        raise DeviceError(
            f"input and learned values must be on one device, got {x.device} and {value.device}; move the module, "
            f"e.g. module.to({str(x.device)!r}), or the input."
        )
    if value.ndim and len(value) != x.shape[channel]:
        raise AxisError(
            f"input must have one channel for each learned value, {len(value)} along axis {channel}, got "
            f"{x.shape[channel]}; pass num_channels={x.shape[channel]}, or another dim."
        )
    return value.reshape([-1 if axis == channel else 1 for axis in range(x.ndim)]).to(wide_dtype(x))


def _for_cuda(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Mapping[str, Tensor]) -> bool:
    """Whether the GPU kernel can stand in a compiled graph."""
    if x.device.type != "cuda" or torch.compiler.is_exporting():
        return False
    # Imported where a graph for CUDA is compiled: its operators import the compiler, which takes a second.
    from localnorm.torch import cuda_op

    if not cuda_op.ready():
        return False
    return cuda.traceable(x) and cuda.usable(x, spec, axes, values)


def _needs_gradient(x: Tensor, values: Mapping[str, Tensor]) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *values.values()))


def _refuse_overwriting(x: Tensor, values: Mapping[str, Tensor]) -> None:
    if _needs_gradient(x, values):
        what = "an input with" if x.requires_grad else "learned values with"
        raise InplaceError(
            f"inplace=True overwrites the input that the gradient needs, got {what} "
            "requires_grad=True; use inplace=False, or call under torch.no_grad()."
        )
    # A graph writes to such an input in torch's own way, which refuses it.
    if not torch.compiler.is_compiling() and _overlaps_itself(x):
        raise InplaceError(
            f"inplace=True needs an input whose elements do not share memory, got strides {x.stride()} for "
            f"shape {tuple(x.shape)}; use inplace=False, or pass x.clone()."
        )


def _overlaps_itself(x: Tensor) -> bool:
    """Whether two elements may share memory: whether a stride is within the reach of the smaller ones."""
    reach = 0
    for stride, extent in sorted(zip(x.stride(), x.shape, strict=True)):
        if extent > 1:
            if stride <= reach:
                return True
            reach += stride * (extent - 1)
    return False
