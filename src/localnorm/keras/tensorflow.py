"""LRN for TensorFlow tensors, compiled by XLA, with a custom gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import forwardprop_util  # no public API says whether forward mode is active

from localnorm.axes import channel_axis, check_channels, window_axes
from localnorm.errors import LayoutError
from localnorm.kernels.arithmetic import Arithmetic, Operations
from localnorm.kernels.float32_power import BitOperations, power
from localnorm.kernels.window_sums import clipped, window_sum
from localnorm.spec import LRNSpec

Tensor = Any
"""TensorFlow ships no usable type hints."""

WindowSum = Callable[[Tensor, int, int, Sequence[int]], Tensor]


def apply_spec(x: Tensor, spec: LRNSpec, axis: int, learned: dict[str, Tensor]) -> Tensor:
    """Normalize a float tensor of known rank; `learned` holds scalars, or vectors along the channel axis."""
    if isinstance(x, (tf.SparseTensor, tf.RaggedTensor)):
        dense = "tf.sparse.to_dense(x)" if isinstance(x, tf.SparseTensor) else "x.to_tensor()"
        raise LayoutError(f"inputs must be a dense tensor, got a {type(x).__name__}; convert it, e.g. {dense}.")
    if 0 in x.shape:
        return tf.identity(x)
    rank = x.shape.rank
    wide = tf.float64 if x.dtype == tf.float64 else tf.float32
    channel = channel_axis(rank, axis)
    for value in learned.values():
        if value.shape.rank:
            check_channels(value.shape[0], x.shape[channel], channel)
    shape = [-1 if a == channel else 1 for a in range(rank)]
    values = [tf.cast(tf.reshape(value, shape), wide) for value in learned.values()]
    arithmetic = Arithmetic(_OPERATIONS, spec, window_axes(spec, rank, axis), wide.name, x.dtype.name)
    formula = _Formula(arithmetic, tuple(learned))
    if forwardprop_util.pack_tangents([x, *values]).tangents:
        # TensorFlow silently drops derivatives of the tangent of a tf.function.
        return formula.forward(x, *values)
    forward, backward = _compiled(formula)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def normalize(x: Tensor, *values: Tensor) -> tuple[Tensor, Callable[[Tensor], Any]]:
        # Only x and the values are kept.
        return forward(x, *values), lambda grad: backward(x, grad, *values)

    return normalize(x, *values)


@dataclass(frozen=True)
class _Formula:
    """Forward and backward pass in TensorFlow operations; learned values are in the order of `names`."""

    arithmetic: Arithmetic
    names: tuple[str, ...]

    def forward(self, x: Tensor, *values: Tensor) -> Tensor:
        learned = dict(zip(self.names, values, strict=True))
        return tf.cast(self.arithmetic.forward(tf.cast(x, self.arithmetic.wide), learned), x.dtype)

    def backward(self, x: Tensor, grad: Tensor, *values: Tensor) -> list[Tensor]:
        learned, wide = dict(zip(self.names, values, strict=True)), self.arithmetic.wide
        gradients = self.arithmetic.backward(tf.cast(x, wide), tf.cast(grad, wide), learned)
        sums = (_sum_to(gradients.values[name], value) for name, value in learned.items())
        return [tf.cast(gradients.x, x.dtype), *sums]


@functools.lru_cache(maxsize=256)
def _compiled(formula: _Formula) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return forward and backward pass, each compiled by XLA into few loops over memory.

    Op by op, the same takes several times as long. XLA compiles once for each shape that it meets.
    """
    passes = (formula.forward, formula.backward)
    return tuple(tf.function(run, jit_compile=True, autograph=False) for run in passes)


def _sum_to(values: Tensor, shared: Tensor) -> Tensor:
    """Sum over the axes along which a learned value is shared."""
    return tf.reduce_sum(values, [a for a, n in enumerate(shared.shape) if n == 1], keepdims=True)


def _where(condition: Tensor, a: Tensor | float, b: Tensor | float) -> Tensor:
    """Select; convert a number to the dtype of the other side, not of the first, as TensorFlow does."""
    dtype = next(side.dtype for side in (a, b) if not isinstance(side, float))
    return tf.where(condition, tf.cast(a, dtype), tf.cast(b, dtype))


_BIT_OPERATIONS = BitOperations(
    where=_where,
    bits=lambda s: tf.bitcast(s, tf.int32),
    numbers=lambda bits: tf.bitcast(bits, tf.float32),
    up=tf.bitwise.left_shift,
    down=tf.bitwise.right_shift,
    real=lambda n: tf.cast(n, tf.float32),
    whole=lambda n: tf.cast(n, tf.int32),
    round=tf.round,
)


def _power(s: Tensor, exponent: Any, positive_finite: bool) -> Tensor:  # noqa: ANN401  a float or a tensor
    """Use the fast power if it applies; XLA's own is exact, and takes much longer."""
    if s.dtype == tf.float32 and isinstance(exponent, float) and abs(exponent) <= 1:
        return power(s, exponent, positive_finite, _BIT_OPERATIONS)
    return tf.pow(s, exponent)


def _with_transpose(total: WindowSum) -> WindowSum:
    """Give a window sum its gradient, the sum over the mirrored window.

    In code for XLA, TensorFlow has no gradient of the gradient's gradient of a slice.
    """

    @functools.wraps(total)
    def differentiable(q: Tensor, lo: int, hi: int, axes: Sequence[int]) -> Tensor:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def linear(q: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
            return total(q, lo, hi, axes), lambda grad: differentiable(grad, hi, lo, axes)

        return linear(q)

    return differentiable


@_with_transpose
def _window_sum(q: Tensor, lo: int, hi: int, axes: Sequence[int]) -> Tensor:
    return window_sum(q, lo, hi, axes, tf.pad)


@_with_transpose
def _window_sum_once(q: Tensor, lo: int, hi: int, axes: Sequence[int]) -> Tensor:
    """Sum by average pooling, TensorFlow's only window operation with a gradient; XLA computes q once for it."""
    if lo + 1 + hi > _WIDEST_POOLED or q.dtype == tf.float64:
        return _window_sum(q, lo, hi, axes)
    for axis in axes:
        low, high = clipped(lo, hi, q.shape[axis])
        shape = tf.shape(q)
        padded = tf.pad(q, [(low, high) if a == axis else (0, 0) for a in range(q.shape.rank)])
        rows = tf.reshape(
            padded, [tf.reduce_prod(shape[:axis]), shape[axis] + low + high, tf.reduce_prod(shape[axis + 1 :])]
        )
        size = low + 1 + high
        q = tf.reshape(tf.nn.avg_pool1d(rows, size, 1, "VALID"), shape) * float(size)
    return q


_WIDEST_POOLED = 33
"""For wider windows, sums of slices are faster."""

_OPERATIONS = Operations(
    where=_where,
    total=tf.reduce_sum,
    # XLA can't compile TensorFlow's derivatives of tf.cond in every mode and order. Without it, the forward pass
    # takes a third less time, the backward pass half as much again.
    cond=lambda _, __, otherwise: otherwise(),
    sqrt=tf.sqrt,
    log=tf.math.log,
    power=_power,
    window_sum=_window_sum,
    window_sum_once=_window_sum_once,
)
