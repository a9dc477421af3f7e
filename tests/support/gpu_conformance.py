"""The conformance suite for the GPU kernel under Triton's interpreter: random cases and edge cases.

Run by `test_gpu.py` in a process of its own, since Triton decides when it is imported whether to interpret. What
is interpreted is the kernels' own text, in NumPy: its square roots are exact where a GPU's may err by an epsilon.
These bounds say nothing of those; `power.py` says what the documentation of PTX promises.
"""

from __future__ import annotations

from itertools import cycle, product

import numpy as np
import pytest
import torch

import triton_interpreter
from conformance import CASES, Api, Array, Case, check_forward, check_gradient
from edge_cases import EDGE_CASES, EdgeCase
from localnorm import LRNSpec
from localnorm.axes import window_axes
from localnorm.kernels.gpu import launch, tiling
from localnorm.torch import cuda
from localnorm.torch.call import Call
from localnorm.torch.traced import backward
from tensors import as_tensor, bits, random_tensor
from torch_apis import _as_array

triton_interpreter.patch()
# NumPy warns of what a GPU does silently, and of what is then done again.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

DTYPES = ("float32", "float16", "bfloat16")
SHAPES = {
    "images": ((2, 40, 5, 3), 1, "contiguous"),
    "a multiple of 16 positions": ((3, 11, 4, 8), 1, "contiguous"),
    "channels last": ((2, 24, 5, 3), 1, "channels_last"),
    "channels last, not in vectors": ((2, 11, 5, 3), 1, "channels_last"),
    "rank 2": ((5, 19), 1, "contiguous"),
    "rank 3": ((4, 13, 6), 1, "contiguous"),
    "rank 5": ((2, 11, 3, 4, 5), 1, "channels_last"),
    "transposed": ((3, 11, 4, 5), 1, "transposed"),
    "sliced": ((3, 11, 4, 5), 1, "sliced"),
    "channel axis first": ((11, 3, 4, 5), 0, "contiguous"),
}
SPECS = {
    "even": LRNSpec(2, 1, 0.7, 0.75, 1.5),
    "any beta": LRNSpec(2, 2, 0.5, 0.6, 0.3),
    "size 1": LRNSpec(0, 0, 0.7, 1.0, 0.3),
    "one-sided": LRNSpec(0, 8, 0.7, 0.5, 0.3),
    "wide": LRNSpec(9, 12, 0.5, 0.6, 1.0),
    "every channel": LRNSpec(50, 60, 0.05, 0.75, 1.0),
}


def _gpu_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    return _as_array(cuda.run_forward(as_tensor(x, dtype, layout), spec, axis % x.ndim, {}), dtype)


def _gpu_gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    tensors = as_tensor(x, dtype, layout), as_tensor(grad, dtype)
    return _as_array(cuda.run_backward(*tensors, spec, axis % x.ndim, {}).x, dtype)


GPU = Api("gpu", DTYPES, _gpu_forward, _gpu_gradient)


def _taken(x: Array, spec: LRNSpec, axis: int) -> bool:
    return (
        bool(spec.alpha)
        and not spec.spatial
        and cuda.usable(torch.empty(x.shape), spec, window_axes(spec, x.ndim, axis), {})
    )


def _check(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> None:
    check_forward(GPU, x, dtype, spec, axis, layout)
    check_gradient(GPU, x, grad, dtype, spec, axis, layout)


def _param(*values: object, core: bool, name: str | None = None) -> object:
    """Return a case that is slow unless it is of the core: interpreting takes a second and more."""
    return pytest.param(*values, id=name, marks=[] if core else [pytest.mark.slow])


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        # Every shape, and every spec with more than one shape.
        _param(name, SPECS[spec], core=(i + j) % 3 == 0, name=f"{name}-{spec}")
        for i, name in enumerate(SHAPES)
        for j, spec in enumerate(SPECS)
    ],
)
def test_shapes(name: str, spec: LRNSpec):
    shape, axis, layout = SHAPES[name]
    rng = np.random.default_rng(len(name))
    dtype = DTYPES[(len(name) + spec.size) % 3]
    _check(3 * rng.normal(size=shape), rng.normal(size=shape), dtype, spec, axis, layout)


