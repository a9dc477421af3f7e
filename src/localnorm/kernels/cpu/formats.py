"""Half precision as 16-bit integers: int16 stands for bfloat16 and uint16 for float16.

Widening and narrowing are integer operations, which every processor has and vectorizes; for float16 they are the
processor's own where it has them. What is narrowed is finite; what is too large for the format becomes infinite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding
from numba import njit, types
from numba.extending import overload

from localnorm.kernels.cpu.intrinsics import (
    bits,
    both,
    down,
    down_unsigned,
    either,
    from_half,
    halfword,
    int32,
    minus,
    number,
    plus,
    to_half,
    up,
    word,
)

STORED: dict[str, Any] = {
    "float16": np.uint16(0),
    "bfloat16": np.int16(0),
    "float32": np.float32(0),
    "float64": np.float64(0),
}
"""A number of the type that stands for each dtype."""

_SIGN, _UNSIGNED = int32(0x8000), int32(0x7FFFFFFF)
_ONE, _13, _16 = int32(1), int32(13), int32(16)
_MAGNITUDE = int32(0x7FFF)
_REBIAS = int32(112 << 23)
"""Exponents of float32 begin 112 lower than those of float16."""
_HALF_NORMAL, _HALF_INFINITE = int32(1 << 23), int32(31 << 23)
_SMALLEST_NORMAL, _OF_HALF_SUBNORMALS = int32(113 << 23), np.float32(2.0**-14)
_INFINITY = int32(0x7C00)
_HALF, _BITS_OF_HALF = np.float32(0.5), int32(0x3F000000)
_TIE_16, _TIE_13 = int32(0x7FFF), int32(0xFFF)


def _has_float16():
    """Whether the processor converts float16 itself; the compiler would call a function that is not there."""
    features = binding.get_host_cpu_features()
    return bool(features.get("f16c") or features.get("fullfp16"))


NATIVE_FLOAT16 = _has_float16()


@njit
def _from_float16(half):
    magnitude = up(both(word(half), _MAGNITUDE), _13)
    normal = plus(magnitude, _REBIAS)
    # Without a subnormal float32 on the way, which a processor may be told to take for 0.
    subnormal = bits(number(plus(magnitude, _SMALLEST_NORMAL)) - _OF_HALF_SUBNORMALS)
    finite = subnormal if magnitude < _HALF_NORMAL else normal
    whole = plus(normal, _REBIAS) if magnitude >= _HALF_INFINITE else finite
    return number(either(whole, up(both(word(half), _SIGN), _16)))


@njit
def _to_float16(single, like):
    b = bits(single)
    magnitude = both(b, _UNSIGNED)
    odd = both(down(magnitude, _13), _ONE)
    normal = down(minus(plus(plus(magnitude, _TIE_13), odd), _REBIAS), _13)
    # 0.5 is so large that its last place is that of the subnormals.
    subnormal = minus(bits(number(magnitude) + _HALF), _BITS_OF_HALF)
    rounded = subnormal if magnitude < _SMALLEST_NORMAL else normal
    rounded = min(rounded, _INFINITY)
    return halfword(either(rounded, both(down_unsigned(b, _16), _SIGN)), like)


@njit
def _from_bfloat16(half):
    return number(up(word(half), _16))


@njit
def _to_bfloat16(single, like):
    b = bits(single)
    return halfword(down(plus(plus(b, _TIE_16), both(down(b, _16), _ONE)), _16), like)


def widen(stored, wide):
    """Return a stored number in the type of the arithmetic, that of `wide`."""


def narrow(value, like):
    """Return a number rounded to the type of `like`, to nearest, ties to even."""


@overload(widen)
def _widen(stored, wide):  # noqa: ARG001
    if stored == types.uint16 and NATIVE_FLOAT16:
        return lambda stored, wide: from_half(stored)  # noqa: ARG005
    if stored == types.uint16:
        return lambda stored, wide: _from_float16(stored)  # noqa: ARG005
    if stored == types.int16:
        return lambda stored, wide: _from_bfloat16(stored)  # noqa: ARG005
    return lambda stored, wide: stored  # noqa: ARG005


@overload(narrow)
def _narrow(value, like):  # noqa: ARG001
    if like == types.uint16 and NATIVE_FLOAT16:
        return lambda value, like: to_half(value, like)
    if like == types.uint16:
        return lambda value, like: _to_float16(value, like)
    if like == types.int16:
        return lambda value, like: _to_bfloat16(value, like)
    return lambda value, like: value  # noqa: ARG005
