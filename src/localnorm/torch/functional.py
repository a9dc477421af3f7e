"""`local_response_norm` for torch tensors, and the checks of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function

from localnorm.axes import channel_axis, window_axes
from localnorm.errors import AxisError, DeviceError, DTypeError, InplaceError, LayoutError, SpecError
from localnorm.spec import LRNSpec
from localnorm.torch.array_ops import wide_dtype
from localnorm.torch.call import Call
from localnorm.torch.dispatch import normalize
from localnorm.torch.functorch import compile_time_constant, recorded, specialized, transformed

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_NUMBERS = {int, float}


def local_response_norm(
    input: Tensor,  # noqa: A002  the name that torch.nn.functional gives it
    size: int,
    alpha: float | Tensor = 1e-4,
    beta: float | Tensor = 0.75,
    k: float | Tensor = 1.0,
    *,
    dim: int = 1,
    inplace: bool = False,
) -> Tensor:
    """Divide each activation by its neighbours along the channel axis.

    ``y_c = x_c / (k + alpha / size * sum_{j in W(c)} x_j^2)^beta``. The window ``W(c)`` holds `size` channels
    around c, the extra one below if `size` is even, and is cut at the borders. This is the definition of
    ``torch.nn.functional.local_response_norm``, for every rank, axis, memory format and floating dtype.

    CPU tensors are computed by a compiled kernel in float32 (float64 for float64), on torch's threads; the result
    is rounded once, errs by less than 8 machine epsilons, and does not depend on the number of threads. Squares
    that overflow or underflow, NaN and infinities, and tensors on other devices are computed by torch operations
    in float64 (float32 on MPS devices): slower, and as exact.

    Args:
        input: the tensor to normalize: float16, bfloat16, float32 or float64, of rank 1 or more, in any memory
            format, with the channels along `dim`: ``(N, C, ...)`` by default.
        size: channels in the window, at least 1.
        alpha: factor of the mean of squares over the window, at least 0.
        beta: the exponent.
        k: the constant in the denominator, at least 0. These three may be tensors of one element, which get
            gradients.
        dim: the channel axis; 1 by default, as in torch.
        inplace: write the result into `input` and return it; only if no gradient is needed.

    Returns:
        A tensor of the shape, dtype and memory format of `input`. The backward pass keeps only `input`.

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
    if recorded(input):
        named: Any = {"size": size, "alpha": alpha, "beta": beta, "k": k, "dim": dim, "inplace": inplace}
        return handle_torch_function(local_response_norm, (input,), input, **named)
    if isinstance(alpha, Tensor) or isinstance(beta, Tensor) or isinstance(k, Tensor):
        return _with_tensors(input, size, {"alpha": alpha, "beta": beta, "k": k}, dim, inplace=inplace)
    if torch.compiler.is_compiling():
        size, alpha, beta, k = specialized(size, alpha, beta, k)
    return apply_spec(input, _spec(size, alpha, beta, k), dim, inplace=inplace)


def _with_tensors(x: Tensor, size: int, values: dict[str, float | Tensor], dim: int, *, inplace: bool) -> Tensor:
    """Normalize with k, alpha or beta as tensors of one element, which get gradients, as in torch's function."""
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    for name, value in tensors.items():
        if (value.ndim and value.numel() != 1) or value.is_complex() or value.dtype is torch.bool:
            raise SpecError(
                f"{name} must be a number or a tensor of one real element, got {value.dtype} of shape "
                f"{tuple(value.shape)}; for one value for each channel use LocalResponseNorm(..., "
                f'learnable="{name}", per_channel=True).'
            )
    fixed = {name: value for name, value in values.items() if name not in tensors}
    if torch.compiler.is_compiling():
        size, *rest = specialized(size, *fixed.values())
        fixed = dict(zip(fixed, rest, strict=True))
    spec = _spec(size, *({"alpha": 1.0, "beta": 1.0, "k": 1.0} | fixed).values())
    learned = {name: value.reshape(()) for name, value in tensors.items()}
    if "alpha" in learned:
        learned["alpha"] = learned["alpha"].to(wide_dtype(x)) / size
    return apply_spec(x, spec, dim, inplace=inplace, learned=learned)


