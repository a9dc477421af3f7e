"""Forward pass, channels last, narrow windows: a thread has a few channels and reads their neighbours.

Neighbours read the same borders, in whole vectors, from the cache of their multiprocessor; memory gives each
element once.
"""

from __future__ import annotations

import triton
import triton.language as tl

from localnorm.kernels.gpu.float64 import forward_float64
from localnorm.kernels.gpu.memory import base, positions, read_with_neighbors, write_channels_last
from localnorm.kernels.gpu.power import power
from localnorm.kernels.gpu.values import in_range, values
from localnorm.kernels.gpu.window_sums import squares, window_sums


@triton.jit
def channels_last_forward(
    x,
    y,
    channels,
    groups,
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
    """Write ``x s^-beta`` for a tile of groups of CHUNK channels."""
    scalars, learned = (k, alpha, upper, lower), (learned_k, learned_alpha, learned_beta)
    steps, extents = (step_k, step_alpha, step_beta), (extent_0, extent_1, extent_2)
    x_steps, y_steps = (x_0, x_1, x_2, x_3), (y_0, y_1, y_2, y_3)
    group = positions(TILE, 0, TILE, LONG)
    first, position = group % groups * CHUNK, group // groups
    mask = position < count
    x_start, y_start = base(position, extents, x_steps, OUTER), base(position, extents, y_steps, OUTER)
    v = values(scalars, learned, steps, 0, True)
    found = read_with_neighbors(x, x_start, first, channels, mask, LO, HI, CHUNK)
    sums = window_sums(squares(found, CHUNK + LO + HI), CHUNK, LO + HI + 1)
    outside = tl.zeros([TILE], tl.int1)
    results = ()
    for i in tl.static_range(CHUNK):
        s = v[1] * sums[i] + v[0]
        outside = outside | ((first + i < channels) & ~in_range(s, v))
        results = results + (found[i + LO] * power(s, v[2], v[3], BETA),)
    write_channels_last(y, y_start, first, channels, mask, results, CHUNK)
    if tl.max((outside & mask).to(tl.int32), 0) > 0:
        for step in range(CHUNK):
            x_here, y_here = (x, x_start, 1), (y, y_start, 1)
            forward_float64(x_here, y_here, first + step, channels, mask, scalars, learned, steps, LO, HI)
