"""Compare the reference with 60-digit arithmetic, finite differences, and loops written from the definition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from mpmath import mp, mpf

from conformance import Array, largest_term
from localnorm import LRNSpec, reference

SPECS = {
    "symmetric": LRNSpec(2, 2, 0.7, 0.75, 1.0),
    "extra channel low": LRNSpec(2, 1, 0.7, 0.75, 2.0),
    "extra channel high": LRNSpec(1, 2, 1.3, 0.5, 0.25),
    "below only": LRNSpec(3, 0, 0.5, 1.25, 1.0),
    "above only": LRNSpec(0, 3, 0.5, 1.25, 1.0),
    "one channel": LRNSpec(0, 0, 2.0, 2.0, 1.0),
    "wider than the channels": LRNSpec(9, 12, 0.1, 0.75, 1e-5),
    "alpha is 0": LRNSpec(1, 1, 0.0, 0.75, 3.0),
    "beta is 0": LRNSpec(1, 1, 1.0, 0.0, 1.0),
    "beta is negative": LRNSpec(1, 1, 1.0, -0.25, 1.0),
    "k is 0": LRNSpec(2, 2, 1.0, 0.25, 0.0),
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)

SCALES = (1.0, 1e-3, 1e3, 1e200, 1e-200)

# 8 float64 epsilons: a sum of 7 squares, beta times its error in the power, and a few roundings after that.
BOUND = 8 * 2.0**-52


def _row(scale: float = 1.0) -> tuple[Array, Array]:
    """Return one row of 7 channels and a gradient of the output."""
    rng = np.random.default_rng(0)
    return scale * rng.normal(size=7), rng.normal(size=7)


def _exact(x: Array, grad: Array, spec: LRNSpec) -> tuple[list, list, dict[str, list]]:
    """Return the output, the gradient for x, and the terms of the gradients for k, alpha and beta."""
    x, grad = [mpf(v) for v in x.tolist()], [mpf(v) for v in grad.tolist()]
    k, alpha, beta = mpf(spec.k), mpf(spec.alpha), mpf(spec.beta)
    channels = range(len(x))
    window = [[j for j in channels if c - spec.lo <= j <= c + spec.hi] for c in channels]
    squares = [sum(x[j] ** 2 for j in window[c]) for c in channels]
    s = [k + alpha * q for q in squares]
    y = [x[c] * s[c] ** -beta for c in channels]
    h = [grad[c] * x[c] * s[c] ** (-beta - 1) for c in channels]
    grad_x = [
        grad[j] * s[j] ** -beta - 2 * alpha * beta * x[j] * sum(h[c] for c in channels if j in window[c])
        for j in channels
    ]
    terms = {
        "k": [-beta * h[c] for c in channels],
        "alpha": [-beta * h[c] * squares[c] for c in channels],
        "beta": [-grad[c] * y[c] * mp.log(s[c]) for c in channels],
    }
    return y, grad_x, terms


def _off(got: Iterable[float], want: Iterable, magnitude: Iterable) -> float:
    """Return the largest error relative to the magnitude; what float64 can't hold must be 0 or infinite."""
    apart = [
        0 if g == float(w) else abs(mpf(float(g)) - w) / max(mpf(m), mpf(2) ** -1022)
        for g, w, m in zip(got, want, magnitude, strict=True)
    ]
    return float(max(apart))


@every_spec
@pytest.mark.parametrize("scale", SCALES)
def test_forward_and_gradient_for_x_at_60_digits(spec: LRNSpec, scale: float):
    x, grad = _row(scale)
    with mp.workdps(60):
        y, grad_x, _ = _exact(x, grad, spec)
        assert _off(reference.forward(x, spec, axis=0), y, [abs(v) for v in y]) <= BOUND
        got = reference.gradients(x, grad, spec, axis=0).x
        assert _off(got, grad_x, largest_term(x, grad, spec, 0)) <= BOUND


