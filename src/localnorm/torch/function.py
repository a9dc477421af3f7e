"""LRN as a function that autograd knows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch.graph import differentiable
from localnorm.torch.kernel import backward, forward


class LocalResponseNormFunction(torch.autograd.Function):
    """``apply(x, spec, axes, names, *values)``; keeps x and the values, and recomputes the rest."""

    @staticmethod
    def forward(
        x: Tensor, spec: LRNSpec, axes: tuple[int, ...], names: tuple[str, ...], *values: Tensor
    ) -> Tensor:
        """Return the normalized x."""
        return forward(x, spec, axes, dict(zip(names, values, strict=True)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004, ANN401
        """Keep the input."""
        x, ctx.spec, ctx.axes, ctx.names, *values = inputs
        ctx.save_for_backward(x, *values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients; themselves differentiable where a graph of them is asked for."""
        x, *rest = ctx.saved_tensors
        values = dict(zip(ctx.names, rest, strict=True))
        compute = differentiable if torch.is_grad_enabled() else backward
        found = compute(x, grad, ctx.spec, ctx.axes, values)
        return found.x, None, None, None, *(found.values[name] for name in ctx.names)
