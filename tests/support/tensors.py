"""What the tests of the torch API share."""

from __future__ import annotations

import numpy as np
import torch

from conformance import Array, stored
from localnorm import LRNSpec
from localnorm.axes import window_axes
from localnorm.torch import array_ops
from localnorm.torch.call import Call
from localnorm.torch.functional import apply_spec

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
NARROW = LRNSpec(2, 1, 0.7, 0.75, 1.5)
WIDE = LRNSpec(7, 8, 0.3, 0.75, 1.5)  # summed in another way


def as_tensor(values: Array, dtype: str, layout: str = "contiguous") -> torch.Tensor:
    """Return the values as a tensor with the strides of the layout."""
    memory, shape, strides, offset = stored(values, layout)
    return torch.from_numpy(memory).to(getattr(torch, dtype)).as_strided(shape, strides, offset)


def random_tensor(*shape: int, dtype: torch.dtype = torch.float64, grad: bool = False) -> torch.Tensor:
    """Return normal numbers, the same at every call."""
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape)).to(dtype).requires_grad_(grad)


def normalized(x: torch.Tensor, spec: LRNSpec = NARROW, dim: int = 1) -> torch.Tensor:
    """Call the torch API."""
    return apply_spec(x, spec, dim, inplace=False)


def gradient(x: torch.Tensor, grad: torch.Tensor, spec: LRNSpec = NARROW, dim: int = 1) -> torch.Tensor:
    """Return the gradient for x of the array operations, without autograd."""
    call = Call(x, spec, window_axes(spec, x.ndim, dim), {}, grad)
    return array_ops.backward(call).x


def bits(x: torch.Tensor) -> bytes:
    """Return the elements bit by bit, which tells 0 from -0 and NaN from NaN."""
    return x.detach().contiguous().view(torch.uint8).numpy().tobytes()
