"""Window sums over a flat buffer, by addition alone: element i becomes the sum of i, i + unit, ..., n of them.

`unit` is the distance from one channel to the next, so the same loops serve buffers with channels as rows and
with channels side by side. A buffer begins with lo zeros and ends with hi zeros of its own.
"""

from __future__ import annotations

from numba import njit

from localnorm.kernels.cpu.intrinsics import read_scratch, shifted, write_scratch

DIRECT = 9
"""Up to this size a window is summed by itself, beyond it from sums over 4, 16, 64, ... elements."""


@njit
def _one(q, s, count):
    for i in range(count):
        write_scratch(s, i, read_scratch(q, i))


@njit
def _two(q, s, count, unit):
    for i in range(count):
        write_scratch(s, i, read_scratch(q, i) + read_scratch(q, i + unit))


@njit
def _three(q, s, count, unit):
    for i in range(count):
        write_scratch(s, i, (read_scratch(q, i) + read_scratch(q, i + unit)) + read_scratch(q, i + 2 * unit))


@njit
def _five(q, s, count, unit):
    for i in range(count):
        pairs = (read_scratch(q, i) + read_scratch(q, i + unit)) + (
            read_scratch(q, i + 2 * unit) + read_scratch(q, i + 3 * unit)
        )
        write_scratch(s, i, pairs + read_scratch(q, i + 4 * unit))


@njit
def _and_one(q, s, count):
    for i in range(count):
        write_scratch(s, i, read_scratch(s, i) + read_scratch(q, i))


@njit
def _and_two(q, s, count, unit):
    for i in range(count):
        write_scratch(s, i, read_scratch(s, i) + (read_scratch(q, i) + read_scratch(q, i + unit)))


@njit
def _and_three(q, s, count, unit):
    for i in range(count):
        three = (read_scratch(q, i) + read_scratch(q, i + unit)) + read_scratch(q, i + 2 * unit)
        write_scratch(s, i, read_scratch(s, i) + three)


@njit
def _add(q, s, count, unit, n, first):
    """Write the sum over up to three elements, or add it to what is there."""
    if n == 1 and first:
        _one(q, s, count)
    elif n == 2 and first:
        _two(q, s, count, unit)
    elif n == 3 and first:
        _three(q, s, count, unit)
    elif n == 1:
        _and_one(q, s, count)
    elif n == 2:
        _and_two(q, s, count, unit)
    elif n == 3:
        _and_three(q, s, count, unit)


@njit
def direct_sums(q, s, count, unit, n):
    """Write into s the sums over n elements each, for n up to DIRECT."""
    if n == 5:
        _five(q, s, count, unit)
        return
    done = 0
    while done < n:
        _add(shifted(q, done * unit), s, count, unit, min(3, n - done), done == 0)
        done += min(3, n - done)


@njit
def _four(q, s, count, unit):
    for i in range(count):
        write_scratch(
            s,
            i,
            (read_scratch(q, i) + read_scratch(q, i + unit))
            + (read_scratch(q, i + 2 * unit) + read_scratch(q, i + 3 * unit)),
        )


@njit
def wide_sums(q, other, s, count, unit, n):
    """Write into s the sums over n elements each, with as many passes as n has digits to base 4.

    Every sum is a shallow tree, which rounds little, of elements of its own window alone, so that an infinity
    reaches no other. Spoils q and `other`, which is as long.
    """
    length = count + (n - 1) * unit
    width, done = 1, 0
    while True:
        digit = n // width % 4
        _add(shifted(q, done * unit), s, count, width * unit, digit, done == 0)
        done += digit * width
        if done == n:
            return
        # What lies beyond the last whole block belongs to no window.
        length -= 3 * width * unit
        _four(q, other, length, width * unit)
        q, other = other, q
        width *= 4
