"""What is at work around a call: torch.func, forward mode, a mode that is told of each operation.

torch has no public question for the first two. These are what ``torch.autograd.Function`` itself asks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch._C import _functorch
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode


def forward_mode() -> bool:
    """Whether derivatives are taken in forward mode, by torch.func or by forward_ad."""
    return forward_ad._current_level >= 0  # noqa: SLF001


def transformed() -> bool:
    """Whether torch.func is at work, or forward mode, with tensors that a kernel can't look into."""
    return torch._C._are_functorch_transforms_active() or forward_mode()  # noqa: SLF001


def native_only() -> bool:
    """Whether only torch's own operations are differentiated rightly.

    In forward mode inside forward mode, torch takes the tangent of an autograd function for a constant, without a
    word; and the tracer of ``make_fx`` knows no such function under torch.func.
    """
    levels = [level.key() for level in _functorch.get_interpreter_stack() or ()]
    return levels.count(_functorch.TransformType.Jvp) > 1 or dispatch_mode()


def dispatch_mode() -> bool:
    """Whether a mode is told of each operation, such as a tracer's or that of fake tensors."""
    return _get_current_dispatch_mode() is not None


def watched(x: Tensor) -> bool:
    """Whether a mode or the class of x is told of each operation, and may have no values to look at."""
    return dispatch_mode() or type(x).__torch_dispatch__ is not Tensor.__torch_dispatch__


def batched_by_autograd(grad: Tensor) -> bool:
    """Whether this is a batch of gradients as ``torch.autograd.grad(..., is_grads_batched=True)`` makes them.

    That is vmap as it was before torch.func: it sees torch's own operations alone.
    """
    return _functorch.is_legacy_batchedtensor(grad)


def in_front(tensor: Tensor, axis: int | None, count: int) -> Tensor:
    """Return the tensor with the axis of the batch in front; all of the batch share one that has no such axis."""
    return tensor.expand(count, *tensor.shape) if axis is None else tensor.movedim(axis, 0)


def each_its_own(values: Sequence[Tensor], batched: Sequence[int | None], count: int) -> list[Tensor]:
    """Return learned values with the axis of the batch in front, at its whole extent.

    A value that all of the batch share has a gradient from each, and so may be shared no longer.
    """
    return [in_front(value, axis, count) for value, axis in zip(values, batched, strict=True)]


def as_they_are(values: Sequence[Tensor], batched: Sequence[int | None]) -> list[Tensor]:
    """Return learned values with an axis for the batch in front, of extent 1 where all of it shares a value."""
    return [in_front(value, axis, 1) for value, axis in zip(values, batched, strict=True)]


def behind_batch(axes: Sequence[int]) -> tuple[int, ...]:
    """Return the window's axes where the batch has taken the place in front."""
    return tuple(axis + 1 for axis in axes)
