"""The statistics of the table: interquartile means, paired bootstrap intervals and p-values, Holm.

Small on purpose, and tested against SciPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
"""Level of every interval; a verdict needs a p-value below ``1 - LEVEL`` after Holm's correction."""
RESAMPLES = 10_000
_SEED = 0


@dataclass(frozen=True)
class Estimate:
    """An interquartile mean with its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Evidence:
    """Bootstrap p-values against two one-sided hypotheses about a difference.

    Attributes:
        at_least: small where the difference is clearly at least the effect.
        less: small where the difference is clearly less than the effect.
    """

    at_least: float
    less: float


def interquartile_mean(values: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Return the mean of what is left after dropping the lowest and the highest quarter, rounded down.

    Five values keep the middle three. Defined as ``scipy.stats.trim_mean(values, 0.25)``; recommended for
    few runs by Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", 2021.

    Example:
        >>> float(interquartile_mean([1.0, 2.0, 3.0, 4.0, 100.0]))
        3.0
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=axis)
    count = ordered.shape[axis]
    kept = np.take(ordered, np.arange(count // 4, count - count // 4), axis=axis)
    mean: NDArray[np.float64] = np.mean(kept, axis=axis)
    return mean


def _resampled(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the interquartile mean of each bootstrap resample; the same on every call."""
    picks = np.random.default_rng(_SEED).integers(0, len(values), (RESAMPLES, len(values)))
    return interquartile_mean(np.asarray(values, np.float64)[picks], axis=1)


def estimate(values: Sequence[float]) -> Estimate:
    """Return the interquartile mean and its 95 % percentile bootstrap interval.

    Example:
        >>> estimate([2.0, 2.0, 2.0])
        Estimate(value=2.0, low=2.0, high=2.0)
    """
    low, high = np.quantile(_resampled(values), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(interquartile_mean(values)), float(low), float(high))


def evidence(differences: Sequence[float], effect: float) -> Evidence:
    """Weigh paired differences against an effect.

    The p-value of each side is the share of bootstrap resamples on the other side, counted with one more
    for the sample itself, and doubled because both sides are looked at.

    Args:
        differences: one difference a pair; pairs share their seed, or their round of timing.
        effect: the smallest effect of the row, or its negative.

    Example:
        >>> evidence([3.0, 4.0, 3.5, 3.2, 3.8], effect=1.0).at_least < 0.001
        True
    """
    resampled = _resampled(differences)
    below = (1 + int(np.sum(resampled < effect))) / (1 + RESAMPLES)
    above = (1 + int(np.sum(resampled >= effect))) / (1 + RESAMPLES)
    return Evidence(min(1.0, 2 * below), min(1.0, 2 * above))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for being several, by Holm's step-down method (1979).

    Example:
        >>> holm({"a": 0.01, "b": 0.04})
        {'a': 0.02, 'b': 0.04}
    """
    corrected: dict[str, float] = {}
    largest = 0.0
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for position, name in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - position) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
