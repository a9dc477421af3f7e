"""The series behind the plots, read from records and table."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

from localnorm.lab.analysis.table import Cell, Section
from localnorm.lab.measures import batch_dependence, robustness, sensitivity
from localnorm.lab.measures.choice import pilot_error
from localnorm.lab.measures.judged import judged_runs
from localnorm.lab.measures.select import keys, of_norm, of_trials
from localnorm.lab.records.record import Record
from localnorm.lab.report.wording import accuracy_axis, accuracy_or_error, error_axis
from localnorm.lab.study.study import Study, TaskStudy

Points = tuple[float | None, ...]
_FAR_APART = 4


@dataclass(frozen=True)
class Curve:
    """One norm's line.

    Attributes:
        norm: the norm.
        y: one value for each x of its chart; None without a result.
        low: lowest over the seeds; empty without a range.
        high: highest over the seeds; empty without a range.
        notes: the reason for each missing value, empty for the others; empty if there are none.
        record_keys: keys of the records that it was read from.
    """

    norm: str
    y: Points
    low: Points = ()
    high: Points = ()
    notes: tuple[str, ...] = ()
    record_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """Lines over one axis.

    Attributes:
        name: of the chart.
        x_name: of the axis, with its unit.
        y_name: of the axis, with its unit.
        x: the values measured at.
        curves: one for each norm with a result.
        log_x: whether the x axis is logarithmic.
        decimals: digits shown after the point.
    """

    name: str
    x_name: str
    y_name: str
    x: tuple[float, ...]
    curves: tuple[Curve, ...]
    log_x: bool = False
    decimals: int = 1

    @property
    def log_y(self) -> bool:
        """Whether the y axis is logarithmic: errors far apart, and none of them 0."""
        values = [value for curve in self.curves for value in curve.y if value is not None]
        return "error" in self.y_name and bool(values) and 0 < _FAR_APART * min(values) <= max(values)


def learning_curve(study: Study, task: TaskStudy, records: Collection[Record]) -> Chart:
    """Return the validation error by epoch at each norm's chosen setting."""
    runs = judged_runs(study, task, records)
    last = max(task.schedule.epochs, *task.schedule.more_epochs, 0)
    curves = []
    for norm in study.norms:
        if chosen := of_norm(runs, norm):
            errors = zip(*(record.results["validation_error"] for record in chosen), strict=True)
            y = _padded([fmean(seeds) for seeds in errors], last)
            curves.append(Curve(norm, y, record_keys=keys(chosen)))
    axis = error_axis("validation", task.unit)
    return Chart(task.name, "epoch", axis, tuple(range(1, last + 1)), tuple(curves), decimals=_decimals(task))


def by_learning_rate(study: Study, task: TaskStudy, records: Collection[Record]) -> Chart:
    """Return validation results by learning rate, with their range over the seeds.

    At the task's default batch size and epochs. A rate at which a seed failed has no value: the mean of the other
    seeds would flatter it.
    """
    schedule = task.schedule
    rates = tuple(sorted(schedule.learning_rates))
    grid = [
        (trial, record)
        for trial, record in of_trials(records, study.pilot_trials(task)).items()
        if (trial.batch_size, trial.epochs) == (schedule.batch_size, schedule.epochs)
    ]
    curves = []
    for norm in study.norms:
        at_rate = [[r for t, r in grid if (t.norm, t.learning_rate) == (norm, rate)] for rate in rates]
        points = [_reached(task, found) for found in at_rate]
        if any(values or note for values, note in points):
            curves.append(
                Curve(
                    norm,
                    _each(points, fmean),
                    _each(points, min),
                    _each(points, max),
                    notes=tuple(note for _, note in points),
                    record_keys=keys(record for found in at_rate for record in found),
                )
            )
    axis = accuracy_axis("validation", task.unit)
    return Chart(task.name, "learning rate", axis, rates, tuple(curves), log_x=True, decimals=_decimals(task))


def _reached(task: TaskStudy, records: Sequence[Record]) -> tuple[list[float], str]:
    """Return the seeds' results at a learning rate, or the reason why there are none."""
    problems = [record for record in records if record.status != "ok"]
    if problems:
        return [], f"{problems[0].status} in {len(problems)} of {len(records)}"
    return [accuracy_or_error(task.unit, pilot_error(task, record)) for record in records], ""


def _each(points: Sequence[tuple[list[float], str]], take: Callable[[list[float]], float]) -> Points:
    return tuple(take(values) if values else None for values, _ in points)


def by_severity(task: TaskStudy, section: Section) -> tuple[Chart, ...]:
    """Return test results by severity, clean at 0, one chart for each corruption."""
    cells = _cells(section, robustness.NAME)
    axis = accuracy_axis("test", task.unit)
    charts = []
    for corruption in cells[0].details["by_severity"] if cells else ():
        errors = [(cell, [cell.details["clean"], *cell.details["by_severity"][corruption]]) for cell in cells]
        curves = tuple(
            Curve(cell.norm, tuple(accuracy_or_error(task.unit, e) for e in values), record_keys=cell.record_keys)
            for cell, values in errors
        )
        severities = tuple(range(len(curves[0].y)))
        charts.append(Chart(corruption, "severity (0: clean)", axis, severities, curves, decimals=_decimals(task)))
    return tuple(charts)


def by_batch_size(task: TaskStudy, section: Section) -> Chart:
    """Return test error by the batch size trained with."""
    sizes = tuple(sorted(task.schedule.batch_sizes))
    curves = []
    for cell in _cells(section, batch_dependence.NAME):
        errors = cell.details["test_error_by_batch_size"]
        curves.append(Curve(cell.norm, tuple(errors[str(size)] for size in sizes), record_keys=cell.record_keys))
    axis = error_axis("test", task.unit)
    return Chart(task.name, "batch size", axis, sizes, tuple(curves), log_x=True, decimals=_decimals(task))


def by_budget(task: TaskStudy, section: Section) -> Chart:
    """Return the expected validation error of the best of some random-search samples, by their number."""
    cells = [cell for cell in _cells(section, sensitivity.NAME) if cell.details["expected_best"]]
    most = max((len(cell.details["expected_best"]) for cell in cells), default=0)
    curves = tuple(
        Curve(cell.norm, _padded(cell.details["expected_best"], most), record_keys=cell.record_keys)
        for cell in cells
    )
    x, axis = tuple(range(1, most + 1)), error_axis("validation", task.unit)
    return Chart(task.name, "settings tried", axis, x, curves, log_x=True, decimals=_decimals(task))


def _cells(section: Section, name: str) -> list[Cell]:
    """Return the cells with a result in a criterion's row, if the task has it."""
    row = section.find(name)
    return [cell for cell in row.cells if cell.estimate] if row else []


def _padded(values: Sequence[float | None], count: int) -> Points:
    return (*values, *[None] * (count - len(values)))


def _decimals(task: TaskStudy) -> int:
    """One, and more if the smallest effect needs them."""
    return max(1, -math.floor(math.log10(task.smallest_effect)))
