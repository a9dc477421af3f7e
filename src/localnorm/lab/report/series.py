"""The series behind the plots, read from records and table; nothing here draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from localnorm.lab.analysis.table import Section
from localnorm.lab.measures import batch_dependence, robustness, sensitivity
from localnorm.lab.measures.select import chosen_runs, keys, of_trials, validation_error
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.report.wording import accuracy_or_error, error_axis, plotted
from localnorm.lab.study.study import Study, TaskStudy

Values = tuple[float | None, ...]
_FAR_APART = 4


@dataclass(frozen=True)
class Curve:
    """One norm's line.

    Attributes:
        norm: the norm.
        y: one value for each x of its chart; None where there is no result.
        low: lowest over the seeds; empty where no range is shown.
        high: highest over the seeds; empty where no range is shown.
        notes: why a value is missing, one for each x; empty strings elsewhere.
        evidence: the keys of the records that it was read from.
    """

    norm: str
    y: Values
    low: Values = ()
    high: Values = ()
    notes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """Lines over one axis.

    Attributes:
        name: of the chart, in words.
        x_name: of the axis, with its unit.
        y_name: of the axis, with its unit.
        x: the values measured at.
        curves: one for each norm that has any result.
        log_x: whether the axis goes by factors.
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
        """Whether y goes by factors too: errors far apart do, so that small ones can be told apart."""
        values = [value for curve in self.curves for value in curve.y if value is not None]
        # An error of 0 has no place on such an axis.
        return "error" in self.y_name and bool(values) and 0 < _FAR_APART * min(values) <= max(values)


def learning_curve(study: Study, task: TaskStudy, records: Collection[Record]) -> Chart:
    """Return validation error by epoch at each norm's chosen setting."""
    runs = chosen_runs(of_trials(records, study.grid_trials(task)), study.norms)
    last = max(task.schedule.epochs, *task.schedule.more_epochs, 0)
    curves = []
    for norm in study.norms:
        own = [record for (name, _), record in runs.items() if name == norm]
        seeds = [record.results["validation_error"] for record in own]
        if seeds:
            means: Values = tuple(fmean(errors) for errors in zip(*seeds, strict=True))
            curves.append(Curve(norm, means + (None,) * (last - len(means)), evidence=keys(own)))
    epochs = tuple(range(1, last + 1))
    y_name = error_axis("validation", task.unit)
    return Chart(task.name, "epoch", y_name, epochs, tuple(curves), decimals=_decimals(task))


def by_learning_rate(study: Study, task: TaskStudy, records: Collection[Record]) -> Chart:
    """Return what is reached on validation data by learning rate, with its range over the seeds.

    At the task's own batch size and epochs. A rate at which a seed did not end well has no value: the seeds left
    over would flatter it.
    """
    schedule = task.schedule
    found = {
        trial: record
        for trial, record in of_trials(records, study.grid_trials(task)).items()
        if (trial.batch_size, trial.epochs) == (schedule.batch_size, schedule.epochs)
    }
    rates = tuple(sorted(schedule.learning_rates))
    curves = []
    for norm in study.norms:
        points = [_at_rate(found, norm, rate, task.unit) for rate in rates]
        if any(reached or note for reached, note in points):
            curves.append(
                Curve(
                    norm,
                    _each(points, fmean),
                    _each(points, min),
                    _each(points, max),
                    tuple(note for _, note in points),
                    keys(record for trial, record in found.items() if trial.norm == norm),
                )
            )
    return Chart(
        f"{task.name} by learning rate",
        "learning rate",
        plotted("validation", task.unit),
        rates,
        tuple(curves),
        log_x=True,
        decimals=_decimals(task),
    )


def _at_rate(found: Mapping[Trial, Record], norm: str, rate: float, unit: str) -> tuple[list[float], str]:
    """Return what the seeds reached at a learning rate, or why there is nothing."""
    records = [r for trial, r in found.items() if trial.norm == norm and trial.learning_rate == rate]
    problems = [record for record in records if record.status != "ok"]
    if problems:
        return [], f"{problems[0].status} in {len(problems)} of {len(records)}"
    return [accuracy_or_error(unit, validation_error(record)) for record in records], ""


def _each(points: Sequence[tuple[list[float], str]], take: Callable[[list[float]], float]) -> Values:
    return tuple(take(reached) if reached else None for reached, _ in points)


def by_severity(task: TaskStudy, section: Section) -> tuple[Chart, ...]:
    """Return what is reached on test data by severity, clean at 0, one chart for each corruption."""
    row = section.find(robustness.NAME)
    cells = [cell for cell in row.cells if cell.estimate] if row else []
    corruptions = list(cells[0].details["by_severity"]) if cells else []
    charts = []
    for corruption in corruptions:
        errors = [(cell, [cell.details["clean"], *cell.details["by_severity"][corruption]]) for cell in cells]
        curves = tuple(
            Curve(cell.norm, tuple(accuracy_or_error(task.unit, e) for e in own), evidence=cell.evidence)
            for cell, own in errors
        )
        steps = tuple(range(len(curves[0].y)))
        y_name = plotted("test", task.unit)
        charts.append(Chart(corruption, "severity (0: clean)", y_name, steps, curves, decimals=_decimals(task)))
    return tuple(charts)


def by_batch_size(task: TaskStudy, section: Section) -> Chart:
    """Return test error by the batch size trained with."""
    sizes = tuple(sorted(task.schedule.batch_sizes))
    row = section.find(batch_dependence.NAME)
    curves = tuple(
        Curve(
            cell.norm,
            tuple(cell.details["test_error_by_batch_size"][str(size)] for size in sizes),
            evidence=cell.evidence,
        )
        for cell in (row.cells if row else ())
        if cell.estimate
    )
    y_name = error_axis("test", task.unit)
    return Chart(task.name, "batch size", y_name, sizes, curves, log_x=True, decimals=_decimals(task))


def by_budget(task: TaskStudy, section: Section) -> Chart:
    """Return the validation error to be expected of the best of so many settings drawn."""
    row = section.find(sensitivity.NAME)
    cells = [cell for cell in (row.cells if row else ()) if cell.estimate and cell.details["expected_best"]]
    most = max((len(cell.details["expected_best"]) for cell in cells), default=0)
    curves = tuple(
        Curve(cell.norm, _filled(cell.details["expected_best"], most), evidence=cell.evidence) for cell in cells
    )
    x = tuple(range(1, most + 1))
    return Chart(
        task.name, "settings tried", error_axis("validation", task.unit), x, curves, True, decimals=_decimals(task)
    )


def _filled(values: Sequence[float | None], count: int) -> Values:
    return (*values, *[None] * (count - len(values)))


def _decimals(task: TaskStudy) -> int:
    """One, and more where the smallest effect is smaller than that shows."""
    return max(1, -math.floor(math.log10(task.smallest_effect)))
