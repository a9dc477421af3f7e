"""Median pruning: stop a trial of a search early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import median

FEWEST = 5
"""Fewest finished trials before any is stopped."""
SPARED = 1 / 3
"""Share of the epochs that every trial may run."""


def limits(curves: Sequence[Sequence[float]], epochs: int) -> tuple[float, ...]:
    """Return the highest best validation error after each epoch at which a trial continues.

    The median of the best errors of the finished trials by then, as in Golovin et al., "Google Vizier", 2017. The
    limits are sent with a trial, so a worker needs no other trial. After the last epoch there is no limit.

    Args:
        curves: validation error after each epoch of completed trials.
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
    """Return the reason to stop a trial after its last epoch so far; empty to continue.

    Args:
        errors: validation error after each epoch so far, at least one.
        limits: see `limits`; empty for no pruning.

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
