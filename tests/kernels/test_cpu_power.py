"""The powers and logarithms of the CPU kernel, over all that its limits let through."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from kernel_runs import over
from localnorm.kernels.cpu.constants import of_spec
from localnorm.kernels.cpu.power import log, power, split_exponent
from localnorm.spec import LRNSpec

BETAS = (0.5, 0.6, 0.75, 1.0, 1.37, 2.0)
every_beta = pytest.mark.parametrize("beta", [*BETAS, 0.0, 0.01, -0.5])


@njit
def _power(t, upper, lower):
    return power(t, upper, lower)


@njit
def _log(t):
    return log(t)


def _range(dtype: str, beta: float) -> tuple[float, float]:
    """Return the exponents of the smallest and the largest s that a tile may have."""
    constants = of_spec(LRNSpec(0, 0, 1.0, beta, 0.0), 1, dtype)
    return float(np.log2(constants.limits[1])), float(np.log2(constants.limits[0]))


def _numbers(dtype: str, beta: float) -> np.ndarray:
    """Return numbers of every magnitude, and many around 1, where the polynomials meet."""
    rng = np.random.default_rng(0)
    low, high = _range(dtype, beta)
    every = np.exp2(rng.uniform(low, high, 200_000))
    near = np.concatenate([np.exp2(rng.uniform(-1, 1, 200_000)), 1 + rng.normal(size=50_000) * 1e-4])
    edges = np.exp2([low, high, 0.0, -0.5, 0.5, -1.0, 1.0])
    return np.concatenate([every, near, edges, np.nextafter(edges[2:], 0.0)]).astype(dtype)


def _powers(s: np.ndarray, beta: float) -> np.ndarray:
    upper, lower = (s.dtype.type(part) for part in split_exponent(np.array(beta)))
    return over(_power, upper, lower)(s, s.dtype.type(0))


@every_beta
def test_float32(beta: float):
    s = _numbers("float32", beta)
    want = s.astype(np.longdouble) ** np.longdouble(-beta)
    # Two polynomials, exact to a tenth of a unit, of numbers below 1: the last product and sum round most.
    assert np.max(np.abs(_powers(s, beta) - want) / want) <= 2 * 2.0**-23


@every_beta
def test_float64(beta: float):
    s = _numbers("float64", beta)
    want = s.astype(np.longdouble) ** np.longdouble(-beta)
    # A few roundings by half a unit each, or the C library's power, which is right to less than a unit.
    assert np.max(np.abs(_powers(s, beta) - want) / want) <= 2 * 2.0**-52


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_beta
def test_the_range_of_s_is_wide(dtype: str, beta: float):
    """Ordinary activations never leave it, and no power of what it holds does leave the normal numbers."""
    low, high = _range(dtype, beta)
    assert low <= -30
    assert high >= 30
    largest = np.finfo(dtype).maxexp
    assert max(-low, high) * (abs(beta) + 1) <= largest - 20


@pytest.mark.parametrize(("dtype", "epsilon"), [("float32", 2.0**-23), ("float64", 2.0**-52)])
def test_log(dtype: str, epsilon: float):
    t = _numbers(dtype, 0.5)
    want = np.log(t.astype(np.longdouble))
    # The polynomial has a factor of u, so that the logarithm of what is near 1 keeps its digits; where the integer
    # part of log2 and the rest have other signs, the sum is at least half of the larger.
    error = np.abs(over(_log)(t, t.dtype.type(0)) - want)
    assert np.max(error / np.maximum(np.abs(want), np.finfo(dtype).tiny)) <= 4 * epsilon


@every_beta
def test_the_exponent_is_split(beta: float):
    upper, lower = split_exponent(np.array(beta))
    assert upper + lower == -beta
    assert abs(lower) <= 2.0**-13
    # Exact in float32, for each exponent of a float32.
    products = np.arange(-150, 151, dtype=np.float32) * np.float32(upper)
    np.testing.assert_array_equal(products, np.arange(-150, 151) * float(upper))


def test_several_exponents_at_once():
    betas = np.array(BETAS)
    parts = split_exponent(betas)
    for i, beta in enumerate(betas):
        assert [part[i] for part in parts] == [float(part) for part in split_exponent(np.array(beta))]
