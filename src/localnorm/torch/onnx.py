"""LRN for ``torch.onnx.export``: ONNX's own LRN node if it means the same, else operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from localnorm.errors import ConversionError
from localnorm.spec import LRNSpec
from localnorm.torch.array_ops import wide_dtype
from localnorm.torch.call import Call
from localnorm.torch.traced import forward, without_sum

_ROUNDING = 2.0**-24
"""Half a unit in the last place of float32, in which ONNX keeps alpha, beta and bias."""


def exporting() -> bool:
    """Return whether ``torch.onnx.export`` is active, with its current exporter.

    ``torch.compile`` and a strict ``torch.export`` take the answer for a constant, False.
    """
    return torch.compiler.is_exporting() and torch.onnx.is_in_onnx_export()


def has_node(call: Call) -> bool:
    """Return whether an LRN node of ONNX means the same as the call, in every runtime.

    The node means ``y_c = x_c / (bias + alpha / size * sum_{j in W(c)} x_j^2)^beta``, with the extra channel of an
    even window above c, along axis 1 of inputs ``(N, C, D1, ...)`` alone, and with fixed alpha, beta and bias.

    onnxruntime and OpenCV run it for odd sizes, rank 4, float32 and float16, and lose digits if bias is 0.
    OpenVINO's CPU plugin takes another window for an even size, cuts the fraction of bias off, and refuses an
    unknown number of channels.

    Source: LRN, versions 1 and 13, in onnx/docs/Operators.md; docs/released.md.
    """
    spec, x = call.spec, call.x
    means_it = spec.alpha and not call.values and call.axes == (1,)
    runs = (
        x.ndim == 4
        and type(x.shape[1]) is int  # no torch.SymInt
        and x.dtype in (torch.float16, torch.float32)
        and spec.lo == spec.hi
        and spec.k >= 1
        and spec.k == round(spec.k)
    )
    # torch before 2.8 can't name a node.
    return bool(means_it and runs and hasattr(torch.onnx, "ops") and node_attributes(spec, x.dtype) is not None)


def node(call: Call) -> Tensor:
    """Return the normalized x as one LRN node."""
    x = call.x
    attributes: dict[str, Any] = {**(node_attributes(call.spec, x.dtype) or {})}
    y: Tensor = torch.onnx.ops.symbolic("LRN", (x,), attributes, dtype=x.dtype, shape=x.shape)
    return y


def operations(call: Call) -> Tensor:
    """Return the normalized x in operations with exact numbers."""
    with _ExactNumbers(call.x):
        if call.spec.alpha:
            return forward(call)
        return without_sum(call._replace(values={"k": number(call.spec.k, call.x), **call.values}))


def number(value: float, x: Tensor) -> Tensor:
    """Return a number as a tensor on the device of x and in the compute dtype, which the exporter keeps exact.

    It rounds Python floats to float32, and does not add a scalar within 1e-8 of 0.
    """
    return torch.tensor([value], dtype=wide_dtype(x), device=x.device)


def node_attributes(spec: LRNSpec, dtype: torch.dtype) -> dict[str, int | float] | None:
    """Return the attributes of the LRN node that means the spec, or None if there are none.

    The node keeps its numbers in float32. For float64 inputs they must be exact in it; for the others, which ONNX
    computes in float32 at most, they may be rounded.

    Example:
        >>> node_attributes(LRNSpec.from_torch(size=5, alpha=0.5), torch.float32)
        {'size': 5, 'alpha': 0.5, 'beta': 0.75, 'bias': 1.0}
        >>> node_attributes(LRNSpec.from_torch(size=4, alpha=0.5), torch.float32) is None  # the fourth lies below
        True
    """
    try:
        attributes = spec.to_onnx()
    except ConversionError:
        return None
    tolerance = 0.0 if dtype == torch.float64 else _ROUNDING
    for name in ("alpha", "beta", "bias"):
        number = attributes[name]
        with np.errstate(over="ignore", under="ignore"):
            kept = float(np.float32(number))
        if abs(kept - number) > tolerance * abs(number):
            return None
    return attributes


class _ExactNumbers(TorchFunctionMode):
    """Replace each Python float of the formula by a `number`."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self._x = x

    def __torch_function__(
        self,
        function: Callable[..., Any],
        _types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        if any(isinstance(arg, Tensor) for arg in args):
            args = [number(arg, self._x) if type(arg) is float else arg for arg in args]
        return function(*args, **(kwargs or {}))
