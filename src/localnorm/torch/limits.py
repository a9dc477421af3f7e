"""Where the plain formula is right, and where a window needs the arithmetic that is right everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from localnorm.spec import LRNSpec
from localnorm.torch.array_ops import wide_dtype

# Outside these, the plain formula may miss a square that vanished, or alpha itself.
_SMALLEST_S = 2.0**-60
_ALPHAS = (2.0**-100, 2.0**40)


class Limits(NamedTuple):
    """The plain formula is right where s lies between these."""

    smallest: float
    largest: float


def limits(x: Tensor, spec: LRNSpec, values: Mapping[str, Tensor]) -> Limits:
    """Return the limits for s whose powers -beta and -beta - 1 stay normal numbers of the arithmetic."""
    if x.is_meta:
        return Limits(-math.inf, math.inf)
    alphas, betas = (_extremes(name, spec, values) for name in ("alpha", "beta"))
    if not (_ALPHAS[0] <= alphas[0] and alphas[1] <= _ALPHAS[1]):
        return Limits(math.inf, -math.inf)
    # The last eight powers of two are left for the factors x and grad.
    exponents = (1024 if wide_dtype(x) == torch.float64 else 128) - 8
    largest: float = 2.0 ** (exponents / (max(abs(beta) for beta in betas) + 1))
    return Limits(max(1 / largest, _SMALLEST_S), largest)


def _extremes(name: str, spec: LRNSpec, values: Mapping[str, Tensor]) -> tuple[float, float]:
    if name not in values:
        return (getattr(spec, name),) * 2
    low, high = values[name].detach().aminmax()
    return float(low), float(high)


def outside(s: Tensor, inside: Limits, axes: tuple[int, ...]) -> Tensor | None:
    """Return a mask over the other axes of what the plain formula can't do, or None where it can do all.

    Outside are a NaN or an infinity, a sum of squares that overflowed or vanished, and an s beyond the limits.
    """
    if s.is_meta:
        return None
    low, high = s.aminmax()
    # Both comparisons are False for NaN.
    if bool((low >= inside.smallest) & (high <= inside.largest)):
        return None
    within = (s >= inside.smallest) & (s <= inside.largest)
    mask: Tensor = ~within.movedim(axes, _last(axes)).flatten(-len(axes)).all(-1)
    return mask


def selected(x: Tensor, mask: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return what the mask selects, stacked along axis 0, the window's axes behind it."""
    return x.movedim(axes, _last(axes))[mask]


def put(x: Tensor, mask: Tensor, axes: tuple[int, ...], values: Tensor) -> None:
    """Write what stands in the place of `selected` into x."""
    x.movedim(axes, _last(axes))[mask] = values


def _last(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(axes), 0))
