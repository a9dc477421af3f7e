"""Backward pass, wide windows: two kernels with float32 scratch memory between them.

The first writes ``r = g s^-beta`` and ``h = 2 alpha beta r x / s``, the second ``r - x sum h``. An h that float32
won't do is NaN, which makes the second kernel do its tile again from the beginning.
"""

from __future__ import annotations

import triton
import triton.language as tl

from localnorm.kernels.gpu.float64 import redo_backward, write_sums
from localnorm.kernels.gpu.memory import base, positions
from localnorm.kernels.gpu.power import log, power
from localnorm.kernels.gpu.values import grad_out_of_range, in_range, values
from localnorm.kernels.gpu.wide_window_sums import block_sums, read_block


@triton.jit
def wide_terms(
    x,
    h,
    r,
    grad,
    sums,
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
    h_channel,
    h_0,
    h_1,
    h_2,
    h_3,
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
    BETA: tl.constexpr,
    PER_CHANNEL: tl.constexpr,
    OUTER: tl.constexpr,
    TILE: tl.constexpr,
    CHUNK: tl.constexpr,
    LONG: tl.constexpr,
):
    """Write h and r, whose strides are the same, for a tile of positions and CHUNK channels; and the sums."""
    scalars, learned = (k, alpha, upper, lower), (learned_k, learned_alpha, learned_beta)
    steps, extents = (step_k, step_alpha, step_beta), (extent_0, extent_1, extent_2)
    x_steps, h_steps, grad_steps = (x_0, x_1, x_2, x_3), (h_0, h_1, h_2, h_3), (grad_0, grad_1, grad_2, grad_3)
    position = positions(TILE, 0, TILE, LONG)
    mask = position < count
    x_start, h_start = base(position, extents, x_steps, OUTER), base(position, extents, h_steps, OUTER)
    first = tl.program_id(1) * CHUNK
    channel = first + tl.arange(0, CHUNK)[:, None]
    inside = mask[None, :] & (channel < channels)
    v = values(scalars, learned, steps, channel if PER_CHANNEL else 0, channel < channels if PER_CHANNEL else True)
    total = block_sums((x, x_start, x_channel), first, channels, mask, lo, hi, True, CHUNK, LONG)
    s = v[1] * total + v[0]
    found = read_block((x, x_start, x_channel), first, channels, mask, CHUNK, LONG)
    grad_start = base(position, extents, grad_steps, OUTER)
    grads = read_block((grad, grad_start, grad_channel), first, channels, mask, CHUNK, LONG)
    largest = tl.broadcast_to(tl.max(tl.max(tl.abs(grads), 0), 0), [CHUNK, TILE])
    outside = inside & (grad_out_of_range(largest) | ~in_range(s, v))
    result = grads * power(s, v[2], v[3], BETA)
    product = result * found
    wide = channel.to(tl.int64) if LONG else channel
    here = h_start[None, :] + wide * h_channel
    tl.store(r + here, result, mask=inside)
    tl.store(h + here, tl.where(outside, float("nan"), product * (v[4] / s)), mask=inside)
    if sums is not None:
        share = tl.where(inside, product * (v[2] + v[3]) / s, 0.0)
        of_beta = tl.where(inside, -product * log(s), 0.0)
        write_sums(sums, channels, first, PER_CHANNEL, share, share * total, of_beta)
        if tl.max(tl.max(outside.to(tl.int32), 0), 0) > 0:
            high = tl.minimum(first + CHUNK, channels)
            x_all, no_y, grad_all = (x, x_steps, x_channel), (None, x_steps, 0), (grad, grad_steps, grad_channel)
            redo_backward(
                x_all,
                no_y,
                grad_all,
                sums,
                first,
                high,
                channels,
                count,
                extents,
                scalars,
                learned,
                steps,
                lo,
                hi,
                PER_CHANNEL,
                OUTER,
                TILE,
                LONG,
            )


@triton.jit
def wide_through(
    x,
    y,
    h,
    r,
    grad,
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
    h_channel,
    h_0,
    h_1,
    h_2,
    h_3,
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
    PER_CHANNEL: tl.constexpr,
    OUTER: tl.constexpr,
    TILE: tl.constexpr,
    CHUNK: tl.constexpr,
    LONG: tl.constexpr,
):
    """Write the gradient for x from h and r."""
    scalars, learned = (k, alpha, upper, lower), (learned_k, learned_alpha, learned_beta)
    steps, extents = (step_k, step_alpha, step_beta), (extent_0, extent_1, extent_2)
    x_steps, y_steps, h_steps = (x_0, x_1, x_2, x_3), (y_0, y_1, y_2, y_3), (h_0, h_1, h_2, h_3)
    position = positions(TILE, 0, TILE, LONG)
    mask = position < count
    x_start, y_start = base(position, extents, x_steps, OUTER), base(position, extents, y_steps, OUTER)
    h_start = base(position, extents, h_steps, OUTER)
    first = tl.program_id(1) * CHUNK
    channel = first + tl.arange(0, CHUNK)[:, None]
    inside = mask[None, :] & (channel < channels)
    # The window of c holds j where the mirrored window of j holds c.
    through = block_sums((h, h_start, h_channel), first, channels, mask, hi, lo, False, CHUNK, LONG)
    found = read_block((x, x_start, x_channel), first, channels, mask, CHUNK, LONG)
    direct = read_block((r, h_start, h_channel), first, channels, mask, CHUNK, LONG)
    wide = channel.to(tl.int64) if LONG else channel
    result = (direct - found * through).to(y.dtype.element_ty)
    tl.store(y + y_start[None, :] + wide * y_channel, result, mask=inside)
    if tl.max(tl.max((inside & (through != through)).to(tl.int32), 0), 0) > 0:
        high = tl.minimum(first + CHUNK, channels)
        grad_steps = (grad_0, grad_1, grad_2, grad_3)
        x_all, y_all, grad_all = (x, x_steps, x_channel), (y, y_steps, y_channel), (grad, grad_steps, grad_channel)
        redo_backward(
            x_all,
            y_all,
            grad_all,
            None,
            first,
            high,
            channels,
            count,
            extents,
            scalars,
            learned,
            steps,
            lo,
            hi,
            PER_CHANNEL,
            OUTER,
            TILE,
            LONG,
        )
