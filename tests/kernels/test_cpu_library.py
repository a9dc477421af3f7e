"""The native library: conformance in every instruction set, any memory, learned values, threads, refusals."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import localnorm
from conformance import CASES, DTYPES, HALVES, check_forward, check_gradient, largest_term, ulp
from edge_cases import EDGE_CASES
from kernel_runs import ISAS, KERNEL, instruction_set, run_kernel
from localnorm import LRNSpec, reference
from localnorm.kernels import cpu
from localnorm.kernels.cpu.library import NAME, library
from localnorm.kernels.cpu.parameters import Call
from numpy_api import NUMBERS

SPEC = LRNSpec(2, 2, 0.7, 0.75, 1.5)
# Several tiles of rows; several of positions, the last one of another length; short rows; one axis.
SHAPES = {
    "rows": ((1, 12, 61, 47), 1),
    "side by side": ((1, 40, 47, 20), 3),
    "short": ((30, 9, 7), 1),
    "one axis": ((500,), 0),
}
every_shape = pytest.mark.parametrize(("shape", "axis"), SHAPES.values(), ids=SHAPES)
every_isa = pytest.mark.usefixtures("isa")
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with instruction_set(request.param, tmp_path, monkeypatch):
        yield request.param


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@every_dtype
@every_isa
def test_random_cases(dtype: str):
    for case in CASES[::7]:
        x, grad, spec = case.draw()
        check_forward(KERNEL, x, dtype, spec, case.axis, case.layout)
        check_gradient(KERNEL, x, grad, dtype, spec, case.axis, case.layout)


@every_dtype
@every_isa
def test_edge_cases(dtype: str):
    for edge_case in EDGE_CASES:
        if dtype in edge_case.dtypes:
            check_forward(KERNEL, edge_case.x(), dtype, edge_case.spec, edge_case.axis, edge_case.layout)
            check_gradient(
                KERNEL, edge_case.x(), edge_case.grad(), dtype, edge_case.spec, edge_case.axis, edge_case.layout
            )


@pytest.mark.parametrize("size", [*range(1, 10), 16, 17, 64, 65])
@pytest.mark.parametrize(("shape", "axis"), [((70, 20), 0), ((5, 70), 1), ((150,), 0)], ids=str)
@every_isa
def test_every_size(shape: tuple[int, ...], axis: int, size: int):
    """Also of equal numbers, whose sums round in one direction where they are added up one by one."""
    spec = LRNSpec(size // 2, size - 1 - size // 2, 0.7, 0.6, 1.5)
    for x in (_random(*shape), np.full(shape, 1.1)):
        check_forward(KERNEL, x, "float32", spec, axis)
        check_gradient(KERNEL, x, _random(*shape, seed=1), "float32", spec, axis)


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0, 0.6, 0.01, 1.37, 2.0, -0.5, 0.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_isa
def test_powers_at_every_magnitude(dtype: str, beta: float):
    """Each number is normalized by itself, with an s of its own, over all that the fast range holds and beyond."""
    exponents = np.random.default_rng(0).uniform(-40, 40, size=(1, 1, 2000))
    exponents[..., 1000:] /= 40
    check_forward(KERNEL, np.exp2(exponents), dtype, LRNSpec(0, 0, 1.0, beta, 1e-12))


@pytest.mark.parametrize("dtype", HALVES)
@every_isa
def test_every_half_comes_back_as_it_is(dtype: str):
    """Where beta is 0 the output is the input: what is left is to widen and to narrow."""
    halves = np.arange(2**16, dtype=np.uint16).view(NUMBERS[dtype])
    with np.errstate(invalid="ignore"):
        x = halves[np.isfinite(halves.astype(np.float64))].reshape(1, 1, -1)
    y = np.empty_like(x)
    run_kernel(cpu.FORWARD, (x, y), LRNSpec(0, 0, 2.0**-30, 0.0, 1.0))
    np.testing.assert_array_equal(y.view(np.uint16), x.view(np.uint16))


class _Memory:
    """An array in guarded memory: axes in any order, cut, mirrored, expanded, at any address."""

    def __init__(self, rng: np.random.Generator, values: np.ndarray, *, written: bool) -> None:
        rank, item = values.ndim, values.itemsize
        cuts = rng.choice([1, 1, 1, 2], size=rank)
        space = [n * cut for n, cut in zip(values.shape, cuts, strict=True)]
        order = rng.permutation(rank) if rng.random() < 0.6 else np.arange(rank)
        size = math.prod(space) * item
        self.memory = np.full(size + 256, 0xA5, np.uint8)
        start = 64 + (int(rng.integers(0, 8)) if rng.random() < 0.3 else 0)
        view = self.memory[start : start + size].view(values.dtype).reshape([space[a] for a in order])
        view = view.transpose(np.argsort(order))[tuple(slice(None, None, int(cut)) for cut in cuts)]
        view = view[tuple(slice(None, None, int(rng.choice([1, 1, 1, -1]))) for _ in space)]
        if not written and rank > 1 and rng.random() < 0.2:
            view = np.broadcast_to(view.take([0], 0), values.shape) if values.size else view
        self.seen = view
        if not written:
            if 0 not in view.strides:
                view[...] = values
            self.seen.flags.writeable = False
        self.before = self.memory.copy()

    def beside_is_clean(self) -> bool:
        """Whether nothing but the elements was written to."""
        self.seen[...] = 0
        found = self.memory.copy()
        self.memory[:] = self.before
        self.seen[...] = 0
        return np.array_equal(found, self.memory)


def _case(seed: int) -> tuple[np.random.Generator, tuple[int, ...], int, LRNSpec, str]:
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 6))
    shape = tuple(int(n) for n in rng.integers(1, [0, 200, 60, 24, 9, 6][rank], rank))
    lo, hi = (int(n) for n in rng.choice([0, 1, 2, 3, 5, 20], size=2))
    spatial = int(rng.integers(1, min(rank, 4))) if rank > 1 and rng.random() < 0.3 else 0
    if spatial:
        lo, hi = min(lo, 3), min(hi, 3)
    spec = LRNSpec(lo, hi, 0.7, float(rng.choice([0.5, 0.6, 0.75, 1.0])), 1.5, spatial=spatial)
    return rng, shape, int(rng.integers(rank)), spec, str(rng.choice(DTYPES))


@pytest.mark.parametrize("seeds", [range(i, 160, 4) for i in range(4)], ids=str)
@every_isa
def test_any_memory(seeds: range):
    for seed in seeds:
        rng, shape, axis, spec, dtype = _case(seed)
        x, grad = (_Memory(rng, rng.normal(size=shape).astype(NUMBERS[dtype]), written=False) for _ in range(2))
        want = reference.forward(x.seen.astype(np.float64), spec, axis)
        terms = largest_term(*(a.seen.astype(np.float64) for a in (x, grad)), spec, axis)
        gradient = reference.gradients(*(a.seen.astype(np.float64) for a in (x, grad)), spec, axis).x
        # The bounds of the exam.
        epsilon = np.finfo(np.float64 if dtype == "float64" else np.float32).eps
        for kind, right, size in ((cpu.FORWARD, want, np.abs(want)), (cpu.BACKWARD, gradient, terms)):
            out = _Memory(rng, np.empty(shape, NUMBERS[dtype]), written=True)
            arrays = (x.seen, out.seen, grad.seen)[: 2 + (kind == cpu.BACKWARD)]
            run_kernel(kind, arrays, spec, axis, threads=2)
            bound = 8 * epsilon * size + (ulp(right, dtype) if dtype in HALVES else 0)
            assert np.all(np.abs(out.seen.astype(np.float64) - right) <= bound + np.finfo(np.float32).tiny), seed
            assert out.beside_is_clean(), seed
        assert np.array_equal(x.memory, x.before), seed


@every_dtype
@every_shape
@every_isa
def test_in_place(shape: tuple[int, ...], axis: int, dtype: str):
    for value in (1.0, np.nan, np.inf, 1e4):
        x = _random(*shape).astype(NUMBERS[dtype])
        x[tuple(n // 2 for n in shape)] = value
        want, x_here = np.empty_like(x), x.copy()
        run_kernel(cpu.FORWARD, (x, want), SPEC, axis)
        run_kernel(cpu.FORWARD, (x_here, x_here), SPEC, axis, threads=2)
        # NumPy does not know the NaNs of bfloat16.
        np.testing.assert_array_equal(x_here.astype(np.float64), want.astype(np.float64))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, 1e25])
@every_shape
@every_isa
def test_a_spike_shows_in_no_digit_elsewhere(shape: tuple[int, ...], axis: int, value: float):
    x, grad = (_random(*shape, seed=seed).astype(np.float32) for seed in (0, 1))
    spiked = x.copy()
    at = tuple(n // 2 for n in shape)
    spiked[at] = value
    reached = [slice(n, n + 1) for n in at]
    for reach, kind in ((2, cpu.FORWARD), (4, cpu.BACKWARD)):
        reached[axis] = slice(max(at[axis] - reach, 0), at[axis] + reach + 1)
        found = [np.empty_like(x) for _ in range(2)]
        for one, out in zip((x, spiked), found, strict=True):
            run_kernel(kind, (one, out, grad)[: 2 + (kind == cpu.BACKWARD)], SPEC, axis)
        beyond = np.ones(shape, bool)
        beyond[tuple(reached)] = False
        np.testing.assert_array_equal(found[0][beyond], found[1][beyond])


@pytest.mark.sampled(0.25, "isa", "spike per_channel")
@pytest.mark.parametrize("spike", [1.0, 1e25], ids=["ordinary", "out of range"])
@pytest.mark.parametrize("per_channel", [False, True])
@every_shape
@every_isa
def test_learned_values(shape: tuple[int, ...], axis: int, per_channel: bool, spike: float):
    _check_learned(shape, axis, SPEC, per_channel, spike)


def test_within_a_channel_of_many(isa: str):  # noqa: ARG001
    """Channels side by side, cut where the last part is another than the first."""
    x, grad = _random(1, 4, 30, 403), _random(1, 4, 30, 403, seed=1)
    check_forward(KERNEL, x, "float32", replace(SPEC, spatial=2), 3)
    check_gradient(KERNEL, x, grad, "float32", replace(SPEC, spatial=2), 3)


@pytest.mark.parametrize("axis", [1, 3])
@pytest.mark.parametrize("per_channel", [False, True])
@every_isa
def test_learned_values_within_a_channel(axis: int, per_channel: bool):
    _check_learned((2, 5, 20, 4), axis, replace(SPEC, spatial=2), per_channel, 1.0)


def _check_learned(shape: tuple[int, ...], axis: int, spec: LRNSpec, per_channel: bool, spike: float) -> None:
    x, grad = (_random(*shape, seed=seed).astype(np.float32) for seed in (0, 1))
    x.flat[7] *= spike
    channels = shape[axis]
    values = [
        np.resize(numbers, channels if per_channel else 1)
        for numbers in ([1.5, 1.0, 2.0], [0.7, 0.3], [0.75, 0.6, 1.2, 0.5])
    ]
    out, outs = np.empty_like(x), []
    kept = {}
    for threads in (1, 2, 5):
        kept[threads] = run_kernel(
            cpu.BACKWARD,
            (x, out, grad),
            spec,
            axis,
            learned=True,
            threads=threads,
            values=_of(values, per_channel),
        )
        outs.append(out.copy())
    for other in (2, 5):
        np.testing.assert_array_equal(kept[1], kept[other])
        np.testing.assert_array_equal(outs[0], outs[1 if other == 2 else 2])
    # The gradient is linear in that of the output: each channel's own part, with its own values.
    wanted, size, terms = np.zeros(shape), np.zeros(shape), np.zeros((len(values[0]), 3))
    bounds = np.zeros_like(terms)
    for channel in range(len(values[0])):
        here = replace(spec, **{n: float(v[channel]) for n, v in zip(("k", "alpha", "beta"), values, strict=True)})
        part = grad.astype(np.float64)
        if per_channel:
            part = np.where(np.indices(shape)[axis] == channel, part, 0.0)
        found = reference.gradients(x, part, here, axis)
        wanted += found.x
        size += largest_term(x.astype(np.float64), part, here, axis)
        terms[channel] = found.k, found.alpha, found.beta
        absolute = reference.gradients(np.abs(x), np.abs(part), here, axis)
        # log(s), the factor of the terms of beta, may be 0 where it is small; it errs by an epsilon of 1.
        y = np.abs(reference.forward(x, here, axis) * part).sum()
        bounds[channel] = abs(absolute.k), abs(absolute.alpha), abs(absolute.beta) + 60 * y
    assert np.all(np.abs(outs[0] - wanted) <= 8 * 2.0**-23 * size + 1e-37)
    # Eight epsilons of the sum of the absolute terms.
    assert np.all(np.abs(kept[1] - terms) <= 8 * 2.0**-23 * bounds + 1e-37)


def _of(values: list[np.ndarray], per_channel: bool) -> list[np.ndarray] | None:
    if per_channel:
        return values
    # What a spec holds once: the first of each.
    assert [float(v[0]) for v in values] == [SPEC.k, SPEC.alpha, SPEC.beta]
    return None


@every_shape
def test_the_number_of_threads_shows_in_no_digit(shape: tuple[int, ...], axis: int):
    x = _random(*shape).astype(np.float32)
    found = []
    for threads in (1, 2, 3, 7):
        y = np.empty_like(x)
        run_kernel(cpu.FORWARD, (x, y), SPEC, axis, threads=threads)
        found.append(y)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("struct_size", 8, -1),
        ("abi", 99, -2),
        ("flags", 1, -3),
        ("rank", 65, -4),
        ("dtype", 9, -4),
        ("window_axes", 8, -4),
        ("lo", -1, -4),
        ("value_axis", 2, -4),
    ],
)
def test_another_struct_is_refused(field: str, value: int, status: int):
    made = cpu.of_spec(cpu.FORWARD, "float32", (2, 3), (1,), SPEC, False, (12, 4), (12, 4))
    call = Call.from_buffer_copy(made._call)
    assert library().tiles(ctypes.byref(call)) == 1
    setattr(call, field, value)
    assert library().tiles(ctypes.byref(call)) == status
    assert library().run(ctypes.byref(call), 0, 1) == status


def test_the_struct_has_the_size_of_the_header():
    """A library that was built from the header takes it: the size, and the offset of the last field it knows."""
    made = cpu.of_spec(cpu.FORWARD, "float32", (2, 3), (1,), SPEC, False, (12, 4), (12, 4))
    call = Call.from_buffer_copy(made._call)
    call.reserved[7] = 1
    assert library().tiles(ctypes.byref(call)) == -3


def test_values_out_of_range_are_refused():
    with pytest.raises(RuntimeError, match=r"native library refuses: an argument is out of range"):
        cpu.Pass(
            cpu.FORWARD,
            "float32",
            (2, 3),
            (1,),
            (1, 1),
            [(12, 4)] * 2,
            [np.array([v]) for v in (1.0, math.nan, 1.0)],
        )


RIGHT = """
import warnings
import numpy as np, localnorm
from localnorm import LRNSpec, reference
x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
spec = LRNSpec.from_torch(3, alpha=0.7)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for _ in range(2):
        np.testing.assert_allclose(localnorm.local_response_norm(x, spec), reference.forward(x, spec), rtol=1e-6)
print(len(said), *(one.message for one in said))
"""


def _run(source: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", RIGHT],
        env={**os.environ, "PYTHONPATH": str(source), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _copy(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", NAME, "lab")
    shutil.copytree(Path(localnorm.__file__).parent, folder / "localnorm", ignore=ignored)
    return folder / "localnorm" / "kernels" / "cpu" / NAME


def test_without_the_library_it_says_so_once_and_is_right(tmp_path: Path):
    _copy(tmp_path)
    said = _run(tmp_path)
    assert said.startswith("1 localnorm's native library can't be loaded here")
    assert "C++ compiler" in said


def test_a_damaged_library_is_no_error(tmp_path: Path):
    _copy(tmp_path).write_bytes(b"no library")
    assert _run(tmp_path).startswith("1 localnorm's native library can't be loaded here")


def test_from_a_zip_archive(tmp_path: Path):
    folder = tmp_path / "unpacked"
    shutil.copy(Path(cpu.__file__).parent / NAME, _copy(folder))
    with zipfile.ZipFile(tmp_path / "localnorm.zip", "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    assert _run(tmp_path / "localnorm.zip") == "0"
