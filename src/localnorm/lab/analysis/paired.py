"""Decide a claim about paired differences: smallest effect, p-values, seeds that would decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from localnorm.lab.analysis.statistics import (
    LEVEL,
    Estimate,
    PValues,
    estimate_over,
    middle_over,
    p_values_over,
    pairs_to_decide,
)

Verdict = Literal["supported", "not supported", "undecided"]
Strata = list[list[float]]
"""Paired differences, one list per task; empty if a task has none."""
Pairs = Sequence[Sequence[float | None]]
"""One value per seed or timing round, for each task."""
FEWEST_PAIRS = 3
"""Fewer pairs than this in a task decide nothing."""


@dataclass(frozen=True)
class ClaimedDifference:
    """A paired difference, claimed to be at least the smallest effect, or smaller than it.

    Attributes:
        strata: the differences.
        holds: False if the claim is that the difference is smaller than the smallest effect.
        label: the difference in words.
    """

    strata: Strata
    holds: bool = True
    label: str = ""

    @property
    def estimate(self) -> Estimate:
        """The mean over the tasks with its interval; every task needs a pair."""
        return estimate_over(self.strata)


@dataclass(frozen=True)
class Decision:
    """A verdict on a claim, and the number of seeds that would decide it if it is undecided and that is known."""

    verdict: Verdict
    seeds: int | None = None


def paired(more: Pairs, than: Pairs) -> Strata:
    """Return ``more - than`` for every pair that has both values, one list per task.

    The result is empty if a task has no pair: a mean over the other tasks would be another number.

    Example:
        >>> paired([[3.0, None, 5.0]], [[1.0, 1.0, 1.0]])
        [[2.0, 4.0]]
    """
    strata = [
        [a - b for a, b in zip(first, second, strict=False) if a is not None and b is not None]
        for first, second in zip(more, than, strict=False)
    ]
    return strata if all(strata) else []


def weigh(claim: Sequence[ClaimedDifference], effect: float, *, exact: bool = False) -> PValues | None:
    """Return the p-values for (``at_least``) and against (``less``) a claim whose differences must all hold.

    The weakest difference decides for the claim. The strongest refutation decides against it, corrected for the
    number of differences. None if there are too few pairs.

    Args:
        claim: its differences, at least one.
        effect: the smallest effect, in their unit.
        exact: whether the differences are known without error, so that one pair decides.
    """
    sides = []
    for difference in claim:
        strata = difference.strata
        if exact and strata:
            above = middle_over(strata) >= effect
            found = PValues(float(not above), float(above))
        elif strata and min(map(len, strata)) >= FEWEST_PAIRS:
            found = p_values_over(strata, effect)
        else:
            return None
        sides.append(found if difference.holds else PValues(found.less, found.at_least))
    return PValues(max(p.at_least for p in sides), min(1.0, len(sides) * min(p.less for p in sides)))


def verdict(weighed: PValues, corrected: float) -> Verdict:
    """Return the verdict of p-values, the smaller of which is ``corrected`` for the number of comparisons."""
    if corrected > 1 - LEVEL:
        return "undecided"
    return "supported" if weighed.at_least < weighed.less else "not supported"


def seeds_to_decide(claim: Sequence[ClaimedDifference], effect: float, comparisons: int) -> int | None:
    """Return the number of seeds that would decide a claim, if its differences stay as observed.

    The maximum over all differences if all seem to hold, else the minimum over those that seem refuted. None if a
    difference has too few pairs for an estimate.
    """
    if not all(difference.strata for difference in claim):
        return None
    refuted = [c for c in claim if (middle_over(c.strata) >= effect) != c.holds]
    # A refutation is corrected for every difference that could have been one.
    factor = max(1, comparisons) * (len(claim) if refuted else 1)
    needed = [pairs_to_decide(c.strata, effect, factor) for c in refuted or claim]
    known = [count for count in needed if count is not None]
    if refuted:
        return min(known, default=None)
    return max(known) if known and len(known) == len(needed) else None


def decide(
    claim: Sequence[ClaimedDifference], effect: float, comparisons: int = 1, *, exact: bool = False
) -> Decision:
    """Decide one claim by the rules of the table.

    Args:
        claim: its differences; all must be as claimed.
        effect: the smallest effect, in their unit.
        comparisons: how many such claims are decided together; p-values are multiplied by it.
        exact: whether the differences are known without error.

    Example:
        >>> decide([ClaimedDifference([[3.0, 4.0, 3.5]])], effect=0.5)
        Decision(verdict='supported', seeds=None)
        >>> decide([ClaimedDifference([[-1.0, 2.0, 0.4]])], effect=0.5).verdict
        'undecided'
    """
    weighed = weigh(claim, effect, exact=exact)
    found = verdict(weighed, comparisons * weighed.smaller) if weighed else "undecided"
    return Decision(found, seeds_to_decide(claim, effect, comparisons) if found == "undecided" else None)
