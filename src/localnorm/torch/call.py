"""The arguments of one pass, its results, and a row of the dispatch table: what launchers take and return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch.functorch import dispatch_mode, in_memory

Values = Mapping[str, Tensor]
"""Learned k, alpha or beta by name, in the compute dtype and the rank of x, of extent 1 along shared axes."""


class Call(NamedTuple):
    """One forward pass, or one backward pass if `grad` is set.

    Attributes:
        x: the input.
        spec: the window, and the values that are not learned.
        axes: the axes that the window spans, counted from 0.
        values: the learned values.
        grad: the gradient of the output, for the backward pass.
        out: where to write the result, which may be x; a new tensor by default. Only kernels and eager array
            operations use it.
        compiling: whether torch.compile or torch.export traces the call.
        transformed: whether torch.func or forward mode is active around the call.
    """

    x: Tensor
    spec: LRNSpec
    axes: tuple[int, ...]
    values: Values
    grad: Tensor | None = None
    out: Tensor | None = None
    compiling: bool = False
    transformed: bool = False

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all tensors that a derivative may be taken for."""
        return (self.x, *self.values.values(), *(() if self.grad is None else (self.grad,)))


class Gradients(NamedTuple):
    """The gradient for x, and that for each learned value in its own shape."""

    x: Tensor
    values: dict[str, Tensor]


class Path(NamedTuple):
    """One way to compute a pass: a row of the dispatch table.

    Attributes:
        name: what the way is called.
        takes: whether it can compute a call; only asked if no row before does.
        forward: the launcher of the forward pass. It decides nothing.
        backward: the launcher of the backward pass; None if torch derives it from what `forward` calls.
    """

    name: str
    takes: Callable[[Call], bool]
    forward: Callable[[Call], Tensor]
    backward: Callable[[Call], Gradients] | None = None


def sum_to(term: Tensor, value: Tensor) -> Tensor:
    """Sum over all elements that share a learned value."""
    shared = [axis for axis, extent in enumerate(value.shape) if extent == 1]
    return term.sum(shared, keepdim=True) if shared else term


def in_memory_alike(call: Call) -> bool:
    """Return whether a kernel can read the tensors: in memory, x and the gradient of one shape and dtype."""
    x, grad = call.x, call.grad
    if dispatch_mode() or not in_memory(x):
        return False
    return grad is None or (in_memory(grad) and (grad.dtype, grad.shape) == (x.dtype, x.shape))
