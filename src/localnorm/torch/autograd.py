"""LRN and its gradient as functions that autograd and torch.func know: in reverse, forward and batched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch import functorch
from localnorm.torch.cpu import backward, forward
from localnorm.torch.functorch import batched_by_autograd, forward_mode, native_only, transformed
from localnorm.torch.traced import Values, anywhere, differentiable, tangent, through_gradients


def apply(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    """Return the normalized x with a derivative, whatever takes it."""
    if transformed() and native_only():
        return anywhere(x, spec, axes, values)
    return _normalized(x, spec, axes, tuple(values), *values.values())


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
        ctx.save_for_forward(x, *values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients; themselves differentiable where a graph of them is asked for."""
        x, *values = ctx.saved_tensors
        if forward_mode() or batched_by_autograd(grad):
            # Torch knows how each of its own operations moves, and how it is batched.
            found = differentiable(x, grad, ctx.spec, ctx.axes, dict(zip(ctx.names, values, strict=True)))
            gradients = found.x, *found.values.values()
        elif torch.is_grad_enabled() or transformed():
            gradients = _gradients(x, grad, ctx.spec, ctx.axes, ctx.names, *values)
        else:
            gradients = GradientFunction.forward(x, grad, ctx.spec, ctx.axes, ctx.names, *values)
        return gradients[0], None, None, None, *gradients[1:]

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, *rest: Any) -> Tensor:  # noqa: ANN401
        """Return how the output moves where the inputs move."""
        x, *values = ctx.saved_tensors
        moving = {name: moved for name, moved in zip(ctx.names, rest[3:], strict=True) if moved is not None}
        return tangent(x, dx, ctx.spec, ctx.axes, dict(zip(ctx.names, values, strict=True)), moving)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, spec: LRNSpec, axes: tuple[int, ...], *rest: Any) -> Any:  # noqa: ANN401
        """Normalize the whole batch in one call; values of its own for each go the portable way."""
        names, *values = rest
        x = functorch.in_front(x, in_dims[0], info.batch_size)
        return _normalized(
            x, spec, functorch.behind_batch(axes), names, *functorch.as_they_are(values, in_dims[4:])
        ), 0


class GradientFunction(torch.autograd.Function):
    """``apply(x, grad, spec, axes, names, *values)``: the gradient for x, and behind it those for the values."""

    @staticmethod
    def forward(
        x: Tensor, grad: Tensor, spec: LRNSpec, axes: tuple[int, ...], names: tuple[str, ...], *values: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the gradients."""
        found = backward(x, grad, spec, axes, dict(zip(names, values, strict=True)))
        return found.x, *(found.values[name] for name in names)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004, ANN401
        """Keep the inputs."""
        x, grad, ctx.spec, ctx.axes, ctx.names, *values = inputs
        ctx.save_for_backward(x, grad, *values)

    @staticmethod
    def backward(ctx: Any, *received: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of the gradients, with derivatives of every order."""
        x, grad, *values = ctx.saved_tensors
        named = dict(zip(ctx.names, values, strict=True))
        found = through_gradients(x, grad, ctx.spec, ctx.axes, named, received)
        return found.x, found.values["grad"], None, None, None, *(found.values[name] for name in ctx.names)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, grad: Tensor, spec: LRNSpec, *rest: Any) -> Any:  # noqa: ANN401
        """Return the gradients of the whole batch in one call."""
        axes, names, *values = rest
        found = _gradients(
            functorch.in_front(x, in_dims[0], info.batch_size),
            functorch.in_front(grad, in_dims[1], info.batch_size),
            spec,
            functorch.behind_batch(axes),
            names,
            *functorch.each_its_own(values, in_dims[5:], info.batch_size),
        )
        return found, (0,) * len(found)


# What torch leaves without a type.
_normalized: Callable[..., Tensor] = LocalResponseNormFunction.apply
_gradients: Callable[..., tuple[Tensor, ...]] = GradientFunction.apply
