"""The APIs that take the exam. A new API is one more entry in ``DOORS``."""

from __future__ import annotations

from functools import partial

import torch

from conformance import DTYPES, Api, Array
from localnorm import LRNSpec
from localnorm.axes import window_axes
from localnorm.learnable import NAMES
from localnorm.torch import LocalResponseNorm
from localnorm.torch.fallback import backward, forward
from localnorm.torch.functional import apply_spec
from localnorm.torch.traced import traceable, without_sum
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
    return traceable(x, spec, window_axes(spec, x.ndim, axis), {}) if spec.alpha else without_sum(x, spec, {})


def _traced_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    return _as_array(_traced(as_tensor(x, dtype, layout), spec, axis), dtype)


def _traced_gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    leaf = as_tensor(x, dtype, layout).requires_grad_()
    return _as_array(torch.autograd.grad(_traced(leaf, spec, axis), leaf, as_tensor(grad, dtype))[0], dtype)


def _portable_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    tensor = as_tensor(x, dtype, layout)
    return _as_array(forward(tensor, spec, window_axes(spec, x.ndim, axis), {}, torch.empty_like(tensor)), dtype)


def _portable_gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    axes = window_axes(spec, x.ndim, axis)
    return _as_array(backward(as_tensor(x, dtype, layout), as_tensor(grad, dtype), spec, axes, {}).x, dtype)


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
    # What torch.compile and torch.export see, run without them.
    Api("torch-traced", DTYPES, _traced_forward, _traced_gradient),
    # What does the kernel's work on other devices, and what the kernel leaves on a CPU.
    Api("torch-portable", DTYPES, _portable_forward, _portable_gradient, compiled=True),
    Api("torch-learned", DTYPES, _learned_forward, _learned_gradient),
)

# The gradient that second derivatives start from is worked out another way, so it takes the edge cases as well.
TWICE_DIFFERENTIABLE = Api(
    "torch-create-graph", DTYPES, _torch_forward, partial(_torch_gradient, create_graph=True)
)
