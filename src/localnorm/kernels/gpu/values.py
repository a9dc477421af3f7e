"""The k, alpha and beta of a channel, and the range of s in which float32 is exact enough for them."""

from __future__ import annotations

import triton
import triton.language as tl

_POWERS = tl.constexpr(100.0)
"""Powers of two that the powers of s may take up; the rest is for the other factors."""
_SMALLEST_S = tl.constexpr(2.0**-60)
"""Below it, squares that underflowed may have mattered."""
_LARGEST_BETA = tl.constexpr(2.0)
"""Beyond it, the float32 error of s is raised to too high a power."""
_SMALLEST_ALPHA, _LARGEST_ALPHA = tl.constexpr(2.0**-40), tl.constexpr(2.0**40)
"""Beyond these, a product of alpha may overflow or underflow before its sum does."""
_GRID = tl.constexpr(4096.0)
"""The upper part of an exponent has twelve binary places."""
_LARGEST_GRAD = tl.constexpr(2.0**60)
_SMALLEST_GRAD = tl.constexpr(2.0**-60)


@triton.jit
def wide_values(scalars, learned, steps, channel, inside):
    """Return k, alpha and the exponent -beta in float64.

    Args:
        scalars: k, alpha, and the upper and lower part of -beta.
        learned: float64 pointers of the learned ones, None for the others.
        steps: 1 for one value a channel, else 0.
        channel: a number or a tensor of numbers.
        inside: whether the channel exists.
    """
    k = tl.full((), scalars[0], tl.float64)
    alpha = tl.full((), scalars[1], tl.float64)
    exponent = tl.full((), scalars[2], tl.float64) + tl.full((), scalars[3], tl.float64)
    if learned[0] is not None:
        k = tl.load(learned[0] + channel * steps[0], mask=inside, other=1.0)
    if learned[1] is not None:
        alpha = tl.load(learned[1] + channel * steps[1], mask=inside, other=1.0)
    if learned[2] is not None:
        exponent = -tl.load(learned[2] + channel * steps[2], mask=inside, other=1.0)
    return k, alpha, exponent


@triton.jit
def values(scalars, learned, steps, channel, inside):
    """Return k, alpha, upper and lower part of -beta, ``2 alpha beta``, smallest and largest s, in float32."""
    upper, lower = tl.full((), scalars[2], tl.float32), tl.full((), scalars[3], tl.float32)
    k, alpha, exponent = wide_values(scalars, learned, steps, channel, inside)
    if learned[2] is not None:
        grid = tl.floor(exponent * _GRID + 0.5)
        upper = (grid * (1.0 / _GRID)).to(tl.float32)
        lower = (exponent - grid * (1.0 / _GRID)).to(tl.float32)
    k, alpha = k.to(tl.float32), alpha.to(tl.float32)
    beta = -(upper + lower)
    most = tl.exp2(_POWERS / (tl.abs(beta) + 1.0))
    # Written so that a NaN is refused.
    sound = (tl.abs(beta) <= _LARGEST_BETA) & (alpha >= _SMALLEST_ALPHA) & (alpha <= _LARGEST_ALPHA)
    least = tl.maximum(1.0 / most, _SMALLEST_S)
    return k, alpha, upper, lower, 2.0 * alpha * beta, least, tl.where(sound & (k >= 0.0), most, -1.0)


@triton.jit
def in_range(s, v):
    """Return whether float32 is exact enough for s; False for a NaN."""
    return (s >= v[5]) & (s <= v[6])


@triton.jit
def grad_out_of_range(largest):
    """Return whether a product with the largest gradient may overflow or underflow."""
    return (largest > _LARGEST_GRAD) | ((largest > 0.0) & (largest < _SMALLEST_GRAD))
