"""What the shared arithmetic asks of torch, and the dtype that the door computes in."""

from __future__ import annotations

import torch
from torch import Tensor

from localnorm.kernels.arithmetic import Arithmetic, Operations
from localnorm.spec import LRNSpec
from localnorm.torch.window_sums import traceable_window_sum

OPERATIONS = Operations(
    where=torch.where,
    total=torch.sum,
    # A graph that is traced has no value to look at, and outside of one only what may need the scales comes here.
    either=lambda condition, then, otherwise: otherwise(),  # noqa: ARG005
    sqrt=torch.sqrt,
    log=torch.log,
    power=lambda s, exponent, ordinary: torch.pow(s, exponent),  # noqa: ARG005
    cheap_sum=traceable_window_sum,
    costly_sum=traceable_window_sum,
)


def wide_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of the arithmetic.

    That is float64, also for float32: an exponent rounded to float32 costs ``|log(s)| * beta / 2`` epsilons
    of the result by itself. MPS devices have no float64.
    """
    return torch.float32 if x.device.type == "mps" else torch.float64


def widened(x: Tensor) -> Tensor:
    """Convert x to the dtype of the arithmetic."""
    return x.to(wide_dtype(x))


def arithmetic(x: Tensor, spec: LRNSpec, axes: tuple[int, ...]) -> Arithmetic:
    """Return the arithmetic that is right for every x of this dtype."""
    wide, stored = (str(dtype).removeprefix("torch.") for dtype in (wide_dtype(x), x.dtype))
    return Arithmetic(OPERATIONS, spec, axes, wide, stored)
