"""The private torch APIs that localnorm uses: active transforms, forward mode, dispatch modes, compiler flags.

torch has no public API for these. Each has a smoke test in ``tests/torch/test_private_apis.py``, so that a torch
release that moves one is noticed there. Beside them, the layout of batches under vmap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._C import _functorch
from torch.autograd import forward_ad
from torch.overrides import has_torch_function_unary
from torch.utils._python_dispatch import _get_current_dispatch_mode

Function = TypeVar("Function", bound=Callable[..., Any])


def forward_mode() -> bool:
    """Return whether derivatives are taken in forward mode, by torch.func or by forward_ad."""
    return forward_ad._current_level >= 0  # noqa: SLF001


def transformed() -> bool:
    """Return whether torch.func or forward mode is active, with tensors whose memory a kernel can't read."""
    return torch._C._are_functorch_transforms_active() or forward_mode()  # noqa: SLF001


def native_only() -> bool:
    """Return whether only torch's own operations get right derivatives.

    In forward mode inside forward mode, torch silently takes the tangent of an autograd function for a constant;
    and the tracer of ``make_fx`` can't trace such a function under torch.func.
    """
    levels = [level.key() for level in _functorch.get_interpreter_stack() or ()]
    return levels.count(_functorch.TransformType.Jvp) > 1 or dispatch_mode()


def dispatch_mode() -> bool:
    """Return whether a TorchDispatchMode is active, such as a tracer's or that of fake tensors."""
    return _get_current_dispatch_mode() is not None


def hooked(x: Tensor) -> bool:
    """Return whether a mode or the class of x intercepts each operation, so that x may have no values to read."""
    return dispatch_mode() or type(x).__torch_dispatch__ is not Tensor.__torch_dispatch__


def batched_by_autograd(grad: Tensor) -> bool:
    """Return whether grad is a batch of gradients made by ``torch.autograd.grad(..., is_grads_batched=True)``.

    That uses the vmap that preceded torch.func, which batches torch's own operations only.
    """
    return _functorch.is_legacy_batchedtensor(grad)


def tracing() -> bool:
    """Return whether ``torch.jit.trace`` is active: it records torch's operations and misses a kernel's writes."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def recorded(x: object) -> bool:
    """Return whether x is no tensor but records what is called on it, such as a proxy of torch.fx."""
    return not isinstance(x, Tensor) and has_torch_function_unary(x)


def in_memory(x: Tensor) -> bool:
    """Return whether x is a plain tensor whose elements are at the addresses given by its strides."""
    if type(x) not in (Tensor, nn.Parameter) or x.layout is not torch.strided or x.is_neg():
        return False
    try:
        # Null for empty tensors, for autograd's zeros without memory, and for tensors wrapped by torch.func.
        return x.data_ptr() != 0
    except RuntimeError:
        return False


def compile_time_constant(function: Function) -> Function:
    """Mark a function that torch.compile calls while it traces, and whose result it takes for a constant.

    This is ``torch.compiler.assume_constant_result`` without its import of the compiler, which takes a second.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]  # noqa: SLF001
    return function


def specialized(*numbers: Any) -> list[Any]:  # noqa: ANN401
    """Return numbers that torch.compile has specialized to their values.

    With dynamic shapes the compiler keeps a number symbolic until it is hashed, as in a set; then it compiles for
    that value and guards on it.
    """
    return [next(iter({number})) for number in numbers]


def in_front(tensor: Tensor, axis: int | None, count: int) -> Tensor:
    """Return the tensor with the batch axis in front, expanded to `count` if it has none."""
    return tensor.expand(count, *tensor.shape) if axis is None else tensor.movedim(axis, 0)


def batched_values(values: Sequence[Tensor], batched: Sequence[int | None], count: int) -> list[Tensor]:
    """Return learned values with the batch axis in front, of extent `count` if the batch shares a value.

    With a count of 1 the value stays shared. With the whole count it gets a gradient from each of the batch.
    """
    return [in_front(value, axis, count) for value, axis in zip(values, batched, strict=True)]


def behind_batch(axes: Sequence[int]) -> tuple[int, ...]:
    """Return the window's axes after a batch axis was put in front."""
    return tuple(axis + 1 for axis in axes)