RANDOM = [case for case in CASES if _taken(case.draw()[0], case.draw()[2], case.axis)]


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        _param(case, dtype, core=i % 36 == 0, name=f"{case}-{dtype}")
        for i, (case, dtype) in enumerate(zip(RANDOM, cycle(DTYPES)))
    ],
)
def test_random_cases(case: Case, dtype: str):
    x, grad, spec = case.draw()
    _check(x, grad, dtype, spec, case.axis, case.layout)


CORE_EDGE_CASES = {
    "even-window-low-4": "float32",
    "even-window-high-2": "bfloat16",
    "more-images-than-channels": "float16",
    "one-sided-window-beyond-channels": "float32",
    "window-65-of-192": "bfloat16",
    "every-channel-in-the-window": "float32",
    "half-rank-5": "float16",
    "rank-5-transposed": "bfloat16",
    "rank-1": "float32",
    "one-channel": "float32",
    "spike-1e5": "float32",
    "fp16-300-channels-last": "float16",
    "fp16-largest": "float16",
    "nan": "bfloat16",
    "fp32-1e30": "float32",
    "fp32-1e-25": "bfloat16",
    "fp16-subnormal-outputs": "float16",
    "alpha-100": "float32",
    "alpha-1e15": "float32",
    "beta-0": "float16",
}
"""The dtype that a edge case is met in by default."""


def _edge_cases() -> list[object]:
    return [
        _param(
            edge_case, dtype, core=CORE_EDGE_CASES.get(edge_case.name) == dtype, name=f"{edge_case.name}-{dtype}"
        )
        for edge_case in EDGE_CASES
        if _taken(edge_case.x(), edge_case.spec, edge_case.axis)
        for dtype in DTYPES
        if dtype in edge_case.dtypes
    ]


def test_the_core_is_made_of_edge_cases():
    assert {
        (edge_case.name, dtype) for edge_case in EDGE_CASES for dtype in edge_case.dtypes
    } >= CORE_EDGE_CASES.items()


@pytest.mark.parametrize(("edge_case", "dtype"), _edge_cases())
def test_edge_cases(edge_case: EdgeCase, dtype: str):
    _check(edge_case.x(), edge_case.grad(), dtype, edge_case.spec, edge_case.axis, edge_case.layout)


@pytest.mark.parametrize(
    ("spec", "layout", "value"),
    [
        _param(spec, layout, value, core=i == 0 and (j + k) % 2 == 0, name=f"{spec.size}-{layout}-{value}")
        for i, spec in enumerate((LRNSpec(2, 1, 0.7, 0.75, 1.0), LRNSpec(6, 5, 0.7, 0.75, 0.0)))
        for j, layout in enumerate(("contiguous", "channels_last"))
        for k, value in enumerate((np.nan, np.inf, 3e30))
    ],
)
def test_a_spike_stays_in_its_windows(spec: LRNSpec, layout: str, value: float):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 13, 2, 2))
    x[0, 5, 1, 1] = value
    _check(x, rng.normal(size=x.shape), "float32", spec, 1, layout)


@pytest.mark.parametrize(
    "scale", [1e-30, *(pytest.param(scale, marks=pytest.mark.slow) for scale in (1e-20, 1e25))]
)
def test_gradients_far_from_1(scale: float):
    rng = np.random.default_rng(0)
    x, grad = rng.normal(size=(2, 11, 3)), scale * rng.normal(size=(2, 11, 3))
    check_gradient(GPU, x, grad, "float32", LRNSpec(2, 1, 0.7, 2.0, 1e-3))


LEARNED = {"narrow": SPECS["even"], "size 9": LRNSpec(4, 4, 0.7, 0.6, 1.5), "wide": LRNSpec(6, 5, 0.7, 0.6, 1.5)}
CORE_LEARNED = [
    ("narrow", "contiguous", True, 1e25),
    ("narrow", "channels_last", False, 1e25),
    ("size 9", "contiguous", False, 1.0),
    ("size 9", "channels_last", True, 1.0),
    ("wide", "contiguous", True, 1.0),
]


