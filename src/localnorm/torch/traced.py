"""LRN in torch operations that read no value: for traced graphs, tensors without values, and any derivative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch.array_ops import TRACED, arithmetic, wide_dtype, widened
from localnorm.torch.call import Call, Gradients, Values, sum_to
from localnorm.torch.functorch import tracing, transformed


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
        return forward(Call(x, spec, axes, dict(zip(names, values, strict=True))))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients."""
        x, *rest = ctx.saved_tensors
        found = backward(Call(x, ctx.spec, ctx.axes, dict(zip(ctx.names, rest, strict=True)), grad))
        return found.x, None, None, None, *(found.values[name] for name in ctx.names)


def with_gradient(call: Call) -> Tensor:
    """Return the normalized x with the backward formula in the graph, which keeps only x and the values."""
    y: Tensor = TraceableFunction.apply(  # type: ignore[no-untyped-call]
        call.x, call.spec, call.axes, tuple(call.values), *call.values.values()
    )
    return y


def forward(call: Call) -> Tensor:
    """Return the normalized x."""
    return _stored(arithmetic(call, TRACED).forward(widened(call.x), call.values), call.x)


def backward(call: Call) -> Gradients:
    """Return the gradients, in operations with derivatives of every order."""
    x, grad, values = call.x, call.grad, call.values
    found = arithmetic(call, TRACED).backward(widened(x), widened(grad), values)  # type: ignore[arg-type]
    return Gradients(
        found.x.to(x.dtype), {name: sum_to(found.values[name], value) for name, value in values.items()}
    )


def tangent(call: Call, dx: Tensor | None, dvalues: Values) -> Tensor:
    """Return the tangent of the output along dx and the given dvalues, in operations with derivatives."""
    dx = torch.zeros_like(call.x) if dx is None else dx
    return _stored(arithmetic(call, TRACED).tangent(widened(call.x), widened(dx), call.values, dvalues), call.x)


def backward_of_gradients(call: Call, received: Sequence[Tensor]) -> Gradients:
    """Return the gradients of the results of `backward`, given those of its results; "grad" is that for grad.

    By ``torch.func.vjp``, which has derivatives itself and works under every other transform.
    """

    def gradients(x: Tensor, grad: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(call.values, values, strict=True))
        found = backward(call._replace(x=x, grad=grad, values=named))
        return found.x, *found.values.values()

    pull = torch.func.vjp(gradients, call.x, call.grad, *call.values.values())[1]
    for_x, for_grad, *rest = pull(tuple(received))
    return Gradients(for_x, {"grad": for_grad, **dict(zip(call.values, rest, strict=True))})


def without_sum(call: Call) -> Tensor:
    """Return ``x * k^-beta``, which is all that alpha = 0 leaves; torch derives its gradient."""
    x, spec, values = call.x, call.spec, call.values
    k = values.get("k", torch.full((), spec.k, dtype=wide_dtype(x), device=x.device))
    # Half of the exponent at a time: the whole power may be out of range when the result is not.
    root = k.pow(-values.get("beta", spec.beta) / 2)
    return _stored(widened(x) * root * root, x)


def _stored(y: Tensor, x: Tensor) -> Tensor:
    """Return y in the dtype of x, and in its memory format if x is dense."""
    if tracing() or transformed():
        # The legacy ONNX exporter has no copy, and vmap can't copy into a tensor that is not batched.
        return y.to(x.dtype)
    return torch.empty_like(x).copy_(y)
