"""Powers in float32, accurate at every magnitude, for little more than a logarithm and an exponential."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Array = Any

_MANTISSA = 23
_SQRT_HALF = 0x3F3504F3
"""The bits of sqrt(1/2)."""


@dataclass(frozen=True)
class BitOperations:
    """What is asked of an array library.

    Attributes:
        where: ``where(condition, a, b)``.
        bits: the bits of float32 numbers as int32.
        numbers: the float32 numbers of bits.
        up: ``up(i, n)`` shifts integers up by n bits.
        down: ``down(i, n)`` shifts integers down by n bits and keeps the sign.
        real: integers as float32.
        whole: integral float32 as int32.
        round: to the nearest integer.
        log2: logarithm to base 2.
        exp2: two to the power.
    """

    where: Callable[[Array, Array, Array], Array]
    bits: Callable[[Array], Array]
    numbers: Callable[[Array], Array]
    up: Callable[[Array, int], Array]
    down: Callable[[Array, int], Array]
    real: Callable[[Array], Array]
    whole: Callable[[Array], Array]
    round: Callable[[Array], Array]
    log2: Callable[[Array], Array]
    exp2: Callable[[Array], Array]


def power(s: Array, exponent: float, operations: BitOperations) -> Array:
    """Return ``s^exponent`` for float32 s >= 0 and an exponent within [-1, 1], to 2 units in the last place.

    ``exp(exponent * log(s))`` loses ``|log s|`` epsilons in the product. So s = m * 2^n is taken apart, m near 1,
    and the integer part of exponent * n goes into the bits of the result unrounded.
    """
    bits = operations.bits(s)
    # m in [sqrt(1/2), sqrt(2)): its logarithm is accurate near 0, and small.
    n = operations.down(bits - _SQRT_HALF, _MANTISSA)
    m = operations.numbers(bits - operations.up(n, _MANTISSA))
    n = operations.real(n)
    # The upper part has few enough bits for its product with n to be exact.
    upper = math.ldexp(round(math.ldexp(exponent, 12)), -12)
    product = n * upper
    integer = operations.round(product)
    rest = (product - integer) + n * (exponent - upper)
    found = operations.exp2(rest + operations.log2(m) * exponent)
    raised = operations.bits(found) + operations.up(operations.whole(integer), _MANTISSA)
    # 0, infinity and NaN have no m; what their power is, their reciprocal is too.
    ordinary = (s > 0.0) & (s < math.inf)
    return operations.where(ordinary, operations.numbers(raised), 1.0 / s if exponent < 0 else s)
