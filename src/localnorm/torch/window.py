"""Sums over windows along one axis, by addition alone."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

# Up to this many channels, summing each window by itself is fastest.
_DIRECT = 6


def window_sum(q: Tensor, lo: int, hi: int, dim: int) -> Tensor:
    """Return ``sum_{j = c - lo}^{c + hi} q_j`` for every c along dim, cut at the borders.

    Wide windows are built from sums over 1, 2, 4, ... channels, so the number of passes grows with the
    logarithm of the window and every sum is a shallow tree, which also rounds less. Nothing is ever
    subtracted: what is not in a window can't touch its sum.
    """
    if q.numel() == 0:
        return q.clone()
    most = q.shape[dim] - 1
    lo, hi = min(lo, most), min(hi, most)
    if lo + 1 + hi <= _DIRECT:
        borders = [0, 0] * (q.ndim - 1 - dim) + [lo, hi]
        return pad(q, borders).unfold(dim, lo + 1 + hi, 1).sum(-1)
    total = _one_sided(q, hi + 1, 1, dim)
    if lo:
        _add_shifted(total, _one_sided(q, lo, -1, dim), -1, dim)
    return total


def _add_shifted(total: Tensor, q: Tensor, shift: int, dim: int) -> None:
    """Add ``q[c + shift]`` to ``total[c]`` wherever both exist."""
    common = q.shape[dim] - abs(shift)
    if common > 0:
        target = total.narrow(dim, max(-shift, 0), common)
        target.add_(q.narrow(dim, max(shift, 0), common))


def _one_sided(q: Tensor, count: int, direction: int, dim: int) -> Tensor:
    """Return ``sum_{i < count} q[c + direction * i]``: one doubled block for each binary digit of count."""
    total: Tensor | None = None
    block, width, done = q, 1, 0
    while True:
        if count & width:
            if total is None:
                total = block.clone()
            else:
                _add_shifted(total, block, direction * done, dim)
            done += width
        if done == count and total is not None:
            return total
        wider = block.clone()
        _add_shifted(wider, block, direction * width, dim)
        block, width = wider, 2 * width
