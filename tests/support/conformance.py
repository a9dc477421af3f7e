"""Conformance suite: compare a framework API with `localnorm.reference`, which computes in float64.

An API gets float64 arrays whose values its dtype can hold, so that both sides start from the same numbers and the
difference is the API's error. The docstrings below derive each bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

from localnorm import LRNSpec, reference
from localnorm.axes import window_axes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Api:
    """One framework API; `layout` is the memory layout of its input (see `stored`), if the framework has one."""

    name: str
    dtypes: tuple[str, ...]
    forward: Callable[[Array, str, LRNSpec, int, str], Array]  # x, dtype, spec, axis, layout
    gradient: Callable[[Array, Array, str, LRNSpec, int, str], Array] | None  # x, grad, dtype, spec, axis, layout
    compiled: bool = False  # compiles for each shape or wraps another API: it runs a part of the cases


# Digits of the significand, exponents of the smallest normal and of the largest finite number.
FORMATS = {
    "float16": (11, -14, 15),
    "bfloat16": (8, -126, 127),
    "float32": (24, -126, 127),
    "float64": (53, -1022, 1023),
}
DTYPES = tuple(FORMATS)
HALVES = ("float16", "bfloat16")


def ulp(x: Array, dtype: str) -> Array:
    """Return the distance between neighbouring numbers of the dtype at x, constant among the subnormals."""
    digits, smallest, largest = FORMATS[dtype]
    exponent = np.where(x == 0, smallest, np.frexp(x)[1] - 1)
    return np.ldexp(1.0, np.clip(exponent, smallest, largest) - (digits - 1))


def _beyond(dtype: str) -> float:
    """Return the first power of two that is too large for the dtype, infinity for float64."""
    return math.inf if dtype == "float64" else 2.0 ** (FORMATS[dtype][2] + 1)


def rounded(x: Array, dtype: str) -> Array:
    """Round to the nearest number of the dtype, ties to even; NumPy itself has no bfloat16."""
    x = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        nearest = np.where(np.isfinite(x), np.rint(x / ulp(x, dtype)) * ulp(x, dtype), x)
        return np.where(np.abs(nearest) >= _beyond(dtype), np.copysign(math.inf, nearest), nearest)


LAYOUTS = ("contiguous", "channels_last", "transposed", "expanded", "sliced", "offset")


class Stored(NamedTuple):
    """An array as memory and a view of it, strides and offset counted in elements."""

    memory: Array  # one-dimensional, NaN outside the view
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


def stored(x: Array, layout: str) -> Stored:
    """Lay x out in memory; `channels_last` needs rank 4 or 5, `expanded` an x that is constant along axis 0."""
    shape = x.shape
    space, view_of = {
        "contiguous": (shape, lambda m: m),
        "channels_last": (shape[:1] + shape[2:] + shape[1:2], lambda m: np.moveaxis(m, -1, 1)),
        "transposed": (shape[::-1], lambda m: m.T),
        "expanded": ((1, *shape[1:]), lambda m: as_strided(m, shape, (0, *m.strides[1:]))),
        "sliced": ((*shape[:-1], 2 * shape[-1]), lambda m: m[..., 1::2]),
        "offset": (tuple(n + 2 for n in shape), lambda m: m[(slice(1, -1),) * m.ndim]),
    }[layout]
    memory = np.full(math.prod(space), math.nan)
    view = view_of(memory.reshape(space))
    view[...] = x
    offset = (view.ctypes.data - memory.ctypes.data) // view.itemsize if x.size else 0
    return Stored(memory, shape, tuple(stride // view.itemsize for stride in view.strides), offset)


@dataclass(frozen=True)
class Case:
    """A random input with its own seed."""

    seed: int
    rank: int
    axis: int
    layout: str

    def __str__(self) -> str:
        return f"{self.seed}-rank{self.rank}-axis{self.axis}-{self.layout}"

    @cached_property
    def window(self) -> str:
        """The kind of window: one channel, odd, even or a box, and whether it is wider than the channels."""
        x, _, spec = self.draw()
        if spec.spatial:
            return f"within a channel, {spec.spatial} axes"
        kind = "one" if spec.size == 1 else "even" if spec.size % 2 == 0 else "odd"
        return f"{kind}, wider" if spec.size > x.shape[self.axis] else kind

    def draw(self) -> tuple[Array, Array, LRNSpec]:
        """Return the input, the gradient of the output and the spec."""
        rng = np.random.default_rng(self.seed)
        size = int(rng.integers(1, 16))
        # Any split of the window; often that of an even size in torch or in ONNX.
        lo = int(rng.choice([size // 2, (size - 1) // 2, rng.integers(0, size)]))
        alpha = rng.choice([0.0, 2.0, rng.uniform(0, 2)], p=[0.1, 0.1, 0.8])
        # The exponents in use may have a special fast path.
        beta = rng.choice([0.5, 0.75, 1.0, rng.uniform(0.1, 2)], p=[0.1, 0.2, 0.1, 0.6])
        spec = LRNSpec(lo, size - 1 - lo, alpha, beta, 10 ** rng.uniform(-3, 1))
        channels = int(rng.choice([0, 1, size, 2 * size + 3, rng.integers(2, 41)], p=[0.1, 0.1, 0.2, 0.3, 0.3]))
        others = [n for n in range(2, 8) if n != channels]
        shape = [int(n) for n in rng.permutation(others)[: self.rank]]
        shape[self.axis] = channels
        if self.rank >= 3 and self.seed % 3 == 0:
            # Within a channel, over the one or two last axes other than the channel axis.
            spec = replace(spec, spatial=int(rng.integers(1, 3)))
        x = rng.normal(size=shape) * 10 ** rng.uniform(-2, 2)
        if self.layout == "expanded":
            x = np.broadcast_to(x[:1], shape)
        return x, rng.normal(size=shape), spec


CASES = tuple(
    Case(seed, rank, axis, layout)
    for seed, (rank, axis, layout, _) in enumerate(product(range(1, 6), range(5), LAYOUTS, range(2)))
    if axis < rank and (rank >= 4 or layout != "channels_last")
)


def check_forward(
    api: Api, x: Array, dtype: str, spec: LRNSpec, axis: int = 1, layout: str = "contiguous"
) -> float:
    """Compare the API's output with the reference; return the worst error as a part of the bound.

    float32 and float64, 8 epsilons relative: sums of squares have no cancellation and err by a few epsilons,
    the power by beta times that, and the rest rounds a few times more. In float32 no room is left for an
    exponent rounded to float32, because that alone costs ``|log(s)| * beta / 2`` epsilons: such a kernel passes
    only where s is moderate.

    float16 and bfloat16, 1 ulp: arithmetic in float32 or better errs by 8 float32 epsilons, far below the half
    ulp of the one rounding that follows. Rounding twice, or to less than the subnormals, is more than 1 ulp.
    """
    x = rounded(x, dtype)
    want = reference.forward(x, spec, axis)
    got = api.forward(x, dtype, spec, axis, layout)
    if dtype in HALVES:
        bound = ulp(np.clip(want, -_beyond(dtype), _beyond(dtype)), dtype)
    else:
        bound = 8 * _epsilons(np.minimum(np.abs(want), _beyond(dtype)), dtype)
    return _compare(got, want, bound, dtype, axis, f"{api.name} {dtype} forward, {spec}, {layout}")


def check_gradient(
    api: Api, x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int = 1, layout: str = "contiguous"
) -> float:
    """Compare the API's gradient for x with the reference; return the worst error as a part of the bound.

    The gradient is a difference, and so is the sum inside its second term: where they cancel, no arithmetic
    is accurate relative to the difference. The bound is 8 epsilons of the largest term (see
    `largest_term`): s errs by a few, its power -beta - 1 by three times that at most, the sum by a few more.
    float16 and bfloat16 get 1 ulp for the rounding and 8 float32 epsilons for the arithmetic.
    """
    x, grad = rounded(x, dtype), rounded(grad, dtype)
    want = reference.gradients(x, grad, spec, axis).x
    got = api.gradient(x, grad, dtype, spec, axis, layout)
    largest = largest_term(x, grad, spec, axis)
    if dtype in HALVES:
        bound = ulp(np.clip(want, -_beyond(dtype), _beyond(dtype)), dtype) + 8 * 2.0**-23 * largest
    else:
        bound = 8 * _epsilons(largest, dtype)
    return _compare(got, want, bound, dtype, axis, f"{api.name} {dtype} gradient, {spec}, {layout}")


def largest_term(x: Array, grad: Array, spec: LRNSpec, axis: int) -> Array:
    """Return the larger of ``|g_j| s_j^-beta`` and ``2 alpha beta |x_j| sum_c |g_c x_c| s_c^(-beta-1)``.

    Computed in logarithms, so that nothing overflows and no code is shared with the reference.
    """
    if not x.size:
        return np.zeros_like(x)
    axes = window_axes(spec, x.ndim, axis)
    with np.errstate(all="ignore"):
        log_x, log_grad = (np.log(np.abs(a)) for a in (x, grad))
        log_squares = np.log(spec.alpha) + _log_window_sum(2 * log_x, spec.lo, spec.hi, axes)
        log_s = np.logaddexp(np.log(spec.k), log_squares)
        # The window of c holds j where the mirrored window of j holds c.
        log_sum = _log_window_sum(log_grad + log_x - (spec.beta + 1) * log_s, spec.hi, spec.lo, axes)
        through = np.log(2 * spec.alpha * abs(spec.beta)) + log_x + log_sum
        return np.exp(np.maximum(log_grad - spec.beta * log_s, through))


def _log_window_sum(logs: Array, lo: int, hi: int, axes: tuple[int, ...]) -> Array:
    for axis in axes:
        borders = [(lo, hi) if a == axis else (0, 0) for a in range(logs.ndim)]
        padded = np.pad(logs, borders, constant_values=-math.inf)
        logs = np.logaddexp.reduce(sliding_window_view(padded, lo + 1 + hi, axis=axis), axis=-1)
    return logs


def _epsilons(magnitude: Array, dtype: str) -> Array:
    """One machine epsilon of the magnitude, and never less than the distance between subnormals."""
    digits, smallest, _ = FORMATS[dtype]
    return 2.0 ** (1 - digits) * np.clip(magnitude, 2.0**smallest, np.finfo(np.float64).max)


def _compare(got: Array, want: Array, bound: Array, dtype: str, axis: int, what: str) -> float:
    assert got.shape == want.shape, f"{what}: shape {got.shape} instead of {want.shape}"
    if not want.size:
        return 0.0
    # An infinity stands for the first power of two that the dtype can't hold, as it does in rounding.
    top = _beyond(dtype)
    with np.errstate(all="ignore"):
        apart = np.abs(np.clip(got, -top, top) - np.clip(want, -top, top)) / bound
    apart = np.where((got == want) | (np.isnan(got) & np.isnan(want)), 0.0, apart)
    # NaN on one side only is infinitely wrong.
    apart = np.moveaxis(np.nan_to_num(apart, nan=math.inf), axis, 0).reshape(want.shape[axis], -1)
    channel = int(apart.max(axis=1).argmax())
    worst = int(apart[channel].argmax())
    values = [float(np.moveaxis(a, axis, 0).reshape(want.shape[axis], -1)[channel, worst]) for a in (got, want)]
    assert apart.max() <= 1, (
        f"{what}, shape {want.shape}, axis {axis}: channel {channel} is the worst, {apart.max():.3g} times "
        f"the bound: got {values[0]!r}, want {values[1]!r}; wrong in channels "
        f"{np.flatnonzero(apart.max(axis=1) > 1).tolist()}"
    )
    return float(apart.max())
