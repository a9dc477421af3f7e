"""The shared arithmetic: gradients of learned values, the two scales, sums over windows, powers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from localnorm import LRNSpec, reference
from localnorm.jax.array_ops import _power
from localnorm.kernels.arithmetic import Arithmetic
from localnorm.kernels.window_sums import window_sum
from localnorm.numpy import _OPERATIONS

SCALES = {"ordinary": 1.0, "squares overflow": 1e180, "squares underflow": 1e-125}


def _arithmetic(spec: LRNSpec, axes: tuple[int, ...] = (1,)) -> Arithmetic:
    return Arithmetic(_OPERATIONS, spec, axes, "float64", "float64")


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("beta", [0.5, 0.75, 0.6, 1.0])
@pytest.mark.parametrize("spatial", [0, 2])
def test_gradients_of_learned_values(scale: float, beta: float, spatial: int):
    rng = np.random.default_rng(0)
    x, grad = scale * rng.normal(size=(2, 5, 7, 6)), rng.normal(size=(2, 5, 7, 6))
    spec = LRNSpec(2, 1, 0.7, beta, 1.5 * scale**2 if scale < 1 else 1.5, spatial)
    # Of k, the gradient is beyond float64 where s is near the smallest numbers.
    names = ("alpha", "beta") if scale < 1 else ("k", "alpha", "beta")
    learned = {name: np.float64(getattr(spec, name)) for name in names}
    with np.errstate(all="ignore"):
        found = _arithmetic(spec, (2, 3) if spatial else (1,)).backward(x, grad, learned)
    want = reference.gradients(x, grad, spec)
    np.testing.assert_allclose(found.x, want.x, rtol=1e-11, atol=1e-13 * np.abs(want.x).max())
    for name in learned:
        # Sums of terms of both signs: 1e-12 of the largest term times their number, 420, is allowed.
        terms = found.values[name]
        assert terms.sum() == pytest.approx(getattr(want, name), abs=1e-12 * np.abs(terms).sum())


@pytest.mark.parametrize(("lo", "hi"), [(0, 0), (0, 5), (3, 0), (2, 2), (7, 9), (40, 3)])
@pytest.mark.parametrize("axes", [(1,), (2,), (0, 2)])
@pytest.mark.parametrize("direct", [0, 8, 100])
def test_window_sums(lo: int, hi: int, axes: tuple[int, ...], direct: int):
    q = np.random.default_rng(0).integers(0, 100, size=(4, 13, 6)).astype(float)
    want = q
    for axis in axes:
        cut = np.moveaxis(want, axis, 0)
        rows = [cut[max(0, c - lo) : c + hi + 1].sum(0) for c in range(len(cut))]
        want = np.moveaxis(np.stack(rows), 0, axis)
    np.testing.assert_array_equal(window_sum(q, lo, hi, axes, np.pad, direct), want)  # integers: no rounding


@pytest.mark.parametrize("exponent", [-1.0, -0.75, -0.6, -0.3, -1e-3, 0.5, 0.999])
@pytest.mark.parametrize("ordinary", [False, True])
def test_the_fast_power_is_accurate_at_every_magnitude(exponent: float, ordinary: bool):
    s = np.exp2(np.random.default_rng(0).uniform(-125, 125, 100_000)).astype(np.float32)
    want = s.astype(np.longdouble) ** np.longdouble(exponent)
    got = np.asarray(jax.jit(_power, static_argnums=(1, 2))(jnp.asarray(s), exponent, ordinary))
    # Two polynomials, exact to a tenth of a unit, of numbers below 1: the last product and sum round most.
    assert np.max(np.abs(got - want) / want) <= 2 * 2.0**-23


@pytest.mark.parametrize("exponent", [-0.6, 0.6])
def test_the_fast_power_of_zero_infinity_and_nan(exponent: float):
    s = jnp.array([0.0, jnp.inf, jnp.nan])
    want = [0.0, np.inf, np.nan] if exponent > 0 else [np.inf, 0.0, np.nan]
    np.testing.assert_array_equal(_power(s, exponent, False), want)


@pytest.mark.parametrize(
    ("stored", "spec", "shifts"),
    [
        ("float16", LRNSpec(2, 2, 1.0, 0.75, 1.0), 0),
        ("float16", LRNSpec(2, 2, 1.0, 0.75, 0.0), 0),
        ("float32", LRNSpec(2, 2, 1.0, 0.75, 1.0), 1),
        ("bfloat16", LRNSpec(2, 2, 1.0, 0.75, 1e-20), 1),
        ("float32", LRNSpec(2, 2, 1.0, 0.75, 0.0), 2),
    ],
)
def test_only_the_scales_that_an_input_can_need(stored: str, spec: LRNSpec, shifts: int):
    assert len(Arithmetic(_OPERATIONS, spec, (1,), "float32", stored).shifts()) == shifts


@pytest.mark.parametrize("k", [0.0, 1.0])
@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0, 1.5, 2.0, -0.5])
def test_every_magnitude_at_once(beta: float, k: float):
    """Channels from 1e-150 to 1e150 side by side: every window has a scale of its own."""
    x = 10.0 ** np.arange(-150, 151, 15)[None] * np.where(np.arange(21) % 2, -1, 1)
    spec = LRNSpec(1, 0, 0.7, beta, k)
    with np.errstate(all="ignore"):
        got = _arithmetic(spec).forward(x, {})
    want = reference.forward(x, spec)
    ordinary = (np.abs(want) > 1e-290) & np.isfinite(want)
    assert ordinary.sum() > 8
    np.testing.assert_allclose(got[ordinary], want[ordinary], rtol=8 * 2.0**-52)
