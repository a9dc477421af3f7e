"""Expected validation performance: error of the best of b random-search samples, for each budget b."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST = 100
"""Largest budget reported."""
_NEGLIGIBLE = 50


def expected_best(errors: Sequence[float]) -> list[float | None]:
    """Return the expected least error among b settings, for each budget b from 1 to all of them, or `MOST`.

    The expected validation performance of Dodge et al., "Show Your Work: Improved Reporting of Experimental
    Results", 2019, in the form without bias of Tang et al., "Showing Your Work Doesn't Always Work", 2020: the
    mean over all ways to take b of the n settings,

        sum over i of  C(n - i, b - 1) / C(n, b)  times the i-th least error.

    Args:
        errors: validation errors of settings drawn independently; infinite for a trial without a result.

    Returns:
        One number per budget; None if some way to take that many contains no setting with a result.

    Example:
        >>> [best and round(best, 3) for best in expected_best([4.0, 2.0, 6.0, float("inf")])]
        [None, 3.333, 2.5, 2.0]
    """
    ordered = np.sort(np.asarray(errors, np.float64))
    count = len(ordered)
    ended = int(np.isfinite(ordered).sum())
    # A budget up to the number of failed settings may contain no other.
    budgets = range(1, min(count, MOST) + 1)
    return [_mean_of_best(ordered, size) if count - size < ended else None for size in budgets]


def _mean_of_best(ordered: NDArray[np.float64], size: int) -> float:
    """Return the mean of the least of some of the errors, over all ways to take them.

    Each chance is the one before times (n - i - b + 1) / (n - i), which avoids large binomial coefficients.
    """
    count = len(ordered)
    # The rest of the sum has a chance of exp(-_NEGLIGIBLE).
    last = min(count - size, math.ceil(_NEGLIGIBLE * count / size))
    places = np.arange(1, last + 1)
    chances = np.cumprod(np.append(size / count, (count - places - size + 1) / (count - places)))
    return float(chances @ ordered[: len(chances)])
