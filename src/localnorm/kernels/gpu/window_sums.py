"""Window sums over tuples of columns, one column a channel, by addition alone."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def squares(columns, COUNT: tl.constexpr):
    """Return the square of each column."""
    found = ()
    for i in tl.static_range(COUNT):
        found = found + (columns[i] * columns[i],)
    return found


@triton.jit
def _added(a, b, COUNT: tl.constexpr, SHIFT: tl.constexpr):
    """Return ``a[i] + b[i + SHIFT]`` for the first columns of a."""
    found = ()
    for i in tl.static_range(COUNT):
        found = found + (a[i] + b[i + SHIFT],)
    return found


@triton.jit
def window_sums(q, COUNT: tl.constexpr, SIZE: tl.constexpr):
    """Return ``q[i] + ... + q[i + SIZE - 1]`` for i below COUNT, SIZE from 1 to 15.

    They are made of sums over 1, 2, 4 and 8 columns that neighbours share, so every sum is a shallow tree. What
    is not in a window can't touch its sum.
    """
    twos: tl.constexpr = SIZE % 4
    fours: tl.constexpr = SIZE % 8
    total = q
    if SIZE > 1:
        pairs = _added(q, q, COUNT + SIZE - 2, 1)
        if twos == 3:
            total = _added(q, pairs, COUNT, 1)
        elif twos == 2:
            total = pairs
        if SIZE > 3:
            quads = _added(pairs, pairs, COUNT + SIZE - 4, 2)
            if fours == 4:
                total = quads
            elif fours > 4:
                total = _added(total, quads, COUNT, twos)
            if SIZE > 7:
                octets = _added(quads, quads, COUNT + SIZE - 8, 4)
                if fours == 0:
                    total = octets
                else:
                    total = _added(total, octets, COUNT, fours)
    return total
