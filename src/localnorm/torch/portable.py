"""LRN in plain torch operations, for every device: the autograd function and its arithmetic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch import scaled
from localnorm.torch.blocks import blocks
from localnorm.torch.window import window_sum

# Outside these, the plain formula may miss a square that vanished, or alpha itself.
_SMALLEST_S = 2.0**-60
_ALPHAS = (2.0**-100, 2.0**40)


class LocalResponseNormFunction(torch.autograd.Function):
    """``apply(x, spec, dim)``; keeps x for the backward pass and recomputes the rest."""

    @staticmethod
    def forward(x: Tensor, spec: LRNSpec, dim: int) -> Tensor:
        """Return the normalized x."""
        return forward(x, spec, dim, torch.empty_like(x))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, LRNSpec, int], output: Tensor) -> None:  # noqa: ARG004, ANN401
        """Keep the input."""
        x, ctx.spec, ctx.dim = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        """Return the gradient for x; itself differentiable where a graph of it is asked for."""
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():
            y = _differentiable(x, ctx.spec, ctx.dim)
            (grad_x,) = torch.autograd.grad(y, x, grad, create_graph=True)
            return grad_x, None, None
        return backward(x, grad, ctx.spec, ctx.dim), None, None


def forward(x: Tensor, spec: LRNSpec, dim: int, out: Tensor) -> Tensor:
    """Write ``x * s^-beta`` into out, which may be x, and return out."""
    for x_block, out_block in blocks(dim, x, out):
        wide = _widened(x_block)
        s = _denominator(wide, spec, dim)
        outside = _outside(s, spec, dim)
        y = _power(s, spec.beta).mul_(wide)
        if outside is not None:
            columns = wide.movedim(dim, -1)[outside].double()
            y.movedim(dim, -1)[outside] = scaled.forward(columns, spec).to(y.dtype)
        out_block.copy_(y)
    return out


def backward(x: Tensor, grad: Tensor, spec: LRNSpec, dim: int) -> Tensor:
    """Return ``g_j s_j^-beta - 2 alpha beta x_j sum_{c: j in W(c)} g_c x_c s_c^(-beta-1)``."""
    out = torch.empty_like(x)
    for x_block, grad_block, out_block in blocks(dim, x, grad, out):
        wide, wide_grad = _widened(x_block), _widened(grad_block)
        s = _denominator(wide, spec, dim)
        outside = _outside(s, spec, dim)
        grad_x = _power(s, spec.beta).mul_(wide_grad)
        if spec.alpha:  # else through could overflow, and counts for nothing
            h = torch.div(grad_x, s, out=s).mul_(wide)
            # The window of c holds j where the mirrored window of j holds c.
            through = window_sum(h, spec.hi, spec.lo, dim).mul_(wide)
            grad_x.sub_(through, alpha=2 * spec.alpha * spec.beta)
        if outside is not None:
            columns = wide.movedim(dim, -1)[outside].double()
            grads = wide_grad.movedim(dim, -1)[outside].double()
            grad_x.movedim(dim, -1)[outside] = scaled.backward(columns, grads, spec).to(grad_x.dtype)
        out_block.copy_(grad_x)
    return out


def traceable(x: Tensor, spec: LRNSpec, dim: int) -> Tensor:
    """Return the normalized x without looking at any value, for ``torch.compile`` and ``torch.export``."""
    columns = _widened(x).movedim(dim, -1)
    y = scaled.forward(columns, spec).movedim(-1, dim)
    # A dense x keeps its memory format; what else x may be, only its shape.
    return torch.empty_like(x).copy_(y)


def _differentiable(x: Tensor, spec: LRNSpec, dim: int) -> Tensor:
    """The forward pass in operations whose derivatives torch knows, for second derivatives."""
    wide = _widened(x)
    s = spec.k + spec.alpha * window_sum(wide * wide, spec.lo, spec.hi, dim)
    if _outside(s.detach(), spec, dim) is not None:
        return traceable(x, spec, dim)
    return (wide * s.pow(-spec.beta)).to(x.dtype)


def _widened(x: Tensor) -> Tensor:
    """Convert x to the dtype of the arithmetic.

    That is float64, also for float32: an exponent rounded to float32 costs ``|log(s)| * beta / 2`` epsilons
    of the result by itself. MPS devices have no float64.
    """
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)


def _denominator(x: Tensor, spec: LRNSpec, dim: int) -> Tensor:
    """Return ``s = k + alpha * sum_{j in W(c)} x_j^2`` in memory of its own."""
    return window_sum(x * x, spec.lo, spec.hi, dim).mul_(spec.alpha).add_(spec.k)


def _power(s: Tensor, beta: float) -> Tensor:
    """Return ``s^-beta``; two square roots cost less than a power where they do, as for the usual beta."""
    if beta == 0.75:
        root = s.sqrt()
        return root.mul_(root.sqrt()).reciprocal_()
    return s.pow(-beta)


def _outside(s: Tensor, spec: LRNSpec, dim: int) -> Tensor | None:
    """Return a mask of the positions that the plain formula can't do, or None where it can do all.

    Outside are a NaN or an infinity, a sum of squares that overflowed or vanished, and an s whose powers
    -beta and -beta - 1 would leave the normal range of the arithmetic.
    """
    if s.is_meta or s.numel() == 0:
        return None
    if spec.alpha and not _ALPHAS[0] <= spec.alpha <= _ALPHAS[1]:
        return torch.ones_like(s.select(dim, 0), dtype=torch.bool)
    # The last eight powers of two are left for the factors x and grad.
    exponents = (1024 if s.dtype == torch.float64 else 128) - 8
    largest = 2.0 ** (exponents / (abs(spec.beta) + 1))
    smallest = max(1 / largest, _SMALLEST_S)
    low, high = s.aminmax()
    # Both comparisons are False for NaN.
    if bool((low >= smallest) & (high <= largest)):
        return None
    inside = (s >= smallest) & (s <= largest)
    outside: Tensor = ~inside.all(dim)
    return outside
