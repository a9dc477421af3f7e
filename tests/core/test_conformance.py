"""Conformance of every API on random cases and edge cases, forward and gradient; and tests of the suite itself."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from array_apis import JAX
from conformance import (
    DTYPES,
    LAYOUTS,
    Api,
    Array,
    Case,
    check_forward,
    check_gradient,
    largest_term,
    rounded,
    ulp,
)
from conformance_cases import cases, edge_cases, every_dtype, sampled_cases, sampled_edge_cases
from edge_cases import EDGE_CASES, EdgeCase
from localnorm import LRNSpec
from tensors import as_tensor
from torch_apis import APIS, TWICE_DIFFERENTIABLE

ALL = (*APIS, JAX)  # NumPy: test_numpy_conformance.py
DIFFERENTIABLE = (*APIS, JAX)


@sampled_cases
@every_dtype
@cases(*ALL)
def test_random_forward(api: Api, dtype: str, case: Case):
    x, _, spec = case.draw()
    check_forward(api, x, dtype, spec, case.axis, case.layout)


@sampled_cases
@every_dtype
@cases(*DIFFERENTIABLE)
def test_random_gradient(api: Api, dtype: str, case: Case):
    x, grad, spec = case.draw()
    check_gradient(api, x, grad, dtype, spec, case.axis, case.layout)


@sampled_edge_cases
@edge_cases(*ALL)
def test_edge_case_forward(api: Api, edge_case: EdgeCase, dtype: str):
    check_forward(api, edge_case.x(), dtype, edge_case.spec, edge_case.axis, edge_case.layout)


@sampled_edge_cases
@edge_cases(*DIFFERENTIABLE, TWICE_DIFFERENTIABLE)
def test_edge_case_gradient(api: Api, edge_case: EdgeCase, dtype: str):
    check_gradient(api, edge_case.x(), edge_case.grad(), dtype, edge_case.spec, edge_case.axis, edge_case.layout)


# Tests of the suite itself: a wrong implementation must fail, on the edge case that is named after its mistake.


def _summed_by(window_sum, x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:  # noqa: ARG001
    """Compute in the dtype, channels first, with sums of squares by the function given."""
    number = np.dtype(dtype).type
    with np.errstate(all="ignore"):
        x = np.moveaxis(x, axis, 0).astype(dtype)
        s = number(spec.k) + number(spec.alpha) * window_sum(x * x, spec.lo, spec.hi)
        return np.moveaxis(x * s ** number(-spec.beta), 0, axis).astype(np.float64)


def _direct(q: Array, lo: int, hi: int) -> Array:
    return np.stack([q[max(0, c - lo) : c + hi + 1].sum(axis=0) for c in range(len(q))])


def _running(q: Array, lo: int, hi: int, first_to_leave: int = 0) -> Array:
    """Add the head and subtract the tail."""
    total, sums = q[:hi].sum(axis=0), []
    for c in range(len(q)):
        if c + hi < len(q):
            total = total + q[c + hi]
        if c - lo - 1 >= first_to_leave:
            total = total - q[c - lo - 1]
        sums.append(total)
    return np.stack(sums)


def _band_matrix(q: Array, lo: int, hi: int) -> Array:
    offsets = np.arange(len(q)) - np.arange(len(q))[:, None]
    return np.einsum("cj,j...->c...", ((offsets >= -lo) & (offsets <= hi)).astype(q.dtype), q)


def _over_the_batch(q: Array, lo: int, hi: int) -> Array:
    """Sum only for as many channels as there are images."""
    sums = _direct(q, lo, hi)
    sums[q.shape[1] :] = 0
    return sums


WRONG_SUMS = {
    "even-window-low-4": lambda q, lo, hi: _direct(q, hi, lo),
    "even-window-high-4": lambda q, lo, hi: _direct(q, hi, lo),
    "even-window-low-2": lambda q, lo, hi: _direct(q, lo, hi + 1),
    "even-window-high-2": lambda q, lo, hi: _direct(q, lo, hi - 1),
    "last-channel-of-window": lambda q, lo, hi: _direct(q, lo, hi - 1),
    "odd-radius-3": lambda q, lo, hi: _direct(q, lo - 1, hi - 1),
    "window-leaves-channel-0": partial(_running, first_to_leave=1),
    "fewer-images-than-channels": _over_the_batch,
    "spike-1e4": _running,
    "nan": _running,
    "fp32-3e20-among-ones": _band_matrix,
    "fp16-300": _direct,
    "fp32-1e30": _direct,
    "fp32-1e-25": _direct,
}
NAMED = {edge_case.name: edge_case for edge_case in EDGE_CASES}


@pytest.mark.parametrize("name", WRONG_SUMS)
def test_a_wrong_sum_fails_on_its_edge_case(name: str):
    edge_case = NAMED[name]
    dtype = "float32" if "float32" in edge_case.dtypes else edge_case.dtypes[0]
    wrong = Api("wrong", DTYPES, partial(_summed_by, WRONG_SUMS[name]), APIS[0].gradient)
    with pytest.raises(AssertionError, match=r"wrong float\d\d forward, .* is the worst, \S+ times the bound"):
        check_forward(wrong, edge_case.x(), dtype, edge_case.spec, edge_case.axis)


def _gradient(
    x: Array,
    grad: Array,
    dtype: str,
    spec: LRNSpec,
    axis: int,
    layout: str,  # noqa: ARG001
    *,
    factor: float = 2.0,
    mirrored: bool = True,
) -> Array:
    """The plain formula, with its second term right or wrong."""
    x, grad = np.moveaxis(x, axis, 0), np.moveaxis(grad, axis, 0)
    s = spec.k + spec.alpha * _direct(x * x, spec.lo, spec.hi)
    lo, hi = (spec.hi, spec.lo) if mirrored else (spec.lo, spec.hi)
    through = _direct(grad * x * s ** (-spec.beta - 1), lo, hi)
    grad_x = grad * s**-spec.beta - factor * spec.alpha * spec.beta * x * through
    return rounded(np.moveaxis(grad_x, 0, axis), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrong", [{"factor": 0.0}, {"factor": 1.0}, {"mirrored": False}], ids=str)
def test_a_wrong_gradient_fails(wrong: dict, dtype: str):
    edge_case = NAMED["even-window-low-4"]
    right = Api("right", DTYPES, APIS[0].forward, _gradient)
    check_gradient(right, edge_case.x(), edge_case.grad(), dtype, edge_case.spec)
    api = Api("wrong", DTYPES, APIS[0].forward, partial(_gradient, **wrong))
    with pytest.raises(AssertionError, match="times the bound"):
        check_gradient(api, edge_case.x(), edge_case.grad(), dtype, edge_case.spec)


def test_float32_arithmetic_passes():
    """The bound leaves room for a kernel that computes in float32."""
    right = Api("float32", DTYPES, partial(_summed_by, _direct), APIS[0].gradient)
    assert 0 < check_forward(right, NAMED["spike-1e4"].x(), "float32", NAMED["spike-1e4"].spec) <= 1


@pytest.mark.parametrize(
    ("dtype", "units"),
    [("float16", 1.6), ("bfloat16", 1.6), ("float32", 9.0), ("float64", 9.0)],
)
def test_the_bound_is_in_units_of_the_last_place(dtype: str, units: float):
    """1.6 units of a half, and 9 epsilons of the others, are too many."""
    x, spec = np.array([[1.0, 1.5, 1.75]]), LRNSpec(0, 0, 0.0, 1.0, 1.0)
    off = Api("off", DTYPES, lambda x, dtype, *_: x + units * ulp(x, dtype), APIS[0].gradient)
    with pytest.raises(AssertionError, match="channel 0 is the worst"):
        check_forward(off, x, dtype, spec)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_one_wrong_channel_is_named(value: float):
    def broken(x: Array, *rest) -> Array:
        y = APIS[0].forward(x, *rest)
        y[:, 2] = value
        return y

    with pytest.raises(AssertionError, match=r"channel 2 is the worst.*wrong in channels \[2\]"):
        check_forward(Api("b", DTYPES, broken, APIS[0].gradient), np.ones((2, 5)), "float32", NAMED["nan"].spec)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounding_is_torchs(dtype: str):
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000) * 10.0 ** rng.uniform(-50, 40, size=4000)
    x = np.concatenate([x, [0.0, -0.0, 65519.9, 65520.0, 3.39e38, 3.4e38, np.inf, -np.inf, np.nan, 1 + 2.0**-8]])
    # From float32 in both, since torch rounds float64 to half precision by way of it.
    x = rounded(x, "float32").astype(np.float32)
    want = torch.from_numpy(x).to(getattr(torch, dtype)).double().numpy()
    np.testing.assert_array_equal(rounded(x, dtype), want)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_ulp_is_numpys_spacing(dtype: str):
    x = np.concatenate([10.0 ** np.arange(-44, 5), [0.0, 1.0, 1.5, 2.0, 3e4]]).astype(dtype)
    np.testing.assert_array_equal(ulp(x.astype(np.float64), dtype), np.spacing(x).astype(np.float64))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_hold_the_values(layout: str):
    x = np.broadcast_to(np.arange(60.0).reshape(1, 3, 4, 5), (2, 3, 4, 5))
    tensor = as_tensor(x, "float32", layout)
    strides = {
        "contiguous": (60, 20, 5, 1),
        "channels_last": (60, 1, 15, 3),
        "transposed": (1, 2, 6, 24),
        "expanded": (0, 20, 5, 1),
        "sliced": (120, 40, 10, 2),
        "offset": (210, 42, 7, 1),
    }
    np.testing.assert_array_equal(tensor.numpy(), x)
    assert tensor.stride() == strides[layout]
    assert (tensor.storage_offset() > 0) == (layout in ("sliced", "offset"))


def test_largest_term_is_the_larger_one():
    x, grad, spec = np.array([[2.0, -3.0]]), np.array([[0.0, 5.0]]), LRNSpec(0, 1, 0.5, 1.5, 2.0)
    s = np.array([2 + 0.5 * 13, 2 + 0.5 * 9])
    direct = np.array([0.0, 5 * s[1] ** -1.5])
    h = np.array([0.0, 5 * 3 * s[1] ** -2.5])
    through = 2 * 0.5 * 1.5 * np.array([2 * h[0], 3 * (h[0] + h[1])])
    np.testing.assert_allclose(largest_term(x, grad, spec, 1), [np.maximum(direct, through)], rtol=1e-14)
