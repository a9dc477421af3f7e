"""The GPU kernel without a GPU: conformance in another process, its tiling, and when the torch API uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from localnorm import LRNSpec
from localnorm.errors import DeviceError
from localnorm.kernels import available, gpu
from localnorm.kernels.gpu.tiling import tile_work, values_in_range
from localnorm.kernels.layout import layout
from localnorm.torch import LocalResponseNorm, call, cuda, dispatch
from localnorm.torch.call import Call
from tensors import random_tensor

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
    """Run the conformance suites under Triton's interpreter, which must be chosen before Triton is imported."""
    command = [sys.executable, "-m", "pytest", *map(str, CONFORMANCE), "-q", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "LOCALNORM_GPU": "1"}
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=SUPPORT.parents[1]
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.slow
def test_conformance_under_the_interpreter():
    _interpreted()


@pytest.mark.slow
def test_the_rest_of_conformance_under_the_interpreter():
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
    for (lo, hi), itemsize, backward, per_channel in product(WINDOWS, (2, 4), (False, True), (False, True)):
        window = [min(reach, found.channels - 1) for reach in (lo, hi)]
        got = tile_work(found, *window, itemsize, 132, backward=backward, per_channel=per_channel)
        tiles, blocks = got.grid
        units = count * -(-found.channels // got.chunk) if got.kind == "channels_last" else count
        assert (tiles - 1) * got.tile < units <= tiles * got.tile
        assert (blocks - 1) * got.block < found.channels <= blocks * got.block
        assert blocks < 2**16
        assert not (per_channel and got.kind == "channels_last"), "channels last, all channels share the values"
        assert (got.kind == "wide") == (sum(window) >= 9)
        # Where the two blocks of a wide window met, what is between them would count twice.
        assert got.kind != "wide" or got.chunk <= sum(window)


def test_offsets_beyond_32_bits_are_noticed():
    small, large = (layout((n, 64, 128, 128), 1, (2**20, 2**14, 128, 1)) for n in (1024, 4096))
    assert [tile_work(found, 2, 2, 4, 132).long for found in (small, large)] == [False, True]


def test_small_inputs_are_cut_into_blocks_of_channels():
    found = layout((2, 256, 8, 8), 1, (16384, 64, 8, 1))
    assert tile_work(found, 2, 2, 4, 132).grid == (1, 16)


def test_values_beyond_float64_are_not_taken():
    assert values_in_range(LRNSpec(2, 2, 1e-4, 0.75, 0.0), (), 8)
    assert not values_in_range(LRNSpec(2, 2, 1e-200, 0.75, 1.0), (), 8)
    assert values_in_range(LRNSpec(2, 2, 1e-200, 0.75, 1.0), ("alpha",), 8)
    assert not values_in_range(LRNSpec(2, 2, 1e-4, 200.0, 1.0), (), 8)
    assert not values_in_range(LRNSpec(2, 2, 1e-4, 0.75, 1.0), (), 2**19 + 1)


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


@pytest.fixture
def fresh_choice() -> Iterator[None]:
    """Let the choice of the kernel be made anew, and forget it afterwards."""
    available.gpu_kernel.cache_clear()
    yield
    available.gpu_kernel.cache_clear()


@pytest.mark.usefixtures("fresh_choice")
def test_the_kernel_is_off_by_default_and_warns_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LOCALNORM_GPU", raising=False)
    with pytest.warns(RuntimeWarning, match=r"has never run on a GPU; set .* LOCALNORM_GPU=1 to use it"):
        assert not cuda.enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not cuda.enabled()


@pytest.mark.usefixtures("fresh_choice")
def test_the_kernel_can_be_turned_off_silently(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCALNORM_GPU", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not cuda.enabled()


@pytest.mark.usefixtures("fresh_choice")
def test_without_triton_it_warns_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOCALNORM_GPU", "1")
    monkeypatch.setitem(sys.modules, "localnorm.kernels.gpu.launch", None)
    monkeypatch.delattr(gpu, "launch", raising=False)
    with pytest.warns(RuntimeWarning, match=r"needs Triton.*localnorm\[gpu\]"):
        assert not cuda.enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not cuda.enabled()


@pytest.mark.usefixtures("fresh_choice")
@pytest.mark.parametrize("setting", ["0", "1"])
def test_the_path_of_cuda_tensors(setting: str, monkeypatch: pytest.MonkeyPatch):
    """On tensors without memory; the question whether they have some is answered for them."""
    monkeypatch.setenv("LOCALNORM_GPU", setting)
    monkeypatch.setattr(call, "in_memory", lambda _: True)
    with FakeTensorMode():
        x = torch.empty(2, 8, 4, device="cuda")
    paths = [dispatch._first(dispatch.TABLE, Call(t, LRNSpec.from_torch(5), (1,), {})) for t in (x, x.double())]
    fallback = "operations that read no value"
    assert [path.name for path in paths] == ["CUDA kernel" if setting == "1" else fallback, fallback]


def test_learned_values_on_another_device_are_refused():
    layer = LocalResponseNorm(5, learnable=True)
    with pytest.raises(
        DeviceError, match=r"one device, got meta and cpu; move the module, e\.g\. module\.to\('meta'\)"
    ):
        layer(torch.empty(2, 8, 4, 4, device="meta"))
