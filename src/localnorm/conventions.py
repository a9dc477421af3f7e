"""What each framework means by LRN: one row a framework.

To add a framework, add a row to ``CONVENTIONS`` and name it in ``LRNSpec`` (two lines there).
A row is data: the framework's argument names and defaults, how its size becomes a window, whether its
alpha is divided by the size, and what it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Window = tuple[int, int]


@dataclass(frozen=True)
class WindowRule:
    """How a framework's size argument becomes the window ``[c - lo, c + hi]``.

    Attributes:
        reads: the rule in words, for messages.
        window: the window of a size.
        size: the size that gives a window, or None where none does.
        odd: whether even sizes are refused.
    """

    reads: str
    window: Callable[[int], Window]
    size: Callable[[int, int], int | None]
    odd: bool = False


LOW = WindowRule(
    "an even size has its extra channel below",
    lambda size: (size // 2, (size - 1) // 2),
    lambda lo, hi: lo + hi + 1 if lo - hi in (0, 1) else None,
)
HIGH = WindowRule(
    "an even size has its extra channel above",
    lambda size: ((size - 1) // 2, size // 2),
    lambda lo, hi: lo + hi + 1 if hi - lo in (0, 1) else None,
)
WIDE = WindowRule(
    "the window reaches size // 2 channels to both sides",
    lambda size: (size // 2, size // 2),
    lambda lo, hi: lo + hi + 1 if lo == hi else None,
)
ODD = WindowRule(
    "the size is odd and the window symmetric",
    lambda size: (size // 2, size // 2),
    lambda lo, hi: lo + hi + 1 if lo == hi else None,
    odd=True,
)
RADIUS = WindowRule(
    "the window reaches the radius to both sides",
    lambda radius: (radius, radius),
    lambda lo, hi: lo if lo == hi else None,
)


@dataclass(frozen=True)
class Convention:
    """One framework's parameters for LRN.

    Attributes:
        name: the name used in ``from_<name>`` and ``to_<name>``.
        arguments: the framework's argument names for window, alpha, beta and k, in this order.
        order: the same names in the framework's positional order.
        defaults: the framework's defaults; an argument without one is required.
        rule: how the window argument becomes a window.
        mean: whether the framework divides alpha by the window argument.
        sizes: smallest and largest window argument accepted.
        smallest_k: smallest k accepted.
        smallest_beta: smallest beta accepted.
        source: where this is defined.
    """

    name: str
    arguments: tuple[str, str, str, str]
    order: tuple[str, str, str, str]
    defaults: Mapping[str, float]
    rule: WindowRule
    mean: bool
    source: str
    sizes: tuple[int, float] = (1, math.inf)
    smallest_k: float = 0.0
    smallest_beta: float = -math.inf


_ROWS = (
    Convention(
        "paper",
        ("n", "alpha", "beta", "k"),
        ("n", "k", "alpha", "beta"),
        {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75},
        WIDE,
        mean=False,
        source="Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3",
    ),
    Convention(
        "torch",
        ("size", "alpha", "beta", "k"),
        ("size", "alpha", "beta", "k"),
        {"alpha": 1e-4, "beta": 0.75, "k": 1.0},
        LOW,
        mean=True,
        source="torch.nn.functional.local_response_norm in torch/nn/functional.py",
    ),
    Convention(
        "tensorflow",
        ("depth_radius", "alpha", "beta", "bias"),
        ("depth_radius", "bias", "alpha", "beta"),
        {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
        RADIUS,
        mean=False,
        source="tf.nn.local_response_normalization in tensorflow/core/kernels/lrn_op.cc",
        sizes=(0, math.inf),
    ),
    Convention(
        "caffe",
        ("local_size", "alpha", "beta", "k"),
        ("local_size", "alpha", "beta", "k"),
        {"local_size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0},
        ODD,
        mean=True,
        source="LRNParameter (ACROSS_CHANNELS) in caffe.proto and src/caffe/layers/lrn_layer.cpp",
    ),
    Convention(
        "onnx",
        ("size", "alpha", "beta", "bias"),
        ("size", "alpha", "beta", "bias"),
        {"alpha": 1e-4, "beta": 0.75, "bias": 1.0},
        HIGH,
        mean=True,
        source="the LRN operator, versions 1 and 13, in onnx/docs/Operators.md",
    ),
    Convention(
        "cudnn",
        ("lrnN", "lrnAlpha", "lrnBeta", "lrnK"),
        ("lrnN", "lrnAlpha", "lrnBeta", "lrnK"),
        {"lrnN": 5, "lrnAlpha": 1e-4, "lrnBeta": 0.75, "lrnK": 2.0},
        HIGH,
        mean=True,
        source="cudnnSetLRNDescriptor in cudnn.h",
        sizes=(1, 16),
        smallest_k=1e-5,
        smallest_beta=0.01,
    ),
)

CONVENTIONS: Mapping[str, Convention] = MappingProxyType({row.name: row for row in _ROWS})


def _as_typed(value: float) -> float:
    """Return the number of at most 15 significant digits within one ulp of value, else value."""
    typed = float(f"{value:.15g}")
    return typed if abs(typed - value) <= math.ulp(value) else value


def mean_to_sum(alpha: float, size: int) -> float:
    """Divide alpha by the size, so that `sum_to_mean` gives back an alpha of up to 15 digits exactly."""
    quotient = alpha / size
    typed = _as_typed(quotient)
    return typed if sum_to_mean(typed, size) == alpha else quotient


def sum_to_mean(alpha: float, size: int) -> float:
    """Multiply alpha by the size, choosing among neighbouring floats the one that divides back."""
    product = alpha * size
    for candidate in (
        _as_typed(product),
        product,
        math.nextafter(product, math.inf),
        math.nextafter(product, 0.0),
    ):
        if candidate / size == alpha:
            return candidate
    return product
