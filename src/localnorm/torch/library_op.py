"""Register a pass and its gradient as operators of torch.library, which torch.compile leaves whole in a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from localnorm.errors import DerivativeError
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch.call import Call, Gradients
from localnorm.torch.functorch import forward_mode

_Learned = Tensor | None
_TENSORS = 1 + len(NAMES)
"""The arguments of the forward operator that are tensors or None: x and the learned values."""


def register(
    name: str,
    decorator: Callable[..., Any],
    forward: Callable[[Call], Tensor],
    backward: Callable[[Call], Gradients],
    *,
    opaque: bool,
) -> Callable[[Call], Tensor]:
    """Register ``torch.ops.localnorm.<name>`` and ``<name>_backward``; return the launcher of the first.

    Args:
        name: that of the operator.
        decorator: ``torch.library.custom_op`` or ``torch.library.triton_op``.
        forward: computes the first operator.
        backward: computes the second.
        opaque: whether the compiler can't look into them, and needs their shapes and strides from elsewhere.
    """

    @decorator(f"localnorm::{name}", mutates_args=())  # type: ignore[untyped-decorator]
    def operator(
        x: Tensor,
        learned_k: _Learned,
        learned_alpha: _Learned,
        learned_beta: _Learned,
        lo: int,
        hi: int,
        alpha: float,
        beta: float,
        k: float,
        spatial: int,
        axes: list[int],
    ) -> Tensor:
        """Return ``x * s^-beta``; learned values, in the rank of x, replace those of the spec."""
        values = _named(learned_k, learned_alpha, learned_beta)
        _refuse_tangents()
        return forward(Call(x, LRNSpec(lo, hi, alpha, beta, k, spatial), tuple(axes), values))

    @decorator(f"localnorm::{name}_backward", mutates_args=())  # type: ignore[untyped-decorator]
    def backward_operator(
        grad: Tensor,
        x: Tensor,
        learned_k: _Learned,
        learned_alpha: _Learned,
        learned_beta: _Learned,
        lo: int,
        hi: int,
        alpha: float,
        beta: float,
        k: float,
        spatial: int,
        axes: list[int],
    ) -> list[Tensor]:
        """Return the gradient for x, then those for the learned values that are given."""
        values = _named(learned_k, learned_alpha, learned_beta)
        _refuse_tangents()
        found = backward(Call(x, LRNSpec(lo, hi, alpha, beta, k, spatial), tuple(axes), values, grad))
        return [found.x, *(found.values[name] for name in values)]

    def derive(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, *values = ctx.saved_tensors
        grad_x, *found = backward_operator(grad, x, *values, *ctx.rest)
        rest = iter(found)
        grad_values = [None if value is None else next(rest) for value in values]
        return grad_x, *grad_values, *(None for _ in ctx.rest)

    operator.register_autograd(derive, setup_context=_keep_inputs)
    if opaque:
        operator.register_fake(lambda x, *_rest: torch.empty_like(x))
        backward_operator.register_fake(_fake_gradients)

    def launch(call: Call) -> Tensor:
        spec, learned = call.spec, [call.values.get(name) for name in NAMES]
        numbers = (spec.lo, spec.hi, spec.alpha, spec.beta, spec.k, spec.spatial)
        y: Tensor = operator(call.x, *learned, *numbers, list(call.axes))
        return y

    return launch


def _named(*values: _Learned) -> dict[str, Tensor]:
    return {name: value for name, value in zip(NAMES, values, strict=True) if value is not None}


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401, ARG001
    ctx.save_for_backward(*inputs[:_TENSORS])
    ctx.rest = inputs[_TENSORS:]


def _fake_gradients(grad: Tensor, x: Tensor, *rest: Any) -> Sequence[Tensor]:  # noqa: ANN401, ARG001
    return [torch.empty_like(x), *(torch.empty_like(value) for value in rest[: len(NAMES)] if value is not None)]


def _refuse_tangents() -> None:
    """Raise in forward mode: torch passes no tangents to Python custom operators and would silently drop them."""
    if forward_mode():
        raise DerivativeError(
            "torch.ops.localnorm has derivatives in reverse mode alone, got a call in forward mode "
            "(torch.func.jvp, jacfwd or forward_ad); call localnorm.torch.local_response_norm, uncompiled or "
            "compiled together with what takes the derivative."
        )
