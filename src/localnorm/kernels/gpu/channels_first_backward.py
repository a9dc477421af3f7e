"""Backward pass, channels first, narrow windows: threads go up the channels with windows of x and h in registers.

What a channel c hands down to the x in its window is ``h_c = 2 alpha beta g_c x_c s_c^(-beta-1)``. Of the channels
that have been read, s is known but for the last `hi`, and the gradient but for the last ``lo + hi``.
"""

from __future__ import annotations

import triton
import triton.language as tl

from localnorm.kernels.gpu.float64 import redo_backward, write_sums
from localnorm.kernels.gpu.memory import base, columns, positions, write, zeros
from localnorm.kernels.gpu.power import log, power
from localnorm.kernels.gpu.values import grad_out_of_range, in_range, values
from localnorm.kernels.gpu.window_sums import squares, window_sums


@triton.jit
def channels_first_backward(
    x,
    y,
    grad,
    sums,
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
    grad_channel,
    grad_0,
    grad_1,
    grad_2,
    grad_3,
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
    """Write the gradient for x, and this tile's sums for k, alpha and beta unless `sums` is None."""
    scalars, learned = (k, alpha, upper, lower), (learned_k, learned_alpha, learned_beta)
    steps, extents = (step_k, step_alpha, step_beta), (extent_0, extent_1, extent_2)
    x_steps, y_steps, grad_steps = (x_0, x_1, x_2, x_3), (y_0, y_1, y_2, y_3), (grad_0, grad_1, grad_2, grad_3)
    position = positions(TILE, 0, TILE, LONG)
    mask = position < count
    x_start, y_start = base(position, extents, x_steps, OUTER), base(position, extents, y_steps, OUTER)
    grad_start = base(position, extents, grad_steps, OUTER)
    low = tl.program_id(1) * block
    high = tl.minimum(low + block, channels)
    xs, grads, hs, rs = zeros(LO + HI, TILE), zeros(HI, TILE), zeros(LO + HI, TILE), zeros(LO, TILE)
    outside, largest = tl.zeros([TILE], tl.int1), tl.zeros([TILE], tl.float32)
    of_k, of_alpha, of_beta = (
        tl.zeros([TILE], tl.float64),
        tl.zeros([TILE], tl.float64),
        tl.zeros([TILE], tl.float64),
    )
    shared = values(scalars, learned, steps, 0, True)
    for at in range(low - LO - HI, high + LO + HI, CHUNK):
        first = tl.full((), at, tl.int64) if LONG else at
        xs = xs + columns(x, x_start, x_channel, first, 0, channels, mask, CHUNK)
        grads = grads + columns(grad, grad_start, grad_channel, first, 0, channels, mask, CHUNK)
        totals = window_sums(squares(xs, CHUNK + LO + HI), CHUNK, LO + HI + 1)
        for i in tl.static_range(CHUNK):
            channel = first + (i - HI)
            there = (channel >= tl.maximum(low - HI, 0)) & (channel < tl.minimum(high + LO, channels))
            v = shared
            if PER_CHANNEL:
                v = values(scalars, learned, steps, channel, there)
            s = v[1] * totals[i] + v[0]
            outside = outside | (there & ~in_range(s, v))
            largest = tl.maximum(largest, tl.abs(grads[i]))
            r = grads[i] * power(s, v[2], v[3], BETA)
            product = r * xs[i + LO]
            # Beyond the border s may be 0.
            hs = hs + (tl.where(there, product * (v[4] / s), 0.0),)
            rs = rs + (r,)
            if sums is not None:
                mine = mask & (channel >= low) & (channel < high)
                share = tl.where(mine, product * (v[2] + v[3]) / s, 0.0)
                got_alpha, got_beta = share * totals[i], tl.where(mine, -product * log(s), 0.0)
                if PER_CHANNEL:
                    if (channel >= low) & (channel < high):
                        write_sums(sums, channels, channel, PER_CHANNEL, share, got_alpha, got_beta)
                else:
                    of_k += share
                    of_alpha += got_alpha
                    of_beta += got_beta
        through = window_sums(hs, CHUNK, LO + HI + 1)
        for i in tl.static_range(CHUNK):
            channel = first + (i - LO - HI)
            inside = mask & (channel >= low) & (channel < high)
            write((y, y_start, y_channel), channel, inside, rs[i] - xs[i] * through[i])
        xs, grads, hs, rs = xs[CHUNK:], grads[CHUNK:], hs[CHUNK:], rs[CHUNK:]
    if sums is not None:
        if not PER_CHANNEL:
            write_sums(sums, channels, low, PER_CHANNEL, of_k, of_alpha, of_beta)
    far = grad_out_of_range(tl.max(tl.where(mask, largest, 0.0), 0))
    if (tl.max((outside & mask).to(tl.int32), 0) > 0) | far:
        x_all, y_all, grad_all = (x, x_steps, x_channel), (y, y_steps, y_channel), (grad, grad_steps, grad_channel)
        redo_backward(
            x_all,
            y_all,
            grad_all,
            sums,
            low,
            high,
            channels,
            count,
            extents,
            scalars,
            learned,
            steps,
            LO,
            HI,
            PER_CHANNEL,
            OUTER,
            TILE,
            LONG,
        )
