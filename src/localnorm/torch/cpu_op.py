"""LRN as an operator that torch's compiler takes as it is: ``torch.ops.localnorm.local_response_norm``.

In eager mode the door calls the kernel directly, which saves the dispatch. A graph that is compiled for a CPU
calls the operator; its gradient is an operator, too, whose own derivatives are of every order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from localnorm.errors import DerivativeError
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch import cpu, functorch
from localnorm.torch.functorch import forward_mode
from localnorm.torch.traced import Values, through_gradients

_Learned = Tensor | None


@torch.library.custom_op("localnorm::local_response_norm", mutates_args=())
def local_response_norm(
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
    """Return ``x * s^-beta``; learned values, in the rank of x, take the place of those of the spec."""
    values = _named(learned_k, learned_alpha, learned_beta)
    _refuse_tangents()
    return cpu.forward(x, _spec(lo, hi, alpha, beta, k, spatial), tuple(axes), values)


@torch.library.custom_op("localnorm::local_response_norm_backward", mutates_args=())
def local_response_norm_backward(
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
    """Return the gradient for x, and behind it those for the learned values there are."""
    values = _named(learned_k, learned_alpha, learned_beta)
    _refuse_tangents()
    found = cpu.backward(x, grad, _spec(lo, hi, alpha, beta, k, spatial), tuple(axes), values)
    return [found.x, *(found.values[name] for name in values)]


def apply(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    """Call the operator."""
    y: Tensor = local_response_norm(
        x,
        *(values.get(name) for name in NAMES),
        spec.lo,
        spec.hi,
        spec.alpha,
        spec.beta,
        spec.k,
        spec.spatial,
        list(axes),
    )
    return y


def _spec(lo: int, hi: int, alpha: float, beta: float, k: float, spatial: int) -> LRNSpec:
    return LRNSpec(lo, hi, alpha, beta, k, spatial)


def _refuse_tangents() -> None:
    """Refuse to drop what torch gives no operator written in Python to see: how its inputs move."""
    if forward_mode():
        raise DerivativeError(
            "torch.ops.localnorm has derivatives in reverse mode alone, got a call in forward mode "
            "(torch.func.jvp, jacfwd or forward_ad); call localnorm.torch.local_response_norm, uncompiled or "
            "compiled together with what takes the derivative."
        )


def _named(*values: _Learned) -> dict[str, Tensor]:
    return {name: value for name, value in zip(NAMES, values, strict=True) if value is not None}


@local_response_norm.register_fake
def _fake(x: Tensor, *_rest: Any) -> Tensor:  # noqa: ANN401
    return torch.empty_like(x)


@local_response_norm_backward.register_fake
def _fake_backward(grad: Tensor, x: Tensor, *rest: Any) -> list[Tensor]:  # noqa: ANN401, ARG001
    return [torch.empty_like(x), *(torch.empty_like(value) for value in rest[: len(NAMES)] if value is not None)]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401, ARG001
    tensors = 1 + len(NAMES)
    ctx.save_for_backward(*inputs[:tensors])
    ctx.rest = inputs[tensors:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    x, *values = ctx.saved_tensors
    grad_x, *found = local_response_norm_backward(grad, x, *values, *ctx.rest)
    return grad_x, *_in_places(found, values), *(None for _ in ctx.rest)


def _setup_twice(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:  # noqa: ANN401, ARG001
    tensors = 2 + len(NAMES)
    ctx.save_for_backward(*inputs[:tensors])
    ctx.rest = inputs[tensors:]


def _backward_twice(ctx: Any, received: Sequence[Tensor]) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    grad, x, *values = ctx.saved_tensors
    *numbers, axes = ctx.rest
    named = _named(*values)
    found = through_gradients(x, grad, _spec(*numbers), tuple(axes), named, received)
    places = _in_places([found.values[name] for name in named], values)
    return found.values["grad"], found.x, *places, *(None for _ in ctx.rest)


def _in_places(found: Sequence[Tensor], values: Sequence[_Learned]) -> list[_Learned]:
    """Return what was found for the values there are, and None in the places of the others."""
    waiting = iter(found)
    return [None if value is None else next(waiting) for value in values]


def _vmap(info: Any, in_dims: Any, x: Tensor, *rest: Any) -> tuple[Tensor, int]:  # noqa: ANN401
    values, (*numbers, axes) = rest[: len(NAMES)], rest[len(NAMES) :]
    moved = functorch.as_they_are([v for v in values if v is not None], _batched(values, in_dims[1:]))
    x = functorch.in_front(x, in_dims[0], info.batch_size)
    y: Tensor = local_response_norm(x, *_in_places(moved, values), *numbers, list(functorch.behind_batch(axes)))
    return y, 0


def _vmap_backward(info: Any, in_dims: Any, *arguments: Any) -> tuple[list[Tensor], list[int]]:  # noqa: ANN401
    count = info.batch_size
    grad, x = (functorch.in_front(*pair, count) for pair in zip(arguments[:2], in_dims[:2], strict=True))
    values, (*numbers, axes) = arguments[2 : 2 + len(NAMES)], arguments[2 + len(NAMES) :]
    moved = functorch.each_its_own([v for v in values if v is not None], _batched(values, in_dims[2:]), count)
    behind = list(functorch.behind_batch(axes))
    found = local_response_norm_backward(grad, x, *_in_places(moved, values), *numbers, behind)
    return found, [0] * len(found)


def _batched(values: Sequence[_Learned], in_dims: Sequence[int | None]) -> list[int | None]:
    return [axis for value, axis in zip(values, in_dims, strict=False) if value is not None]


local_response_norm.register_autograd(_backward, setup_context=_setup)
local_response_norm.register_vmap(_vmap)
local_response_norm_backward.register_autograd(_backward_twice, setup_context=_setup_twice)
local_response_norm_backward.register_vmap(_vmap_backward)
