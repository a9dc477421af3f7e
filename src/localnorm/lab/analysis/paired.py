"""A claim of paired differences, decided by itself: for questions that the table does not ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localnorm.lab.analysis.statistics import (
    LEVEL,
    Estimate,
    Evidence,
    estimate_over,
    evidence_over,
    pairs_to_decide,
)
from localnorm.lab.analysis.table import Cell
from localnorm.lab.analysis.verdicts import FEWEST_PAIRS, Strata, Verdict


@dataclass(frozen=True)
class Difference:
    """A difference that is claimed to be at least the smallest effect, or not to be.

    Attributes:
        told: the difference in words.
        strata: its values, one a pair, in a list for each task.
        holds: False where the claim is that it is smaller than the smallest effect.
    """

    told: str
    strata: Strata
    holds: bool = True

    @property
    def estimate(self) -> Estimate:
        """The mean over the tasks, with its interval; there must be a pair in each."""
        return estimate_over(self.strata)


@dataclass(frozen=True)
class Decision:
    """What was decided of a claim.

    Attributes:
        verdict: on all its differences together.
        seeds: how many seeds would decide an undecided verdict; None where it is decided or can't be told.
    """

    verdict: Verdict
    seeds: int | None = None


def decide(
    differences: Sequence[Difference], effect: float, comparisons: int = 1, *, exact: bool = False
) -> Decision:
    """Decide a claim by the rules of the table: all its differences must be as claimed.

    Args:
        differences: the differences.
        effect: the smallest that matters, in their unit.
        comparisons: how many such claims are decided together; p-values are multiplied by it.
        exact: whether the differences are known without error, so that one pair decides.

    Example:
        >>> decide([Difference("none - batch", [[3.0, 4.0, 3.5]])], effect=0.5)
        Decision(verdict='supported', seeds=None)
        >>> decide([Difference("none - batch", [[-1.0, 2.0, 0.4]])], effect=0.5).verdict
        'undecided'
    """
    strata = [difference.strata for difference in differences]
    if exact and all(all(own) and own for own in strata):
        right = all((c.estimate.value >= effect) == c.holds for c in differences)
        return Decision("supported" if right else "not supported")
    if not all(own and min(map(len, own)) >= FEWEST_PAIRS for own in strata):
        return Decision("undecided", _seeds(differences, effect, comparisons))
    weighed = [_towards(difference, effect) for difference in differences]
    speaks_for = comparisons * max(evidence.at_least for evidence in weighed)
    against = comparisons * len(weighed) * min(evidence.less for evidence in weighed)
    if min(speaks_for, against) > 1 - LEVEL:
        return Decision("undecided", _seeds(differences, effect, comparisons))
    return Decision("supported" if speaks_for < against else "not supported")


def _towards(difference: Difference, effect: float) -> Evidence:
    found = evidence_over(difference.strata, effect)
    return found if difference.holds else Evidence(found.less, found.at_least)


def _seeds(differences: Sequence[Difference], effect: float, comparisons: int) -> int | None:
    """Return the most that any of the differences needs; None where one has too few pairs to say."""
    needed = [
        pairs_to_decide(difference.strata, effect, comparisons * len(differences)) for difference in differences
    ]
    known = [count for count in needed if count is not None]
    return max(known) if known and len(known) == len(needed) else None


def between(more: Cell, than: Cell) -> Strata:
    """Return ``value(more) - value(than)`` of every pair that both cells of a row have, a list for each task.

    Nothing is returned where some task has no such pair.
    """
    strata = [
        [a - b for a, b in zip(ours, theirs, strict=False) if a is not None and b is not None]
        for ours, theirs in zip(more.values, than.values, strict=False)
    ]
    return strata if all(strata) else []
