"""The JAX operations that the shared LRN formula calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from localnorm.kernels.arithmetic import Operations
from localnorm.kernels.float32_power import BitOperations, power
from localnorm.kernels.window_sums import clipped, window_sum

_BIT_OPERATIONS = BitOperations(
    where=jnp.where,
    bits=lambda s: lax.bitcast_convert_type(s, jnp.int32),
    numbers=lambda bits: lax.bitcast_convert_type(bits, jnp.float32),
    up=jnp.left_shift,
    down=jnp.right_shift,
    real=lambda n: n.astype(jnp.float32),
    whole=lambda n: n.astype(jnp.int32),
    round=jnp.round,
)


def _power(s: Array, exponent: Any, positive_finite: bool) -> Array:  # noqa: ANN401  a float or an array
    """Use the fast power if it applies; XLA's own is exact, and takes much longer."""
    if s.dtype == jnp.float32 and isinstance(exponent, float) and abs(exponent) <= 1:
        fast: Array = power(s, exponent, positive_finite, _BIT_OPERATIONS)
        return fast
    return jnp.power(s, exponent)


def reduce_window_sum(q: Array, lo: int, hi: int, axes: Sequence[int]) -> Array:
    """Sum each window element by element by XLA's reduce_window, which computes q once."""
    borders = [clipped(lo, hi, q.shape[axis]) if axis in axes else (0, 0) for axis in range(q.ndim)]
    size = [low + 1 + high for low, high in borders]
    total: Array = lax.reduce_window(q, np.zeros((), q.dtype), lax.add, size, [1] * q.ndim, borders)
    return total


def sliced_sum(q: Array, lo: int, hi: int, axes: Sequence[int]) -> Array:
    """Add slices, which XLA fuses into one loop with the computation of q."""
    total: Array = window_sum(q, lo, hi, axes, jnp.pad)
    return total


def _window_sum_once(q: Array, lo: int, hi: int, axes: Sequence[int]) -> Array:
    return (reduce_window_sum if lo + 1 + hi <= _WIDEST_REDUCED else sliced_sum)(q, lo, hi, axes)


_WIDEST_REDUCED = 33
"""For wider windows, sums of slices are faster: ``python -m benchmarks.speed.jax_window_sums``."""

OPERATIONS = Operations(
    where=jnp.where,
    total=jnp.sum,
    cond=lax.cond,
    sqrt=jnp.sqrt,
    log=jnp.log,
    power=_power,
    window_sum=sliced_sum,
    window_sum_once=_window_sum_once,
)
