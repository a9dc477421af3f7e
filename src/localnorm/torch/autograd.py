"""LRN and its gradient as autograd functions: reverse mode in eager mode, and every mode of torch.func."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch import functorch
from localnorm.torch.call import Call, Gradients
from localnorm.torch.traced import backward_of_gradients, tangent


class Passes(NamedTuple):
    """The entries of the dispatch table that an autograd function calls.

    Attributes:
        forward: the forward pass of a kernel, without a derivative.
        gradients: the backward pass, itself differentiable if a derivative of it is needed.
        backward: the backward pass of a kernel, without a derivative.
    """

    forward: Callable[[Call], Tensor]
    gradients: Callable[[Call], Gradients]
    backward: Callable[[Call], Gradients]


class EagerFunction(torch.autograd.Function):
    """``apply(x, passes, spec, axes, names, *values)``; keeps x and the values, and recomputes the rest.

    A function with ``setup_context``, which torch.func needs, takes torch several times as long to call.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        passes: Passes,
        spec: LRNSpec,
        axes: tuple[int, ...],
        names: tuple[str, ...],
        *values: Tensor,
    ) -> Tensor:
        """Return the normalized x."""
        ctx.passes, ctx.spec, ctx.axes, ctx.names = passes, spec, axes, names
        ctx.save_for_backward(x, *values)
        return passes.forward(_call(x, spec, axes, names, values))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients; themselves differentiable if a graph of them is asked for."""
        x, *values = ctx.saved_tensors
        found = ctx.passes.gradients(_call(x, ctx.spec, ctx.axes, ctx.names, values, grad))
        return found.x, None, None, None, None, *(found.values[name] for name in ctx.names)


class TransformedFunction(EagerFunction):
    """The same under torch.func and in forward mode: batched, and with a tangent."""

    @staticmethod
    def forward(  # type: ignore[override]
        x: Tensor, passes: Passes, spec: LRNSpec, axes: tuple[int, ...], names: tuple[str, ...], *values: Tensor
    ) -> Tensor:
        """Return the normalized x."""
        return passes.forward(_call(x, spec, axes, names, values))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004, ANN401
        """Keep the input and the values."""
        x, ctx.passes, ctx.spec, ctx.axes, ctx.names, *values = inputs
        ctx.save_for_backward(x, *values)
        ctx.save_for_forward(x, *values)

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, *rest: Any) -> Tensor:  # noqa: ANN401
        """Return the tangent of the output."""
        x, *values = ctx.saved_tensors
        tangents = {name: dvalue for name, dvalue in zip(ctx.names, rest[4:], strict=True) if dvalue is not None}
        return tangent(_call(x, ctx.spec, ctx.axes, ctx.names, values), dx, tangents)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, passes: Passes, spec: LRNSpec, *rest: Any) -> Any:  # noqa: ANN401
        """Normalize the whole batch in one call."""
        axes, names, *values = rest
        x = functorch.in_front(x, in_dims[0], info.batch_size)
        values = functorch.batched_values(values, in_dims[5:], 1)
        return _transformed(x, passes, spec, functorch.behind_batch(axes), names, *values), 0


class GradientFunction(torch.autograd.Function):
    """``apply(x, grad, passes, spec, axes, names, *values)``: the gradient for x, then those for the values."""

    @staticmethod
    def forward(
        x: Tensor,
        grad: Tensor,
        passes: Passes,
        spec: LRNSpec,
        axes: tuple[int, ...],
        names: tuple[str, ...],
        *values: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return the gradients."""
        found = passes.backward(_call(x, spec, axes, names, values, grad))
        return found.x, *(found.values[name] for name in names)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ARG004, ANN401
        """Keep the inputs."""
        x, grad, _, ctx.spec, ctx.axes, ctx.names, *values = inputs
        ctx.save_for_backward(x, grad, *values)

    @staticmethod
    def backward(ctx: Any, *received: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of the gradients, with derivatives of every order."""
        x, grad, *values = ctx.saved_tensors
        found = backward_of_gradients(_call(x, ctx.spec, ctx.axes, ctx.names, values, grad), received)
        return found.x, found.values["grad"], *(None,) * 4, *(found.values[name] for name in ctx.names)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, grad: Tensor, passes: Passes, *rest: Any) -> Any:  # noqa: ANN401
        """Return the gradients of the whole batch in one call."""
        spec, axes, names, *values = rest
        x, grad = (functorch.in_front(*pair, info.batch_size) for pair in ((x, in_dims[0]), (grad, in_dims[1])))
        # A value that all of the batch share has a gradient from each, so it can't be shared any more.
        values = functorch.batched_values(values, in_dims[6:], info.batch_size)
        found = _gradients(x, grad, passes, spec, functorch.behind_batch(axes), names, *values)
        return found, (0,) * len(found)


def eager(call: Call, passes: Passes) -> Tensor:
    """Return the normalized x with a derivative in reverse mode."""
    return _eager(call.x, passes, call.spec, call.axes, tuple(call.values), *call.values.values())


def transformed(call: Call, passes: Passes) -> Tensor:
    """Return the normalized x under torch.func or in forward mode."""
    return _transformed(call.x, passes, call.spec, call.axes, tuple(call.values), *call.values.values())


def gradients(call: Call, passes: Passes) -> Gradients:
    """Return the gradients with derivatives of every order."""
    names = tuple(call.values)
    x, *values = _gradients(call.x, call.grad, passes, call.spec, call.axes, names, *call.values.values())
    return Gradients(x, dict(zip(names, values, strict=True)))


def _call(
    x: Tensor,
    spec: LRNSpec,
    axes: tuple[int, ...],
    names: tuple[str, ...],
    values: Sequence[Tensor],
    grad: Tensor | None = None,
) -> Call:
    return Call(x, spec, axes, dict(zip(names, values, strict=True)), grad)


# torch declares no types for these.
_eager: Callable[..., Tensor] = EagerFunction.apply
_transformed: Callable[..., Tensor] = TransformedFunction.apply
_gradients: Callable[..., tuple[Tensor, ...]] = GradientFunction.apply
