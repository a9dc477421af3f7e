"""The NumPy API beyond the conformance suite: out, memory order, refused inputs."""

from __future__ import annotations

import numpy as np
import pytest

import localnorm
from localnorm import LRNSpec, local_response_norm, reference
from localnorm.errors import AxisError, DTypeError, OutputError, SpecError

SPEC = LRNSpec(2, 1, 0.7, 0.75, 1.5)
WITHIN = LRNSpec(2, 1, 0.7, 0.75, 1.5, spatial=2)


def _random(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("spec", [SPEC, WITHIN], ids=["across", "within"])
@pytest.mark.parametrize("shape", [(3, 9, 40, 50), (20, 9, 40, 50), (1, 9, 150, 300)], ids=str)
def test_blocks_do_not_show(shape: tuple[int, ...], spec: LRNSpec):
    """Arrays below and above the size of a block, cut along one axis and along two."""
    x = _random(*shape)
    # The bound of the conformance suite.
    np.testing.assert_allclose(local_response_norm(x, spec), reference.forward(x, spec), rtol=2.0**-20, atol=0)


def test_out():
    x, out = _random(3, 9, 4), np.empty((3, 9, 4), np.float32)
    assert local_response_norm(x, SPEC, out=out) is out
    np.testing.assert_array_equal(out, local_response_norm(x, SPEC))


@pytest.mark.parametrize("spec", [SPEC, WITHIN], ids=["across", "within"])
def test_out_may_be_the_input(spec: LRNSpec):
    x = _random(20, 9, 40, 50)
    want = local_response_norm(x, spec)
    assert local_response_norm(x, spec, out=x) is x
    np.testing.assert_array_equal(x, want)


def test_out_may_overlap_the_input():
    memory = _random(80, 9, 40, 50)
    want = local_response_norm(memory[:70], SPEC)
    np.testing.assert_array_equal(local_response_norm(memory[:70], SPEC, out=memory[10:]), want)


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_is_kept(order: str):
    x = np.asarray(_random(3, 9, 4), order=order)
    y = local_response_norm(x, SPEC)
    assert (y.strides, y.dtype) == (x.strides, x.dtype)


def test_input_is_untouched_and_lists_are_taken():
    x = _random(3, 9)
    before = x.copy()
    y = local_response_norm(x, SPEC)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(local_response_norm(before.astype(float).tolist(), SPEC), y, rtol=2.0**-20)


def test_the_default_axis_is_the_references():
    x = _random(3, 9, 4)
    np.testing.assert_array_equal(local_response_norm(x, SPEC), local_response_norm(x, SPEC, axis=1))
    assert localnorm.local_response_norm is local_response_norm


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "longdouble", "object", "<U1"])
def test_dtypes_refused(dtype: str):
    with pytest.raises(
        DTypeError, match=r"must be float16, bfloat16, float32 or float64, got .*(convert it|normalize abs)"
    ):
        local_response_norm(np.ones((2, 3)).astype(dtype), SPEC)


@pytest.mark.parametrize(
    ("shape", "axis", "spec", "text"),
    [
        ((3, 4), 2, SPEC, r"axis of the input, which has rank 2, got axis=2; pass a value from -2 to 1"),
        ((), 0, SPEC, r"which has rank 0, got axis=0; add a channel axis first"),
        ((3, 4), True, SPEC, r"axis must be a whole number, got True of type bool"),
        ((3, 4), 1.0, SPEC, r"axis must be a whole number, got 1.0 of type float"),
        ((3, 4), 1, WITHIN, r"over 2 spatial axes needs an input with as many axes beside .*, got rank 2"),
    ],
    ids=["beyond", "rank 0", "bool", "float", "within"],
)
def test_axis_refused(shape: tuple[int, ...], axis: object, spec: LRNSpec, text: str):
    with pytest.raises(AxisError, match=text):
        local_response_norm(np.ones(shape), spec, axis=axis)


READ_ONLY = np.empty((2, 3), np.float32)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("out", "text"),
    [
        (
            np.empty((3, 2), np.float32),
            r"the shape and dtype of x, \(2, 3\) and float32, got \(3, 2\) and float32",
        ),
        (np.empty((2, 3)), r"got \(2, 3\) and float64; pass np.empty_like\(x\)"),
        (READ_ONLY, "out must be writeable"),
        ([[0.0]], "out must be a NumPy array, got list"),
    ],
    ids=["shape", "dtype", "read-only", "list"],
)
def test_out_refused(out: object, text: str):
    with pytest.raises(OutputError, match=text):
        local_response_norm(np.ones((2, 3), np.float32), SPEC, out=out)


@pytest.mark.parametrize("spec", [5, None, {"lo": 2, "hi": 2}], ids=str)
def test_only_specs(spec: object):
    with pytest.raises(SpecError, match=r"spec must be an LRNSpec, got .*; build one, e.g. LRNSpec.from_torch"):
        local_response_norm(np.ones((2, 3)), spec)


def test_a_mask_is_not_dropped():
    with pytest.raises(DTypeError, match=r"must not be a masked array: .*; pass x.filled\(0\)"):
        local_response_norm(np.ma.masked_less(np.ones((2, 3)), 2.0), SPEC)


@pytest.mark.parametrize(("lo", "hi"), [(10**9, 10**9), (10**30, 0), (0, 10**30)])
@pytest.mark.parametrize("spatial", [0, 1])
def test_a_window_far_beyond_the_borders_costs_nothing(lo: int, hi: int, spatial: int):
    x = _random(3, 4, 5)
    wide, narrow = (LRNSpec(*window, 0.7, 0.75, 1.5, spatial) for window in ((lo, hi), (min(lo, 9), min(hi, 9))))
    np.testing.assert_array_equal(local_response_norm(x, wide), local_response_norm(x, narrow))
