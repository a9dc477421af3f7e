"""The power in the type of the arithmetic: float32 by polynomials, float64 by square roots or the C library.

The float32 one is that of `localnorm.kernels.float32_power`, whose constants it takes, number by number
instead of array by array, for positive normal numbers only.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray

from localnorm.kernels import float32_power as polynomials
from localnorm.kernels.cpu.intrinsics import bits, down, int32, minus, number, plus, up

CONTRACT = {"contract"}
"""Products may be added without being rounded first; nothing else is left to the compiler."""

_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8 = map(np.float32, polynomials.LOG2)
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = map(np.float32, polynomials.EXP2)
_SQRT_HALF, _MANTISSA = int32(polynomials.SQRT_HALF), int32(polynomials.MANTISSA)
_TO_WHOLE = np.float32(1.5 * 2.0**23)
"""Added to a small number, it leaves the nearest integer in the last bits."""
_ONE, _LOG_2 = np.float32(1), np.float32(math.log(2))


@njit(fastmath=CONTRACT, error_model="numpy")
def _parts(t):
    """Return n and u with ``t = (1 + u) * 2^n``, and ``log2(1 + u)``."""
    b = bits(t)
    n = down(minus(b, _SQRT_HALF), _MANTISSA)
    u = number(minus(b, up(n, _MANTISSA))) - _ONE
    p = _L8
    p = p * u + _L7
    p = p * u + _L6
    p = p * u + _L5
    p = p * u + _L4
    p = p * u + _L3
    p = p * u + _L2
    p = p * u + _L1
    p = p * u + _L0
    return np.float32(n), u * p


@njit(fastmath=CONTRACT, error_model="numpy")
def _power_float32(t, upper, lower):
    n, log = _parts(t)
    # The product of n and the upper part of the exponent is exact.
    small = n * lower + log * (upper + lower)
    whole = (n * upper + small) + _TO_WHOLE
    f = (n * upper - (whole - _TO_WHOLE)) + small
    p = _E6
    p = p * f + _E5
    p = p * f + _E4
    p = p * f + _E3
    p = p * f + _E2
    p = p * f + _E1
    p = p * f + _E0
    return number(plus(bits(p), up(bits(whole), _MANTISSA)))


@njit(fastmath=CONTRACT, error_model="numpy")
def _power_float64(t, upper, lower):
    exponent = upper + lower
    if exponent == -0.75:
        root = math.sqrt(t)
        return 1.0 / (root * math.sqrt(root))
    if exponent == -0.5:
        return 1.0 / math.sqrt(t)
    if exponent == -1.0:
        return 1.0 / t
    return math.pow(t, exponent)


@njit(fastmath=CONTRACT, error_model="numpy")
def _log_float32(t):
    n, log = _parts(t)
    return (n + log) * _LOG_2


def power(t, upper, lower):
    """Return ``t^(upper + lower)``; `upper` has few enough bits for its product with an integer to be exact."""


def log(t):
    """Return the natural logarithm."""


@overload(power)
def _power(t, upper, lower):  # noqa: ARG001
    if t == types.float32:
        return lambda t, upper, lower: _power_float32(t, upper, lower)
    return lambda t, upper, lower: _power_float64(t, upper, lower)


@overload(log)
def _log(t):
    if t == types.float32:
        return lambda t: _log_float32(t)
    return lambda t: math.log(t)


def split_exponent(beta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return -beta as an upper part of 12 binary places and the rest.

    Example:
        >>> [float(part) for part in split_exponent(np.array(0.6))]
        [-0.60009765625, 9.7656...e-05]
    """
    upper = np.ldexp(np.rint(np.ldexp(-beta, 12)), -12)
    return upper, -beta - upper
