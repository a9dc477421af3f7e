"""Estimate of a norm's own error: a trimmed mean with its t interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from localnorm.lab.analysis.inference import center

LEVEL = 0.95
"""Level of an interval that no verdict is read off."""


@dataclass(frozen=True)
class Estimate:
    """A number with an interval."""

    value: float
    low: float
    high: float


def estimate(values: Sequence[float], resolution: float = 0.0) -> Estimate:
    """Return the mean without the lowest and the highest tenth of the values, with its 95 % t interval.

    A single value has no interval: both ends are the value.

    Args:
        values: at least one.
        resolution: the step between values that can be measured; 0 for a continuous one.

    Example:
        >>> estimate([2.0, 2.0, 2.0])
        Estimate(value=2.0, low=2.0, high=2.0)
    """
    if len(values) == 1:
        return Estimate(values[0], values[0], values[0])
    middle = center(values, resolution)
    half = float(student.isf((1 - LEVEL) / 2, middle.freedom)) * middle.error
    return Estimate(middle.value, middle.value - half, middle.value + half)
