"""How to cut the work up for a GPU: a pure function of layout, window, dtype and the number of multiprocessors.

Nothing is tried out when a kernel first runs, so what runs can be tested without a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from localnorm.kernels.layout import Layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec

Kind = Literal["rows", "side", "wide"]
NARROW = 9
"""Up to this size a window is kept in registers; beyond it, sums are put together from blocks of channels."""
_THREADS, _WARP = 128, 32
# Side by side, ptxas spills registers of the backward pass where it aims at smaller programs; the second number is
# for windows of more than `_SMALL` channels.
_SIDE_THREADS, _SIDE_THREADS_BACKWARD = 256, 512
# Channels that a thread takes at a time. Side by side, they are whole vectors of 16 bytes of any dtype.
_AT_A_TIME = 8
# Up to this size, two positions a thread leave room for the windows of the backward pass.
_SMALL = 5
# Elements of a block of channels with its tile, eight a thread: with sixteen, the addresses of what can't be read
# in vectors take up to 255 registers. And the largest block, and the longest tile.
_BLOCK_ELEMENTS, _LARGEST_BLOCK, _LONGEST_TILE = 1024, 64, 128
# Programs a multiprocessor, so that the last ones to run are a small part; and the least that keep it busy.
_MANY, _FEW = 8, 2
_SMALLEST_PART = 16
_LARGEST_OFFSET = 2**31 - 2**20
"""Beyond it, offsets are counted in 64 bits; the rest is for what is counted beyond the borders."""

_LARGEST = 2.0**100
"""Of k and alpha, as of their reciprocals: beyond it, float64 won't do either."""
_LARGEST_BETA = 64.0
_MOST_CHANNELS = 2**19
"""More than a grid can have blocks for."""
MOST_OUTER = 3
"""Axes beside channels and positions that a kernel can count."""


@dataclass(frozen=True)
class Plan:
    """The programs of a launch.

    Attributes:
        kind: "rows" where a row of positions is a channel, "side" where channels lie side by side, "wide" where
            windows are put together from blocks.
        tile: positions of a program; side by side, groups of channels.
        chunk: channels that are worked on at a time; of a wide window the channels of a program.
        block: channels of a program.
        grid: how many programs there are for tiles and for blocks.
        warps: of a program.
        long: whether offsets need 64 bits.
    """

    kind: Kind
    tile: int
    chunk: int
    block: int
    grid: tuple[int, int]
    warps: int
    long: bool

    def sums_shape(self, channels: int, own: bool) -> tuple[int, ...]:
        """Return the shape of what the programs sum for k, alpha and beta: the first axis is to be summed."""
        return (self.grid[0], 3, channels) if own else (self.grid[0] * self.grid[1], 3, 1)


def takes(spec: LRNSpec, learned: Collection[str], channels: int) -> bool:
    """Whether the kernel is right for these values, and can count these channels."""
    fixed = {name: getattr(spec, name) for name in NAMES if name not in learned}
    return (
        all(value == 0 or 1 / _LARGEST <= value <= _LARGEST for name, value in fixed.items() if name != "beta")
        and abs(fixed.get("beta", 0.0)) <= _LARGEST_BETA
        and channels <= _MOST_CHANNELS
    )


def plan(
    layout: Layout, lo: int, hi: int, itemsize: int, processors: int, *, backward: bool = False, own: bool = False
) -> Plan:
    """Cut the work up.

    Args:
        layout: the arrays; none of its extents is 0.
        lo: channels below in the window, fewer than there are.
        hi: channels above, fewer than there are.
        itemsize: bytes of an element.
        processors: multiprocessors of the GPU.
        backward: whether it is for the backward pass.
        own: whether each channel has values of its own.

    Example:
        >>> from localnorm.kernels.layout import layout
        >>> images = layout((256, 96, 56, 56), 1, (301056, 3136, 56, 1))
        >>> plan(images, 2, 2, itemsize=4, processors=132)
        Plan(kind='rows', tile=256, chunk=8, block=96, grid=(3136, 1), warps=4, long=False)
    """
    count = layout.positions * math.prod(layout.outer)
    long = max(count, *_largest_offsets(layout)) > _LARGEST_OFFSET
    if lo + hi >= NARROW:
        block = min(2 ** int(math.log2(lo + hi)), _LARGEST_BLOCK)
        tile = min(_BLOCK_ELEMENTS // block, _LONGEST_TILE)
        grid = (-(-count // tile), -(-layout.channels // block))
        return Plan("wide", tile, block, block, grid, _THREADS // _WARP, long)
    side_by_side = all(step == 1 for step in layout.channel_steps) and layout.channels >= _AT_A_TIME
    if side_by_side and not own and (layout.positions == 1 or layout.position_steps[0] != 1):
        groups = -(-layout.channels // _AT_A_TIME)
        threads = _SIDE_THREADS_BACKWARD if backward and lo + hi >= _SMALL else _SIDE_THREADS
        grid = (-(-count * groups // threads), 1)
        return Plan("side", threads, _AT_A_TIME, layout.channels, grid, threads // _WARP, long)
    # With values of each channel's own, two positions a thread spill registers.
    tile = _THREADS * (1 if backward and own else _positions_a_thread(layout, lo + hi + 1, itemsize, backward))
    while tile > _THREADS and -(-count // tile) < _MANY * processors:
        tile //= 2
    tiles, blocks = -(-count // tile), 1
    while tiles * blocks < _FEW * processors and -(-layout.channels // (2 * blocks)) >= _SMALLEST_PART:
        blocks *= 2
    block = -(-layout.channels // (blocks * _AT_A_TIME)) * _AT_A_TIME
    # More at a time than there are registers for would be kept in memory.
    crowded = backward and (tile > _THREADS or own)
    chunk = _AT_A_TIME // 2 if crowded else _AT_A_TIME
    return Plan("rows", tile, chunk, block, (tiles, -(-layout.channels // block)), _THREADS // _WARP, long)


def _positions_a_thread(layout: Layout, size: int, itemsize: int, backward: bool) -> int:
    """Return as many as can be read in one go; more cost registers and gain nothing."""
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
