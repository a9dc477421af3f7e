"""The arithmetic of one row of a tile: loops that the compiler turns into vector instructions."""

from __future__ import annotations

from numba import njit

from localnorm.kernels.cpu.formats import narrow, widen
from localnorm.kernels.cpu.intrinsics import (
    bits,
    larger,
    read,
    read_input,
    read_scratch,
    write,
    write_output,
    write_scratch,
)
from localnorm.kernels.cpu.power import CONTRACT, log, power

REORDER = {"contract", "reassoc"}
"""For sums over a row, which may be added in any order."""


@njit
def zero(row, count, like):
    """Write zeros."""
    for i in range(count):
        write(row, i, like)


@njit
def copy(source, source_step, target, target_step, count):
    """Copy elements; loops of their own for steps of 1 are what the compiler can vectorize."""
    if source_step == 1 and target_step == 1:
        for i in range(count):
            write(target, i, read(source, i))
    elif source_step == 1:
        for i in range(count):
            write(target, i * target_step, read(source, i))
    elif target_step == 1:
        for i in range(count):
            write(target, i, read(source, i * source_step))
    else:
        for i in range(count):
            write(target, i * target_step, read(source, i * source_step))


@njit(fastmath=CONTRACT, error_model="numpy")
def squares(x, q, count, wide):
    """Write the squares of x into q; return the bits of the largest, or of a NaN."""
    top = bits(wide)
    for i in range(count):
        v = widen(read_input(x, i), wide)
        write_scratch(q, i, v * v)
        top = larger(bits(v * v), top)
    return top


@njit
def largest(grad, count, wide):
    """Return the bits of the largest magnitude, or of a NaN."""
    top = bits(wide)
    for i in range(count):
        top = larger(bits(abs(widen(read_input(grad, i), wide))), top)
    return top


@njit(fastmath=CONTRACT, error_model="numpy")
def smallest(s, count, k, alpha):
    """Return the smallest of ``k + alpha s``."""
    low = alpha * read_scratch(s, 0) + k
    for i in range(count):
        low = min(low, alpha * read_scratch(s, i) + k)
    return low


@njit(fastmath=CONTRACT, error_model="numpy")
def normalized(x, s, y, count, k, alpha, upper, lower, like):
    """Write ``x (k + alpha s)^-beta`` into y."""
    for i in range(count):
        t = alpha * read_scratch(s, i) + k
        write_output(y, i, narrow(widen(read_input(x, i), t) * power(t, upper, lower), like))


@njit(fastmath=CONTRACT, error_model="numpy")
def direct(x, grad, s, r, h, count, k, alpha, upper, lower, factor):
    """Write ``g t^-beta`` into r and ``2 alpha beta g x t^(-beta-1)`` into h, where t is ``k + alpha s``."""
    for i in range(count):
        t = alpha * read_scratch(s, i) + k
        g = widen(read_input(grad, i), t) * power(t, upper, lower)
        write_scratch(r, i, g)
        write_scratch(h, i, g * widen(read_input(x, i), t) * (factor / t))


@njit(fastmath=CONTRACT, error_model="numpy")
def subtracted(x, s, r, y, count, like):
    """Write ``r - x s`` into y."""
    for i in range(count):
        g = read_scratch(r, i)
        write_output(y, i, narrow(g - widen(read_input(x, i), g) * read_scratch(s, i), like))


@njit(fastmath=REORDER, error_model="numpy")
def _total_k(x, s, r, count, k, alpha):
    total = 0.0
    for i in range(count):
        t = alpha * read_scratch(s, i) + k
        total += float(read_scratch(r, i) * widen(read_input(x, i), t) / t)
    return total


@njit(fastmath=REORDER, error_model="numpy")
def _total_alpha(x, s, r, count, k, alpha):
    total = 0.0
    for i in range(count):
        t = alpha * read_scratch(s, i) + k
        total += float(read_scratch(r, i) * widen(read_input(x, i), t) * (read_scratch(s, i) / t))
    return total


@njit(fastmath=REORDER, error_model="numpy")
def _total_beta(x, s, r, count, k, alpha):
    total = 0.0
    for i in range(count):
        t = alpha * read_scratch(s, i) + k
        total += float(read_scratch(r, i) * widen(read_input(x, i), t) * log(t))
    return total


@njit
def totals(x, s, r, count, k, alpha, beta, sums):
    """Add what k, alpha and beta get from a row: ``-beta e / t``, ``-beta e s / t``, ``-e log t`` with e = r x."""
    write(sums, 0, read(sums, 0) - beta * _total_k(x, s, r, count, k, alpha))
    write(sums, 1, read(sums, 1) - beta * _total_alpha(x, s, r, count, k, alpha))
    write(sums, 2, read(sums, 2) - _total_beta(x, s, r, count, k, alpha))
