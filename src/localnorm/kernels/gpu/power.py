"""Powers in the compute dtype: float32 by roots or polynomials, float64 by the library's logarithm.

The polynomials are those of `localnorm.kernels.float32_power`, for positive normal numbers only.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl

from localnorm.kernels import float32_power as polynomials

_LOG2, _EXP2 = tl.constexpr(polynomials.LOG2), tl.constexpr(polynomials.EXP2)
_SQRT_HALF, _MANTISSA = tl.constexpr(polynomials.SQRT_HALF), tl.constexpr(polynomials.MANTISSA)
_TO_WHOLE = tl.constexpr(1.5 * 2.0**23)
"""Added to a small number, it leaves the nearest integer in the last bits."""
_LOG_2 = tl.constexpr(math.log(2))
ROOTS = (0.5, 0.75, 1.0)
"""The beta that square roots compute; for any other one BETA is 0."""


@triton.jit
def _polynomial(coefficients: tl.constexpr, DEGREE: tl.constexpr, x):
    total = x * coefficients[DEGREE] + coefficients[DEGREE - 1]
    for i in tl.static_range(2, DEGREE + 1):
        total = total * x + coefficients[DEGREE - i]
    return total


@triton.jit
def _parts(t):
    """Return n and ``log2(1 + u)`` with ``t = (1 + u) * 2^n``."""
    b = t.to(tl.int32, bitcast=True)
    n = (b - _SQRT_HALF) >> _MANTISSA
    u = (b - (n << _MANTISSA)).to(tl.float32, bitcast=True) - 1.0
    return n.to(tl.float32), u * _polynomial(_LOG2, 8, u)


@triton.jit
def power(t, upper, lower, BETA: tl.constexpr):
    """Return ``t^(upper + lower)`` in float32.

    The roots err by less than 4 epsilons: PTX promises 2^-22.9 for the reciprocal root and 2^-23 for the root.
    The polynomials put the integer part of the logarithm into the bits of the result, because a product with it
    would cost ``|log2 t|`` half epsilons; `upper` has few enough bits for its product with n to be exact.
    """
    if BETA == 0.5:
        return tl.rsqrt(t)
    elif BETA == 0.75:
        root = tl.rsqrt(t)
        return root * tl.sqrt(root)
    elif BETA == 1.0:
        return 1.0 / t
    else:
        n, log = _parts(t)
        small = n * lower + log * (upper + lower)
        whole = (n * upper + small) + _TO_WHOLE
        f = (n * upper - (whole - _TO_WHOLE)) + small
        found = _polynomial(_EXP2, 6, f)
        raised = found.to(tl.int32, bitcast=True) + (whole.to(tl.int32, bitcast=True) << _MANTISSA)
        return raised.to(tl.float32, bitcast=True)


@triton.jit
def log(t):
    """Return the natural logarithm in float32."""
    n, log2 = _parts(t)
    return (n + log2) * _LOG_2


@triton.jit
def wide_power(t, exponent):
    """Return ``t^exponent`` in float64, to float32's last digit and beyond, at any t of 0 or more."""
    return tl.exp2(tl.log2(t) * exponent)
