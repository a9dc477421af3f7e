"""Tiles of an array and their buffers.

A tile is a run of positions with all their channels, small enough to stay in the cache of a core. In its buffers
rows lie one behind the other. Where rows are channels, the next channel is a row away; where they are positions,
with channels side by side, it is the next element, and zeros part the positions. To the sums over windows that
is one and the same: a buffer, and the distance from one channel to the next.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from localnorm.kernels.cpu import block as at
from localnorm.kernels.cpu.intrinsics import bits, larger, pointer, read, shifted, write
from localnorm.kernels.cpu.rows import copy, largest, smallest, squares, zero
from localnorm.kernels.cpu.sums import DIRECT, direct_sums, wide_sums

_OFFSET, _FLAG, _LEFT = np.int64(0), np.uint8(0), np.uint8(1)


@njit
def offset(p, tile, array):
    """Return the offset of a tile's first element, for the array whose address stands at `array`."""
    outer = read(pointer(p[array + 1], _OFFSET), tile // p[at.TILES_A_ROW])
    return outer + tile % p[at.TILES_A_ROW] * p[at.TILE] * p[array + 3]


@njit
def gather(p, tile, array, positions, staged, like):
    """Return a tile's rows and the step between them, copied where they do not lie in rows in memory."""
    start = shifted(pointer(p[array], like), offset(p, tile, array))
    channel, position = p[array + 2], p[array + 3]
    if p[at.STEP]:
        for i in range(positions):
            copy(shifted(start, i * position), channel, shifted(staged, i * p[at.STEP]), 1, p[at.CHANNELS])
        return staged, p[at.ROW]
    if position == 1:
        return start, channel
    for c in range(p[at.CHANNELS]):
        copy(shifted(start, c * channel), position, shifted(staged, c * positions), 1, positions)
    return staged, positions


@njit
def target(p, tile, positions, staged, like):
    """Return where a tile's result is to be written, and the step of its rows."""
    if p[at.STEP]:
        return staged, p[at.ROW]
    if p[at.OUT_POSITION] == 1:
        return shifted(pointer(p[at.OUT], like), offset(p, tile, at.OUT)), p[at.OUT_CHANNEL]
    return staged, positions


@njit
def scatter(p, tile, positions, staged, like):
    """Copy a tile's result to its place if it is not there."""
    start = shifted(pointer(p[at.OUT], like), offset(p, tile, at.OUT))
    channel, position = p[at.OUT_CHANNEL], p[at.OUT_POSITION]
    if p[at.STEP]:
        for i in range(positions):
            copy(shifted(staged, i * p[at.STEP]), 1, shifted(start, i * position), channel, p[at.CHANNELS])
    elif position != 1:
        for c in range(p[at.CHANNELS]):
            copy(shifted(staged, c * positions), 1, shifted(start, c * channel), position, positions)


@njit
def shape(p, positions):
    """Return the elements of a tile's buffers, of a row, and the distance from one channel to the next."""
    if p[at.STEP]:
        return positions * p[at.STEP], p[at.ROW], 1
    return positions * p[at.CHANNELS], positions, positions


@njit
def buffer(p, scratch, index, like):
    """Return one of the buffers of a thread's scratch memory."""
    return pointer(scratch + index * p[at.BUFFER], like)


@njit
def in_range(p, x, step, q, count, row, unit, wide):
    """Fill q with squares between zeros; return whether all of them are in range."""
    zero(q, p[at.LO] * unit, wide)
    zero(shifted(q, p[at.LO] * unit + count), p[at.HI] * unit, wide)
    top = bits(wide)
    for i in range(-(-count // row)):
        here = shifted(q, p[at.LO] * unit + i * row)
        top = larger(squares(shifted(x, i * step), here, min(row, count - i * row), wide), top)
    limit = bits(read(pointer(p[at.LIMITS], wide), at.LARGEST_SQUARE))
    return larger(top, limit) == limit


@njit
def grad_in_range(p, grad, step, count, row, wide):
    """Whether the largest gradient is neither so large nor so small that a product with it is lost."""
    top = bits(wide)
    for i in range(-(-count // row)):
        top = larger(largest(shifted(grad, i * step), min(row, count - i * row), wide), top)
    limits = pointer(p[at.LIMITS], wide)
    most, least = bits(read(limits, at.LARGEST_GRAD)), bits(read(limits, at.SMALLEST_GRAD))
    return top == bits(wide) or (larger(top, most) == most and larger(top, least) == top)


@njit
def all_sums(p, q, other, s, count, unit):
    """Write the sums of a whole tile into s, where the window is so wide that `sums` does not do it."""
    n = p[at.LO] + p[at.HI] + 1
    if n > DIRECT:
        wide_sums(q, other, s, count, unit, n)


@njit
def sums(p, q, s, i, count, row, unit):
    """Return the sums of row i, which stand in s already where the window is wide."""
    n = p[at.LO] + p[at.HI] + 1
    if n > DIRECT:
        return shifted(s, i * row)
    direct_sums(shifted(q, i * row), s, min(row, count - i * row), unit, n)
    return s


@njit
def above_smallest(p, q, s, count, row, unit, wide):
    """Whether every s is in range: looked at only where k alone does not see to that."""
    limit = read(pointer(p[at.LIMITS], wide), at.SMALLEST_S)
    if limit > wide:
        for i in range(-(-count // row)):
            v = values(p, i, wide)
            here = sums(p, q, s, i, count, row, unit)
            if not smallest(here, min(row, count - i * row), read(v, at.K), read(v, at.ALPHA)) >= limit:
                return False
    return True


@njit
def values(p, i, wide):
    """Return the values that row i is normalized with."""
    return shifted(pointer(p[at.VALUES], wide), i * p[at.VALUES_STEP])


@njit
def leave(p, tile):
    """Say that a tile was left as it was."""
    write(pointer(p[at.LEFT], _FLAG), tile, _LEFT)
