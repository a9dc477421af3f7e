"""Unsupported inputs of the torch API and their errors; Tensor subclasses, parameters and empty tensors."""

from __future__ import annotations

import warnings

import pytest
import torch

from localnorm.errors import DeviceError, DTypeError, LayoutError
from localnorm.torch import GDN, LocalResponseNorm, local_response_norm
from tensors import random_tensor

ENTRIES = {
    "function": lambda x: local_response_norm(x, 5),
    "module": LocalResponseNorm(5),
    "in place": LocalResponseNorm(5, inplace=True),
    "learned": LocalResponseNorm(5, learnable=True),
    "GDN": GDN(9),
}


def _odd(kind: str) -> torch.Tensor:
    x = random_tensor(4, 9, dtype=torch.float32)
    with warnings.catch_warnings():
        # torch says of some of these that they are to change, or will go.
        warnings.simplefilter("ignore")
        return {
            "sparse": lambda: x.to_sparse(),
            "sparse rows": lambda: x.to_sparse_csr(),
            "MKL-DNN": lambda: x.to_mkldnn(),
            "nested": lambda: torch.nested.nested_tensor([x[:2], x[2:3]]),
            "ragged": lambda: torch.nested.nested_tensor([x[:2], x[2:3]], layout=torch.jagged),
            "quantized": lambda: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
            "complex": lambda: torch.complex(x, x),
        }[kind]()


REFUSED = {
    "sparse": (LayoutError, r"tensor with strides, got torch.sparse_coo; convert it, e.g. x.to_dense\(\)"),
    "sparse rows": (LayoutError, r"tensor with strides, got torch.sparse_csr; convert it, e.g. x.to_dense\(\)"),
    "MKL-DNN": (LayoutError, r"tensor with strides, got torch._mkldnn; convert it, e.g. x.to_dense\(\)"),
    "nested": (LayoutError, r"tensor with strides, got a nested one; convert it, e.g. x.to_padded_tensor\(0.0\)"),
    "ragged": (LayoutError, r"tensor with strides, got a nested one; convert it, e.g. x.to_padded_tensor\(0.0\)"),
    "quantized": (DTypeError, r"float16, .* got torch.qint8; convert it, e.g. x.dequantize\(\)"),
    "complex": (DTypeError, r"float16, .* got torch.complex64; normalize x\.abs"),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, entry: str):
    error, text = REFUSED[kind]
    with pytest.raises(error, match=text):
        ENTRIES[entry](_odd(kind))


@pytest.mark.parametrize("per_channel", [False, True])
def test_learned_values_on_another_device(per_channel: bool):
    layer = LocalResponseNorm(5, learnable=True, per_channel=per_channel, num_channels=9)
    with pytest.raises(DeviceError, match=r"got meta and cpu; move the module, e.g. module.to\('meta'\)"):
        layer(torch.empty(2, 9, device="meta"))
    with pytest.raises(DeviceError, match=r"got cpu and meta; move the module, e.g. module.to\('cpu'\)"):
        layer.to("meta")(torch.empty(2, 9))
    assert layer(torch.empty(2, 9, device="meta")).is_meta


# On its way out the compiler reads attributes that torch warns of.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_the_compiler_passes_errors_on():
    layer = LocalResponseNorm(5, learnable=True)
    x = torch.empty(2, 9, device="meta")
    with pytest.raises(torch._dynamo.exc.Unsupported, match="must be on one device, got meta and cpu"):
        torch.compile(layer, backend="eager", fullgraph=True)(x)


class Marked(torch.Tensor):
    """A subclass that does nothing of its own."""


class Counting(torch.Tensor):
    """A subclass that is told of each operation."""

    seen: list[str] = []  # noqa: RUF012  shared on purpose

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(getattr(func, "__name__", str(func)))
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.mark.parametrize("kind", [Marked, Counting])
def test_subclasses_stay_what_they_are(kind: type[torch.Tensor]):
    x = random_tensor(3, 9, 4)
    y, want = local_response_norm(x.as_subclass(kind), 5, alpha=0.7), local_response_norm(x, 5, alpha=0.7)
    assert type(y) is kind
    # Array operations in float64 beside the compiled kernel's: eight epsilons each.
    torch.testing.assert_close(y.as_subclass(torch.Tensor), want, rtol=4e-15, atol=0)
    leaf = x.clone().as_subclass(kind).requires_grad_()
    local_response_norm(leaf, 5, alpha=0.7).sum().backward()
    plain = x.clone().requires_grad_()
    local_response_norm(plain, 5, alpha=0.7).sum().backward()
    torch.testing.assert_close(leaf.grad.as_subclass(torch.Tensor), plain.grad, rtol=1e-13, atol=1e-14)


def test_parameters_are_tensors_like_any_other():
    x = torch.nn.Parameter(random_tensor(3, 9))
    y = local_response_norm(x, 5, alpha=0.7)
    assert type(y) is torch.Tensor
    assert torch.equal(y, local_response_norm(x.detach(), 5, alpha=0.7))


@pytest.mark.parametrize("shape", [(0, 9, 2), (3, 0, 2), (3, 9, 0)], ids=str)
@pytest.mark.parametrize("entry", ["function", "module", "learned"])
def test_no_elements(entry: str, shape: tuple[int, ...]):
    x = torch.empty(shape, requires_grad=True)
    y = ENTRIES[entry](x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert grad.shape == x.shape
