"""Addresses of the elements of a tile, and reading and writing columns of them.

A position is counted across all axes but the channels'. Its base is the offset of its channel 0.
"""

from __future__ import annotations

import triton
import triton.language as tl

PART = tl.constexpr(128)
"""Positions that are recomputed in float64 at a time: one for each thread."""


@triton.jit
def zeros(COUNT: tl.constexpr, TILE: tl.constexpr):
    """Return COUNT columns of zeros."""
    found = ()
    for _ in tl.static_range(COUNT):
        found = found + (tl.zeros([TILE], tl.float32),)
    return found


@triton.jit
def positions(TILE: tl.constexpr, part, PART: tl.constexpr, LONG: tl.constexpr):
    """Return a part of this program's positions; in 64 bits if an offset may need them."""
    program = tl.program_id(0).to(tl.int64) if LONG else tl.program_id(0)
    return program * TILE + part * PART + tl.arange(0, PART)


@triton.jit
def base(position, extents, steps, OUTER: tl.constexpr):
    """Return the offset of channel 0 at each position.

    Args:
        position: counted across all axes, the last of the extents the fastest.
        extents: of the positions, then of the outer axes from the last on but for the first.
        steps: from one position to the next, then along the outer axes from the last on.
        OUTER: the number of outer axes.
    """
    if OUTER == 0:
        return position * steps[0]
    else:
        rest = position // extents[0]
        found = (position % extents[0]) * steps[0]
        for i in tl.static_range(1, OUTER):
            found += (rest % extents[i]) * steps[i]
            rest = rest // extents[i]
        return found + rest * steps[OUTER]


@triton.jit
def columns(pointer, start, step, first, low, high, mask, COUNT: tl.constexpr):
    """Return COUNT channels from `first` on, each by itself; zeros for those not from low to high."""
    found = ()
    for i in tl.static_range(COUNT):
        inside = (first + i >= low) & (first + i < high)
        value = tl.load(pointer + start + (first + i) * step, mask=mask & inside, other=0.0)
        found = found + (value.to(tl.float32),)
    return found


@triton.jit
def read_channels_last(pointer, start, first, channels, mask, COUNT: tl.constexpr):
    """Return COUNT adjacent channels of a channels-last array, 4 or 8, in loads of four elements and more."""
    channel = first[:, None] + tl.arange(0, COUNT)[None, :]
    inside = mask[:, None] & (channel >= 0) & (channel < channels)
    value = tl.load(pointer + start[:, None] + channel, mask=inside, other=0.0)
    return _parted(value.to(tl.float32), COUNT)


@triton.jit
def _parted(tile, COUNT: tl.constexpr):
    """Return the columns of a tile."""
    if COUNT == 1:
        return (tile.reshape([tile.shape[0]]),)
    else:
        even, odd = tile.reshape([tile.shape[0], COUNT // 2, 2]).split()
        evens, odds = _parted(even, COUNT // 2), _parted(odd, COUNT // 2)
        found = ()
        for i in tl.static_range(COUNT // 2):
            found = found + (evens[i], odds[i])
        return found


@triton.jit
def _joined(parts, COUNT: tl.constexpr):
    """Return the tile that has these columns."""
    if COUNT == 1:
        return parts[0].reshape([parts[0].shape[0], 1])
    else:
        evens, odds = (), ()
        for i in tl.static_range(COUNT // 2):
            evens = evens + (parts[2 * i],)
            odds = odds + (parts[2 * i + 1],)
        tile = tl.join(_joined(evens, COUNT // 2), _joined(odds, COUNT // 2))
        return tile.reshape([tile.shape[0], COUNT])


@triton.jit
def write_channels_last(pointer, start, first, channels, mask, parts, COUNT: tl.constexpr):
    """Write COUNT columns to adjacent channels of a channels-last array."""
    channel = first[:, None] + tl.arange(0, COUNT)[None, :]
    inside = mask[:, None] & (channel < channels)
    tile = _joined(parts, COUNT).to(pointer.dtype.element_ty)
    tl.store(pointer + start[:, None] + channel, tile, mask=inside)


@triton.jit
def write(array, channel, mask, value):
    """Write a channel of an array."""
    tl.store(
        array[0] + array[1] + channel * array[2], value.to(tl.float32).to(array[0].dtype.element_ty), mask=mask
    )


@triton.jit
def read_with_neighbors(
    pointer, start, first, channels, mask, LEFT: tl.constexpr, RIGHT: tl.constexpr, COUNT: tl.constexpr
):
    """Return COUNT channels-last channels from `first` on, with LEFT before and RIGHT after them, at most 8."""
    left: tl.constexpr = 0 if LEFT == 0 else (4 if LEFT <= 4 else 8)
    right: tl.constexpr = 0 if RIGHT == 0 else (4 if RIGHT <= 4 else 8)
    found = read_channels_last(pointer, start, first, channels, mask, COUNT)
    if left > 0:
        found = read_channels_last(pointer, start, first - left, channels, mask, left)[left - LEFT :] + found
    if right > 0:
        found = found + read_channels_last(pointer, start, first + COUNT, channels, mask, right)[:RIGHT]
    return found
