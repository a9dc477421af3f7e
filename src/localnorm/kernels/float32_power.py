"""Powers in float32 by products and sums alone, accurate at every magnitude."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Array = Any

MANTISSA = 23
SQRT_HALF = 0x3F3504F3
"""The bits of sqrt(1/2)."""

# Interpolated at Chebyshev points, lowest power first.
LOG2 = (
    1.4426950216293335,
    -0.7213473320007324,
    0.48091059923171997,
    -0.36070483922958374,
    0.2879183292388916,
    -0.23892034590244293,
    0.21566985547542572,
    -0.20742103457450867,
    0.12614846229553223,
)
"""``log2(1 + u) / u`` for 1 + u from sqrt(1/2) to sqrt(2), to 5e-8."""
EXP2 = (
    1.0,
    0.6931472420692444,
    0.24022650718688965,
    0.055503129959106445,
    0.009618007577955723,
    0.0013405901845544577,
    0.00015475145482923836,
)
"""``2^f`` for f from -0.52 to 0.52, to 3e-9."""


@dataclass(frozen=True)
class BitOperations:
    """The functions of an array library that `power` calls.

    Attributes:
        where: ``where(condition, a, b)``.
        bits: the bits of float32 numbers as int32.
        numbers: the float32 numbers of bits.
        up: ``up(i, n)`` shifts integers up by n bits.
        down: ``down(i, n)`` shifts integers down by n bits and keeps the sign.
        real: integers as float32.
        whole: integral float32 as int32.
        round: to the nearest integer.
    """

    where: Callable[[Array, Array, Array], Array]
    bits: Callable[[Array], Array]
    numbers: Callable[[Array], Array]
    up: Callable[[Array, int], Array]
    down: Callable[[Array, int], Array]
    real: Callable[[Array], Array]
    whole: Callable[[Array], Array]
    round: Callable[[Array], Array]


def power(s: Array, exponent: float, positive_finite: bool, operations: BitOperations) -> Array:
    """Return ``s^exponent`` for float32 s and an exponent within [-1, 1], to 2 units in the last place.

    ``exp(exponent * log(s))`` loses ``|log s|`` epsilons in the product. So s is split into m * 2^n, m near 1, and
    the integer part of exponent * log2(s) goes into the bits of the result unrounded. `positive_finite` promises
    that no s is 0, infinite or a NaN.
    """
    bits = operations.bits(s)
    n = operations.down(bits - SQRT_HALF, MANTISSA)
    u = operations.numbers(bits - operations.up(n, MANTISSA)) - 1.0
    n = operations.real(n)
    # The upper part has few enough bits for its product with n to be exact.
    upper = math.ldexp(round(math.ldexp(exponent, 12)), -12)
    product = n * upper
    small = n * (exponent - upper) + u * _polynomial(LOG2, u) * exponent
    integer = operations.round(product + small)
    fraction = _polynomial(EXP2, (product - integer) + small)
    raised = operations.bits(fraction) + operations.up(operations.whole(integer), MANTISSA)
    result = operations.numbers(raised)
    if positive_finite:
        return result
    # The power of 0, infinity and NaN is their reciprocal or they themselves.
    return operations.where((s > 0.0) & (s < math.inf), result, 1.0 / s if exponent < 0 else s)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    total = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        total = total * x + coefficient
    return total