@compile_time_constant
def _spec(size: int, alpha: Any, beta: Any, k: Any) -> LRNSpec:  # noqa: ANN401
    """Return the spec, cached for plain numbers: to build and check one takes as long as a small input."""
    plain = {type(size), type(alpha), type(beta), type(k)} <= _NUMBERS
    return (_cached_spec if plain else LRNSpec.from_torch)(size, alpha, beta, k)


_cached_spec = lru_cache(maxsize=256, typed=True)(LRNSpec.from_torch)


def apply_spec(
    x: Tensor, spec: LRNSpec, dim: int, *, inplace: bool, learned: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Check the arguments, then normalize; the one entry that function, module and Keras layer share.

    Args:
        x: as `input` of `local_response_norm`.
        spec: the normalization.
        dim: the channel axis.
        inplace: whether to write the result into x.
        learned: what replaces the spec's k, alpha or beta: scalars, or vectors along the channel axis.
    """
    if recorded(x):
        # A proxy of torch.fx, or another object that records calls.
        named: dict[str, Any] = {"inplace": inplace, "learned": learned}
        return handle_torch_function(apply_spec, (x,), x, spec, dim, **named)
    channel = checked_channel(x, dim)
    axes = window_axes(spec, x.ndim, dim, "dim")
    values = {name: _along_channels(value, x, channel) for name, value in learned.items()} if learned else {}
    compiling = torch.compiler.is_compiling()
    # An exported program is run without gradients later, even if the weights of the model still require them.
    if inplace and not torch.compiler.is_exporting():
        _refuse_overwriting(x, values, compiling)
    out = x if inplace and not compiling else None
    y = normalize(Call(x, spec, axes, values, None, out, compiling, transformed()))
    return x.copy_(y) if inplace and y is not x else y


def checked_channel(x: Tensor, dim: int) -> int:
    """Return the channel axis counted from 0; raise if x or dim is not supported."""
    if not isinstance(x, Tensor):
        raise DTypeError(f"input must be a torch.Tensor, got {type(x).__name__}; wrap it in torch.as_tensor.")
    if x.dtype not in _DTYPES:
        raise DTypeError(
            f"input must be float16, bfloat16, float32 or float64, got {x.dtype}; "
            + _advice(x.dtype, quantized=x.is_quantized)
        )
    if x.layout is not torch.strided or x.is_nested:
        raise LayoutError(
            f"input must be a tensor with strides, got {'a nested one' if x.is_nested else x.layout}; convert it, "
            f"e.g. {'x.to_padded_tensor(0.0)' if x.is_nested else 'x.to_dense()'}."
        )
    return channel_axis(x.ndim, dim, "dim")


def _advice(dtype: torch.dtype, *, quantized: bool) -> str:
    if dtype.is_complex:
        return "normalize x.abs(), or x.real and x.imag each."
    return f"convert it, e.g. {'x.dequantize()' if quantized else 'x.float()'}."


def _along_channels(value: Tensor, x: Tensor, channel: int) -> Tensor:
    """Return a learned value in the rank of x and in the compute dtype."""
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


def _refuse_overwriting(x: Tensor, values: Mapping[str, Tensor], compiling: bool) -> None:
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *values.values())):
        what = "an input with" if x.requires_grad else "learned values with"
        raise InplaceError(
            f"inplace=True overwrites the input that the gradient needs, got {what} "
            "requires_grad=True; use inplace=False, or call under torch.no_grad()."
        )
    # In a graph, torch's own copy_ refuses such an input.
    if not compiling and _overlaps_itself(x):
        raise InplaceError(
            f"inplace=True needs an input whose elements do not share memory, got strides {x.stride()} for "
            f"shape {tuple(x.shape)}; use inplace=False, or pass x.clone()."
        )


def _overlaps_itself(x: Tensor) -> bool:
    """Return whether elements may share memory: whether a stride is within the reach of the smaller ones."""
    reach = 0
    for stride, extent in sorted(zip(x.stride(), x.shape, strict=True)):
        if extent > 1:
            if stride <= reach:
                return True
            reach += stride * (extent - 1)
    return False
