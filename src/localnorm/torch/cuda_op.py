"""The GPU kernel as operators that torch's compiler sees through: it calls the Triton kernels itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from localnorm.kernels.available import gpu_kernel
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch import cuda
from localnorm.torch.traced import Values

_Learned = Tensor | None


@torch.library.triton_op("localnorm::local_response_norm_cuda", mutates_args=())
def local_response_norm_cuda(
    x: Tensor,
    learned_k: _Learned,
    learned_alpha: _Learned,
    learned_beta: _Learned,
    lo: int,
    hi: int,
    alpha: float,
    beta: float,
    k: float,
    axis: int,
) -> Tensor:
    """Return ``x * s^-beta``; learned values, in the rank of x, take the place of those of the spec."""
    values = _named(learned_k, learned_alpha, learned_beta)
    return cuda.run_forward(x, LRNSpec(lo, hi, alpha, beta, k), axis, values, torch.library.wrap_triton)


@torch.library.triton_op("localnorm::local_response_norm_cuda_backward", mutates_args=())
def local_response_norm_cuda_backward(
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
    axis: int,
) -> list[Tensor]:
    """Return the gradient for x, and behind it those for the learned values there are."""
    values = _named(learned_k, learned_alpha, learned_beta)
    spec = LRNSpec(lo, hi, alpha, beta, k)
    found = cuda.run_backward(x, grad, spec, axis, values, torch.library.wrap_triton)
    return [found.x, *(found.values[name] for name in values)]


def apply(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    """Call the operator."""
    learned = (values.get(name) for name in NAMES)
    y: Tensor = local_response_norm_cuda(x, *learned, spec.lo, spec.hi, spec.alpha, spec.beta, spec.k, axes[0])
    return y


def ready() -> bool:
    """Whether Triton is there: the compiler calls this, and does not look into it."""
    return gpu_kernel() is not None


# What torch.compiler.assume_constant_result does, without a second for importing the compiler.
ready._dynamo_marked_constant = True  # type: ignore[attr-defined]  # noqa: SLF001


def _named(*values: _Learned) -> dict[str, Tensor]:
    return {name: value for name, value in zip(NAMES, values, strict=True) if value is not None}


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401, ARG001
    tensors = 1 + len(NAMES)
    ctx.save_for_backward(*inputs[:tensors])
    ctx.rest = inputs[tensors:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    x, *values = ctx.saved_tensors
    grad_x, *found = local_response_norm_cuda_backward(grad, x, *values, *ctx.rest)
    waiting = iter(found)
    return grad_x, *(None if value is None else next(waiting) for value in values), *(None for _ in ctx.rest)


local_response_norm_cuda.register_autograd(_backward, setup_context=_setup)
