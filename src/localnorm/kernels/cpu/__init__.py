"""The CPU kernel: LRN and its gradients, compiled by Numba, at about the speed of the memory.

float16, bfloat16 and float32 are computed in float32, float64 in float64, and rounded once. What the plain formula
can't do there, a square that overflows or vanishes, a NaN or an infinity, is left: those parts are named for the
caller, who has slower arithmetic that is right everywhere. The result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from localnorm.kernels.cpu import block as at
from localnorm.kernels.cpu.compiled import kernel, wide_type
from localnorm.kernels.cpu.constants import Constants, constants, of_spec
from localnorm.kernels.cpu.threads import Parallel, own_threads, run
from localnorm.kernels.layout import Layout, layout
from localnorm.kernels.plan import Plan, plan

__all__ = ["Constants", "Done", "Index", "Memory", "constants", "of_spec", "own_threads", "run_pass"]

_BUFFERS = {"forward": 4, "backward": 7}
_APART = 320
"""Bytes between buffers, so that they do not share the same places in a cache."""
_KEPT_BYTES = 2**26
"""Scratch memory up to this size is kept for the next call."""
_scratch: list[NDArray[np.uint8]] = []

Index = tuple[Any, ...]


class Memory(NamedTuple):
    """An array: the address of its element 0, and its strides in elements."""

    address: int
    strides: tuple[int, ...]


class Done(NamedTuple):
    """What a pass has done.

    Attributes:
        left: the parts that were left as they were, as indices into the shape ``(*outer, channels, positions)``.
        layout: the layout that this shape and its strides are from.
        sums: what k, alpha and beta get, one row or one for each channel, where asked for.
    """

    left: Sequence[Index]
    layout: Layout
    sums: NDArray[np.float64] | None


@dataclass(frozen=True)
class _Prepared:
    """All that does not depend on addresses and values."""

    layout: Layout
    plan: Plan
    block: NDArray[np.int64]
    offsets: tuple[NDArray[np.int64], ...]  # their addresses stand in the block


def run_pass(
    name: str,
    shape: tuple[int, ...],
    axis: int,
    dtype: str,
    window: tuple[int, int],
    arrays: tuple[Memory, ...],
    given: Constants,
    threads: int,
    *,
    learned: bool = False,
    parallel: Parallel | None = None,
) -> Done:
    """Run a pass over arrays of one shape and dtype.

    Args:
        name: "forward" or "backward".
        shape: extents, none of them 0.
        axis: the axis that the window spans, counted from 0.
        dtype: float16, bfloat16, float32 or float64.
        window: lo and hi.
        arrays: x and the output, which may be x; for "backward", the gradient of the output behind them.
        given: values and limits.
        threads: at most so many.
        learned: whether to sum what k, alpha and beta get; "backward" only.
        parallel: a framework's way to run a function on its threads; a pool of our own by default.
    """
    strides = tuple(memory.strides for memory in arrays)
    prepared = _prepared(name, shape, axis, dtype, window, strides, threads, given.rows_only)
    cut, block = prepared.plan, prepared.block.copy()
    for place, memory in zip((at.X, at.OUT, at.GRAD), arrays, strict=False):
        block[place] = memory.address
    values, limits = given.values, given.limits
    left = np.zeros(cut.tiles, np.uint8)
    block[at.VALUES], block[at.LIMITS], block[at.LEFT] = (a.ctypes.data for a in (values, limits, left))
    block[at.VALUES_STEP] = values.shape[1] if len(values) > 1 else 0
    sums = None
    if learned:
        sums = np.zeros((cut.tiles, len(values), 3))
        block[at.SUMS], block[at.SUMS_STEP], block[at.SUMS_ROWS] = sums.ctypes.data, len(values) > 1, len(values)
    scratch = _taken(int(block[at.SCRATCH_BYTES]) * cut.threads + 64)
    block[at.SCRATCH] = -(-scratch.ctypes.data // 64) * 64
    run(kernel(name, dtype).address, block.ctypes.data, cut.threads, parallel)
    if scratch.size <= _KEPT_BYTES:
        _scratch.append(scratch)
    found = None if sums is None else sums.sum(axis=0)
    return Done(_parts(left, prepared) if left.any() else (), prepared.layout, found)


@lru_cache(maxsize=256)
def _prepared(
    name: str,
    shape: tuple[int, ...],
    axis: int,
    dtype: str,
    window: tuple[int, int],
    strides: tuple[tuple[int, ...], ...],
    threads: int,
    rows_only: bool,
) -> _Prepared:
    found = layout(shape, axis, *strides)
    lo, hi = (min(reach, found.channels - 1) for reach in window)
    cut = plan(found, lo, hi, threads, rows_only=rows_only)
    block = np.zeros(at.LENGTH, np.int64)
    buffer = -(-cut.buffer * wide_type(dtype).itemsize // 64) * 64 + _APART
    fields = {
        at.TILES: cut.tiles,
        at.TILES_A_ROW: cut.tiles_a_row,
        at.TILE: cut.tile,
        at.POSITIONS: found.positions,
        at.CHANNELS: found.channels,
        at.LO: lo,
        at.HI: hi,
        at.ROW: cut.row,
        at.STEP: cut.step,
        at.BUFFER: buffer,
        at.SCRATCH_BYTES: buffer * _BUFFERS[name],
    }
    offsets = tuple(np.array(offset, np.int64) for offset in found.outer_offsets())
    for place, offset, channel, position in zip(
        (at.X, at.OUT, at.GRAD), offsets, found.channel_steps, found.position_steps, strict=False
    ):
        fields |= {place + 1: offset.ctypes.data, place + 2: channel, place + 3: position}
    for place, value in fields.items():
        block[place] = value
    return _Prepared(found, cut, block, offsets)


def _taken(size: int) -> NDArray[np.uint8]:
    """Return scratch memory: fresh pages would cost more than the work on a small array."""
    try:
        scratch = _scratch.pop()
    except IndexError:
        return np.empty(size, np.uint8)
    return scratch if scratch.size >= size else np.empty(size, np.uint8)


def _parts(left: NDArray[np.uint8], prepared: _Prepared) -> list[Index]:
    """Return the index of each run of tiles that were left."""
    cut, found = prepared.plan, []
    rows = left.reshape(-1, cut.tiles_a_row)
    for outer in np.flatnonzero(rows.any(axis=1)):
        edges = np.flatnonzero(np.diff(rows[outer], prepend=0, append=0))
        index = np.unravel_index(outer, prepared.layout.outer) if prepared.layout.outer else ()
        found += [
            (*map(int, index), slice(None), slice(int(start) * cut.tile, int(end) * cut.tile))
            for start, end in zip(edges[::2], edges[1::2], strict=True)
        ]
    return found
