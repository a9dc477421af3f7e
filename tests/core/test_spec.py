"""LRNSpec: the table of conventions, exact round trips, and error messages."""

from __future__ import annotations

import dataclasses
import inspect
import math
import pickle
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convention_table import FIXED, LIMITS, ODD, TABLE
from localnorm import LRNSpec, reference
from localnorm.conventions import ALIASES, CONVENTIONS, Convention, markdown
from localnorm.errors import ConversionError, SpecError

every_name = pytest.mark.parametrize("name", TABLE)


def _from(name: str, *args, **kwargs) -> LRNSpec:
    return LRNSpec.from_framework(name, *args, **kwargs)


def _to(spec: LRNSpec, name: str) -> dict:
    return spec.to_framework(name)


def _named(name: str, window: int | list, alpha: float, beta: float, k: float, spatial: int = 0) -> dict:
    """Return the values under the framework's own argument names, in its order."""
    row = TABLE[name]
    if row.extents:
        window = [1, 1, *[window] * spatial] if spatial else [1, window, 1, 1]
    values = dict(zip(row.names.split(), (window, alpha, beta, k), strict=True)) | row.regions[spatial]
    return {n: values[n] for n in row.parameters if n in values}


def _shown(name: str, arguments: dict, spatial: int) -> dict:
    """Return them without a region that is the framework's default."""
    defaults = TABLE[name].defaults
    return {n: v for n, v in arguments.items() if n not in TABLE[name].regions[spatial] or v != defaults.get(n)}


def test_the_table_is_complete():
    assert set(CONVENTIONS) == {*TABLE, *FIXED}
    short_forms = {name.partition("_")[2] for name in vars(LRNSpec) if name.startswith(("from_", "to_"))}
    assert short_forms == {*CONVENTIONS, "framework"}


@every_name
def test_short_forms_convert_as_the_framework_by_name(name: str):
    spec = LRNSpec(2, 2, 0.5, 0.75, 1.5)
    arguments = getattr(spec, f"to_{name}")()
    assert arguments == spec.to_framework(name)
    assert getattr(LRNSpec, f"from_{name}")(**arguments) == LRNSpec.from_framework(name, **arguments) == spec


def test_a_framework_has_aliases_and_capitals():
    assert set(ALIASES.values()) <= set(CONVENTIONS)
    assert set(ALIASES).isdisjoint(CONVENTIONS)
    assert LRNSpec.from_framework("TF", 2) == LRNSpec.from_framework("TensorFlow", 2) == LRNSpec.from_tensorflow(2)
    assert LRNSpec(2, 2, 0.5, 0.75, 1.5).to_framework("torch-cross-map")["size"] == 5


@pytest.mark.parametrize(
    "convert",
    [lambda: LRNSpec.from_framework("tensorflw"), lambda: LRNSpec(2, 2, 0.5, 0.75, 1.5).to_framework("tensorflw")],
    ids=["from", "to"],
)
def test_an_unknown_framework_gets_the_nearest_name_first(convert):
    with pytest.raises(
        ConversionError, match=r"got 'tensorflw'; did you mean tensorflow\? There are paper, torch,"
    ):
        convert()


@every_name
def test_arguments_and_defaults(name: str):
    row = TABLE[name]
    signature = inspect.signature(getattr(LRNSpec, f"from_{name}"))
    assert list(signature.parameters) == row.parameters
    given_defaults = {n: p.default for n, p in signature.parameters.items() if p.default is not p.empty}
    assert given_defaults == row.defaults
    given = _named(name, 5, 1e-4, 0.75, 1.0)
    required = {n: v for n, v in given.items() if n not in row.defaults}
    assert _from(name, **required) == _from(name, **(required | row.defaults))


