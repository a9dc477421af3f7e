"""Forward pass, channels first, narrow windows: threads go up the channels with a window in registers.

So x is read once for the forward pass, x and the gradient once for the backward pass. If the channels are cut into
blocks, tiles share the channels around the border between them.
"""

from __future__ import annotations

import triton
import triton.language as tl

from localnorm.kernels.gpu.float64 import redo_forward
from localnorm.kernels.gpu.memory import base, columns, positions, write, zeros
from localnorm.kernels.gpu.power import power
from localnorm.kernels.gpu.values import in_range, values
from localnorm.kernels.gpu.window_sums import squares, window_sums


@triton.jit
def channels_first_forward(
    x,
    y,
    channels,
    block,
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
    LO: tl.constexpr,
    HI: tl.constexpr,
    BETA: tl.constexpr,
    PER_CHANNEL: tl.constexpr,
    OUTER: tl.constexpr,
    TILE: tl.constexpr,
    CHUNK: tl.constexpr,
    LONG: tl.constexpr,
):
    """Write ``x s^-beta`` for a tile of positions and a block of channels."""
    scalars, learned = (k, alpha, upper, lower), (learned_k, learned_alpha, learned_beta)
    steps, extents = (step_k, step_alpha, step_beta), (extent_0, extent_1, extent_2)
    x_steps, y_steps = (x_0, x_1, x_2, x_3), (y_0, y_1, y_2, y_3)
    position = positions(TILE, 0, TILE, LONG)
    mask = position < count
    x_start, y_start = base(position, extents, x_steps, OUTER), base(position, extents, y_steps, OUTER)
    low = tl.program_id(1) * block
    high = tl.minimum(low + block, channels)
    before = zeros(LO + HI, TILE)
    outside = tl.zeros([TILE], tl.int1)
    shared = values(scalars, learned, steps, 0, True)
    for at in range(low - LO, high + HI, CHUNK):
        first = tl.full((), at, tl.int64) if LONG else at
        found = before + columns(x, x_start, x_channel, first, 0, channels, mask, CHUNK)
        sums = window_sums(squares(found, CHUNK + LO + HI), CHUNK, LO + HI + 1)
        for i in tl.static_range(CHUNK):
            channel = first + (i - HI)
            inside = (channel >= low) & (channel < high)
            v = shared
            if PER_CHANNEL:
                v = values(scalars, learned, steps, channel, inside)
            s = v[1] * sums[i] + v[0]
            outside = outside | (inside & ~in_range(s, v))
            result = found[i + LO] * power(s, v[2], v[3], BETA)
            write((y, y_start, y_channel), channel, mask & inside, result)
        before = found[CHUNK:]
    if tl.max((outside & mask).to(tl.int32), 0) > 0:
        x_all, y_all = (x, x_steps, x_channel), (y, y_steps, y_channel)
        redo_forward(
            x_all, y_all, low, high, channels, count, extents, scalars, learned, steps, LO, HI, OUTER, TILE, LONG
        )
