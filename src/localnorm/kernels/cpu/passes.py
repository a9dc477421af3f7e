"""Forward and backward pass: what each thread runs until no tile is left."""

from __future__ import annotations

from numba import njit

from localnorm.kernels.cpu import block as at
from localnorm.kernels.cpu.intrinsics import claim, pointer, read, shifted
from localnorm.kernels.cpu.rows import direct, normalized, subtracted, totals, zero
from localnorm.kernels.cpu.tiles import (
    above_smallest,
    all_sums,
    buffer,
    gather,
    grad_in_range,
    in_range,
    leave,
    scatter,
    shape,
    sums,
    target,
    values,
)


@njit
def forward(p, like, wide):
    """Write ``x s^-beta`` into every tile that this thread gets hold of."""
    scratch = p[at.SCRATCH] + claim(p, at.NEXT_SCRATCH) * p[at.SCRATCH_BYTES]
    staged = buffer(p, scratch, 0, like)
    q, other, s = buffer(p, scratch, 1, wide), buffer(p, scratch, 2, wide), buffer(p, scratch, 3, wide)
    if p[at.STEP]:
        zero(staged, p[at.TILE] * p[at.STEP], like)
    while True:
        tile = claim(p, at.NEXT_TILE)
        if tile >= p[at.TILES]:
            return
        positions = min(p[at.TILE], p[at.POSITIONS] - tile % p[at.TILES_A_ROW] * p[at.TILE])
        count, row, unit = shape(p, positions)
        x, step = gather(p, tile, at.X, positions, staged, like)
        if not in_range(p, x, step, q, count, row, unit, wide):
            leave(p, tile)
            continue
        all_sums(p, q, other, s, count, unit)
        if not above_smallest(p, q, s, count, row, unit, wide):
            leave(p, tile)
            continue
        y, y_step = target(p, tile, positions, staged, like)
        for i in range(-(-count // row)):
            v = values(p, i, wide)
            normalized(
                shifted(x, i * step),
                sums(p, q, s, i, count, row, unit),
                shifted(y, i * y_step),
                min(row, count - i * row),
                read(v, at.K),
                read(v, at.ALPHA),
                read(v, at.UPPER),
                read(v, at.LOWER),
                like,
            )
        scatter(p, tile, positions, y, like)


@njit
def backward(p, like, wide):
    """Write ``g s^-beta - x sum 2 alpha beta g x s^(-beta-1)`` into every tile that this thread gets hold of."""
    scratch = p[at.SCRATCH] + claim(p, at.NEXT_SCRATCH) * p[at.SCRATCH_BYTES]
    staged, staged_grad = buffer(p, scratch, 0, like), buffer(p, scratch, 4, like)
    q, other, s = buffer(p, scratch, 1, wide), buffer(p, scratch, 2, wide), buffer(p, scratch, 3, wide)
    r, h = buffer(p, scratch, 5, wide), buffer(p, scratch, 6, wide)
    if p[at.STEP]:
        zero(staged, p[at.TILE] * p[at.STEP], like)
        zero(staged_grad, p[at.TILE] * p[at.STEP], like)
    while True:
        tile = claim(p, at.NEXT_TILE)
        if tile >= p[at.TILES]:
            return
        positions = min(p[at.TILE], p[at.POSITIONS] - tile % p[at.TILES_A_ROW] * p[at.TILE])
        count, row, unit = shape(p, positions)
        rows = -(-count // row)
        x, step = gather(p, tile, at.X, positions, staged, like)
        grad, grad_step = gather(p, tile, at.GRAD, positions, staged_grad, like)
        if not in_range(p, x, step, q, count, row, unit, wide) or not grad_in_range(
            p, grad, grad_step, count, row, wide
        ):
            leave(p, tile)
            continue
        all_sums(p, q, other, s, count, unit)
        if not above_smallest(p, q, s, count, row, unit, wide):
            leave(p, tile)
            continue
        # The window of c holds j where the mirrored window of j holds c.
        zero(h, p[at.HI] * unit, wide)
        zero(shifted(h, p[at.HI] * unit + count), p[at.LO] * unit, wide)
        for i in range(rows):
            v = values(p, i, wide)
            x_row, length = shifted(x, i * step), min(row, count - i * row)
            here, r_row = sums(p, q, s, i, count, row, unit), shifted(r, i * row)
            direct(
                x_row,
                shifted(grad, i * grad_step),
                here,
                r_row,
                shifted(h, p[at.HI] * unit + i * row),
                length,
                read(v, at.K),
                read(v, at.ALPHA),
                read(v, at.UPPER),
                read(v, at.LOWER),
                read(v, at.FACTOR),
            )
            if p[at.SUMS]:
                found = shifted(pointer(p[at.SUMS], 0.0), (tile * p[at.SUMS_ROWS] + i * p[at.SUMS_STEP]) * 3)
                beta = -(read(v, at.UPPER) + read(v, at.LOWER))
                totals(x_row, here, r_row, length, read(v, at.K), read(v, at.ALPHA), beta, found)
        all_sums(p, h, other, s, count, unit)
        y, y_step = target(p, tile, positions, staged, like)
        for i in range(rows):
            subtracted(
                shifted(x, i * step),
                sums(p, h, s, i, count, row, unit),
                shifted(r, i * row),
                shifted(y, i * y_step),
                min(row, count - i * row),
                like,
            )
        scatter(p, tile, positions, y, like)