@pytest.mark.parametrize(
    ("name", "spatial"), [(name, spatial) for name in TABLE for spatial in TABLE[name].regions]
)
@pytest.mark.parametrize("size", range(1, 7))
def test_window_and_alpha(name: str, spatial: int, size: int):
    row = TABLE[name]
    arguments = _named(name, size, 0.3, 0.6, 1.5, spatial)
    if row.windows[size - 1] is None:
        why = "at least 2, got 1" if size == 1 else rf"odd in {name}( since .*)?, got {size}; use {size + 1}"
        with pytest.raises(SpecError, match=rf"{row.names.split()[0]} must be {why}"):
            _from(name, **arguments)
        return
    lo, hi = row.windows[size - 1]
    spec = _from(name, **arguments)
    spatial *= not row.extents or size > 1  # a box of one element is a window of one channel
    assert (spec.lo, spec.hi, spec.beta, spec.k, spec.spatial) == (lo, hi, 0.6, 1.5, spatial)
    divisor = row.divisors[size - 1] ** max(spatial, 1) if row.mean else 1
    assert spec.alpha == pytest.approx(0.3 / divisor, rel=2**-52)
    assert spec.size == lo + hi + 1
    positional = [arguments.get(n, row.defaults.get(n)) for n in row.parameters]
    assert _from(name, *positional) == spec


# Every number of up to 15 significant digits.
alphas = st.builds(
    lambda digits, exponent: float(f"{digits}e{exponent}"), st.integers(0, 10**15 - 1), st.integers(-200, 150)
)
sizes = st.integers(1, 16)
exponents = st.floats(0.01, 10)
constants = st.floats(1e-5, 1e5)


@pytest.mark.parametrize(
    ("first", "spatial"), [(name, spatial) for name in TABLE for spatial in TABLE[name].regions]
)
@settings(max_examples=60, deadline=None)
@given(sizes, alphas, exponents, constants)
def test_round_trips_are_exact(first: str, spatial: int, size: int, alpha: float, beta: float, k: float):
    """From the first framework's arguments through each other's and back."""
    row = TABLE[first]
    least, most = LIMITS.get(first, (1, 16))
    if row.windows is ODD:
        size |= 1
    if row.extents and spatial:
        size = max(size, 3)
    size = min(max(size, least), most - (row.windows is ODD and most % 2 == 0))
    alpha = min(alpha, 1e20) if first == "tensorrt" else alpha
    arguments = _named(first, size, alpha, beta, k, spatial)
    spec = _from(first, **arguments)
    # The paper's n of 4 is the same window as its n of 5.
    same = {"n": size | 1} if first == "paper" else {}
    for second in TABLE:
        try:
            others = _to(spec, second)
        except ConversionError:
            assert not _expressible(second, spec)
            continue
        assert _expressible(second, spec)
        assert list(others) == [n for n in TABLE[second].parameters if n in others]
        again = _from(second, **others)
        if TABLE[second].extents and spec.size == 1:
            again = dataclasses.replace(again, spatial=spec.spatial)
        if first == "onednn" and size % 2 == 0:
            # No float need exist that 3 divides to what 4 has divided.
            assert dataclasses.replace(again, alpha=spec.alpha) == spec
            assert abs(again.alpha - spec.alpha) <= math.ulp(spec.alpha)
            continue
        assert again == spec
        assert _to(again, first) == _shown(first, arguments | same, spatial)


@given(sizes, st.floats(1e-200, 1e150), st.sampled_from(["torch", "onnx", "cudnn"]))
def test_longer_alphas_change_by_one_unit_at_most(size: int, alpha: float, name: str):
    spec = dataclasses.replace(_from(name, **_named(name, size, 1.0, 0.75, 1.0)), alpha=alpha)
    assert abs(_from(name, **_to(spec, name)).alpha - alpha) <= math.ulp(alpha)


def _expressible(name: str, spec: LRNSpec) -> bool:
    row = TABLE[name]
    least, most = LIMITS.get(name, (1, 10**6))
    leaning = {(2, 1): spec.lo - spec.hi, (1, 2): spec.hi - spec.lo}.get(row.windows[3])
    fits = spec.lo == spec.hi or leaning == 1
    too_large = name == "tensorrt" and spec.alpha * spec.size > 1e20
    return fits and not too_large and spec.spatial in row.regions and least <= spec.size <= most


