"""Sums over windows by addition of slices, for NumPy, JAX, TensorFlow and torch arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Array = Any
Pad = Callable[[Array, list[tuple[int, int]]], Array]

DIRECT = 8
"""Up to this size, summing each window by itself is fastest."""


def window_sum(q: Array, lo: int, hi: int, axes: Sequence[int], pad: Pad, direct: int = DIRECT) -> Array:
    """Return ``sum_{j = c - lo}^{c + hi} q_j`` for every c along each axis in turn, cut at the borders.

    Wide windows are built from sums over 1, 2, 4, ... elements, so the number of additions grows with the
    logarithm of the window and every sum is a shallow tree, which also rounds less. Nothing is ever
    subtracted, so that no element outside of a window can spoil its sum.
    """
    for axis in axes:
        low, high = clipped(lo, hi, q.shape[axis])
        size = low + 1 + high
        padded = pad(q, [(low, high) if a == axis else (0, 0) for a in range(len(q.shape))])
        q = (_direct if size <= direct else _doubled)(padded, size, axis)
    return q


def clipped(lo: int, hi: int, extent: Any) -> tuple[int, int]:  # noqa: ANN401  an int, or what traces have
    """Return a window no wider than its axis, so that no more is padded than needed."""
    if extent is None or (not isinstance(extent, int) and _symbolic(extent)):
        return lo, hi
    most = max(extent - 1, 0)
    return min(lo, most), min(hi, most)


def _symbolic(extent: object) -> bool:
    """Return whether JAX can't compare the extent, or torch.jit.trace would keep it for later inputs."""
    return type(extent).__module__.startswith("jax") or type(extent).__name__ == "Tensor"


def _without(q: Array, start: int, end: int, axis: int) -> Array:
    """Drop `start` elements at the front of the axis and `end` elements at its end, for any extent."""
    return q[(slice(None),) * axis + (slice(start, -end or None),)]


def _direct(padded: Array, size: int, axis: int) -> Array:
    total = _without(padded, 0, size - 1, axis)
    for offset in range(1, size):
        total = total + _without(padded, offset, size - 1 - offset, axis)
    return total


def _doubled(padded: Array, size: int, axis: int) -> Array:
    """Sum one block of 1, 2, 4, ... elements for each binary digit of the size."""
    total = None
    block, width, done = padded, 1, 0
    while True:
        if size & width:
            part = _without(block, done, size - width - done, axis)
            total = part if total is None else total + part
            done += width
        if done == size:
            return total
        block = _without(block, 0, width, axis) + _without(block, width, 0, axis)
        width *= 2
