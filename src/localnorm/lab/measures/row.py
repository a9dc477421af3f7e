"""What a row of the table is, and the sample a norm has in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from localnorm.lab.records import Record
from localnorm.lab.study import Study

Samples = Mapping[str, "Sample"]


@dataclass(frozen=True)
class Row:
    """One criterion of the table.

    Attributes:
        name: the criterion.
        measured_as: what the number is, in a sentence.
        unit: of the number.
        smallest_effect: the smallest difference that matters, in that unit; it decides every verdict.
        lower_is_better: the direction of the number; None where it has none.
        repeats: whether the same study gives the same digits again; times do not.
        exact: whether the number is known without error, so that no interval is needed.
        decimals: digits shown after the point.
    """

    name: str
    measured_as: str
    unit: str
    smallest_effect: float
    lower_is_better: bool | None = True
    repeats: bool = True
    exact: bool = False
    decimals: int = 1


@dataclass(frozen=True)
class Sample:
    """What was measured of one norm in one row.

    Attributes:
        values: one a pair, in the order of the seeds (or of the rounds of timing); None where a pair has
            no result.
        text: the finding in words where it is no number, as for scope.
        missing: why there is no finding, where there is none.
        details: further findings by name: plain JSON values.
    """

    values: tuple[float | None, ...] = ()
    text: str = ""
    missing: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """A row and the function that fills it."""

    row: Row
    measure: Callable[[Study, Collection[Record]], Samples]