@pytest.mark.parametrize(
    ("label", "scale", "name"),
    [
        case
        for case in product(SPECS, SCALES, ("k", "alpha", "beta"))
        if case != ("alpha is 0", 1e200, "alpha")  # that gradient is beyond float64
    ],
)
def test_gradients_for_parameters_at_60_digits(label: str, scale: float, name: str):
    """The terms of the sum may cancel, so the bound is relative to the sum of their magnitudes."""
    spec = SPECS[label]
    x, grad = _row(scale)
    with mp.workdps(60):
        y, _, terms = _exact(x, grad, spec)
        magnitude = sum(abs(term) for term in terms[name])
        if name == "beta":  # log(s) has an absolute error where s is near 1
            magnitude += sum(abs(g * v) for g, v in zip(grad.tolist(), y, strict=True))
        got = getattr(reference.gradients(x, grad, spec, axis=0), name)
        assert _off([got], [sum(terms[name])], [magnitude]) <= BOUND


@every_spec
def test_gradient_for_x_by_differences(spec: LRNSpec):
    x, grad = _row()
    step = 1e-6
    moved = step * np.eye(len(x))
    outputs = [reference.forward(x + sign * moved, spec, axis=1) @ grad for sign in (1, -1)]
    difference = (outputs[0] - outputs[1]) / (2 * step)
    # The third derivative times step^2 and the rounding divided by step are both below 1e-9 here.
    np.testing.assert_allclose(reference.gradients(x, grad, spec, axis=0).x, difference, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        pytest.param(spec, name, id=f"{name}, {label}")
        for (label, spec), name in product(SPECS.items(), ("k", "alpha", "beta"))
        if getattr(spec, name) > 1e-3 or name == "beta"  # else the step leads out of the definition
    ],
)
def test_gradients_for_parameters_by_differences(spec: LRNSpec, name: str):
    x, grad = _row()
    step = 1e-6
    outputs = [
        grad @ reference.forward(x, replace(spec, **{name: getattr(spec, name) + sign * step}), axis=0)
        for sign in (1, -1)
    ]
    got = getattr(reference.gradients(x, grad, spec, axis=0), name)
    assert got == pytest.approx((outputs[0] - outputs[1]) / (2 * step), rel=0, abs=1e-8)


@every_spec
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_window_rule_by_loops(spec: LRNSpec, axis: int):
    x = np.random.default_rng(1).normal(size=(3, 5, 4))
    want = np.empty_like(x)
    for at in np.ndindex(x.shape):
        total = spec.k
        for other in np.ndindex(x.shape):
            same_column = all(at[a] == other[a] for a in range(3) if a != axis % 3)
            if same_column and -spec.lo <= other[axis] - at[axis] <= spec.hi:
                total += spec.alpha * x[other] ** 2
        want[at] = x[at] / total**spec.beta
    np.testing.assert_allclose(reference.forward(x, spec, axis), want, rtol=1e-13)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("spec", [SPECS["symmetric"], LRNSpec(3, 0, 1.0, 0.75, 1.0)], ids=["symmetric", "low"])
def test_what_is_not_finite_stays_in_its_windows(spec: LRNSpec, value: float):
    x = np.ones(12)
    clean = reference.forward(x, spec, axis=0)
    x[5] = value
    got = reference.forward(x, spec, axis=0)
    reached = np.zeros(12, bool)
    reached[5 - spec.hi : 5 + spec.lo + 1] = True
    np.testing.assert_array_equal(got[~reached], clean[~reached])
    assert np.isnan(got[5])
    neighbours = np.delete(got[reached], spec.hi)
    np.testing.assert_array_equal(neighbours, np.full(spec.size - 1, 0.0 if value == np.inf else np.nan))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0,)])
def test_empty(shape: tuple[int, ...]):
    spec, axis = SPECS["symmetric"], len(shape) - 1
    assert reference.forward(np.zeros(shape), spec, axis).shape == shape
    got = reference.gradients(np.zeros(shape), np.zeros(shape), spec, axis)
    assert got.x.shape == shape
    assert (got.k, got.alpha, got.beta) == (0, 0, 0)


def test_integers_become_float64_and_the_input_is_left_alone():
    x = np.arange(6).reshape(2, 3)
    y = reference.forward(x, SPECS["symmetric"])
    assert (y.dtype, y.shape) == (np.float64, (2, 3))
    np.testing.assert_array_equal(x, np.arange(6).reshape(2, 3))
