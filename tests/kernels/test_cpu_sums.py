"""Window sums over a flat buffer, of every size and both ways that channels lie."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from localnorm.kernels.cpu.intrinsics import pointer
from localnorm.kernels.cpu.sums import DIRECT, direct_sums, wide_sums

SIZES = [*range(1, 71), 99, 127, 128, 129, 255, 256, 257, 300]
GUARD, CANARY = 64, -12345.0
every_unit = pytest.mark.parametrize("unit", [1, 7])
every_size = pytest.mark.parametrize("n", SIZES)


@njit
def _direct(q, s, count, unit, n, like):
    direct_sums(pointer(q, like), pointer(s, like), count, unit, n)


@njit
def _wide(q, other, s, count, unit, n, like):
    wide_sums(pointer(q, like), pointer(other, like), pointer(s, like), count, unit, n)


def _guarded(length: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return memory with canaries on both sides, and the part between."""
    memory = np.full(length + 2 * GUARD, CANARY, dtype)
    return memory, memory[GUARD : GUARD + length]


def _sums(q: np.ndarray, count: int, unit: int, n: int) -> np.ndarray:
    """Sum as the kernel does, and look whether it wrote where it must not."""
    length = count + (n - 1) * unit
    assert q.shape == (length,)
    memories = [_guarded(size, q.dtype) for size in (length, length, count)]
    (_, first), (_, other), (_, s) = memories
    first[:] = q
    like = q.dtype.type(0)
    if n <= DIRECT:
        _direct(first.ctypes.data, s.ctypes.data, count, unit, n, like)
        np.testing.assert_array_equal(first, q)
    else:
        _wide(first.ctypes.data, other.ctypes.data, s.ctypes.data, count, unit, n, like)
    for memory, _ in memories:
        assert (memory[:GUARD] == CANARY).all()
        assert (memory[-GUARD:] == CANARY).all()
    return s


def _reference(q: np.ndarray, count: int, unit: int, n: int) -> np.ndarray:
    return np.sum([q[j * unit : j * unit + count] for j in range(n)], axis=0, dtype=np.float64)


@every_unit
@every_size
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_squares(dtype: str, n: int, unit: int):
    rng = np.random.default_rng(n)
    for channels in (1, 2, n, 3 * n + 2):
        count = channels * unit
        q = (rng.normal(size=count + (n - 1) * unit) ** 2).astype(dtype)
        got, want = _sums(q, count, unit, n), _reference(q, count, unit, n)
        # A tree: one rounding by half an epsilon a level. Up to 9 there are five levels at most, and each digit
        # to base 4 adds two for the sums over four and three for itself. NumPy's own sum has as many in float64.
        levels = 5 + (5 * np.log(n) / np.log(4) if n > DIRECT else 0)
        levels += n if dtype == "float64" else 0
        np.testing.assert_allclose(got, want, rtol=levels * np.finfo(dtype).eps / 2, atol=0)


@every_unit
@every_size
def test_integers_are_summed_exactly(n: int, unit: int):
    """Each element of a window enters once, whatever the digits of its size."""
    count = (2 * n + 5) * unit
    q = np.random.default_rng(n).integers(0, 1000, size=count + (n - 1) * unit).astype(np.float32)
    np.testing.assert_array_equal(_sums(q, count, unit, n), _reference(q, count, unit, n))


@every_unit
@every_size
@pytest.mark.parametrize("spike", [np.nan, np.inf], ids=str)
def test_a_spike_reaches_its_windows_only(spike: float, n: int, unit: int):
    count = (2 * n + 5) * unit
    q = np.ones(count + (n - 1) * unit, np.float32)
    where = (n + 2) * unit + unit // 2
    q[where] = spike
    # Element i is the sum of i, i + unit, ..., n of them.
    held = np.isin(where - np.arange(count), np.arange(n) * unit)
    assert held.sum() == n
    np.testing.assert_array_equal(_sums(q, count, unit, n), np.where(held, spike, n))


@every_unit
@pytest.mark.parametrize("n", [2, 5, 9, 10, 17, 64, 70])
def test_large_and_small_side_by_side(n: int, unit: int):
    """Nothing is ever subtracted: what a window does not hold leaves no trace in its sum."""
    count = (2 * n + 5) * unit
    q = np.ones(count + (n - 1) * unit, np.float32)
    where = (n + 2) * unit
    q[where] = 1e30
    held = np.isin(where - np.arange(count), np.arange(n) * unit)
    got = _sums(q, count, unit, n)
    np.testing.assert_array_equal(got[~held], n)
    np.testing.assert_array_equal(got[held], np.float32(1e30))