INEXPRESSIBLE = [
    (
        LRNSpec(2, 1, 1.0, 0.75, 1.0),
        "tensorflow",
        r"window \[c-2, c\+1\]: .* both sides.* expressed in torch, .*;",
    ),
    (
        LRNSpec(2, 1, 1.0, 0.75, 1.0),
        "onnx",
        r"above.* expressed in torch, cuda_convnet2, paddle, coreml, apple_mps; .*\[c-1, c\+1\]",
    ),
    (
        LRNSpec(1, 2, 1.0, 0.75, 1.0),
        "torch",
        r"extra channel below.* expressed in onnx, cudnn, matconvnet, miopen, matlab, tinygrad;",
    ),
    (LRNSpec(1, 2, 1.0, 0.75, 1.0), "caffe", r"size is odd and the window symmetric"),
    (LRNSpec(1, 2, 1.0, 0.75, 1.0), "paper", r"size // 2 channels to both sides"),
    (LRNSpec(0, 4, 1.0, 0.75, 1.0), "torch", r"below\. a symmetric window such as .* everywhere"),
    (LRNSpec(8, 8, 1.0, 0.75, 1.0), "cudnn", r"lrnN from 1 to 16, this spec needs 17; use a narrower window"),
    (LRNSpec(2, 2, 1.0, 0.75, 1e-6), "cudnn", r"lrnK of at least 1e-05, this spec has 1e-06; raise it to 1e-05"),
    (LRNSpec(2, 2, 1.0, 0.001, 1.0), "cudnn", r"lrnBeta of at least 0.01, this spec has 0.001; raise it"),
    (
        LRNSpec(8, 8, 1.0, 0.75, 1.0),
        "tensorrt",
        r"window from 1 to 15, this spec needs 17.* such as paper, torch, ",
    ),
    (
        LRNSpec(1, 1, 1.0, 0.75, 1e11),
        "tensorrt",
        r"k from 1e-05 to 1e\+10, this spec has 1e\+11; lower it to 1e\+10",
    ),
    (
        LRNSpec(0, 0, 1.0, 0.75, 1.0),
        "miopen",
        r"lrnN at least 2, this spec needs 1; use a wider window or another",
    ),
    (
        LRNSpec(1, 1, 1e308, 0.75, 1.0),
        "caffe",
        r"multiplies alpha by 3, which overflows float64.* such as paper, ",
    ),
    (
        LRNSpec(1, 1, 1.0, 0.75, 1.0, spatial=2),
        "torch",
        r"over 2 spatial axes: .* across channels\. It can be expressed in caffe, cuda_convnet2, onednn, openvino",
    ),
    (
        LRNSpec(1, 1, 1.0, 0.75, 1.0, spatial=1),
        "caffe",
        r"over 1 spatial axis: .* or within a channel over 2\. It can be expressed in onednn, openvino, nnef\.",
    ),
    (LRNSpec(1, 1, 1.0, 0.75, 1.0, spatial=4), "onednn", r"No framework listed can; normalize over fewer axes"),
    (
        LRNSpec(2, 1, 1.0, 0.75, 1.0, spatial=2),
        "caffe",
        r"expressed in cuda_convnet2; .* wherever such a region can",
    ),
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
    "ncnn 4": (lambda: LRNSpec.from_ncnn(0, 4), r"odd in ncnn since its generic build sums .* got 4; use 5"),
    "caffe region": (
        lambda: LRNSpec.from_caffe(norm_region="WITHIN"),
        r"caffe takes norm_region='ACROSS_CHANNELS' or norm_region='WITHIN_CHANNEL', got norm_region='WITHIN'",
    ),
    "openvino axes": (lambda: LRNSpec.from_openvino((1, 2)), r"axes=\(1,\) or .*, got axes=\(1, 2\); pass one"),
    "onednn ndims": (
        lambda: LRNSpec.from_onednn("lrn_within_channel", 5, 1.0, 0.75, ndims=2),
        r"got algorithm='lrn_within_channel', ndims=2; pass one of these",
    ),
    "opencv flag": (
        lambda: LRNSpec.from_opencv(norm_by_size="no"),
        r"norm_by_size must be True or False, got 'no'",
    ),
    "tensorrt k": (
        lambda: LRNSpec.from_tensorrt(5, 1.0, 0.75, 0.0),
        r"k must be from 1e-05 to 1e\+10, got 0; pass",
    ),
    "alpha -1": (lambda: LRNSpec.from_torch(5, -1.0), r"alpha must be at least 0, got -1; check its sign"),
    "alpha '1'": (lambda: LRNSpec.from_torch(5, "1"), r"alpha must be a real number, got '1' of type str"),
    "alpha 10**400": (
        lambda: LRNSpec.from_torch(5, 10**400),
        r"alpha must be finite as a float, got an int beyond",
    ),
    "beta True": (lambda: LRNSpec.from_torch(5, beta=True), r"beta must be a real number, got True of type bool"),
    "beta 1j": (lambda: LRNSpec.from_torch(5, beta=1j), r"beta must be a real number, got 1j of type complex"),
    "k -1": (lambda: LRNSpec.from_onnx(5, bias=-1.0), r"bias must be at least 0, got -1; check its sign"),
    "k 0 with alpha 0": (
        lambda: LRNSpec.from_torch(5, 0.0, k=0.0),
        r"k must be more than 0 if alpha is 0",
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
        ((), {}, "torch needs size, which has no default there; pass it, e.g. size=5"),
        ((5,), {"size": 5}, "torch takes each of size, alpha, beta, k once"),
        ((5,), {"bias": 1.0}, "torch takes size, alpha, beta, k, got bias; check the spelling"),
        ((5,), {"alpa": 1.0}, r"got alpa; did you mean alpha\?"),
        ((5, 1, 1, 1, 1), {}, "torch takes each of size, alpha, beta, k once"),
    ],
    ids=["missing", "twice", "wrong name", "misspelt name", "too many"],
)
def test_bad_arguments(args: tuple, kwargs: dict, text: str):
    with pytest.raises(ConversionError, match=text):
        LRNSpec.from_torch(*args, **kwargs)


