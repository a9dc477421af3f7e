"""LRN in float64, channel by channel, for tiles whose values leave the range of float32: slower and robust.

A square of a float32 neither overflows nor underflows in float64. The loops are not unrolled and hold one sum at a
time, so that they need no more registers than the float32 arithmetic that they replace.
"""

from __future__ import annotations

import triton
import triton.language as tl

from localnorm.kernels.gpu.memory import PART, base, positions, write
from localnorm.kernels.gpu.power import wide_power
from localnorm.kernels.gpu.values import wide_values


@triton.jit
def _read(array, channel, channels, mask):
    """Return a channel of an array, a tuple of pointer, bases and step."""
    inside = mask & (channel >= 0) & (channel < channels)
    return tl.load(array[0] + array[1] + channel * array[2], mask=inside, other=0.0).to(tl.float64)


@triton.jit
def _sum(x, channel, channels, mask, lo, hi):
    """Return the sum of squares over a window."""
    total = tl.zeros(x[1].shape, tl.float64)
    for i in range(-lo, hi + 1):
        value = _read(x, channel + i, channels, mask)
        total += value * value
    return total


@triton.jit
def forward_float64(x, y, channel, channels, mask, scalars, learned, steps, lo, hi):
    """Write ``x s^-beta`` for one channel."""
    mask = mask & (channel >= 0) & (channel < channels)
    k, alpha, exponent = wide_values(scalars, learned, steps, channel, channel < channels)
    s = k + alpha * _sum(x, channel, channels, mask, lo, hi)
    write(y, channel, mask, _read(x, channel, channels, mask) * wide_power(s, exponent))


@triton.jit
def backward_float64(x, grad, y, channel, channels, mask, scalars, learned, steps, lo, hi):
    """Write the gradient for one channel of x."""
    mask = mask & (channel >= 0) & (channel < channels)
    through = tl.zeros(x[1].shape, tl.float64)
    # The window of c holds j where the mirrored window of j holds c.
    for i in range(-hi, lo + 1):
        c = channel + i
        there = (c >= 0) & (c < channels)
        k, alpha, exponent = wide_values(scalars, learned, steps, c, there)
        s = k + alpha * _sum(x, c, channels, mask & there, lo, hi)
        product = _read(grad, c, channels, mask) * _read(x, c, channels, mask)
        # No division: that of float64 is a call, which costs the whole kernel registers.
        through += tl.where(there, product * wide_power(s, exponent - 1.0) * (2.0 * alpha * exponent), 0.0)
    k, alpha, exponent = wide_values(scalars, learned, steps, channel, channel < channels)
    s = k + alpha * _sum(x, channel, channels, mask, lo, hi)
    direct = _read(grad, channel, channels, mask) * wide_power(s, exponent)
    write(y, channel, mask, direct + _read(x, channel, channels, mask) * through)


@triton.jit
def terms_float64(x, grad, channel, channels, mask, scalars, learned, steps, lo, hi):
    """Return the terms of one channel for the gradients of k, alpha and beta."""
    mask = mask & (channel >= 0) & (channel < channels)
    k, alpha, exponent = wide_values(scalars, learned, steps, channel, channel < channels)
    total = _sum(x, channel, channels, mask, lo, hi)
    s = k + alpha * total
    x_here, grad_here = _read(x, channel, channels, mask), _read(grad, channel, channels, mask)
    product = grad_here * x_here * wide_power(s, exponent)
    share = exponent * grad_here * x_here * wide_power(s, exponent - 1.0)
    logarithm = tl.log2(s) * 0.6931471805599453
    return (
        tl.where(mask, share, 0.0),
        tl.where(mask, share * total, 0.0),
        tl.where(mask, -product * logarithm, 0.0),
    )


