"""Generalized divisive normalization (GDN, IGDN): LRN with a learned weight for every pair of channels."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from localnorm.axes import whole_axis
from localnorm.errors import AxisError, SpecError
from localnorm.learnable import checked_count
from localnorm.spec import LRNSpec
from localnorm.torch.array_ops import wide_dtype
from localnorm.torch.functional import checked_channel
from localnorm.torch.functorch import native_only, transformed


class GDN(nn.Module):
    """Generalized divisive normalization, ``y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)``.

    The parameters are beta and gamma themselves, and the formula takes ``max(beta, beta_min)`` and
    ``max(gamma, 0)``. The gradient passes through a maximum if a step along it raises the value, so a weight
    that was pushed below its bound can return. Squares of the parameters, the usual way, would need no
    maximum; but a weight of 0 has no gradient there, so a band of zeros as in `from_spec` could never widen,
    and a given value would not be met exactly.

    The arithmetic is in float64 whatever the input's dtype (float32 on MPS devices) and the result is rounded
    once. An infinity or a NaN reaches every channel of its position, because all of them are summed, even with
    weight 0.

    Args:
        num_channels: channels, at least 1.
        dim: the channel axis; default 1.
        beta_min: the smallest beta in use, at least 0; default 1e-6.
        gamma_init: the initial gamma_ii, at least 0; default 0.1. Beta starts at 1, the rest of gamma at 0.

    Shapes:
        input: any of rank 1 or more, with `num_channels` along `dim`: float16, bfloat16, float32 or float64.
        output: the shape and dtype of the input.
        beta: (num_channels,), gamma: (num_channels, num_channels), float32 unless the module is converted.

    Raises:
        LearnableError: `num_channels` is not a whole number of at least 1 (a ValueError).
        SpecError: `beta_min` or `gamma_init` is negative or not finite (a ValueError).
        AxisError: no such axis, or another number of channels along it (a ValueError and IndexError).
        DTypeError: integers, booleans, complex numbers or 8-bit floats (a TypeError).

    Source: Ballé, Laparra and Simoncelli, "Density modeling of images using a generalized normalization
    transformation", arXiv 1511.06281; "End-to-end optimized image compression", arXiv 1611.01704.

    Example:
        >>> layer = GDN(2, gamma_init=1.0)
        >>> layer(torch.tensor([[0.0, 3.0 ** 0.5]]))
        tensor([[0.0000, 0.8660]], grad_fn=<...>)
    """

    _exponent = -0.5
    """Of the sum under the root."""

    def __init__(
        self, num_channels: int, *, dim: int = 1, beta_min: float = 1e-6, gamma_init: float = 0.1
    ) -> None:
        super().__init__()
        self.num_channels = checked_count(num_channels)
        self.dim = whole_axis(dim, "dim")
        self.beta_min = _at_least_zero("beta_min", beta_min)
        self.beta = nn.Parameter(torch.ones(self.num_channels))
        self.gamma = nn.Parameter(_at_least_zero("gamma_init", gamma_init) * torch.eye(self.num_channels))

    @classmethod
    def from_spec(cls, spec: LRNSpec, num_channels: int, *, dim: int = 1) -> Self:
        """Build the module that starts as this LRN: gamma is alpha in a band and 0 elsewhere, beta is k.

        Raises:
            SpecError: an exponent other than that of the root, a window within a channel (a ValueError).

        Example:
            >>> GDN.from_spec(LRNSpec(lo=1, hi=0, alpha=0.5, beta=0.5, k=2.0), num_channels=3).gamma.data
            tensor([[0.5000, 0.0000, 0.0000],
                    [0.5000, 0.5000, 0.0000],
                    [0.0000, 0.5000, 0.5000]])
        """
        if spec.beta != -cls._exponent:
            raise SpecError(
                f"{cls.__name__} can be an LRN with beta={-cls._exponent} only, as it takes a square root, got "
                f"beta={spec.beta}; use LocalResponseNorm.from_spec(spec, learnable=True) for any other beta."
            )
        if spec.spatial:
            raise SpecError(
                f"{cls.__name__} sums across channels and can't be an LRN within a channel, got "
                f"spatial={spec.spatial}; use LocalResponseNorm.from_spec(spec, learnable=True, per_channel=True)."
            )
        module = cls(num_channels, dim=dim, beta_min=min(1e-6, spec.k))
        ones = torch.ones(module.num_channels, module.num_channels)
        # Row i holds the window of channel i.
        module.gamma.data = spec.alpha * ones.tril(min(spec.hi, num_channels)).triu(-min(spec.lo, num_channels))
        module.beta.data = spec.k * torch.ones(module.num_channels)
        return module

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name that torch.nn gives it
        """Normalize `input`."""
        channel = checked_channel(input, self.dim)
        if input.shape[channel] != self.num_channels:
            raise AxisError(
                f"input must have {self.num_channels} channels along dim={self.dim}, got {input.shape[channel]}; "
                f"pass num_channels={input.shape[channel]}, or another dim."
            )
        wide = wide_dtype(input)
        x = input.to(wide).movedim(channel, -1)
        beta, gamma = _bounded(self.beta, self.beta_min).to(wide), _bounded(self.gamma, 0.0).to(wide)
        y = _scaled(x, beta, gamma, self._exponent).movedim(-1, channel)
        # vmap can't copy into a tensor that is not batched.
        return y.to(input.dtype) if transformed() else torch.empty_like(input).copy_(y)

    def extra_repr(self) -> str:
        """Return the arguments that rebuild the module, except for initial values."""
        return f"{self.num_channels}" + (f", dim={self.dim}" if self.dim != 1 else "")


class IGDN(GDN):
    """The approximate inverse of `GDN` in a decoder, ``y_i = x_i * sqrt(beta_i + sum_j gamma_ij x_j^2)``.

    Arguments, shapes, errors and the bounds of the parameters are those of `GDN`; `from_spec` takes an LRN with
    beta=-0.5.

    Source: Ballé, Laparra and Simoncelli, "End-to-end optimized image compression", arXiv 1611.01704.

    Example:
        >>> IGDN(1, gamma_init=1.0)(torch.tensor([[3.0 ** 0.5]]))
        tensor([[3.4641]], grad_fn=<...>)
    """

    _exponent = 0.5


def _scaled(x: Tensor, beta: Tensor, gamma: Tensor, exponent: float) -> Tensor:
    """Return ``x * (beta + gamma x^2)^exponent`` along the last axis, robust to overflow of a square."""
    # A power of two, 1 for all but huge x; the result does not depend on it.
    largest = x.detach().abs().amax(-1, keepdim=True).nan_to_num(1.0, 1.0)
    m = torch.where(largest > _HUGE, largest / 4, 1.0).log2().floor().exp2()
    scaled = x / m
    s = scaled.square() @ gamma.mT + beta / m / m
    return scaled / s.sqrt() if exponent < 0 else x * (s.sqrt() * m)


_HUGE = 2.0**60
"""The squares of numbers up to this are in range by a wide margin, even in float32."""


def _bounded(x: Tensor, bound: float) -> Tensor:
    if transformed() and native_only():
        return x.clamp(min=bound)
    bounded: Tensor = (_TransformedBound if transformed() else _LowerBound).apply(x, bound)  # type: ignore[no-untyped-call]
    return bounded


class _LowerBound(torch.autograd.Function):
    """``max(x, bound)``, whose gradient passes if a step along it raises x."""

    @staticmethod
    def forward(x: Tensor, bound: float) -> Tensor:
        return x.clamp(min=bound)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:  # noqa: ARG004, ANN401
        x, ctx.bound = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        return torch.where((x >= ctx.bound) | (grad < 0), grad, 0.0), None


class _TransformedBound(_LowerBound):
    """The same for torch.func and forward mode: torch.compile can't trace a function that supports them."""

    generate_vmap_rule = True

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, _: None) -> Tensor:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        return torch.where(x >= ctx.bound, dx, 0.0)


def _at_least_zero(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise SpecError(f"{name} must be a finite number of at least 0, got {value!r}; pass e.g. 0.1.")
    return float(value)
