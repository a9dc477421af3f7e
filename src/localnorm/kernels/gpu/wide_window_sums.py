"""Sums over wide windows by van Herk's algorithm, without subtraction or exchange between programs.

Let B channels from b on be a block, B at most ``lo + hi``. Its channel i's window begins at ``b - lo + i`` and
ends at ``b + hi + i``: it is what is left of the block of B at ``b - lo`` from its element i on, all that lies
between, and the block of B at ``b + hi`` up to its element i.
"""

from __future__ import annotations

import triton
import triton.language as tl

_MIDDLE = tl.constexpr(8)
"""Channels between the two blocks that are read at a time; more take as many registers as a block of 16."""


@triton.jit
def read_block(array, first, channels, mask, COUNT: tl.constexpr, LONG: tl.constexpr):
    """Return COUNT channels from `first` on, as rows in float32; zeros beyond the borders.

    Args:
        array: a tuple of pointer, bases of positions and step of channels.
        first: the first channel, which need not exist.
        channels: how many there are.
        mask: which positions there are.
        COUNT: a power of two.
        LONG: whether offsets need 64 bits.
    """
    channel = first + tl.arange(0, COUNT)[:, None]
    inside = mask[None, :] & (channel >= 0) & (channel < channels)
    wide = channel.to(tl.int64) if LONG else channel
    return tl.load(array[0] + array[1][None, :] + wide * array[2], mask=inside, other=0.0).to(tl.float32)


@triton.jit
def block_sums(
    array, first, channels, mask, lo, hi, SQUARED: tl.constexpr, BLOCK: tl.constexpr, LONG: tl.constexpr
):
    """Return the sums over the windows of BLOCK channels from `first` on, of squares or of what is there."""
    left = read_block(array, first - lo, channels, mask, BLOCK, LONG)
    right = read_block(array, first + hi, channels, mask, BLOCK, LONG)
    if SQUARED:
        left, right = left * left, right * right
    total = tl.cumsum(left, 0, reverse=True) + tl.cumsum(right, 0)
    end = tl.minimum(first + hi, channels)
    between = tl.zeros(mask.shape, tl.float32)
    for at in range(tl.maximum(first - lo + BLOCK, 0), end, _MIDDLE):
        middle = read_block(array, at, end, mask, _MIDDLE, LONG)
        between += tl.sum(middle * middle if SQUARED else middle, 0)
    return total + between[None, :]
