"""The memory layout of an array for the kernels: outer axes, channels and positions, with their strides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

_LONG = 16
"""Contiguous positions that fill a vector register of any machine in use."""


@dataclass(frozen=True)
class Layout:
    """One shape in several arrays: ``outer`` times ``channels`` times ``positions``, with steps for each array.

    Attributes:
        channels: extent of the axis that the window spans.
        positions: extent of the axis that tiles are cut along.
        outer: extents of the remaining axes.
        channel_steps: elements from one channel to the next, for each array.
        position_steps: elements from one position to the next, for each array.
        outer_steps: the same for each outer axis, for each array.
    """

    channels: int
    positions: int
    outer: tuple[int, ...]
    channel_steps: tuple[int, ...]
    position_steps: tuple[int, ...]
    outer_steps: tuple[tuple[int, ...], ...]

    @property
    def elements(self) -> int:
        """The number of elements."""
        return self.channels * self.positions * math.prod(self.outer)

    def outer_offsets(self) -> list[list[int]]:
        """Return the offset of each outer index, for each array.

        Example:
            >>> layout((2, 3, 4), 1, (12, 4, 1)).outer_offsets()
            [[0, 12]]
        """
        indices = list(product(*map(range, self.outer)))
        return [
            [sum(i * s for i, s in zip(index, steps, strict=True)) for index in indices]
            for steps in self.outer_steps
        ]


def layout(shape: Sequence[int], axis: int, *strides: Sequence[int]) -> Layout:
    """Merge the axes other than the channel axis if strides allow it, and choose the one to cut tiles along.

    Args:
        shape: extents, the same for all arrays.
        axis: the channel axis, counted from 0.
        strides: for each array, the elements from one index to the next along each axis.

    Example:
        >>> layout((2, 3, 4, 5), 1, (60, 20, 5, 1))
        Layout(channels=3, positions=20, outer=(2,), channel_steps=(20,), position_steps=(1,),
            outer_steps=((60,),))
        >>> layout((2, 3, 4, 5), 1, (60, 1, 15, 3))
        Layout(channels=3, positions=40, outer=(), channel_steps=(1,), position_steps=(3,),
            outer_steps=((),))
    """
    others = [a for a in range(len(shape)) if a != axis and shape[a] != 1]
    # LRN is the same for any order of the positions, so take the order of memory.
    others.sort(key=lambda a: [-abs(s[a]) for s in strides])
    merged: list[tuple[int, tuple[int, ...]]] = []
    for a in others:
        extent, steps = shape[a], tuple(s[a] for s in strides)
        if merged and merged[-1][1] == tuple(extent * step for step in steps):
            extent *= merged.pop()[0]
        merged.append((extent, steps))
    extent, steps = merged.pop(_tile_axis(merged)) if merged else (1, (1,) * len(strides))
    return Layout(
        channels=shape[axis],
        positions=extent,
        outer=tuple(extent for extent, _ in merged),
        channel_steps=tuple(s[axis] for s in strides),
        position_steps=steps,
        outer_steps=tuple(tuple(steps[i] for _, steps in merged) for i in range(len(strides))),
    )


def _tile_axis(axes: Sequence[tuple[int, tuple[int, ...]]]) -> int:
    """Return the axis that is contiguous in most arrays and long, else the longest."""
    return max(
        range(len(axes)), key=lambda i: (sum(step == 1 for step in axes[i][1]) * (axes[i][0] >= _LONG), axes[i][0])
    )
