"""The values that a channel is normalized with, and the limits of float32 that follow from them."""

from __future__ import annotations

import triton
import triton.language as tl

_POWERS = tl.constexpr(100.0)
"""Powers of two that the powers of s may take up; those that are left are for the factors beside them."""
_SMALLEST_S = tl.constexpr(2.0**-60)
"""Below it, squares that vanished may have mattered."""
_LARGEST_BETA = tl.constexpr(2.0)
"""Beyond this, what s errs by in float32 is raised to too high a power."""
_SMALLEST_ALPHA, _LARGEST_ALPHA = tl.constexpr(2.0**-40), tl.constexpr(2.0**40)
"""Beyond these, a product of alpha may overflow or vanish before its sum does."""
_GRID = tl.constexpr(4096.0)
"""The upper part of an exponent has twelve binary places."""
_LARGEST_GRAD = tl.constexpr(2.0**60)
_SMALLEST_GRAD = tl.constexpr(2.0**-60)


@triton.jit
def wide_values(given, learned, steps, channel, inside):
    """Return k, alpha and the exponent -beta in float64.

    Args:
        given: k, alpha, and the upper and lower part of -beta.
        learned: the pointers of those that are learned, float64, None for the others.
        steps: 1 for what has one value a channel, else 0.
        channel: which; a number or a tensor of them.
        inside: whether the channel exists.
    """
    k = tl.full((), given[0], tl.float64)
    alpha = tl.full((), given[1], tl.float64)
    exponent = tl.full((), given[2], tl.float64) + tl.full((), given[3], tl.float64)
    if learned[0] is not None:
        k = tl.load(learned[0] + channel * steps[0], mask=inside, other=1.0)
    if learned[1] is not None:
        alpha = tl.load(learned[1] + channel * steps[1], mask=inside, other=1.0)
    if learned[2] is not None:
        exponent = -tl.load(learned[2] + channel * steps[2], mask=inside, other=1.0)
    return k, alpha, exponent


@triton.jit
def values(given, learned, steps, channel, inside):
    """Return k, alpha, upper and lower part of -beta, ``2 alpha beta``, smallest and largest s, in float32."""
    upper, lower = tl.full((), given[2], tl.float32), tl.full((), given[3], tl.float32)
    k, alpha, exponent = wide_values(given, learned, steps, channel, inside)
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
    """Whether the plain formula is right for s; not for a NaN."""
    return (s >= v[5]) & (s <= v[6])


@triton.jit
def grad_out_of_range(largest):
    """Whether the largest gradient is so large or so small that a product with it may be lost."""
    return (largest > _LARGEST_GRAD) | ((largest > 0.0) & (largest < _SMALLEST_GRAD))
