"""The torch API and autograd: what is kept, derivatives of every order, graphs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from conformance import stored
from localnorm import LRNSpec, reference
from localnorm.torch import LocalResponseNorm
from localnorm.torch.call import Call
from localnorm.torch.functional import apply_spec
from localnorm.torch.traced import with_gradient
from tensors import DTYPES, NARROW, WIDE, bits, gradient, normalized, random_tensor


@pytest.mark.parametrize("spec", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_only_the_input_is_kept_for_backward(spec: LRNSpec, dtype: torch.dtype):
    kept = []
    x = random_tensor(2, 20, 3, dtype=dtype, grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        normalized(x, spec)
    assert [(t.data_ptr(), t.shape, t.dtype) for t in kept] == [(x.data_ptr(), x.shape, x.dtype)]


@pytest.mark.parametrize("spec", [NARROW, WIDE, LRNSpec(1, 1, 0.0, 0.75, 2.0)], ids=["narrow", "wide", "alpha 0"])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_first_and_second_derivatives(spec: LRNSpec, dim: int):
    x = random_tensor(3, 4, 5, grad=True)
    assert gradcheck(lambda x: normalized(x, spec, dim), x)
    assert gradgradcheck(lambda x: normalized(x, spec, dim), x)


@pytest.mark.parametrize("scale", [1.0, 1e200])
def test_func_grad(scale: float):
    x = scale * random_tensor(3, 5)
    weights = torch.linspace(-1, 1, 15, dtype=x.dtype).reshape(3, 5)
    got = torch.func.grad(lambda x: (weights * normalized(x)).sum())(x)
    want = reference.gradients(x.numpy(), weights.numpy(), NARROW).x
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nan_stays_where_windows_are_scaled_up(value: float):
    """Without k, float64 squares are also summed scaled up, and there too a NaN must not get lost."""
    spec, x = LRNSpec(2, 1, 0.7, 0.75, 0.0), random_tensor(2, 12)
    x[0, 5], x[1] = value, x[1] * 1e-200
    want = reference.forward(x.numpy(), spec)
    for compute in (apply_spec, lambda x, spec, dim, inplace: with_gradient(Call(x, spec, (dim,), {}))):  # noqa: ARG005
        leaf = x.clone().requires_grad_()
        y = compute(leaf, spec, 1, inplace=False)
        np.testing.assert_allclose(y.detach().numpy(), want, rtol=1e-14)
        (grad,) = torch.autograd.grad(y.sum(), leaf)
        want_grad = reference.gradients(x.numpy(), np.ones(x.shape), spec).x
        np.testing.assert_array_equal(grad.isnan().numpy(), np.isnan(want_grad))


def test_func_grad_of_a_learned_module():
    layer, x = LocalResponseNorm(5, 0.7, learnable=True), random_tensor(3, 7)
    parameters = dict(layer.named_parameters())
    got = torch.func.grad(lambda p: torch.func.functional_call(layer, p, (x,)).square().sum())(parameters)
    want = torch.autograd.grad(layer(x).square().sum(), list(parameters.values()))
    torch.testing.assert_close(list(got.values()), list(want))


def test_backward_twice_and_with_other_gradients():
    x = random_tensor(3, 6, 4, dtype=torch.float32, grad=True)
    y = normalized(x)
    y.backward(torch.ones_like(y), retain_graph=True)
    first, x.grad = x.grad, None
    y.sum().backward()  # the gradient of a sum is expanded from one element
    assert torch.equal(x.grad, first)
    want = torch.from_numpy(reference.gradients(x.detach().numpy(), np.ones(x.shape), NARROW).x)
    torch.testing.assert_close(first.double(), want, rtol=0, atol=2e-6)


@pytest.mark.parametrize("grad_dtype", DTYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradient_of_another_dtype(dtype: torch.dtype, grad_dtype: torch.dtype):
    x, grad = random_tensor(3, 6, 4, dtype=dtype), random_tensor(3, 6, 4).flip(0).to(torch.bfloat16)
    got = gradient(x, grad.to(grad_dtype))
    assert got.dtype == dtype
    assert torch.equal(got, gradient(x, grad.to(dtype))), "bfloat16 values, the same in every dtype"


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "sliced"])
def test_inputs_are_not_written_to(layout: str):
    memory, shape, strides, offset = stored(np.random.default_rng(0).normal(size=(2, 6, 3, 4)), layout)
    memory = torch.from_numpy(memory)
    before = bits(memory)
    x = memory.as_strided(shape, strides, offset)
    grad = x.detach().clone()
    grad_before = bits(grad)
    leaf = x.detach().requires_grad_()
    normalized(leaf).backward(grad)
    assert (bits(memory), bits(grad)) == (before, grad_before)


def test_graphs_without_values():
    """Traced as torch.compile and torch.export trace it, and run by torch itself."""
    layer, x = LocalResponseNorm(5, 0.7), random_tensor(2, 9, 4, dtype=torch.float32)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x), rtol=1e-6, atol=0)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), layer(x), rtol=1e-6, atol=0)
