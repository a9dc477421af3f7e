"""Forward pass, wide windows: the windows of a program's channels start in one block and end in another."""

from __future__ import annotations

import triton
import triton.language as tl

from localnorm.kernels.gpu.float64 import redo_forward
from localnorm.kernels.gpu.memory import base, positions
from localnorm.kernels.gpu.power import power
from localnorm.kernels.gpu.values import in_range, values
from localnorm.kernels.gpu.wide_window_sums import block_sums, read_block


@triton.jit
def wide_forward(
    x,
    y,
    channels,
    lo,
    hi,
    count,
    extent_0,
    extent_1,
    extent_2,
    x_channel,
    x_0,
    x_1,
    x_2,
    x_3,
    y_channel,
    y_0,
    y_1,
    y_2,
    y_3,
    k,
    alpha,
    upper,
    lower,
    learned_k,
    learned_alpha,
    learned_beta,
    step_k,
    step_alpha,
    step_beta,
    BETA: tl.constexpr,
    PER_CHANNEL: tl.constexpr,
    OUTER: tl.constexpr,
    TILE: tl.constexpr,
    CHUNK: tl.constexpr,
    LONG: tl.constexpr,
):
    """Write ``x s^-beta`` for a tile of positions and CHUNK channels."""
    scalars, learned = (k, alpha, upper, lower), (learned_k, learned_alpha, learned_beta)
    steps, extents = (step_k, step_alpha, step_beta), (extent_0, extent_1, extent_2)
    x_steps, y_steps = (x_0, x_1, x_2, x_3), (y_0, y_1, y_2, y_3)
    position = positions(TILE, 0, TILE, LONG)
    mask = position < count
    x_start, y_start = base(position, extents, x_steps, OUTER), base(position, extents, y_steps, OUTER)
    first = tl.program_id(1) * CHUNK
    channel = first + tl.arange(0, CHUNK)[:, None]
    inside = mask[None, :] & (channel < channels)
    v = values(scalars, learned, steps, channel if PER_CHANNEL else 0, channel < channels if PER_CHANNEL else True)
    s = v[1] * block_sums((x, x_start, x_channel), first, channels, mask, lo, hi, True, CHUNK, LONG) + v[0]
    found = read_block((x, x_start, x_channel), first, channels, mask, CHUNK, LONG)
    wide = channel.to(tl.int64) if LONG else channel
    result = (found * power(s, v[2], v[3], BETA)).to(y.dtype.element_ty)
    tl.store(y + y_start[None, :] + wide * y_channel, result, mask=inside)
    outside = inside & ~in_range(s, v)
    if tl.max(tl.max(outside.to(tl.int32), 0), 0) > 0:
        x_all, y_all, high = (x, x_steps, x_channel), (y, y_steps, y_channel), tl.minimum(first + CHUNK, channels)
        redo_forward(
            x_all, y_all, first, high, channels, count, extents, scalars, learned, steps, lo, hi, OUTER, TILE, LONG
        )
