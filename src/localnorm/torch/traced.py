"""LRN without a look at any value: for graphs that are traced, and for derivatives of every order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch.array_ops import arithmetic, wide_dtype, widened
from localnorm.torch.functorch import transformed

Values = Mapping[str, Tensor]
"""Learned values by name, in the dtype of the arithmetic and the rank of x, of extent 1 where they are shared."""


class Gradients(NamedTuple):
    """The gradient for x, and that for each learned value in its own shape."""

    x: Tensor
    values: dict[str, Tensor]


class TraceableFunction(torch.autograd.Function):
    """``apply(x, spec, axes, names, *values)`` in a graph; keeps x and the values, and recomputes the rest."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        spec: LRNSpec,
        axes: tuple[int, ...],
        names: tuple[str, ...],
        *values: Tensor,
    ) -> Tensor:
        """Return the normalized x."""
        ctx.spec, ctx.axes, ctx.names = spec, axes, names
        ctx.save_for_backward(x, *values)
        return anywhere(x, spec, axes, dict(zip(names, values, strict=True)))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients."""
        x, *rest = ctx.saved_tensors
        found = differentiable(x, grad, ctx.spec, ctx.axes, dict(zip(ctx.names, rest, strict=True)))
        return found.x, None, None, None, *(found.values[name] for name in ctx.names)


def tracing() -> bool:
    """Whether ``torch.jit.trace`` is at work, which records what torch does and misses what a kernel writes."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def traceable(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    """Return the normalized x in operations that ``torch.compile`` and ``torch.export`` can trace."""
    differentiated = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *values.values()))
    # What torch.jit.trace records can be saved without a function written in Python, and has derivatives anyway;
    # the compiler sees through torch.func, but not through such a function under it.
    if tracing() or transformed() or not differentiated:
        return anywhere(x, spec, axes, values)
    y: Tensor = TraceableFunction.apply(x, spec, axes, tuple(values), *values.values())  # type: ignore[no-untyped-call]
    return y


def anywhere(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    """Return the normalized x in operations that are right at any value, without a derivative of their own."""
    return _stored(arithmetic(x, spec, axes).forward(widened(x), values), x)


def without_sum(x: Tensor, spec: LRNSpec, values: Values) -> Tensor:
    """Return ``x * k^-beta``, which is all that alpha = 0 leaves; autograd needs no help with that."""
    k = values.get("k", torch.full((), spec.k, dtype=wide_dtype(x), device=x.device))
    # Half of the exponent at a time: the whole power may be out of range where the result is not.
    root = k.pow(-values.get("beta", spec.beta) / 2)
    return _stored(widened(x) * root * root, x)


def _stored(y: Tensor, x: Tensor) -> Tensor:
    """Return y in the dtype of x, and in its memory format where x is dense."""
    if tracing() or transformed():
        # The ONNX exporter that is built on torch.jit.trace knows no copy, and vmap none into what is not batched.
        return y.to(x.dtype)
    return torch.empty_like(x).copy_(y)


def differentiable(x: Tensor, grad: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Gradients:
    """The gradients in operations whose derivatives torch knows, for derivatives of every order."""
    found = arithmetic(x, spec, axes).backward(widened(x), widened(grad), values)
    return Gradients(
        found.x.to(x.dtype), {name: shared(found.values[name], value) for name, value in values.items()}
    )


def tangent(
    x: Tensor, dx: Tensor | None, spec: LRNSpec, axes: tuple[int, ...], values: Values, dvalues: Values
) -> Tensor:
    """How the output moves along dx and the dvalues there are, in operations whose derivatives torch knows."""
    dx = torch.zeros_like(x) if dx is None else dx
    return _stored(arithmetic(x, spec, axes).tangent(widened(x), widened(dx), values, dvalues), x)


def through_gradients(
    x: Tensor, grad: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values, received: Sequence[Tensor]
) -> Gradients:
    """The gradients of what `differentiable` returns, for what its results receive; "grad" names that for grad.

    By ``torch.func.vjp``, which has derivatives itself and works under each of its own kind.
    """

    def gradients(x: Tensor, grad: Tensor, *values_: Tensor) -> tuple[Tensor, ...]:
        found = differentiable(x, grad, spec, axes, dict(zip(values, values_, strict=True)))
        return found.x, *found.values.values()

    pull = torch.func.vjp(gradients, x, grad, *values.values())[1]
    for_x, for_grad, *rest = pull(tuple(received))
    return Gradients(for_x, {"grad": for_grad, **dict(zip(values, rest, strict=True))})


def shared(term: Tensor, value: Tensor) -> Tensor:
    """Sum over all the elements that share a value."""
    shared = [axis for axis, extent in enumerate(value.shape) if extent == 1]
    return term.sum(shared, keepdim=True) if shared else term