@triton.jit
def write_sums(sums, channels, first, PER_CHANNEL: tl.constexpr, of_k, of_alpha, of_beta):
    """Write this program's sums for k, alpha and beta: three numbers, or three rows of one for each channel.

    Args:
        sums: float64, three numbers a program or three rows of all channels for each tile of positions.
        channels: the number of channels.
        first: the channel of the first row.
        PER_CHANNEL: whether values differ between channels.
        of_k: the terms to sum: channels by positions, or positions alone.
        of_alpha: the same for alpha.
        of_beta: the same for beta.
    """
    tile = tl.program_id(0).to(tl.int64)
    here, step = sums + (tile + tl.program_id(1) * tl.num_programs(0)) * 3, 1
    if PER_CHANNEL:
        here, step = sums + tile * 3 * channels + first, channels
    _write_sum(here, channels - first, PER_CHANNEL, of_k)
    _write_sum(here + step, channels - first, PER_CHANNEL, of_alpha)
    _write_sum(here + 2 * step, channels - first, PER_CHANNEL, of_beta)


@triton.jit
def _write_sum(here, rows, PER_CHANNEL: tl.constexpr, terms):
    terms = terms.to(tl.float64)
    if len(terms.shape) == 1:
        tl.store(here, tl.sum(terms, 0))
    elif PER_CHANNEL:
        row = tl.arange(0, terms.shape[0])
        tl.store(here + row, tl.sum(terms, 1), mask=row < rows)
    else:
        tl.store(here, tl.sum(tl.sum(terms, 1), 0))


@triton.jit
def _at_positions(array, position, extents, OUTER: tl.constexpr):
    """Return an array, a tuple of pointer, steps of positions and step of channels, at some positions."""
    return (array[0], base(position, extents, array[1], OUTER), array[2])


@triton.jit
def redo_forward(
    x,
    y,
    low,
    high,
    channels,
    count,
    extents,
    scalars,
    learned,
    steps,
    lo,
    hi,
    OUTER: tl.constexpr,
    TILE: tl.constexpr,
    LONG: tl.constexpr,
):
    """Recompute a tile of positions and a block of channels, one position a thread at a time."""
    PIECE: tl.constexpr = min(TILE, PART)
    for part in range(TILE // PIECE):
        position = positions(TILE, part, PIECE, LONG)
        x_here, y_here = _at_positions(x, position, extents, OUTER), _at_positions(y, position, extents, OUTER)
        for at in range(low, high):
            channel = tl.full((), at, tl.int64) if LONG else at
            forward_float64(x_here, y_here, channel, channels, position < count, scalars, learned, steps, lo, hi)


@triton.jit
def redo_backward(
    x,
    y,
    grad,
    sums,
    low,
    high,
    channels,
    count,
    extents,
    scalars,
    learned,
    steps,
    lo,
    hi,
    PER_CHANNEL: tl.constexpr,
    OUTER: tl.constexpr,
    TILE: tl.constexpr,
    LONG: tl.constexpr,
):
    """Recompute the gradient likewise, and the sums for k, alpha and beta unless `sums` is None."""
    PIECE: tl.constexpr = min(TILE, PART)
    zero = tl.zeros([PIECE], tl.float64)
    of_k, of_alpha, of_beta = zero, zero, zero
    for at in range(low, high):
        channel = tl.full((), at, tl.int64) if LONG else at
        for part in range(TILE // PIECE):
            position = positions(TILE, part, PIECE, LONG)
            x_here, grad_here = (
                _at_positions(x, position, extents, OUTER),
                _at_positions(grad, position, extents, OUTER),
            )
            mask = position < count
            if y[0] is not None:
                y_here = _at_positions(y, position, extents, OUTER)
                backward_float64(
                    x_here, grad_here, y_here, channel, channels, mask, scalars, learned, steps, lo, hi
                )
            if sums is not None:
                terms = terms_float64(x_here, grad_here, channel, channels, mask, scalars, learned, steps, lo, hi)
                of_k, of_alpha, of_beta = of_k + terms[0], of_alpha + terms[1], of_beta + terms[2]
        if sums is not None:
            if PER_CHANNEL or at == high - 1:
                write_sums(sums, channels, channel, PER_CHANNEL, of_k, of_alpha, of_beta)
            if PER_CHANNEL:
                of_k, of_alpha, of_beta = zero, zero, zero
