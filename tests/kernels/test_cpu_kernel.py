"""The compiled CPU kernel on arrays of many tiles: the exam, what it leaves, in place, learned values, threads."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

import localnorm
from array_apis import NUMBERS
from conformance import DTYPES, check_forward, check_gradient
from localnorm import LRNSpec, reference
from localnorm.torch import LocalResponseNorm, local_response_norm
from localnorm.torch.array_ops import backward
from localnorm.torch.call import Call
from localnorm.torch.functional import apply_spec
from tensors import random_tensor
from torch_apis import APIS

TORCH = APIS[0]
# Many tiles of rows; many of positions; rows too short for a vector; one long axis.
SHAPES = {
    "rows": ((2, 24, 37, 29), 1),
    "side by side": ((3, 40, 19, 24), 3),
    "short": ((50, 20, 7), 1),
    "long": ((7, 900), 0),
}
SIZES = (*range(1, 10), 16, 17, 65)
every_shape = pytest.mark.parametrize(("shape", "axis"), SHAPES.values(), ids=SHAPES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def _spec(size: int, beta: float = 0.75) -> LRNSpec:
    return LRNSpec(size // 2, size - 1 - size // 2, 0.7, beta, 1.5)


@pytest.mark.parametrize("size", SIZES)
@every_shape
def test_the_exam_for_every_size(shape: tuple[int, ...], axis: int, size: int):
    x, grad = _random(*shape), _random(*shape, seed=1)
    check_forward(TORCH, x, "float32", _spec(size, 0.6), axis)
    check_gradient(TORCH, x, grad, "float32", _spec(size, 0.6), axis)


@every_dtype
@every_shape
def test_the_exam_for_every_dtype(shape: tuple[int, ...], axis: int, dtype: str):
    x, grad = 3 * _random(*shape), _random(*shape, seed=1)
    for layout in ("contiguous", "transposed", "offset"):
        check_forward(TORCH, x, dtype, _spec(5), axis, layout)
        check_gradient(TORCH, x, grad, dtype, _spec(12), axis, layout)


@pytest.mark.parametrize(
    "spec",
    [
        LRNSpec(2, 2, 0.7, 2.5, 1.5),
        LRNSpec(2, 2, 1e-20, 0.75, 1.5),
        LRNSpec(2, 2, 1e20, 0.75, 1.5),
        LRNSpec(2, 2, 0.7, 0.75, 1e30),
    ],
    ids=["beta", "small alpha", "large alpha", "large k"],
)
def test_what_is_beyond_the_fast_range_is_done_all_the_same(spec: LRNSpec):
    check_forward(TORCH, _random(3, 20, 7, 5), "float32", spec)


@pytest.mark.parametrize("k", [0.0, 1e-30, 1e-8])
@every_shape
def test_a_k_that_keeps_no_sum_in_range(shape: tuple[int, ...], axis: int, k: float):
    x = _random(*shape)
    x.flat[:40] *= 1e-25
    check_forward(TORCH, x, "float32", LRNSpec(1, 2, 0.7, 0.75, k), axis)
    check_gradient(TORCH, x, _random(*shape, seed=1), "float32", LRNSpec(1, 2, 0.7, 0.75, k), axis)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_gradients_far_from_one(scale: float):
    x, grad = _random(2, 24, 31, 17), scale * _random(2, 24, 31, 17, seed=1)
    check_gradient(TORCH, x, grad, "float32", _spec(5))


@pytest.mark.parametrize("spike", [1.0, 1e25], ids=["ordinary", "left"])
@pytest.mark.parametrize("per_channel", [False, True])
@every_shape
def test_learned_values(shape: tuple[int, ...], axis: int, per_channel: bool, spike: float):
    layer = LocalResponseNorm.from_spec(
        _spec(5), dim=axis, learnable=True, per_channel=per_channel, num_channels=shape[axis]
    )
    x, grad = torch.from_numpy(_random(*shape)).float(), torch.from_numpy(_random(*shape, seed=1)).float()
    x.view(-1)[7] *= spike
    x.requires_grad_()
    learned = layer.learned()
    got = torch.autograd.grad(layer(x), [x, *layer.parameters()], grad)
    shaped = {n: v.reshape([-1 if a == axis else 1 for a in range(x.ndim)]).detach() for n, v in learned.items()}
    want = backward(Call(x.detach(), layer.spec, (axis,), shaped, grad))
    torch.testing.assert_close(got[0], want.x, rtol=2e-6, atol=2e-6)
    terms = backward(Call(x.detach().abs(), layer.spec, (axis,), shaped, grad.abs()))
    for name, found in zip(learned, got[1:], strict=True):
        # Eight epsilons of the sum of the absolute terms; log(s), the factor of those of beta, may be 0 there.
        size = terms.values[name].abs().flatten() + 120.0 * (name == "beta")
        wanted = (want.values[name] * shaped[name]).flatten().float()
        apart = (found.flatten() - wanted).abs() / (1e-6 * size * shaped[name].flatten()).float()
        assert apart.max() <= 1, name


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
@pytest.mark.parametrize("other", ["contiguous", "channels last", "expanded"])
def test_x_and_gradient_in_other_layouts(layout: str, other: str):
    memory = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
    plain, grad = random_tensor(3, 20, 9, 31, dtype=torch.float32), random_tensor(3, 20, 9, 31).flip(0).float()
    grad = grad[:1].expand(3, 20, 9, 31) if other == "expanded" else grad.contiguous(memory_format=memory[other])
    x = plain.contiguous(memory_format=memory[layout]).detach().requires_grad_()
    (found,) = torch.autograd.grad(apply_spec(x, _spec(5), 1, inplace=False), x, grad)
    want = reference.gradients(plain.double().numpy(), grad.double().numpy(), _spec(5)).x
    assert found.stride() == x.stride()
    # As the exam: a few epsilons of the largest term, which is of the order of 1 here.
    np.testing.assert_allclose(found.numpy(), want, rtol=0, atol=2e-6)


@every_shape
def test_the_number_of_threads_shows_in_no_digit(
    shape: tuple[int, ...], axis: int, monkeypatch: pytest.MonkeyPatch
):
    before, found = torch.get_num_threads(), []
    layer = LocalResponseNorm.from_spec(_spec(5), dim=axis, learnable=True)
    x, grad = (torch.from_numpy(_random(*shape, seed=s)).float() for s in (0, 1))
    x.requires_grad_()
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
            y = layer(x)
            numpy = torch.from_numpy(localnorm.local_response_norm(x.detach().numpy(), _spec(5), axis))
            found.append([y.detach(), *torch.autograd.grad(y, [x, *layer.parameters()], grad), numpy])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


def test_autograd_keeps_the_input_alone():
    kept = []
    x = random_tensor(2, 24, 31, 17, dtype=torch.float32, grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        local_response_norm(x, 5)
    assert [tensor.data_ptr() for tensor in kept] == [x.data_ptr()]


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_that_numpy_sees_in_its_own_ways(dtype: str):
    """Unaligned, of the other byte order, backwards, and a field whose stride is no multiple of its size."""
    plain = _random(3, 20, 9, 4).astype(NUMBERS[dtype])
    want = localnorm.local_response_norm(plain, _spec(5))
    normalize = partial(localnorm.local_response_norm, spec=_spec(5))
    np.testing.assert_array_equal(normalize(plain[:, :, ::-1])[:, :, ::-1], want)
    raw = np.zeros(plain.nbytes + 1, np.uint8)[1:].view(NUMBERS[dtype]).reshape(plain.shape)
    raw[...] = plain
    # Other memory is computed in float64 and rounded once: within the bound of the exam.
    close = partial(np.testing.assert_allclose, rtol=8 * float(np.spacing(NUMBERS[dtype].type(1))), atol=1e-7)
    close(normalize(raw).astype(float), want.astype(float))
    if dtype != "bfloat16":
        close(normalize(plain.astype(plain.dtype.newbyteorder())).astype(float), want.astype(float))
        fields = np.zeros(plain.shape, [("x", NUMBERS[dtype]), ("odd", np.uint8)])
        fields["x"] = plain
        close(normalize(fields["x"]).astype(float), want.astype(float))


@pytest.mark.slow
def test_more_elements_than_32_bits_count():
    x = torch.zeros((2, 64, 4100, 4100), dtype=torch.bfloat16)
    assert x.numel() > 2**31
    ends = [(n, slice(None), rows, slice(0, 8)) for n in (0, 1) for rows in (slice(0, 3), slice(4097, 4100))]
    for end in ends:
        x[end] = random_tensor(64, 3, 8, dtype=torch.bfloat16)
    wanted = [reference.forward(x[end].double().numpy(), _spec(5), 0) for end in ends]
    local = apply_spec(x, _spec(5), 1, inplace=True)
    for end, want in zip(ends, wanted, strict=True):
        # Half a unit in the last place of bfloat16.
        np.testing.assert_allclose(local[end].double().numpy(), want, rtol=2.0**-8)
