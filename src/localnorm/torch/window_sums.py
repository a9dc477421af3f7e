"""Sums over windows along one axis or more, by addition alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import pad

from localnorm.kernels import window_sums

# Up to this many elements, summing each window by itself is fastest.
_DIRECT = 6

# Wider windows than this are cut to the extent of the axis, which an exported program can't leave open then.
_WIDE = 64


def window_sum(q: Tensor, lo: int, hi: int, axes: Sequence[int]) -> Tensor:
    """Return ``sum_{j = c - lo}^{c + hi} q_j`` for every c along each axis in turn, cut at the borders.

    Wide windows are built from sums over 1, 2, 4, ... elements, so the number of passes grows with the
    logarithm of the window and every sum is a shallow tree, which also rounds less. Nothing is ever
    subtracted: what is not in a window can't touch its sum.
    """
    if q.numel() == 0:
        return q.clone()
    for axis in axes:
        q = _along(q, lo, hi, axis)
    return q


def traceable_window_sum(q: Tensor, lo: int, hi: int, axes: Sequence[int]) -> Tensor:
    """Return the same without a look at the extent of an axis, unless the window is wide."""
    for axis in axes:
        most = q.shape[axis] if lo + hi > _WIDE else _WIDE
        q = window_sums.window_sum(q, min(lo, most), min(hi, most), (axis,), _pad)
    return q


def _pad(q: Tensor, borders: Sequence[tuple[int, int]]) -> Tensor:
    return pad(q, [n for border in reversed(borders) for n in border])


def _along(q: Tensor, lo: int, hi: int, axis: int) -> Tensor:
    most = q.shape[axis] - 1
    lo, hi = min(lo, most), min(hi, most)
    if lo + 1 + hi <= _DIRECT:
        borders = [0, 0] * (q.ndim - 1 - axis) + [lo, hi]
        return pad(q, borders).unfold(axis, lo + 1 + hi, 1).sum(-1)
    total = _one_sided(q, hi + 1, 1, axis)
    if lo:
        _add_shifted(total, _one_sided(q, lo, -1, axis), -1, axis)
    return total


def _add_shifted(total: Tensor, q: Tensor, shift: int, axis: int) -> None:
    """Add ``q[c + shift]`` to ``total[c]`` wherever both exist."""
    common = q.shape[axis] - abs(shift)
    if common > 0:
        target = total.narrow(axis, max(-shift, 0), common)
        target.add_(q.narrow(axis, max(shift, 0), common))


def _one_sided(q: Tensor, count: int, direction: int, axis: int) -> Tensor:
    """Return ``sum_{i < count} q[c + direction * i]``: one doubled block for each binary digit of count."""
    total: Tensor | None = None
    block, width, done = q, 1, 0
    while True:
        if count & width:
            if total is None:
                total = block.clone()
            else:
                _add_shifted(total, block, direction * done, axis)
            done += width
        if done == count and total is not None:
            return total
        wider = block.clone()
        _add_shifted(wider, block, direction * width, axis)
        block, width = wider, 2 * width
