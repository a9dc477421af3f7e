"""Doing a tile of positions and a block of channels again in float64, where float32 won't do for some of it."""

from __future__ import annotations

import triton
import triton.language as tl

from localnorm.kernels.gpu.anywhere import backward_anywhere, forward_anywhere, terms_anywhere, write_sums
from localnorm.kernels.gpu.memory import PART, base, positions


@triton.jit
def _seen(array, position, extents, OUTER: tl.constexpr):
    """Return an array, a tuple of pointer, steps of positions and step of channels, at some positions."""
    return (array[0], base(position, extents, array[1], OUTER), array[2])


@triton.jit
def forward_again(
    x,
    y,
    low,
    high,
    channels,
    count,
    extents,
    given,
    learned,
    steps,
    lo,
    hi,
    OUTER: tl.constexpr,
    TILE: tl.constexpr,
    LONG: tl.constexpr,
):
    """Do a tile of positions and a block of channels again, as many positions at a time as there are threads."""
    PIECE: tl.constexpr = min(TILE, PART)
    for part in range(TILE // PIECE):
        position = positions(TILE, part, PIECE, LONG)
        x_here, y_here = _seen(x, position, extents, OUTER), _seen(y, position, extents, OUTER)
        for at in range(low, high):
            channel = tl.full((), at, tl.int64) if LONG else at
            forward_anywhere(x_here, y_here, channel, channels, position < count, given, learned, steps, lo, hi)


@triton.jit
def backward_again(
    x,
    y,
    grad,
    sums,
    low,
    high,
    channels,
    count,
    extents,
    given,
    learned,
    steps,
    lo,
    hi,
    OWN: tl.constexpr,
    OUTER: tl.constexpr,
    TILE: tl.constexpr,
    LONG: tl.constexpr,
):
    """The same for the gradient, and for what k, alpha and beta get where `sums` is given."""
    PIECE: tl.constexpr = min(TILE, PART)
    zero = tl.zeros([PIECE], tl.float64)
    of_k, of_alpha, of_beta = zero, zero, zero
    for at in range(low, high):
        channel = tl.full((), at, tl.int64) if LONG else at
        for part in range(TILE // PIECE):
            position = positions(TILE, part, PIECE, LONG)
            x_here, grad_here = _seen(x, position, extents, OUTER), _seen(grad, position, extents, OUTER)
            mask = position < count
            if y[0] is not None:
                y_here = _seen(y, position, extents, OUTER)
                backward_anywhere(
                    x_here, grad_here, y_here, channel, channels, mask, given, learned, steps, lo, hi
                )
            if sums is not None:
                terms = terms_anywhere(x_here, grad_here, channel, channels, mask, given, learned, steps, lo, hi)
                of_k, of_alpha, of_beta = of_k + terms[0], of_alpha + terms[1], of_beta + terms[2]
        if sums is not None:
            if OWN or at == high - 1:
                write_sums(sums, channels, channel, OWN, of_k, of_alpha, of_beta)
            if OWN:
                of_k, of_alpha, of_beta = zero, zero, zero
