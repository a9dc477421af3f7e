"""The GPU kernel without a GPU: its exam in another process, its plans, and what the torch API does with it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from itertools import product
from pathlib import Path

import pytest
import torch

from localnorm import LRNSpec
from localnorm.errors import DeviceError
from localnorm.kernels import available, gpu
from localnorm.kernels.gpu.tiling import plan, takes
from localnorm.kernels.layout import layout
from localnorm.torch import LocalResponseNorm, cuda
from tensors import normalized, random_tensor

SUPPORT = Path(__file__).parents[1] / "support"
CONFORMANCE = [SUPPORT / name for name in ("gpu_conformance.py", "gpu_operator_conformance.py")]
SHAPES = [
    (256, 96, 55, 55),
    (8, 32, 16, 16),
    (1, 1, 1, 1),
    (3, 100_000, 1, 1),
    (64, 2048, 7, 7),
    (2, 7, 1, 40_000),
]
WINDOWS = [(0, 0), (2, 2), (0, 8), (4, 5), (32, 32), (1000, 1000)]


def _interpreted(*options: str) -> None:
    """Run the exams under Triton's interpreter, which must be chosen before Triton is imported."""
    command = [sys.executable, "-m", "pytest", *map(str, CONFORMANCE), "-q", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=SUPPORT.parents[1]
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_the_exam_under_the_interpreter():
    _interpreted()


@pytest.mark.slow
def test_the_rest_of_the_exam_under_the_interpreter():
    _interpreted("-m", "slow")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_programs_cover_every_element(shape: tuple[int, ...], order: tuple[int, ...]):
    steps, step = [0] * 4, 1
    for axis in reversed(order):
        steps[axis] = step
        step *= shape[axis]
    found = layout(shape, 1, steps)
    count = found.elements // found.channels
    for (lo, hi), itemsize, backward, own in product(WINDOWS, (2, 4), (False, True), (False, True)):
        window = [min(reach, found.channels - 1) for reach in (lo, hi)]
        got = plan(found, *window, itemsize, 132, backward=backward, own=own)
        tiles, blocks = got.grid
        units = count * -(-found.channels // got.chunk) if got.kind == "side" else count
        assert (tiles - 1) * got.tile < units <= tiles * got.tile
        assert (blocks - 1) * got.block < found.channels <= blocks * got.block
        assert blocks < 2**16
        assert not (own and got.kind == "side"), "what lies side by side has values in common"
        assert (got.kind == "wide") == (sum(window) >= 9)
        # Where the two blocks of a wide window met, what is between them would count twice.
        assert got.kind != "wide" or got.chunk <= sum(window)


def test_offsets_beyond_32_bits_are_noticed():
    small, large = (layout((n, 64, 128, 128), 1, (2**20, 2**14, 128, 1)) for n in (1024, 4096))
    assert [plan(found, 2, 2, 4, 132).long for found in (small, large)] == [False, True]


def test_small_inputs_are_cut_into_blocks_of_channels():
    found = layout((2, 256, 8, 8), 1, (16384, 64, 8, 1))
    assert plan(found, 2, 2, 4, 132).grid == (1, 16)


def test_values_beyond_float64_are_not_taken():
    assert takes(LRNSpec(2, 2, 1e-4, 0.75, 0.0), (), 8)
    assert not takes(LRNSpec(2, 2, 1e-200, 0.75, 1.0), (), 8)
    assert takes(LRNSpec(2, 2, 1e-200, 0.75, 1.0), ("alpha",), 8)
    assert not takes(LRNSpec(2, 2, 1e-4, 200.0, 1.0), (), 8)
    assert not takes(LRNSpec(2, 2, 1e-4, 0.75, 1.0), (), 2**19 + 1)


def test_more_axes_than_the_kernel_counts_are_not_taken():
    spec = LRNSpec(2, 2, 1e-4, 0.75, 1.0)
    assert cuda.usable(torch.empty(2, 8, 2, 2, 2, 2), spec, (1,), {})
    assert not cuda.usable(torch.empty(3, 8, 5, 5, 5, 5)[:, :, ::2, ::2, ::2, ::2], spec, (1,), {})


def test_what_the_kernel_does_not_take():
    x = random_tensor(2, 8, 4, dtype=torch.float32)
    spec = LRNSpec(2, 2, 1e-4, 0.75, 1.0)
    assert cuda.usable(x, spec, (1,), {})
    assert not cuda.usable(x.double(), spec, (1,), {})
    assert not cuda.usable(x[:0], spec, (1,), {})
    assert not cuda.usable(x, spec, (1, 2), {})


def test_without_triton_the_portable_arithmetic_does_it_and_says_so_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "localnorm.kernels.gpu.launch", None)
    monkeypatch.delattr(gpu, "launch", raising=False)
    available.gpu_kernel.cache_clear()
    x, spec = random_tensor(2, 8, 4), LRNSpec(2, 1, 0.7, 0.75, 1.5)
    try:
        with pytest.warns(RuntimeWarning, match=r"needs Triton.*localnorm\[gpu\]"):
            y = cuda.forward(x, spec, (1,), {})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            grad_x = cuda.backward(x, x, spec, (1,), {}).x
    finally:
        available.gpu_kernel.cache_clear()
    torch.testing.assert_close(y, normalized(x))
    leaf = x.clone().requires_grad_()
    torch.testing.assert_close(grad_x, torch.autograd.grad(normalized(leaf), leaf, x)[0])


def test_learned_values_on_another_device_are_refused():
    layer = LocalResponseNorm(5, learnable=True)
    with pytest.raises(
        DeviceError, match=r"one device, got meta and cpu; move the module, e\.g\. module\.to\('meta'\)"
    ):
        layer(torch.empty(2, 8, 4, 4, device="meta"))
