"""The torch API under what a user switches on around a model: autocast, determinism, threads, fake tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from localnorm import LRNSpec, reference
from localnorm.learnable import NAMES
from localnorm.torch import LocalResponseNorm, local_response_norm
from tensors import DTYPES, bits, random_tensor

LAYER = LocalResponseNorm(4, alpha=0.7)


def _operator(x: torch.Tensor) -> torch.Tensor:
    spec = LAYER.spec
    return torch.ops.localnorm.local_response_norm(
        x, None, None, None, spec.lo, spec.hi, spec.alpha, spec.beta, spec.k, 0, [1]
    )


def _compiled(x: torch.Tensor) -> torch.Tensor:
    torch.compiler.reset()
    return torch.compile(LAYER, backend="aot_eager", fullgraph=True)(x)


ENTRIES = {
    "function": lambda x: local_response_norm(x, 4, alpha=0.7),
    "module": LAYER,
    "operator": _operator,
    "compiled": _compiled,
}


@pytest.mark.parametrize("autocast", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ENTRIES)
def test_autocast_changes_nothing(entry: str, dtype: torch.dtype, autocast: torch.dtype):
    """The input's dtype stays, and the arithmetic is as wide as it always is: not one digit is another."""
    x, grad = (random_tensor(3, 9, 2, dtype=dtype) for _ in range(2))
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", autocast, enabled=enabled):
            leaf = x.clone().requires_grad_()
            y = ENTRIES[entry](leaf)
        found.append((y, *torch.autograd.grad(y, leaf, grad)))
        assert {t.dtype for t in found[-1]} == {dtype}
    for plain, cast in zip(*found, strict=True):
        assert torch.equal(plain, cast)


def test_autocast_within_a_network():
    """Behind a convolution in bfloat16, a learned layer gives bfloat16, and float32 parameters their gradients."""
    conv, layer = torch.nn.Conv2d(3, 9, 3), LocalResponseNorm(4, alpha=0.7, learnable=True)
    x = random_tensor(2, 3, 6, 5, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        between = conv(x)
        y = layer(between)
    assert (between.dtype, y.dtype) == (torch.bfloat16,) * 2
    want = torch.from_numpy(reference.forward(between.detach().double().numpy(), layer.spec))
    # One rounding to bfloat16, half of 2^-7; that of the arithmetic is a thousand times less.
    torch.testing.assert_close(y.double(), want, rtol=2**-8 + 2**-16, atol=0)
    y.float().square().sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.abs().sum() > 0 for p in layer.parameters())
    assert conv.weight.grad.dtype == torch.float32


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("learned", ["fixed", "shared", "a channel"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_run_gives_the_same_digits(dtype: torch.dtype, learned: str, threads: Callable[[int], None]):
    """Twice, and on one, two and three threads; large enough that the work is divided, with a spike in it."""
    arguments = {"learnable": learned != "fixed", "per_channel": learned == "a channel", "num_channels": 17}
    layer = LocalResponseNorm(4, alpha=0.7, **arguments)
    x = random_tensor(6, 17, 40, 41, dtype=dtype).requires_grad_()
    with torch.no_grad():
        x[2, 5, 3, 4] = torch.finfo(dtype).max / 4
    found = []
    for count in (2, 2, 1, 3):
        threads(count)
        y = layer(x)
        found.append(
            [bits(t.reshape(-1)) for t in (y, *torch.autograd.grad(y, [x, *layer.parameters()], x.detach()))]
        )
    assert all(run == found[0] for run in found)


@pytest.mark.parametrize("learned", [False, True])
def test_fake_tensors(learned: bool):
    """Shapes, dtypes and strides of a step of training, with no values and no memory."""
    x = random_tensor(3, 9, 5, 4, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    with FakeTensorMode() as mode:
        layer = LocalResponseNorm(4, alpha=0.7, learnable=learned)
        leaf = mode.from_tensor(x).requires_grad_()
        y = layer(leaf)
        y.sum().backward()
    for fake in (y, leaf.grad):
        assert (fake.shape, fake.dtype, fake.stride()) == (x.shape, x.dtype, x.stride())
    assert [p.grad.shape for p in layer.parameters()] == [(1,)] * (len(NAMES) if learned else 0)


def test_a_gradient_of_the_compiled_kernel_is_the_same_with_a_graph_of_it():
    x = random_tensor(3, 9, 5, dtype=torch.float32, grad=True)
    spec = LRNSpec.from_torch(4, alpha=0.7)
    grad = random_tensor(3, 9, 5, dtype=torch.float32).flip(0)
    plain, twice = (
        torch.autograd.grad(local_response_norm(x, 4, alpha=0.7), x, grad, create_graph=again)[0]
        for again in (False, True)
    )
    assert torch.equal(plain, twice)
    want = reference.gradients(x.detach().numpy(), grad.numpy(), spec).x
    # Eight epsilons of float32, of a sum whose terms are below 4.
    np.testing.assert_allclose(plain.numpy(), want, rtol=1e-6, atol=4e-6)
