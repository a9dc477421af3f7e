"""LRN as an operator that torch's compiler takes as it is: ``torch.ops.localnorm.local_response_norm``.

In eager mode the door calls the kernel directly, which saves the dispatch. A graph that is compiled for a CPU
calls the operator; its gradient is an operator, too, and has no derivative of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch import kernel
from localnorm.torch.graph import Values

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
    return kernel.forward(x, LRNSpec(lo, hi, alpha, beta, k, spatial), tuple(axes), values)


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
    found = kernel.backward(x, grad, LRNSpec(lo, hi, alpha, beta, k, spatial), tuple(axes), values)
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
    waiting = iter(found)
    return grad_x, *(None if value is None else next(waiting) for value in values), *(None for _ in ctx.rest)


local_response_norm.register_autograd(_backward, setup_context=_setup)
