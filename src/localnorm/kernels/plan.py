"""Tiling of the CPU kernel: a pure function of layout, window, sizes and threads."""

from __future__ import annotations

import math
from dataclasses import dataclass

from localnorm.kernels.layout import Layout

# Elements of a tile where rows are channels: with its squares, in float32, half of the usual second-level cache.
_ROWS = 2**16
# The same where channels lie side by side, and the elements that are worked on at a time.
_SIDE_BY_SIDE, _CHUNK = 2**14, 2**10
# Rows are a multiple of this, so that what is left over at the end of a loop over vectors is seldom much.
_VECTORS = 64
# Fewer positions than this do not fill a vector.
_SHORT = 16
# A thread has to be woken up, which costs as much as so many elements.
_PER_THREAD = 2**14
# Tiles at least, where there are positions enough. Not so many a thread, for then what is summed over a tile
# would depend on the number of threads.
_TILES = 8


@dataclass(frozen=True)
class Plan:
    """The tiles and the memory they need.

    Attributes:
        tile: positions of a tile.
        tiles_a_row: tiles that the positions are cut into, for each outer index.
        tiles: all of them.
        step: 0 where each row in the buffers is a channel; where channels lie side by side, the elements from one
            position to the next, with zeros between.
        row: side by side: elements worked on at a time; else 0, for those are the positions of a tile.
        buffer: elements of a buffer, the zeros of a window included.
        threads: how many are worth their while.
    """

    tile: int
    tiles_a_row: int
    tiles: int
    step: int
    row: int
    buffer: int
    threads: int


def plan(layout: Layout, lo: int, hi: int, threads: int, *, rows_only: bool = False) -> Plan:
    """Cut the work up.

    Args:
        layout: the arrays; none of its extents is 0.
        lo: channels below in the window, fewer than there are.
        hi: channels above, fewer than there are.
        threads: at most so many.
        rows_only: whether each row must be a channel, as where channels have values of their own.

    Example:
        >>> from localnorm.kernels.layout import layout
        >>> images = layout((32, 96, 55, 55), 1, (290400, 3025, 55, 1))
        >>> plan(images, 2, 2, threads=2)
        Plan(tile=640, tiles_a_row=5, tiles=160, step=0, row=0, buffer=64000, threads=2)
    """
    in_rows = layout.position_steps[0] == 1 and layout.positions >= min(_SHORT, layout.channels)
    if not rows_only and not in_rows and (layout.channel_steps[0] == 1 or layout.positions < _SHORT):
        step = layout.channels + max(lo, hi)
        most, multiple = max(_SIDE_BY_SIDE // step, 1), 1
    else:
        step = 0
        most = max(_ROWS // (layout.channels + lo + hi) // _VECTORS * _VECTORS, _VECTORS)
        multiple = _VECTORS
    outer = math.prod(layout.outer)
    tile, tiles_a_row = _cut(layout.positions, most, multiple, -(-_TILES // outer))
    tiles = tiles_a_row * outer
    return Plan(
        tile=tile,
        tiles_a_row=tiles_a_row,
        tiles=tiles,
        step=step,
        row=step * max(1, _CHUNK // step) if step else 0,
        buffer=tile * step + lo + hi if step else tile * (layout.channels + lo + hi),
        threads=max(1, min(threads, tiles, layout.elements // _PER_THREAD)),
    )


def _cut(positions: int, most: int, multiple: int, parts: int) -> tuple[int, int]:
    """Return the positions of a tile and the number of tiles: about even, and `parts` of them if not more."""
    parts = max(-(-positions // most), min(parts, -(-positions // multiple)))
    tile = -(-positions // parts)
    if tile > multiple:
        tile = min(-(-tile // multiple) * multiple, positions)
    return tile, -(-positions // tile)
