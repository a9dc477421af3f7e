"""Paired differences of norms, and verdicts on claims that rest on several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from localnorm.lab.analysis.inference import UNSEEN, Decision, decisions, standing
from localnorm.lab.measures import Row
from localnorm.lab.study.study import LOOKS

Verdict = Literal["supported", "not supported", "undecided"]
Values = Sequence[float | None]
"""One value per judged seed or timing round; None without a result."""
FEWEST_PAIRS = LOOKS[0]
"""Fewer pairs than this decide nothing."""


@dataclass(frozen=True)
class Compared:
    """A paired difference ``value(more) - value(than)`` and its verdict.

    Attributes:
        more: a norm.
        than: another, which is subtracted.
        decision: the verdict on `more`, at the look where it was reached.
        looks: what each look shows by itself.
    """

    more: str
    than: str
    decision: Decision
    looks: tuple[Decision, ...] = ()

    def shows(self, *, lower_is_better: bool) -> Verdict:
        """Return whether the difference is shown to be above 0."""
        word = self.decision.word
        if word == "undecided":
            return "undecided"
        return "supported" if word == ("worse" if lower_is_better else "better") else "not supported"


def paired(more: Values, than: Values) -> list[float]:
    """Return ``more - than`` for every pair that has both values.

    Example:
        >>> paired([3.0, None, 5.0], [1.0, 1.0, 1.0])
        [2.0, 4.0]
    """
    return [a - b for a, b in zip(more, than, strict=False) if a is not None and b is not None]


def compare(
    row: Row,
    more: tuple[str, Values],
    than: tuple[str, Values],
    *,
    family: int,
    resolution: float = 0.0,
    looks: tuple[int, ...] = LOOKS,
) -> Compared:
    """Decide the difference of two norms in a row.

    Args:
        row: its smallest effect and its direction decide.
        more: a norm and its values.
        than: another, which is subtracted.
        family: number of comparisons among which the error is divided.
        resolution: the step between values that can be measured.
        looks: numbers of pairs at which verdicts are made. An exact row needs none; a row that is not repeated by
            seed, the timing rounds, is looked at once, with all its pairs.
    """
    differences = paired(more[1], than[1])
    lower = row.lower_is_better is not False
    if row.exact:
        return Compared(more[0], than[0], _exact(differences, lower_is_better=lower))
    if not row.repeats:
        looks = (len(differences),)
        if len(differences) < FEWEST_PAIRS:
            return Compared(more[0], than[0], UNSEEN)
    each = decisions(
        differences, row.smallest_effect, family, resolution=resolution, lower_is_better=lower, looks=looks
    )
    return Compared(more[0], than[0], standing(each), tuple(each))


def _exact(differences: Sequence[float], *, lower_is_better: bool) -> Decision:
    """Decide a difference that is known without error."""
    if not differences:
        return UNSEEN
    value = fmean(differences)
    if not value:
        return Decision("no different", False, len(differences), value, value, value, 0.0)
    word: Literal["better", "worse"] = "better" if (value < 0) == lower_is_better else "worse"
    return Decision(word, False, len(differences), value, value, value, abs(value))


def all_hold(shown: Sequence[Verdict]) -> Verdict:
    """Return the verdict on a claim whose parts must all hold.

    Example:
        >>> all_hold(["supported", "undecided"]), all_hold(["undecided", "not supported"])
        ('undecided', 'not supported')
    """
    if "not supported" in shown or not shown:
        return "not supported" if shown else "undecided"
    return "undecided" if "undecided" in shown else "supported"


def opposite(verdict: Verdict) -> Verdict:
    """Return the verdict on the opposite claim."""
    return {"supported": "not supported", "not supported": "supported", "undecided": "undecided"}[verdict]  # type: ignore[return-value]
