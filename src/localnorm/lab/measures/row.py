"""What a row of the table is, and the sample a norm has in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study, TaskStudy

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
        evidence: the keys of the records that it was read from.
    """

    values: tuple[float | None, ...] = ()
    text: str = ""
    missing: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """A row that needs no task, and the function that fills it."""

    row: Row
    measure: Callable[[Study, Collection[Record]], Samples]

    @property
    def name(self) -> str:
        """The criterion."""
        return self.row.name


@dataclass(frozen=True)
class TaskMeasure:
    """A criterion that each task of some kind has a row for, and the function that fills it.

    Attributes:
        name: the criterion.
        row: a task's row; None where the task does not feed this criterion.
        measure: a sample a norm, of one task.
    """

    name: str
    row: Callable[[TaskStudy], Row | None]
    measure: Callable[[Study, TaskStudy, Collection[Record]], Samples]


def error_row(task: TaskStudy, name: str, measured_as: str, *, effects: float = 1.0, apart: bool = False) -> Row:
    """Return the row of a task whose number is an error or a difference of errors.

    Args:
        task: its unit and smallest effect are the row's.
        name: the criterion.
        measured_as: what the number is, in a sentence.
        effects: how many of the task's smallest effects the row's is.
        apart: whether the number is a difference of errors.
    """
    effect = effects * task.smallest_effect
    return Row(
        name, measured_as, difference_unit(task.unit) if apart else task.unit, effect, decimals=_decimals(effect)
    )


def difference_unit(unit: str) -> str:
    """Return the unit of a difference: percentages differ by points.

    Example:
        >>> difference_unit("% error"), difference_unit("% of the variance"), difference_unit("copies")
        ('points of error', 'points of the variance', 'copies')
    """
    return f"points of {unit[1:].strip().removeprefix('of ')}" if unit.startswith("% ") else unit


def _decimals(effect: float) -> int:
    """Two, and more where the smallest effect would not show a digit of its own behind them."""
    return max(2, 1 - math.floor(math.log10(effect)))
