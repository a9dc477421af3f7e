"""The doors that take the exam. A new door is one more entry in ``DOORS``."""

from __future__ import annotations

import torch
from contract import DTYPES, Array, Door, stored

from localnorm import LRNSpec
from localnorm.torch.functional import apply_spec


def as_tensor(values: Array, dtype: str, layout: str = "contiguous") -> torch.Tensor:
    """Return the values as a torch tensor with the strides of the layout."""
    memory, shape, strides, offset = stored(values, layout)
    return torch.from_numpy(memory).to(getattr(torch, dtype)).as_strided(shape, strides, offset)


def _as_array(tensor: torch.Tensor, dtype: str) -> Array:
    assert tensor.dtype == getattr(torch, dtype)
    return tensor.detach().double().numpy()


def _torch_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    return _as_array(apply_spec(as_tensor(x, dtype, layout), spec, axis, inplace=False), dtype)


def _torch_gradient(x: Array, grad: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    leaf = as_tensor(x, dtype, layout).requires_grad_()
    output = apply_spec(leaf, spec, axis, inplace=False)
    return _as_array(torch.autograd.grad(output, leaf, as_tensor(grad, dtype))[0], dtype)


DOORS = (Door("torch", DTYPES, _torch_forward, _torch_gradient),)
