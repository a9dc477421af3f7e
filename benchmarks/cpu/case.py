"""What is timed: a shape, a layout, a dtype, a normalization and the passes over it; and its numbers."""

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
"""An alpha so large that the window counts, and with it every error; k is whole, since OpenVINO has no others."""
FORWARD, BOTH = "forward", "forward and backward"

Array = NDArray[Any]
Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Case:
    """One thing to time.

    Attributes:
        shape: N, C, H, W, whatever the layout.
        measure: FORWARD or BOTH.
        layout: NCHW or NHWC, the order in memory.
        dtype: float16, bfloat16 or float32.
        size: channels in the window.
        beta: the exponent.
        threads: for every rival the same.
        device: where torch has the numbers.
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


class Given(NamedTuple):
    """The numbers: input and gradient of the output, (N, C, H, W) in the layout of the case."""

    x: Tensor
    grad: Tensor


class Ready(NamedTuple):
    """A rival with its inputs: what is timed, and the output or gradient that it computes, (N, C, H, W)."""

    run: Callable[[], object]
    result: Callable[[], Array]


def given(case: Case) -> Given:
    """Return the numbers of a case, the same for all rivals."""
    return _given(case.shape, case.layout, case.dtype, case.device)


@lru_cache(maxsize=6)
def _given(shape: Shape, layout: str, dtype: str, device: str) -> Given:
    order = torch.contiguous_format if layout == "NCHW" else torch.channels_last
    generator = torch.Generator().manual_seed(0)
    x, grad = (torch.randn(shape, generator=generator) for _ in range(2))
    kind: torch.dtype = getattr(torch, dtype)
    return Given(*(tensor.to(kind).contiguous(memory_format=order).to(device) for tensor in (x, grad)))
