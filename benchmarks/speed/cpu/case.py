"""A benchmark case: shape, layout, dtype, normalization and passes; and the tensors of a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from localnorm import LRNSpec

ALPHA, K = 0.5, 1.0
"""A large alpha, so that the window matters; k is a whole number, because OpenVINO rounds it to one."""
FORWARD, BOTH, BACKWARD = "forward", "forward and backward", "backward"

Array = NDArray[Any]
Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Case:
    """One benchmark case.

    Attributes:
        shape: N, C, H, W, whatever the layout.
        measure: FORWARD, BOTH, or BACKWARD alone: the gradient for x from x and that of the output.
        layout: NCHW or NHWC, the order in memory.
        dtype: float16, bfloat16 or float32.
        size: channels in the window.
        beta: the exponent.
        threads: of every implementation.
        device: of torch's tensors.
    """

    shape: Shape
    measure: str = FORWARD
    layout: str = "NCHW"
    dtype: str = "float32"
    size: int = 5
    beta: float = 0.75
    threads: int = 1
    device: str = "cpu"

    @property
    def spec(self) -> LRNSpec:
        """The normalization, with the meaning that torch gives size and alpha."""
        return LRNSpec.from_torch(self.size, ALPHA, self.beta, K)

    @property
    def torch_arguments(self) -> tuple[int, float, float, float]:
        """Size, alpha, beta and k."""
        return self.size, ALPHA, self.beta, K

    @property
    def axis(self) -> int:
        """The channel axis of an array whose axes are in the order of memory."""
        return self.layout.index("C")

    def in_memory_order(self, tensor: Tensor) -> Array:
        """Return the memory of an (N, C, H, W) tensor as an array whose axes are in the order of memory."""
        tensor = tensor.cpu()
        ordered = tensor if self.layout == "NCHW" else tensor.permute(0, 2, 3, 1)
        if self.dtype != "bfloat16":
            return ordered.numpy()
        import ml_dtypes

        return ordered.view(torch.int16).numpy().view(ml_dtypes.bfloat16)

    def channels_first(self, array: Array) -> Array:
        """Return a view (N, C, H, W) of an array whose axes are in the order of memory."""
        return np.moveaxis(array, self.axis, 1)


class CaseData(NamedTuple):
    """Input and gradient of the output, (N, C, H, W) in the layout of the case."""

    x: Tensor
    grad: Tensor


class Ready(NamedTuple):
    """An implementation bound to its inputs: the timed call, and the output or gradient, (N, C, H, W)."""

    run: Callable[[], object]
    result: Callable[[], Array]


def case_data(case: Case) -> CaseData:
    """Return the tensors of a case, the same for all implementations."""
    return _tensors(case.shape, case.layout, case.dtype, case.device)


@lru_cache(maxsize=6)
def _tensors(shape: Shape, layout: str, dtype: str, device: str) -> CaseData:
    order = torch.contiguous_format if layout == "NCHW" else torch.channels_last
    generator = torch.Generator().manual_seed(0)
    x, grad = (torch.randn(shape, generator=generator) for _ in range(2))
    torch_dtype: torch.dtype = getattr(torch, dtype)
    return CaseData(*(tensor.to(torch_dtype).contiguous(memory_format=order).to(device) for tensor in (x, grad)))
