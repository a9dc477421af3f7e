"""Backward pass, channels last, narrow windows: a thread recomputes what it needs of neighbouring channels."""

from __future__ import annotations

import triton
import triton.language as tl

from localnorm.kernels.gpu.float64 import backward_float64, terms_float64, write_sums
from localnorm.kernels.gpu.memory import base, positions, read_with_neighbors, write_channels_last
from localnorm.kernels.gpu.power import log, power
from localnorm.kernels.gpu.values import grad_out_of_range, in_range, values
from localnorm.kernels.gpu.window_sums import squares, window_sums


@triton.jit
def channels_last_backward(
    x,
    y,
    grad,
    sums,
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
    group = positions(TILE, 0, TILE, LONG)
    first, position = group % groups * CHUNK, group // groups
    mask = position < count
    x_start, y_start = base(position, extents, x_steps, OUTER), base(position, extents, y_steps, OUTER)
    grad_start = base(position, extents, grad_steps, OUTER)
    v = values(scalars, learned, steps, 0, True)
    xs = read_with_neighbors(x, x_start, first, channels, mask, LO + HI, LO + HI, CHUNK)
    grads = read_with_neighbors(grad, grad_start, first, channels, mask, HI, LO, CHUNK)
    totals = window_sums(squares(xs, CHUNK + 2 * (LO + HI)), CHUNK + LO + HI, LO + HI + 1)
    outside, largest = tl.zeros([TILE], tl.int1), tl.zeros([TILE], tl.float32)
    of_k, of_alpha, of_beta = (
        tl.zeros([TILE], tl.float32),
        tl.zeros([TILE], tl.float32),
        tl.zeros([TILE], tl.float32),
    )
    hs, rs = (), ()
    for i in tl.static_range(CHUNK + LO + HI):
        channel = first + (i - HI)
        there = (channel >= 0) & (channel < channels)
        s = v[1] * totals[i] + v[0]
        outside = outside | (there & ~in_range(s, v))
        largest = tl.maximum(largest, tl.abs(grads[i]))
        r = grads[i] * power(s, v[2], v[3], BETA)
        product = r * xs[i + LO]
        # Beyond the border s may be 0.
        hs = hs + (tl.where(there, product * (v[4] / s), 0.0),)
        rs = rs + (r,)
        if sums is not None:
            if i >= HI and i < HI + CHUNK:
                share = tl.where(there & mask, product * (v[2] + v[3]) / s, 0.0)
                of_k += share
                of_alpha += share * totals[i]
                of_beta += tl.where(there & mask, -product * log(s), 0.0)
    through = window_sums(hs, CHUNK, LO + HI + 1)
    results = ()
    for i in tl.static_range(CHUNK):
        results = results + (rs[i + HI] - xs[i + LO + HI] * through[i],)
    write_channels_last(y, y_start, first, channels, mask, results, CHUNK)
    if sums is not None:
        write_sums(sums, channels, 0, False, of_k, of_alpha, of_beta)
    far = grad_out_of_range(tl.max(tl.where(mask, largest, 0.0), 0))
    if (tl.max((outside & mask).to(tl.int32), 0) > 0) | far:
        x_here, y_here, grad_here = (x, x_start, 1), (y, y_start, 1), (grad, grad_start, 1)
        all_k, all_alpha, all_beta = (
            tl.zeros([TILE], tl.float64),
            tl.zeros([TILE], tl.float64),
            tl.zeros([TILE], tl.float64),
        )
        for step in range(CHUNK):
            channel = first + step
            backward_float64(x_here, grad_here, y_here, channel, channels, mask, scalars, learned, steps, LO, HI)
            if sums is not None:
                terms = terms_float64(x_here, grad_here, channel, channels, mask, scalars, learned, steps, LO, HI)
                all_k, all_alpha, all_beta = all_k + terms[0], all_alpha + terms[1], all_beta + terms[2]
        if sums is not None:
            write_sums(sums, channels, 0, False, all_k, all_alpha, all_beta)
