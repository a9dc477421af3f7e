"""Half precision in integer operations: every half, and every way to round to one."""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest
import torch
from numba import njit

from kernel_runs import over
from localnorm.kernels.cpu import formats
from localnorm.kernels.cpu.intrinsics import from_half, to_half

EVERY = np.arange(2**16, dtype=np.uint16)
FLOAT16, BFLOAT16 = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
native = pytest.mark.skipif(not formats.NATIVE_FLOAT16, reason="the processor does not convert float16 itself")


@njit
def _from_half(half):
    return from_half(half)


@njit
def _to_half(number, like):
    return to_half(number, like)


def _pairs(**functions: object) -> list:
    """The dtype, the integers that stand for it, and a function."""
    kinds = {"float16": (FLOAT16, np.uint16(0)), "bfloat16": (BFLOAT16, np.int16(0))}
    return [
        pytest.param(*kinds[name.partition("_")[0]], f, id=name, marks=native if "native" in name else ())
        for name, f in functions.items()
    ]


every_widening = pytest.mark.parametrize(
    ("dtype", "like", "function"),
    _pairs(
        float16_integer=formats._from_float16, float16_native=_from_half, bfloat16_integer=formats._from_bfloat16
    ),
)
every_narrowing = pytest.mark.parametrize(
    ("dtype", "like", "function"),
    _pairs(float16_integer=formats._to_float16, float16_native=_to_half, bfloat16_integer=formats._to_bfloat16),
)


@pytest.fixture(params=[False, True], ids=["subnormals", "flushed"])
def flushed(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Tell the processor to take subnormal float32 for 0, or not to."""
    if not torch.set_flush_denormal(request.param):
        pytest.skip("the processor can't be told to flush subnormals")
    yield request.param
    torch.set_flush_denormal(False)


def _same_bits(got: np.ndarray, want: np.ndarray) -> None:
    """Compare integers, which tells 0 from -0 and needs no arithmetic."""
    wrong = np.flatnonzero(got.view(f"u{got.itemsize}") != want.view(f"u{want.itemsize}"))
    assert not wrong.size, f"{wrong.size} differ, the first at {wrong[0]}: {got[wrong[0]]}, not {want[wrong[0]]}"


@every_widening
def test_every_half_is_widened_exactly(dtype: np.dtype, like: np.generic, function: object, flushed: bool):
    with np.errstate(all="ignore"):
        want = EVERY.view(dtype).astype(np.float32)
    numbers = EVERY[~np.isnan(EVERY.view(dtype).astype(np.float32))]
    if flushed and dtype == BFLOAT16:
        # Its subnormals are those of float32, and NumPy's own conversion may flush them.
        want = (EVERY.astype(np.uint32) << 16).view(np.float32)
    got = over(function)(EVERY.view(like.dtype), np.float32(0))
    _same_bits(got[numbers], want[numbers])
    assert np.isnan(got).sum() == EVERY.size - numbers.size, "a NaN stays one"


@every_narrowing
def test_every_half_is_narrowed_back(dtype: np.dtype, like: np.generic, function: object):
    halves = EVERY[np.isfinite(EVERY.view(dtype).astype(np.float32))]
    got = over(function, like)(halves.view(dtype).astype(np.float32), like)
    _same_bits(got, halves)


def _between(dtype: np.dtype) -> np.ndarray:
    """Return what lies between neighbouring halves: the middle, and the float32 numbers right beside it."""
    positive = EVERY[: 2**15].view(dtype).astype(np.float32)
    positive = positive[np.isfinite(positive)]
    # The first number that is too large for the format lies as far beyond the last as that beyond its neighbour.
    # Of bfloat16 it is too large for float32 as well.
    beyond = np.float32(2 * positive[-1].astype(np.float64) - positive[-2]) if dtype == FLOAT16 else []
    edges = np.append(positive, beyond)
    middle = ((edges[1:].astype(np.float64) + edges[:-1]) / 2).astype(np.float32)
    beside = [np.nextafter(middle, np.float32(side)) for side in (0, np.inf)]
    found = np.concatenate([middle, *beside])
    return np.concatenate([found, -found])


@every_narrowing
def test_ties_go_to_even_and_the_rest_to_the_nearest(dtype: np.dtype, like: np.generic, function: object):
    x = _between(dtype)
    with np.errstate(over="ignore"):
        _same_bits(over(function, like)(x, like), x.astype(dtype).view(like.dtype))


@every_narrowing
def test_random_numbers_round_as_numpy_has_it(dtype: np.dtype, like: np.generic, function: object):
    x = np.random.default_rng(0).integers(0, 2**32, size=500_000, dtype=np.uint32).view(np.float32)
    x = np.concatenate([x[np.isfinite(x)], np.float32([0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38])])
    with np.errstate(over="ignore", under="ignore"):
        _same_bits(over(function, like)(x, like), x.astype(dtype).view(like.dtype))


@every_narrowing
def test_too_large_numbers_become_infinite(dtype: np.dtype, like: np.generic, function: object):
    largest = {FLOAT16: 65504.0, BFLOAT16: float(ml_dtypes.finfo(dtype).max)}[dtype]
    last = {FLOAT16: 65519.996, BFLOAT16: 3.3961774e38}[dtype]  # rounds down to the largest number
    x = np.float32([largest, last, np.nextafter(np.float32(last), np.float32(np.inf)), 3.4028235e38, np.inf])
    x = np.concatenate([x, -x])
    got = over(function, like)(x, like).view(dtype).astype(np.float64)
    np.testing.assert_array_equal(
        got, np.array([1, 1, np.inf, np.inf, np.inf] + [-1, -1] + [-np.inf] * 3) * largest
    )


@every_narrowing
def test_subnormal_halves_are_kept(dtype: np.dtype, like: np.generic, function: object, flushed: bool):
    tiny = {FLOAT16: 2.0**-24, BFLOAT16: 2.0**-126}[dtype]
    x = np.float32([1.0, 1.5, 2.5, 0.51, 3.0, 100.0]) * np.float32(tiny)
    want = {FLOAT16: [1, 2, 2, 1, 3, 100], BFLOAT16: None}[dtype]
    if want is None:  # The normal numbers of float32 only; what is below is the processor's to flush.
        x = x[x >= np.float32(tiny)]
        want = x.astype(dtype).view(np.uint16).tolist()
    np.testing.assert_array_equal(over(function, like)(x, like).view(np.uint16), want, str(flushed))
