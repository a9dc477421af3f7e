"""The torch API beyond the conformance suite: a torch layer's guarantees, memory formats, refused input."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from localnorm import LRNSpec, reference
from localnorm.errors import AxisError, DTypeError, InplaceError, SpecError
from localnorm.torch import LocalResponseNorm, local_response_norm
from localnorm.torch.functional import apply_spec
from tensors import DTYPES, NARROW, WIDE, as_tensor, bits, normalized, random_tensor


# Eight epsilons for either side, on outputs and gradients of about 1.
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-6), (torch.float64, 4e-15)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("shape", [(3, 9, 4), (3, 9, 4, 5), (2, 9, 3, 4, 5)], ids=str)
def test_equals_torch(size: int, dtype: torch.dtype, bound: float, shape: tuple[int, ...]):
    ours, theirs = (
        kind(size, alpha=0.7, beta=0.6, k=1.5) for kind in (LocalResponseNorm, torch.nn.LocalResponseNorm)
    )
    x = random_tensor(*shape, dtype=dtype, grad=True)
    grad = torch.linspace(-1, 1, x.numel(), dtype=dtype).reshape(shape)
    torch.testing.assert_close(ours(x), theirs(x), rtol=bound, atol=0)
    torch.testing.assert_close(local_response_norm(x, size, 0.7, 0.6, 1.5), ours(x), rtol=0, atol=0)
    want, got = (torch.autograd.grad(layer(x), x, grad)[0] for layer in (theirs, ours))
    torch.testing.assert_close(got, want, rtol=bound, atol=bound)


@pytest.mark.parametrize("arguments", [(5,), (4, 1e-3), (3, 0.1, 0.5, 2.0), (7, 1e-4 / 3)], ids=str)
def test_prints_as_torch_does(arguments: tuple):
    ours, theirs = LocalResponseNorm(*arguments), torch.nn.LocalResponseNorm(*arguments)
    assert repr(ours) == repr(theirs)
    assert (ours.size, ours.alpha, ours.beta, ours.k) == (theirs.size, theirs.alpha, theirs.beta, theirs.k)


def test_state_is_empty_and_exchanges_with_torch():
    ours = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 1), LocalResponseNorm(5))
    theirs = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 1), torch.nn.LocalResponseNorm(5))
    assert not LocalResponseNorm(5).state_dict()
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())


def test_from_spec():
    module = LocalResponseNorm.from_spec(LRNSpec(0, 3, 0.5, 0.75, 1.0), dim=-1, inplace=True)
    assert repr(module) == (
        "LocalResponseNorm(LRNSpec(lo=0, hi=3, alpha=0.5, beta=0.75, k=1.0), dim=-1, inplace=True)"
    )
    x = random_tensor(2, 3, 9)
    want = reference.forward(x.numpy(), module.spec, axis=-1)
    y = module(x)
    assert y is x
    np.testing.assert_allclose(y.numpy(), want, rtol=4e-15)
    assert LocalResponseNorm.from_spec(LRNSpec.from_torch(4, 0.1)).spec == LocalResponseNorm(4, 0.1).spec


@pytest.mark.parametrize("dim", [0, 2, 3, -1, -4, np.int64(2)])
def test_dim(dim: int):
    x = random_tensor(5, 6, 7, 8)
    want = normalized(x.movedim(dim, 1)).movedim(1, dim)
    torch.testing.assert_close(normalized(x, dim=dim), want, rtol=4e-15, atol=0)
    torch.testing.assert_close(LocalResponseNorm.from_spec(NARROW, dim=dim)(x), want, rtol=4e-15, atol=0)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "sliced", "offset"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("spec", [NARROW, WIDE], ids=["narrow", "wide"])
def test_inplace(layout: str, dtype: torch.dtype, spec: LRNSpec):
    x = as_tensor(np.random.default_rng(0).normal(size=(2, 20, 3, 4)), str(dtype).removeprefix("torch."), layout)
    strides, untouched = x.stride(), x.clone()
    with torch.no_grad():
        y = apply_spec(x.requires_grad_(), spec, 1, inplace=True)
    assert y is x
    assert x.stride() == strides
    assert torch.equal(x, normalized(untouched, spec))


def test_inplace_is_noticed_by_autograd():
    x = random_tensor(2, 5, grad=True) * 1
    y = x.sin()
    with torch.no_grad():
        apply_spec(x, NARROW, 1, inplace=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (
            random_tensor(2, 5, grad=True),
            "the input that the gradient needs, .*requires_grad=True; use inplace=False",
        ),
        (
            random_tensor(1, 5).expand(3, 5),
            r"do not share memory, got strides \(0, 1\) for shape \(3, 5\).*x.clone",
        ),
        (random_tensor(9).unfold(0, 5, 2), r"do not share memory, got strides \(2, 1\) for shape \(3, 5\)"),
    ],
    ids=["needs a gradient", "expanded", "overlapping"],
)
def test_inplace_is_refused(x: torch.Tensor, text: str):
    before = bits(x)
    with pytest.raises(InplaceError, match=text):
        apply_spec(x, NARROW, 1, inplace=True)
    assert bits(x) == before


@pytest.mark.parametrize(
    "layout", ["contiguous", "channels_last", "transposed", "sliced", "offset", "expanded", "permuted"]
)
def test_memory_format_is_kept(layout: str):
    x = random_tensor(1, 6, 3, 4).expand(2, 6, 3, 4)
    x = x.clone().permute(2, 0, 3, 1) if layout == "permuted" else as_tensor(x.numpy(), "float32", layout)
    y = normalized(x.detach().requires_grad_())
    assert y.stride() == torch.empty_like(x).stride()
    x.requires_grad_()
    assert torch.autograd.grad(normalized(x), x, y.detach())[0].shape == x.shape


def test_memory_format_of_5d_channels_last():
    x = random_tensor(2, 6, 3, 4, 5).to(memory_format=torch.channels_last_3d)
    assert normalized(x).is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("spec", [NARROW, WIDE], ids=["narrow", "wide"])
def test_meta_tensors(dtype: torch.dtype, spec: LRNSpec):
    x = torch.empty(2, 20, 3, 4, dtype=dtype, device="meta").to(memory_format=torch.channels_last).requires_grad_()
    y = normalized(x, spec)
    assert (y.shape, y.dtype, y.device, y.stride()) == (x.shape, dtype, x.device, x.stride())
    y.sum().backward()
    assert x.grad.shape == x.shape


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0,), (2, 3, 0, 4)], ids=str)
@pytest.mark.parametrize("create_graph", [False, True])
def test_empty_tensors(shape: tuple[int, ...], create_graph: bool):
    x = torch.empty(shape, requires_grad=True)
    dim = min(1, len(shape) - 1)
    (grad,) = torch.autograd.grad(normalized(x, WIDE, dim).sum(), x, create_graph=create_graph)
    assert grad.shape == x.shape
    with torch.no_grad():
        assert apply_spec(x, WIDE, dim, inplace=True) is x


REFUSED = {
    **{str(d): torch.ones(2, 3, dtype=d) for d in (torch.int64, torch.uint8, torch.bool, torch.complex64)},
    "torch.float8_e4m3fn": torch.ones(2, 3).to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("inplace", [False, True])
def test_dtypes_refused(name: str, inplace: bool):
    text = rf"input must be float16, bfloat16, float32 or float64, got {name}; (convert it|normalize x\.abs)"
    with pytest.raises(DTypeError, match=text):
        LocalResponseNorm(5, inplace=inplace)(REFUSED[name])


@pytest.mark.parametrize("x", [np.ones((2, 3)), [[1.0]], 1.0, None], ids=["ndarray", "list", "float", "NoneType"])
def test_only_tensors(x: object):
    with pytest.raises(
        DTypeError, match=rf"must be a torch.Tensor, got {type(x).__name__}; wrap it in torch.as_tensor"
    ):
        local_response_norm(x, 5)


@pytest.mark.parametrize(
    ("shape", "dim", "text"),
    [
        ((3,), 1, r"which has rank 1, got dim=1; pass a value from -1 to 0\."),
        ((3, 4), -3, r"which has rank 2, got dim=-3; pass a value from -2 to 1\."),
        ((), 0, r"which has rank 0, got dim=0; add a channel axis first\."),
        ((3, 4), 1.0, r"dim must be a whole number, got 1.0 of type float; pass an int such as 1\."),
        ((3, 4), "1", r"dim must be a whole number, got '1' of type str"),
        ((3, 4), None, r"dim must be a whole number, got None of type NoneType"),
    ],
    ids=["beyond", "below", "rank 0", "float", "str", "None"],
)
def test_axis_refused(shape: tuple[int, ...], dim: object, text: str):
    with pytest.raises(AxisError, match=text):
        local_response_norm(torch.ones(shape), 5, dim=dim)


def test_module_refuses_when_it_is_built():
    with pytest.raises(AxisError, match="dim must be a whole number"):
        LocalResponseNorm(5, dim=1.5)
    with pytest.raises(SpecError, match=re.escape("size must be at least 1, got 0")):
        LocalResponseNorm(0)
