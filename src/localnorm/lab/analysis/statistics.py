"""Statistics of the table: interquartile mean, paired bootstrap intervals and p-values, Holm, power.

Tested against SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean, variance

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
"""Level of every interval; a verdict needs a p-value below ``1 - LEVEL`` after Holm's correction."""
RESAMPLES = 10_000
POWER = 0.8
"""Chance that the reported number of seeds decides, if the difference is as observed."""
MOST_PAIRS = 100
"""Above this the number of seeds to decide is reported as "more than"."""
_SEED = 0


@dataclass(frozen=True)
class Estimate:
    """An interquartile mean with its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PValues:
    """Bootstrap p-values against two one-sided hypotheses about a difference.

    Attributes:
        at_least: small if the difference is clearly at least the effect.
        less: small if the difference is clearly less than the effect.
    """

    at_least: float
    less: float

    @property
    def smaller(self) -> float:
        """The smaller of the two, which decides."""
        return min(self.at_least, self.less)


def interquartile_mean(values: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Return the mean without the lowest and the highest quarter of the values, rounded down.

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


def _resampled(values: Sequence[float], place: int = 0) -> NDArray[np.float64]:
    """Return the interquartile mean of each bootstrap resample; the same on every call for the same place."""
    return _resampled_once(tuple(values), place)


@lru_cache(maxsize=256)
def _resampled_once(values: tuple[float, ...], place: int) -> NDArray[np.float64]:
    """Cached: a cell's interval and its verdict use the same resamples."""
    found = interquartile_mean(np.asarray(values, np.float64)[_picks(len(values), place)], axis=1)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=16)
def _picks(count: int, place: int) -> NDArray[np.int64]:
    return np.random.default_rng(_SEED + place).integers(0, count, (RESAMPLES, count))


def _mean_resampled(strata: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return the mean over the strata of their interquartile means, each resampled within itself."""
    mean: NDArray[np.float64] = np.mean([_resampled(values, i) for i, values in enumerate(strata)], axis=0)
    return mean


def estimate(values: Sequence[float]) -> Estimate:
    """Return the interquartile mean and its 95 % percentile bootstrap interval.

    Example:
        >>> estimate([2.0, 2.0, 2.0])
        Estimate(value=2.0, low=2.0, high=2.0)
    """
    return estimate_over([values])


def estimate_over(strata: Sequence[Sequence[float]]) -> Estimate:
    """Return the mean over strata of their interquartile means, with the stratified bootstrap's interval.

    Args:
        strata: one sample per task; each is resampled within itself.

    Example:
        >>> estimate_over([[2.0, 2.0, 2.0], [5.0, 5.0]])
        Estimate(value=3.5, low=3.5, high=3.5)
    """
    low, high = np.quantile(_mean_resampled(strata), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(middle_over(strata), float(low), float(high))


def middle_over(strata: Sequence[Sequence[float]]) -> float:
    """Return the mean over strata of their interquartile means.

    Example:
        >>> middle_over([[1.0, 2.0, 3.0, 4.0, 100.0], [5.0]])
        4.0
    """
    return fmean(float(interquartile_mean(values)) for values in strata)


def p_values(differences: Sequence[float], effect: float) -> PValues:
    """Return the p-values of paired differences against an effect.

    The p-value of a side is the share of bootstrap resamples on the other side, counting the sample itself as one
    more, and doubled because there are two sides.

    Args:
        differences: one per pair; pairs share their seed, or their timing round.
        effect: the smallest effect of the row, or its negative.

    Example:
        >>> p_values([3.0, 4.0, 3.5, 3.2, 3.8], effect=1.0).at_least < 0.001
        True
    """
    return p_values_over([differences], effect)


def p_values_over(strata: Sequence[Sequence[float]], effect: float) -> PValues:
    """Return the p-values of the mean over strata of paired differences; see `p_values`.

    Args:
        strata: paired differences of each task; each is resampled within itself.
        effect: the smallest effect of the row, or its negative.

    Example:
        >>> p_values_over([[3.0, 4.0, 3.5], [-1.0, -1.0, -1.0]], effect=0.5).at_least < 0.001
        True
    """
    resampled = _mean_resampled(strata)
    below = (1 + int(np.sum(resampled < effect))) / (1 + RESAMPLES)
    above = (1 + int(np.sum(resampled >= effect))) / (1 + RESAMPLES)
    return PValues(min(1.0, 2 * below), min(1.0, 2 * above))


def pairs_to_decide(strata: Sequence[Sequence[float]], effect: float, comparisons: int) -> int | None:
    """Return the number of pairs per stratum that would show on which side of the effect the mean difference lies.

    By the normal approximation, if the difference and the spread are as observed:
    ``((z_level + z_power) * spread / distance) ** 2`` with the level divided by the comparisons. It is above the
    present number of pairs, because those did not decide.

    Args:
        strata: paired differences, at least two in each stratum.
        effect: the smallest effect.
        comparisons: p-values that Holm's method corrects together.

    Returns:
        The number, at most ``MOST_PAIRS + 1``, which means more than `MOST_PAIRS`; None if a stratum has too few
        pairs for a spread.

    Example:
        >>> pairs_to_decide([[0.0, 1.0, 2.0]], effect=0.0, comparisons=1)
        8
    """
    if not strata or min(map(len, strata)) < 2:
        return None
    distance = abs(middle_over(strata) - effect)
    spread = math.sqrt(sum(variance(values) for values in strata)) / len(strata)
    normal = NormalDist()
    wanted = normal.inv_cdf(1 - (1 - LEVEL) / 2 / comparisons) + normal.inv_cdf(POWER)
    # Too near the effect.
    if distance * math.sqrt(MOST_PAIRS) < wanted * spread:
        return MOST_PAIRS + 1
    needed = math.ceil((wanted * spread / distance) ** 2) if distance else MOST_PAIRS + 1
    return min(MOST_PAIRS + 1, max(needed, 1 + max(map(len, strata))))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for multiple comparisons by Holm's step-down method (1979).

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
