"""Median pruning: when a trial of a search is stopped early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import median

FEWEST = 5
"""Finished trials below which none is stopped."""
SPARED = 1 / 3
"""Share of the epochs that every trial is given."""


def limits(curves: Sequence[Sequence[float]], epochs: int) -> tuple[float, ...]:
    """Return how high the best validation error so far may be after each epoch for a trial to go on.

    The median of what the finished trials had reached by then, as in Golovin et al., "Google Vizier", 2017. They
    are handed out with a trial, so that a worker needs to know of no other. After the last epoch there is nothing
    left to save.

    Args:
        curves: validation error after each epoch of trials that went to their end.
        epochs: of every trial.

    Example:
        >>> limits([[9, 8, 7], [9, 5, 6], [9, 4, 3], [7, 7, 1], [8, 6, 2]], epochs=3)
        (9, 6, inf)
        >>> limits([], epochs=2)
        (inf, inf)
    """
    if len(curves) < FEWEST:
        return (math.inf,) * epochs
    best = [tuple(accumulate(curve, min)) for curve in curves]
    spared = math.floor(SPARED * epochs)
    return tuple(
        median(reached[epoch] for reached in best) if spared <= epoch + 1 < epochs else math.inf
        for epoch in range(epochs)
    )


def why_stopped(errors: Sequence[float], limits: Sequence[float]) -> str:
    """Return why a trial is to be stopped after its last epoch so far; empty where it is to go on.

    Args:
        errors: validation error after each epoch so far, at least one.
        limits: see `limits`; empty where none are set.

    Example:
        >>> why_stopped([9.0, 8.0], (10.0, 7.5, 7.0))
        'the validation error after epoch 2, at best 8, was above 7.5, the median of the trials before it'
    """
    reached = len(errors)
    if reached > len(limits) or min(errors) <= limits[reached - 1]:
        return ""
    return (
        f"the validation error after epoch {reached}, at best {min(errors):g}, was above {limits[reached - 1]:g}, "
        "the median of the trials before it"
    )
