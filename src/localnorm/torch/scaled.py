"""LRN in float64 with each window scaled by a power of two, for squares that overflow or vanish.

With m_c a power of two near the square root of the largest term of s_c, ``s_c = m_c^2 * t_c``, where
``t_c = k / m_c^2 + alpha * sum_j (x_j / m_c)^2`` stays in range. Takes columns: the channel axis last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from localnorm.spec import LRNSpec


def _clipped(spec: LRNSpec, channels: int) -> LRNSpec:
    """The same normalization with a window no wider than the channels."""
    most = max(channels - 1, 0)
    return LRNSpec(min(spec.lo, most), min(spec.hi, most), spec.alpha, spec.beta, spec.k)


def _neighbours(x: Tensor, spec: LRNSpec) -> Iterator[Tensor]:
    """Yield x shifted by every offset of the window, with zeros beyond the borders."""
    padded = pad(x, (spec.lo, spec.hi))
    for offset in range(spec.size):
        yield padded.narrow(-1, offset, x.shape[-1])


def _scale_and_rest(x: Tensor, spec: LRNSpec) -> tuple[Tensor, Tensor]:
    """Return m, which carries no gradient since the result does not depend on it, and t."""
    largest = torch.full_like(x, math.sqrt(spec.k))
    for neighbour in _neighbours(x.detach().abs() * math.sqrt(spec.alpha), spec):
        largest = torch.maximum(largest, neighbour)
    # An infinity is divided by the largest power of two and stays one; a NaN needs no scale.
    m = largest.nan_to_num(1.0).log2().floor().clamp(-1020, 1021).exp2()
    squares = torch.zeros_like(x)
    for neighbour in _neighbours(x, spec):
        squares = squares + (neighbour / m).square()
    return m, spec.k / m / m + (spec.alpha * squares if spec.alpha else 0.0)


def forward(x: Tensor, spec: LRNSpec) -> Tensor:
    """Return ``x * s^-beta`` along the last axis."""
    spec = _clipped(spec, x.shape[-1])
    m, t = _scale_and_rest(x, spec)
    root = m.pow(-spec.beta)
    return x * root * t.pow(-spec.beta) * root


def backward(x: Tensor, grad: Tensor, spec: LRNSpec) -> Tensor:
    """Return the gradient for x along the last axis."""
    spec = _clipped(spec, x.shape[-1])
    channels = x.shape[-1]
    m, t = _scale_and_rest(x, spec)
    root = m.pow(-spec.beta)
    power = t.pow(-spec.beta)
    direct = grad * root * power * root
    if not spec.alpha:
        return direct
    # Not direct * (x / m) / t: where direct overflows, h_m may not.
    h_m = grad * (x / m) * root * power * root / t
    through = x.new_zeros((*x.shape[:-1], channels + spec.lo + spec.hi))
    for offset, neighbour in enumerate(_neighbours(x, spec)):
        through.narrow(-1, offset, channels).add_(h_m * (neighbour / m))
    return direct - 2 * spec.alpha * spec.beta * through.narrow(-1, spec.lo, channels)
