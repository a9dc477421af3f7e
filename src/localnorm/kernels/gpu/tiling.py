"""Divide the work of a pass among GPU programs: a pure function of layout, window, dtype and multiprocessors.

Nothing is autotuned when a kernel first runs, so that every tiling can be tested without a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from localnorm.kernels.layout import Layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec

Kind = Literal["channels_first", "channels_last", "wide"]
NARROW = 9
"""Up to this size a window is kept in registers; beyond it, sums are put together from blocks of channels."""
_THREADS, _WARP = 128, 32
# Channels last, ptxas spills registers of the backward pass for smaller programs; the second number is for windows
# of more than `_SMALL` channels.
_SIDE_THREADS, _SIDE_THREADS_BACKWARD = 256, 512
# Channels that a thread computes at a time. Channels last, they are whole vectors of 16 bytes of any dtype.
_AT_A_TIME = 8
# Up to this size, two positions a thread leave room for the windows of the backward pass.
_SMALL = 5
# Elements of a block of channels with its tile, eight a thread: with sixteen, the addresses of elements that can't
# be read in vectors take up to 255 registers. And the largest block, and the longest tile.
_BLOCK_ELEMENTS, _LARGEST_BLOCK, _LONGEST_TILE = 1024, 64, 128
# Programs a multiprocessor, so that the last ones are a small part of the time; and the fewest that keep it busy.
_MANY, _FEW = 8, 2
_SMALLEST_PART = 16
_LARGEST_OFFSET = 2**31 - 2**20
"""Beyond it, offsets are counted in 64 bits; the margin is for offsets beyond the borders."""

_LARGEST = 2.0**100
"""Of k and alpha and of their reciprocals: beyond it, float64 has too small a range, too."""
_LARGEST_BETA = 64.0
_MOST_CHANNELS = 2**19
"""A grid can have no blocks for more."""
MOST_OUTER = 3
"""Axes other than channels and positions that a kernel can count."""


@dataclass(frozen=True)
class Tiling:
    """The programs of a launch.

    Attributes:
        kind: the memory layout for narrow windows; "wide" if windows are summed in blocks.
        tile: positions of a program; channels last, groups of channels.
        chunk: channels that are computed at a time; for wide windows the channels of a program.
        block: channels of a program.
        grid: the number of programs for tiles and for blocks.
        warps: number of warps of a program.
        long: whether offsets need 64 bits.
    """

    kind: Kind
    tile: int
    chunk: int
    block: int
    grid: tuple[int, int]
    warps: int
    long: bool

    def sums_shape(self, channels: int, per_channel: bool) -> tuple[int, ...]:
        """Return the shape of the sums for k, alpha and beta; add them up along the first axis."""
        return (self.grid[0], 3, channels) if per_channel else (self.grid[0] * self.grid[1], 3, 1)


def values_in_range(spec: LRNSpec, learned: Collection[str], channels: int) -> bool:
    """Return whether the kernel is exact for these values, and can count these channels."""
    fixed = {name: getattr(spec, name) for name in NAMES if name not in learned}
    return (
        all(value == 0 or 1 / _LARGEST <= value <= _LARGEST for name, value in fixed.items() if name != "beta")
        and abs(fixed.get("beta", 0.0)) <= _LARGEST_BETA
        and channels <= _MOST_CHANNELS
    )


def tile_work(
    layout: Layout,
    lo: int,
    hi: int,
    itemsize: int,
    processors: int,
    *,
    backward: bool = False,
    per_channel: bool = False,
) -> Tiling:
    """Return the tiling of a pass.

    Args:
        layout: the arrays; none of its extents is 0.
        lo: channels below in the window, fewer than there are.
        hi: channels above, fewer than there are.
        itemsize: bytes of an element.
        processors: multiprocessors of the GPU.
        backward: whether it is for the backward pass.
        per_channel: whether values differ between channels.

    Example:
        >>> from localnorm.kernels.layout import layout
        >>> images = layout((256, 96, 56, 56), 1, (301056, 3136, 56, 1))
        >>> tile_work(images, 2, 2, itemsize=4, processors=132)
        Tiling(kind='channels_first', tile=256, chunk=8, block=96, grid=(3136, 1), warps=4, long=False)
    """
    count = layout.positions * math.prod(layout.outer)
    long = max(count, *_largest_offsets(layout)) > _LARGEST_OFFSET
    if lo + hi >= NARROW:
        block = min(2 ** int(math.log2(lo + hi)), _LARGEST_BLOCK)
        tile = min(_BLOCK_ELEMENTS // block, _LONGEST_TILE)
        grid = (-(-count // tile), -(-layout.channels // block))
        return Tiling("wide", tile, block, block, grid, _THREADS // _WARP, long)
    channels_last = all(step == 1 for step in layout.channel_steps) and layout.channels >= _AT_A_TIME
    if channels_last and not per_channel and (layout.positions == 1 or layout.position_steps[0] != 1):
        groups = -(-layout.channels // _AT_A_TIME)
        threads = _SIDE_THREADS_BACKWARD if backward and lo + hi >= _SMALL else _SIDE_THREADS
        grid = (-(-count * groups // threads), 1)
        return Tiling("channels_last", threads, _AT_A_TIME, layout.channels, grid, threads // _WARP, long)
    # With values that differ between channels, two positions a thread spill registers.
    tile = _THREADS * (
        1 if backward and per_channel else _positions_a_thread(layout, lo + hi + 1, itemsize, backward)
    )
    while tile > _THREADS and -(-count // tile) < _MANY * processors:
        tile //= 2
    tiles, blocks = -(-count // tile), 1
    while tiles * blocks < _FEW * processors and -(-layout.channels // (2 * blocks)) >= _SMALLEST_PART:
        blocks *= 2
    block = -(-layout.channels // (blocks * _AT_A_TIME)) * _AT_A_TIME
    # More at a time would not fit into the registers.
    crowded = backward and (tile > _THREADS or per_channel)
    chunk = _AT_A_TIME // 2 if crowded else _AT_A_TIME
    return Tiling(
        "channels_first", tile, chunk, block, (tiles, -(-layout.channels // block)), _THREADS // _WARP, long
    )


def _positions_a_thread(layout: Layout, size: int, itemsize: int, backward: bool) -> int:
    """Return as many as one load can read; more cost registers and gain nothing."""
    if layout.position_steps[0] != 1 or layout.positions % 16:
        return 1
    if size > _SMALL:
        return 1
    return 2 if backward else 8 // itemsize


def _largest_offsets(layout: Layout) -> Sequence[int]:
    """Return the offset of the last element of each array."""
    return [
        (layout.channels - 1) * channel
        + (layout.positions - 1) * position
        + sum((extent - 1) * step for extent, step in zip(layout.outer, outer, strict=True))
        for channel, position, outer in zip(
            layout.channel_steps, layout.position_steps, layout.outer_steps, strict=True
        )
    ]
