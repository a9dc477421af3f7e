"""What a budget of tuning reaches: the expected error of the best of some drawn settings."""

from __future__ import annotations

import math
from collections.abc import Sequence


def expected_best(errors: Sequence[float]) -> list[float | None]:
    """Return the expected least error among b settings, for each budget b from 1 to all of them.

    The expected validation performance of Dodge et al., "Show Your Work: Improved Reporting of Experimental
    Results", 2019, in the form without bias of Tang et al., "Showing Your Work Doesn't Always Work", 2020: the
    mean over all ways to take b of the n settings,

        sum over i of  C(n - i, b - 1) / C(n, b)  times the i-th least error.

    Args:
        errors: validation errors of settings drawn independently; infinite where a trial did not end well.

    Returns:
        One number a budget; None where some way to take that many finds no setting that ended well.

    Example:
        >>> expected_best([4.0, 2.0, 6.0, math.inf])
        [None, 3.3333333333333335, 2.5, 2.0]
    """
    ordered = sorted(errors)
    count = len(ordered)
    best: list[float | None] = []
    for budget in range(1, count + 1):
        chances = [math.comb(count - place, budget - 1) for place in range(1, count + 1)]
        terms = [chance * error for chance, error in zip(chances, ordered, strict=True) if chance]
        mean = sum(terms) / math.comb(count, budget)
        best.append(mean if math.isfinite(mean) else None)
    return best
