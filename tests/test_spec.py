"""LRNSpec: the table of conventions, exact round trips, and what bad input is told."""

from __future__ import annotations

import dataclasses
import inspect
import math
import pickle
import re
from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from localnorm import LRNSpec, reference
from localnorm.conventions import CONVENTIONS, Convention
from localnorm.errors import ConversionError, SpecError

# Written out and not read from the source: framework, positional order, defaults,
# window of sizes 1 to 6 (None where refused), whether alpha is divided by the size.
_LOW = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2)]
_HIGH = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3)]
_WIDE = [(0, 0), (1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]
_ODD = [(0, 0), None, (1, 1), None, (2, 2), None]
_RADIUS = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]
TABLE = {
    "paper": ("n k alpha beta", {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75}, _WIDE, False),
    "torch": ("size alpha beta k", {"alpha": 1e-4, "beta": 0.75, "k": 1.0}, _LOW, True),
    "tensorflow": (
        "depth_radius bias alpha beta",
        {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
        _RADIUS,
        False,
    ),
    "caffe": ("local_size alpha beta k", {"local_size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0}, _ODD, True),
    "onnx": ("size alpha beta bias", {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}, _HIGH, True),
    "cudnn": (
        "lrnN lrnAlpha lrnBeta lrnK",
        {"lrnN": 5, "lrnAlpha": 1e-4, "lrnBeta": 0.75, "lrnK": 2.0},
        _HIGH,
        True,
    ),
}
every_name = pytest.mark.parametrize("name", TABLE)


def _from(name: str, *args, **kwargs) -> LRNSpec:
    return getattr(LRNSpec, f"from_{name}")(*args, **kwargs)


def _to(spec: LRNSpec, name: str) -> dict:
    return getattr(spec, f"to_{name}")()


def _named(name: str, window: int, alpha: float, beta: float, k: float) -> dict:
    """Return the values under the framework's own argument names."""
    order = TABLE[name][0].split()
    k_name = next(n for n in order if n in ("k", "bias", "lrnK"))
    alpha_name, beta_name = (next(n for n in order if n.lower().endswith(p)) for p in ("alpha", "beta"))
    values = {alpha_name: alpha, beta_name: beta, k_name: k}
    return {n: values.get(n, window) for n in order}


def test_the_table_is_complete():
    assert set(CONVENTIONS) == set(TABLE)


@every_name
def test_arguments_and_defaults(name: str):
    order, defaults, _, _ = TABLE[name]
    signature = inspect.signature(getattr(LRNSpec, f"from_{name}"))
    assert " ".join(signature.parameters) == order
    given_defaults = {n: p.default for n, p in signature.parameters.items() if p.default is not p.empty}
    assert given_defaults == defaults
    required = {n: 5 for n in order.split() if n not in defaults}
    assert _from(name, **required) == _from(name, **(required | defaults))


@every_name
@pytest.mark.parametrize("size", range(1, 7))
def test_window_and_alpha(name: str, size: int):
    _, _, windows, mean = TABLE[name]
    arguments = _named(name, size, alpha=0.3, beta=0.6, k=1.5)
    if windows[size - 1] is None:
        with pytest.raises(SpecError, match=f"local_size must be odd in caffe, got {size}; use {size + 1}"):
            _from(name, **arguments)
        return
    lo, hi = windows[size - 1]
    spec = _from(name, **arguments)
    assert (spec.lo, spec.hi, spec.beta, spec.k) == (lo, hi, 0.6, 1.5)
    assert spec.alpha == pytest.approx(0.3 / size if mean else 0.3, rel=2**-52)
    assert spec.size == lo + hi + 1
    assert _from(name, *arguments.values()) == spec


# Every number of up to 15 significant digits.
alphas = st.builds(
    lambda digits, exponent: float(f"{digits}e{exponent}"), st.integers(0, 10**15 - 1), st.integers(-200, 150)
)
sizes = st.integers(1, 16)
exponents = st.floats(0.01, 10)
constants = st.floats(1e-5, 1e5)


@pytest.mark.parametrize(("first", "second"), [*permutations(TABLE, 2), *((name, name) for name in TABLE)])
@settings(max_examples=40, deadline=None)
@given(sizes, alphas, exponents, constants)
def test_round_trips_are_exact(first: str, second: str, size: int, alpha: float, beta: float, k: float):
    if first == "caffe":
        size |= 1
        size -= 2 * (size > 16)
    arguments = _named(first, size, alpha, beta, k)
    spec = _from(first, **arguments)
    try:
        others = _to(spec, second)
    except ConversionError:
        assert _expressible(second, spec) is False
        return
    assert _expressible(second, spec)
    assert _from(second, **others) == spec
    there_and_back = _to(_from(second, **others), first)
    # The paper's n of 4 is the same window as its n of 5.
    assert there_and_back == arguments | ({"n": size | 1} if first == "paper" else {})
    assert list(there_and_back) == TABLE[first][0].split()


@given(sizes, st.floats(1e-200, 1e150), st.sampled_from(["torch", "onnx", "cudnn"]))
def test_longer_alphas_change_by_one_unit_at_most(size: int, alpha: float, name: str):
    spec = dataclasses.replace(_from(name, **_named(name, size, 1.0, 0.75, 1.0)), alpha=alpha)
    assert abs(_from(name, **_to(spec, name)).alpha - alpha) <= math.ulp(alpha)


def _expressible(name: str, spec: LRNSpec) -> bool:
    most = 16 if name == "cudnn" else 10**6
    windows = {
        "paper": spec.lo == spec.hi,
        "torch": spec.lo - spec.hi in (0, 1),
        "tensorflow": spec.lo == spec.hi,
        "caffe": spec.lo == spec.hi,
        "onnx": spec.hi - spec.lo in (0, 1),
        "cudnn": spec.hi - spec.lo in (0, 1),
    }
    return windows[name] and spec.size <= most


INEXPRESSIBLE = [
    (LRNSpec(2, 1, 1.0, 0.75, 1.0), "tensorflow", r"window \[c-2, c\+1\]: .* both sides.* expressed in torch;"),
    (LRNSpec(2, 1, 1.0, 0.75, 1.0), "onnx", r"extra channel above.* expressed in torch; .*\[c-1, c\+1\]"),
    (LRNSpec(1, 2, 1.0, 0.75, 1.0), "torch", r"extra channel below.* expressed in onnx, cudnn;"),
    (LRNSpec(1, 2, 1.0, 0.75, 1.0), "caffe", r"size is odd and the window symmetric"),
    (LRNSpec(1, 2, 1.0, 0.75, 1.0), "paper", r"size // 2 channels to both sides"),
    (LRNSpec(0, 4, 1.0, 0.75, 1.0), "torch", r"below\. a symmetric window such as .* everywhere"),
    (LRNSpec(8, 8, 1.0, 0.75, 1.0), "cudnn", r"lrnN from 1 to 16, this spec needs 17; use a narrower window"),
    (LRNSpec(2, 2, 1.0, 0.75, 1e-6), "cudnn", r"lrnK of at least 1e-05, this spec has 1e-06; raise it to 1e-05"),
    (LRNSpec(2, 2, 1.0, 0.001, 1.0), "cudnn", r"lrnBeta of at least 0.01, this spec has 0.001; raise it"),
]


@pytest.mark.parametrize(
    ("spec", "name", "text"), INEXPRESSIBLE, ids=[f"{s[1]}-{i}" for i, s in enumerate(INEXPRESSIBLE)]
)
def test_what_a_framework_cannot_express(spec: LRNSpec, name: str, text: str):
    with pytest.raises(ConversionError, match=text):
        _to(spec, name)


BAD = {
    "size 0": (lambda: LRNSpec.from_torch(0), r"size must be at least 1, got 0; pass"),
    "size -3": (lambda: LRNSpec.from_onnx(-3), r"size must be at least 1, got -3; pass"),
    "radius -1": (lambda: LRNSpec.from_tensorflow(-1), r"depth_radius must be at least 0, got -1"),
    "size 2.5": (
        lambda: LRNSpec.from_torch(2.5),
        r"size must be a whole number, got 2.5 of type float; pass",
    ),
    "size True": (lambda: LRNSpec.from_torch(True), r"size must be a whole number, got True of type bool"),
    "size '5'": (lambda: LRNSpec.from_torch("5"), r"size must be a whole number, got '5' of type str"),
    "size None": (lambda: LRNSpec.from_caffe(None), r"local_size must be a whole number, got None"),
    "lo -1": (lambda: LRNSpec(-1, 2, 1.0, 0.75, 1.0), r"lo must be at least 0, got -1"),
    "hi 1.0": (lambda: LRNSpec(1, 1.0, 1.0, 0.75, 1.0), r"hi must be a whole number, got 1.0 of type float"),
    "lrnN 17": (lambda: LRNSpec.from_cudnn(17), r"lrnN must be from 1 to 16, got 17; pass a value in that range"),
    "lrnK 0": (lambda: LRNSpec.from_cudnn(lrnK=0), r"lrnK must be at least 1e-05, got 0"),
    "lrnBeta 0": (lambda: LRNSpec.from_cudnn(lrnBeta=0), r"lrnBeta must be at least 0.01, got 0"),
    "caffe 4": (lambda: LRNSpec.from_caffe(4), r"local_size must be odd in caffe, got 4; use 5"),
    "alpha -1": (lambda: LRNSpec.from_torch(5, -1.0), r"alpha must be at least 0, got -1; check its sign"),
    "alpha '1'": (lambda: LRNSpec.from_torch(5, "1"), r"alpha must be a real number, got '1' of type str"),
    "beta True": (lambda: LRNSpec.from_torch(5, beta=True), r"beta must be a real number, got True of type bool"),
    "beta 1j": (lambda: LRNSpec.from_torch(5, beta=1j), r"beta must be a real number, got 1j of type complex"),
    "k -1": (lambda: LRNSpec.from_onnx(5, bias=-1.0), r"bias must be at least 0, got -1; check its sign"),
    "k 0 with alpha 0": (
        lambda: LRNSpec.from_torch(5, 0.0, k=0.0),
        r"k must be more than 0 where alpha is 0",
    ),
    **{
        f"{name} {value}": (
            lambda name=name, value=value: LRNSpec(
                2, 2, **({"alpha": 1.0, "beta": 0.75, "k": 1.0} | {name: value})
            ),
            rf"{name} must be finite, got {value}; check how",
        )
        for name, value in product(("alpha", "beta", "k"), (np.nan, np.inf, -np.inf))
    },
}


@pytest.mark.parametrize(("build", "text"), BAD.values(), ids=BAD)
def test_bad_hyperparameters(build, text: str):
    with pytest.raises(SpecError, match=text):
        build()


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "from_torch needs size, which has no default there; pass size=5"),
        ((5,), {"size": 5}, "from_torch takes each of size, alpha, beta, k once"),
        ((5,), {"bias": 1.0}, r"once and nothing else, got \(5,\) and {'bias': 1.0}; name the arguments"),
        ((5, 1, 1, 1, 1), {}, "from_torch takes each of size, alpha, beta, k once"),
    ],
    ids=["missing", "twice", "wrong name", "too many"],
)
def test_bad_arguments(args: tuple, kwargs: dict, text: str):
    with pytest.raises(ConversionError, match=text):
        LRNSpec.from_torch(*args, **kwargs)