def test_every_required_argument_is_asked_for():
    with pytest.raises(ConversionError, match=r"^openvino needs axes, .*; pass it, e.g. axes=\(1,\)"):
        LRNSpec.from_openvino()
    with pytest.raises(
        ConversionError, match=r"^tflite needs bias, which has no default there; pass it, e.g. bias=1.0"
    ):
        LRNSpec.from_tflite(2)


def test_arguments_that_say_more_than_the_four_numbers():
    assert LRNSpec.from_opencv(5, 0.5, norm_by_size=False) == LRNSpec(2, 2, 0.5, 0.75, 1.0)
    assert LRNSpec(2, 2, 0.5, 0.75, 1.0).to_opencv() == {"local_size": 5, "alpha": 2.5, "beta": 0.75, "bias": 1.0}
    assert LRNSpec(2, 2, 0.5, 0.75, 1.0).to_caffe() == {"local_size": 5, "alpha": 2.5, "beta": 0.75, "k": 1.0}
    for axes in ([2, 3], (2, 3), np.array([2, 3])):
        assert LRNSpec.from_openvino(axes, size=3, alpha=0.9).spatial == 2
    # Across channels the rank does not matter.
    for ndims in (2, 5):
        assert LRNSpec.from_onednn("lrn_across_channels", 5, 1.0, 0.75, ndims=ndims).spatial == 0


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


def test_the_page_holds_the_table_and_its_notes():
    page = (Path(__file__).parents[2] / "docs" / "definition.md").read_text(encoding="utf-8")
    assert markdown() in page, "paste localnorm.conventions.markdown() into docs/definition.md"


@pytest.mark.parametrize("name", [5, None, ""])
def test_a_framework_that_is_no_name_is_refused(name: object):
    with pytest.raises(ConversionError, match=r"framework must be one of the conventions, got (5|None|''); "):
        LRNSpec.from_framework(name)
