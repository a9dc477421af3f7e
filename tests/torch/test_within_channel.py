"""The torch API with windows within a channel: the conformance suite's bounds, derivatives, blocks, graphs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from conformance import DTYPES, LAYOUTS, Array, check_forward, rounded
from localnorm import LRNSpec, reference
from localnorm.errors import AxisError
from localnorm.torch import LocalResponseNorm
from localnorm.torch.functional import apply_spec
from tensors import bits, normalized, random_tensor
from torch_apis import APIS

every_api = pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def _spec(lo: int, hi: int, spatial: int, alpha: float = 0.7, beta: float = 0.75, k: float = 1.5) -> LRNSpec:
    return LRNSpec(lo, hi, alpha, beta, k, spatial)


def _normal(*shape: int, scale: float = 1.0) -> Array:
    return scale * np.random.default_rng(0).normal(size=shape)


def _spike(value: float) -> Array:
    """A spike in one corner of the plane of sample 0, channel 1."""
    x = np.random.default_rng(0).uniform(1, 2, size=(2, 3, 6, 7))
    x[0, 1, 4, 5] = value
    return x


BOX = _spec(1, 1, 2)
CASES = {
    "plane": (_normal(2, 3, 6, 7), BOX, 1),
    "line": (_normal(2, 3, 9), _spec(2, 1, 1), 1),
    "volume": (_normal(2, 3, 4, 5, 6), _spec(1, 0, 3), 1),
    "channels-last": (_normal(2, 6, 7, 3), _spec(0, 2, 2), -1),
    "unbatched": (_normal(6, 7, 3), _spec(2, 2, 2), 2),
    "spatial-axes-of-two": (_normal(2, 3, 4, 5, 6), _spec(2, 1, 2), 1),
    "wider-than-the-plane": (_normal(2, 3, 4, 5), _spec(9, 7, 2), 1),
    "wide-window": (_normal(2, 2, 19, 21), _spec(7, 8, 2, alpha=0.05), 1),
    "one-element": (_normal(2, 3, 4, 5), _spec(0, 0, 2), 1),
    "no-alpha": (_normal(2, 3, 4, 5), _spec(1, 1, 2, alpha=0.0), 1),
    "no-positions": (_normal(2, 3, 0, 5), BOX, 1),
    "nan": (_spike(np.nan), BOX, 1),
    "infinity": (_spike(np.inf), BOX, 1),
    "1e4": (_spike(1e4), BOX, 1),
    "fp64-1e200": (_normal(2, 3, 6, 7, scale=1e200), BOX, 1),
    "fp64-1e200-in-one-plane": (_spike(1e200), BOX, 1),
    "fp64-1e-200": (_normal(2, 3, 6, 7, scale=1e-200), _spec(1, 1, 2, k=0.0), 1),
    "fp16-300": (np.full((2, 3, 6, 7), 300.0), LRNSpec(1, 1, 1e-4, 0.75, 1.0, 2), 1),
    "alpha-1e15": (_normal(2, 3, 6, 7), _spec(1, 1, 2, alpha=1e15), 1),
}
# What no half can hold, or no result of it.
ONLY_64 = {"fp64-1e200", "fp64-1e200-in-one-plane", "fp64-1e-200"}
every_case = pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (name, dtype)
        for name in CASES
        for dtype in DTYPES
        if (name not in ONLY_64 or dtype == "float64") and (name, dtype) != ("alpha-1e15", "float16")
    ],
)


@pytest.mark.sampled(1 / 4, "api name", "api dtype")
@every_api
@every_case
def test_forward(api, name: str, dtype: str):
    x, spec, axis = CASES[name]
    check_forward(api, x, dtype, spec, axis)


@pytest.mark.sampled(1 / 4, "api layout", "dtype layout")
@every_api
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_forward_of_any_layout(api, layout: str, dtype: str):
    x = _normal(2, 3, 6, 7)
    x = np.broadcast_to(x[:1], x.shape) if layout == "expanded" else x
    check_forward(api, x, dtype, BOX, 1, layout)


@pytest.mark.sampled(1 / 4, "api name", "api dtype")
@every_api
@every_case
def test_gradient(api, name: str, dtype: str):
    x, spec, axis = CASES[name]
    x = rounded(x, dtype)
    grad = rounded(_normal(*x.shape), dtype)
    want = reference.gradients(x, grad, spec, axis).x
    got = api.gradient(x, grad, dtype, spec, axis, "contiguous")
    # A difference of two terms, each a few epsilons wrong; terms of about |want|'s largest. Halves round once.
    scale = np.abs(want[np.isfinite(want)]).max(initial=0.0)
    epsilon = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}[dtype]
    subnormal = 2.0**-24 if dtype == "float16" else 0.0
    bound = (
        epsilon * (np.abs(want) if dtype in ("float16", "bfloat16") else 0) + 8 * max(epsilon, 2.0**-52) * scale
    )
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    assert (np.abs(got - want) <= bound + subnormal)[~np.isnan(want)].all()


@pytest.mark.parametrize("spec", [BOX, _spec(2, 1, 1), _spec(4, 5, 2)], ids=["box", "line", "wide"])
def test_first_and_second_derivatives(spec: LRNSpec):
    x = random_tensor(2, 2, 4, 3, grad=True)
    assert gradcheck(lambda x: normalized(x, spec), x)
    assert gradgradcheck(lambda x: normalized(x, spec), x)


def test_a_spike_reaches_its_window_and_nothing_else():
    x = torch.from_numpy(_spike(1.0))
    before = normalized(x, BOX)
    x[0, 1, 4, 5] = 1e200
    changed = (normalized(x, BOX) != before).nonzero()
    assert changed.min(0).values.tolist() == [0, 1, 3, 4]
    assert changed.max(0).values.tolist() == [0, 1, 5, 6]
    assert len(changed) == 9


def test_module_and_inplace():
    module = LocalResponseNorm.from_spec(BOX, inplace=True)
    assert repr(module) == (
        "LocalResponseNorm(LRNSpec(lo=1, hi=1, alpha=0.7, beta=0.75, k=1.5, spatial=2), inplace=True)"
    )
    assert module.alpha == pytest.approx(9 * 0.7, rel=1e-15), "the factor of the mean over 3 x 3"
    x = random_tensor(2, 3, 6, 7)
    want = normalized(x, BOX)
    assert module(x) is x
    assert bits(x) == bits(want)


@pytest.mark.parametrize("strict", [False, True])
def test_export_leaves_every_axis_open(strict: bool):
    dims = {axis: torch.export.Dim(name, min=2) for axis, name in ((0, "n"), (2, "h"), (3, "w"))}
    layer = LocalResponseNorm.from_spec(BOX)
    exported = torch.export.export(layer, (random_tensor(2, 3, 6, 7),), dynamic_shapes=(dims,), strict=strict)
    for shape in ((2, 3, 6, 7), (5, 3, 2, 11)):
        x = random_tensor(*shape)
        torch.testing.assert_close(exported.module()(x), layer(x), rtol=1e-14, atol=0)


def test_too_few_axes():
    with pytest.raises(
        AxisError, match=r"over 2 spatial axes needs an input with as many axes beside the channel"
    ):
        apply_spec(torch.ones(2, 3), BOX, 1, inplace=False)
