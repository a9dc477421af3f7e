"""What the arithmetic asks of JAX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from localnorm.kernels.arithmetic import Operations

_MANTISSA, _BIAS = 23, 127


def _power(s: Array, exponent: Any) -> Array:  # noqa: ANN401  a float or an array
    """Return ``s^exponent`` to a few units in the last place.

    XLA's own power is exact and slow in float32; ``exp(exponent * log(s))`` is fast and loses ``|log s|``
    epsilons. So s = m * 2^n is taken apart, and of exponent * n the integer goes into the bits of the result.
    """
    if s.dtype != jnp.float32 or not isinstance(exponent, float) or abs(exponent) > 1:
        return jnp.power(s, exponent)
    bits = lax.bitcast_convert_type(s, jnp.int32)
    # m in [sqrt(1/2), sqrt(2)), so that its logarithm is small beside 1 and accurate beside 0.
    n = (bits - _SQRT_HALF) >> _MANTISSA
    m = lax.bitcast_convert_type(bits - (n << _MANTISSA), jnp.float32)
    whole = n.astype(jnp.float32)
    # The upper part has few enough bits for its product with n to be exact.
    upper = math.ldexp(round(math.ldexp(exponent, 12)), -12)
    product = upper * whole
    integer = jnp.round(product)
    rest = (product - integer) + (exponent - upper) * whole
    power = jnp.exp2(rest + exponent * jnp.log2(m))
    raised = lax.bitcast_convert_type(power, jnp.int32) + (integer.astype(jnp.int32) << _MANTISSA)
    ordinary = (s > 0) & (s < jnp.inf)
    # 0, infinity and NaN.
    limit = 1 / s if exponent < 0 else s
    return jnp.where(ordinary, lax.bitcast_convert_type(raised, jnp.float32), limit)


_SQRT_HALF = 0x3F3504F3
"""The bits of sqrt(1/2) in float32."""


def _window_sum(q: Array, lo: int, hi: int, axes: Sequence[int]) -> Array:
    """Let XLA sum each window: it reads no element twice from memory, and adds only."""
    size = [lo + 1 + hi if axis in axes else 1 for axis in range(q.ndim)]
    borders = [(lo, hi) if axis in axes else (0, 0) for axis in range(q.ndim)]
    total: Array = lax.reduce_window(q, np.zeros((), q.dtype), lax.add, size, [1] * q.ndim, borders)
    return total


OPERATIONS = Operations(
    where=jnp.where,
    total=jnp.sum,
    either=lax.cond,
    sqrt=jnp.sqrt,
    log=jnp.log,
    power=_power,
    window_sum=_window_sum,
)
