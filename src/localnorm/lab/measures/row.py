"""Row, Sample and Measure: a criterion of the table, a norm's sample in it, the function that reads it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from localnorm.lab.records.record import Record, Trial
from localnorm.lab.study.study import Study, TaskStudy

Samples = Mapping[str, "Sample"]
Needs = Callable[[int], tuple[Trial, ...]]
"""The judged trials of a seed that a norm's sample is read from."""


@dataclass(frozen=True)
class Row:
    """One criterion of the table.

    Attributes:
        name: the criterion.
        measured_as: the measurement, in a sentence.
        unit: of the number.
        smallest_effect: the smallest difference that matters, in that unit; it decides every verdict.
        lower_is_better: the direction of the number; None if it has none.
        repeats: whether the same study reproduces the number; times do not.
        exact: whether the number is known without error, so that it needs no interval.
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
    """One norm's measurements in one row.

    Attributes:
        values: one per pair, in the order of the judged seeds (or timing rounds); None for one without a result.
        text: the result in words if it is more than a number, as for scope.
        missing: the reason for a missing result.
        details: further results by name: plain JSON values.
        record_keys: keys of the records that it was read from.
        resolution: the step between values that can be measured; 0 for a continuous one.
        seeds_done: number of judged seeds, from the first, whose trials have all run.
    """

    values: tuple[float | None, ...] = ()
    text: str = ""
    missing: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    record_keys: tuple[str, ...] = ()
    resolution: float = 0.0
    seeds_done: int = 0


@dataclass(frozen=True)
class Measure:
    """A row that needs no task, and the function that measures it."""

    row: Row
    measure: Callable[[Study, Collection[Record]], Samples]

    @property
    def name(self) -> str:
        """The criterion."""
        return self.row.name


@dataclass(frozen=True)
class TaskMeasure:
    """A criterion with a row for each task of some kind, and the function that measures it.

    Attributes:
        name: the criterion.
        row: a task's row; None if the task does not feed this criterion.
        measure: one sample per norm, of one task.
        needs: the judged trials that each norm's sample needs of a seed; without a norm whose pilot is unfinished.
        family: rows of one task and family rest on the same trials.
    """

    name: str
    row: Callable[[TaskStudy], Row | None]
    measure: Callable[[Study, TaskStudy, Collection[Record]], Samples]
    needs: Callable[[Study, TaskStudy, Collection[Record]], Mapping[str, Needs]]
    family: str


def error_row(task: TaskStudy, name: str, measured_as: str, *, effects: float = 1.0, apart: bool = False) -> Row:
    """Return the row of a task whose number is an error or a difference of errors.

    Args:
        task: its unit and smallest effect are the row's.
        name: the criterion.
        measured_as: the measurement, in a sentence.
        effects: the row's smallest effect, in those of the task.
        apart: whether the number is a difference of errors.
    """
    effect = effects * task.smallest_effect
    return Row(
        name, measured_as, difference_unit(task.unit) if apart else task.unit, effect, decimals=_decimals(effect)
    )


def short_name(task: str) -> str:
    """Return a task's name with a folder's name instead of its path.

    Example:
        >>> short_name("digits"), short_name("data:/home/me/cats?side=8"), short_name("data:hub:mnist")
        ('digits', 'cats', 'data:hub:mnist')
    """
    path = re.sub(r"\?\w+=\d+(&\w+=\d+)*$", "", task.partition(":")[2])
    absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
    return (PureWindowsPath(path).name if absolute else "") or task


def difference_unit(unit: str) -> str:
    """Return the unit of a difference: percentages differ by points.

    Example:
        >>> difference_unit("% error"), difference_unit("% of the variance"), difference_unit("copies")
        ('points of error', 'points of the variance', 'copies')
    """
    return f"points of {unit[1:].strip().removeprefix('of ')}" if unit.startswith("% ") else unit


def _decimals(effect: float) -> int:
    """Two, and more if the smallest effect needs them to show a digit."""
    return max(2, 1 - math.floor(math.log10(effect)))
