"""The torch APIs that the conformance suite tests. A new API is one more entry in ``APIS``."""

from __future__ import annotations

from functools import partial

import torch

from conformance import DTYPES, Api, Array
from localnorm import LRNSpec
from localnorm.axes import window_axes
from localnorm.learnable import NAMES
from localnorm.torch import LocalResponseNorm, array_ops, traced
from localnorm.torch.call import Call
from localnorm.torch.functional import apply_spec
from tensors import as_tensor


def _as_array(tensor: torch.Tensor, dtype: str) -> Array:
    assert tensor.dtype == getattr(torch, dtype)
    return tensor.detach().double().numpy()


def _torch_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    return _as_array(apply_spec(as_tensor(x, dtype, layout), spec, axis, inplace=False), dtype)


def _torch_gradient(
    x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str, *, create_graph: bool = False
) -> Array:
    leaf = as_tensor(x, dtype, layout).requires_grad_()
    y = apply_spec(leaf, spec, axis, inplace=False)
    (grad_x,) = torch.autograd.grad(y, leaf, as_tensor(grad, dtype), create_graph=create_graph)
    return _as_array(grad_x, dtype)


def _traced(x: torch.Tensor, spec: LRNSpec, axis: int) -> torch.Tensor:
    call = Call(x, spec, window_axes(spec, x.ndim, axis), {})
    return traced.with_gradient(call) if spec.alpha else traced.without_sum(call)


def _traced_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    return _as_array(_traced(as_tensor(x, dtype, layout), spec, axis), dtype)


def _traced_gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    leaf = as_tensor(x, dtype, layout).requires_grad_()
    return _as_array(torch.autograd.grad(_traced(leaf, spec, axis), leaf, as_tensor(grad, dtype))[0], dtype)


def _fallback_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    call = Call(as_tensor(x, dtype, layout), spec, window_axes(spec, x.ndim, axis), {})
    return _as_array(array_ops.forward(call), dtype)


def _fallback_gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    axes = window_axes(spec, x.ndim, axis)
    call = Call(as_tensor(x, dtype, layout), spec, axes, {}, as_tensor(grad, dtype))
    return _as_array(array_ops.backward(call).x, dtype)


def _learned(spec: LRNSpec, axis: int) -> LocalResponseNorm:
    """A module that learns all it can: what is positive."""
    names = [name for name in NAMES if getattr(spec, name) > 0]
    return LocalResponseNorm.from_spec(spec, dim=axis, learnable=names)


def _learned_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    return _as_array(_learned(spec, axis)(as_tensor(x, dtype, layout)), dtype)


def _learned_gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    leaf = as_tensor(x, dtype, layout).requires_grad_()
    return _as_array(torch.autograd.grad(_learned(spec, axis)(leaf), leaf, as_tensor(grad, dtype))[0], dtype)


APIS = (
    Api("torch", DTYPES, _torch_forward, _torch_gradient),
    # The operations that torch.export and torch.jit.trace record, run without them.
    Api("torch-traced", DTYPES, _traced_forward, _traced_gradient),
    # Without a kernel: on other devices, and for the tiles that the kernel leaves on a CPU.
    Api("torch-fallback", DTYPES, _fallback_forward, _fallback_gradient, compiled=True),
    Api("torch-learned", DTYPES, _learned_forward, _learned_gradient),
)

# The gradient that second derivatives start from is worked out another way, so it takes the edge cases as well.
TWICE_DIFFERENTIABLE = Api(
    "torch-create-graph", DTYPES, _torch_forward, partial(_torch_gradient, create_graph=True)
)