def test_is_a_value():
    spec = LRNSpec(np.int64(2), np.uint8(1), np.float32(0.5), 1, np.float64(2))
    assert spec == LRNSpec(2, 1, 0.5, 1.0, 2.0)
    assert [type(value) for value in dataclasses.astuple(spec)] == [int, int, float, float, float, int]
    assert len({spec, LRNSpec(2, 1, 0.5, 1.0, 2.0), LRNSpec(1, 2, 0.5, 1.0, 2.0)}) == 2
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301  our own bytes
    assert repr(spec) == "LRNSpec(lo=2, hi=1, alpha=0.5, beta=1.0, k=2.0)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.alpha = 1.0


@every_name
def test_documentation_says_the_rule(name: str):
    row: Convention = CONVENTIONS[name]
    for method in (getattr(LRNSpec, f"from_{name}"), getattr(LRNSpec, f"to_{name}")):
        assert row.source in re.sub(r"\s+", " ", method.__doc__)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_means_what_torch_means(size: int):
    x = torch.from_numpy(np.random.default_rng(size).normal(size=(2, 9, 3, 4)))
    want = torch.nn.functional.local_response_norm(x, size, alpha=0.7, beta=0.6, k=1.5)
    got = reference.forward(x.numpy(), LRNSpec.from_torch(size, alpha=0.7, beta=0.6, k=1.5))
    np.testing.assert_allclose(got, want.numpy(), rtol=8 * 2.0**-52)
