"""LRN in a graph that ``torch.onnx.export`` writes: ONNX's own LRN node where it says the same, else its parts."""

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
from localnorm.torch.traced import Values, anywhere, without_sum

_ROUNDING = 2.0**-24
"""Half a unit in the last place of float32, in which ONNX keeps alpha, beta and bias."""


def exporting() -> bool:
    """Whether ``torch.onnx.export`` is at work, with its present exporter.

    ``torch.compile`` and a strict ``torch.export`` take the answer for a constant, False.
    """
    return torch.compiler.is_exporting() and torch.onnx.is_in_onnx_export()


def exported(x: Tensor, spec: LRNSpec, axes: tuple[int, ...], values: Values) -> Tensor:
    """Return the normalized x as one node or in parts, for an exporter that takes down what is done.

    ``y_c = x_c / (bias + alpha / size * sum_{j in W(c)} x_j^2)^beta`` is what the node means, with the extra
    channel of an even window above c, along axis 1 of inputs ``(N, C, D1, ...)`` alone, and with fixed alpha, beta
    and bias.

    Source: LRN, versions 1 and 13, in onnx/docs/Operators.md.
    """
    attributes = node_attributes(spec, x.dtype)
    # torch before 2.8 has no way to name a node.
    if attributes and spec.alpha and not values and axes == (1,) and x.ndim > 2 and hasattr(torch.onnx, "ops"):
        y: Tensor = torch.onnx.ops.symbolic("LRN", (x,), dict(attributes), dtype=x.dtype, shape=x.shape)
        return y
    with _Numbers(x):
        if spec.alpha:
            return anywhere(x, spec, axes, values)
        return without_sum(x, spec, {"k": number(spec.k, x), **values})


def number(value: float, x: Tensor) -> Tensor:
    """Return a number beside x, in the dtype of the arithmetic, that the exporter leaves as it is.

    Numbers of Python it rounds to float32, and a scalar within 1e-8 of 0 it does not add.
    """
    return torch.tensor([value], dtype=wide_dtype(x), device=x.device)


def node_attributes(spec: LRNSpec, dtype: torch.dtype) -> dict[str, int | float] | None:
    """Return the attributes of the node, or None where none of them mean the spec.

    The node keeps its numbers in float32. For float64 they must be exact there; for the rest, whose arithmetic is
    no finer, rounded.

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


class _Numbers(TorchFunctionMode):
    """Makes a `number` of each that the formula has."""

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