@pytest.mark.parametrize(
    ("spec", "layout", "per_channel", "spike"),
    [
        _param(LEARNED[name], *rest, core=(name, *rest) in CORE_LEARNED, name="-".join(map(str, (name, *rest))))
        for name, *rest in product(LEARNED, ("contiguous", "channels_last"), (False, True), (1.0, 1e25))
    ],
)
def test_learned_values(layout: str, spec: LRNSpec, per_channel: bool, spike: float):
    """Beside the same arithmetic in float64.

    A term errs by up to 8 epsilons, and the sum by as much of the terms' magnitudes, of which it is at least a
    hundredth here: 8 * 1e2 * 2^-23 is 1e-4. Adding up in float64 adds nothing to that.
    """
    x = random_tensor(2, 12, 5, 5, dtype=torch.float32)
    x[1, 3, 2, 2] = spike
    x = x.contiguous(memory_format=torch.channels_last) if layout == "channels_last" else x
    grad = x.sign() + 0.1 * random_tensor(2, 12, 5, 5, dtype=torch.float32)
    count = 12 if per_channel else 1
    values = {
        name: torch.linspace(0.9, 1.1, count, dtype=torch.float64).reshape(1, -1, 1, 1) * getattr(spec, name)
        for name in ("k", "alpha", "beta")
    }
    found = cuda.run_backward(x, grad, spec, 1, values)
    want = backward(Call(x, spec, (1,), values, grad))
    torch.testing.assert_close(found.x, want.x, rtol=1e-5, atol=1e-6)
    for name in values:
        assert found.values[name].shape == values[name].shape
        torch.testing.assert_close(found.values[name], want.values[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        _param("images", SPECS["even"], core=False),
        _param("images", SPECS["wide"], core=True),
        _param("channels last", SPECS["even"], core=True),
        _param("channels last", SPECS["wide"], core=False),
    ],
)
def test_offsets_in_64_bits(name: str, spec: LRNSpec, monkeypatch: pytest.MonkeyPatch):
    """As for tensors of more than 2^31 elements, which no test has the memory for."""
    shape, axis, layout = SHAPES[name]
    x, grad = (as_tensor(random_tensor(*shape).numpy(), "float32", layout) for _ in range(2))
    want = cuda.run_forward(x, spec, axis, {}), cuda.run_backward(x, grad, spec, axis, {}).x
    monkeypatch.setattr(tiling, "_LARGEST_OFFSET", 0)
    for kept in (launch.forward, launch.backward):
        kept.cache_clear()
    got = cuda.run_forward(x, spec, axis, {}), cuda.run_backward(x, grad, spec, axis, {}).x
    for kept in (launch.forward, launch.backward):
        kept.cache_clear()
    assert [bits(y) for y in got] == [bits(y) for y in want]


def test_expanded_inputs_and_gradients():
    x = np.broadcast_to(random_tensor(1, 11, 4, 5).numpy(), (3, 11, 4, 5))
    _check(x, np.ones((3, 11, 4, 5)), "float32", SPECS["even"], 1, "expanded")
    t = random_tensor(3, 11, 4, 5, dtype=torch.float32)
    found = cuda.run_backward(t, torch.ones(()).expand(t.shape), SPECS["even"], 1, {}).x
    assert torch.equal(found, cuda.run_backward(t, torch.ones(t.shape), SPECS["even"], 1, {}).x)


def test_what_is_launched_is_worked_out_once():
    x = random_tensor(2, 12, 5, 5, dtype=torch.float32)
    for _ in range(2):
        before = [kept.cache_info().misses for kept in (launch.forward, launch.backward)]
        cuda.run_forward(x, SPECS["even"], 1, {})
        cuda.run_backward(x, x, SPECS["even"], 1, {})
    assert [kept.cache_info().misses for kept in (launch.forward, launch.backward)] == before
