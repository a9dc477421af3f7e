"""The series behind the plots, read from records and table; nothing here draws."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from localnorm.lab.measures.select import chosen_runs, of_trials, validation_error
from localnorm.lab.records import Record, Trial
from localnorm.lab.study import Study
from localnorm.lab.table import Table

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
    """

    norm: str
    y: Values
    low: Values = ()
    high: Values = ()
    notes: tuple[str, ...] = ()


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


def learning_curves(study: Study, records: Collection[Record]) -> tuple[Chart, ...]:
    """Return validation error by epoch at each norm's chosen learning rate, for both tasks."""
    return (
        _learning("digits as images", list(study.grid_trials()), study.epochs, study, records),
        _learning("digits as rows", list(study.row_trials()), study.row_epochs, study, records),
    )


def _learning(name: str, trials: Sequence[Trial], epochs: int, study: Study, records: Collection[Record]) -> Chart:
    runs = chosen_runs(of_trials(records, trials), study.norms)
    curves = []
    for norm in study.norms:
        seeds = [record.results["validation_error"] for (own, _), record in runs.items() if own == norm]
        if seeds:
            curves.append(Curve(norm, tuple(fmean(errors) for errors in zip(*seeds, strict=True))))
    return Chart(name, "epoch", "validation error, %", tuple(range(1, epochs + 1)), tuple(curves))


def by_learning_rate(study: Study, records: Collection[Record]) -> Chart:
    """Return validation accuracy by learning rate, with its range over the seeds.

    A rate at which a seed did not end well has no value: the seeds left over would flatter it.
    """
    found = of_trials(records, study.grid_trials())
    rates = tuple(sorted(study.learning_rates))
    curves = []
    for norm in study.norms:
        points = [_at_rate(found, norm, rate) for rate in rates]
        if any(accuracies or note for accuracies, note in points):
            curves.append(
                Curve(
                    norm,
                    _each(points, fmean),
                    _each(points, min),
                    _each(points, max),
                    tuple(note for _, note in points),
                )
            )
    return Chart(
        "accuracy by learning rate",
        "learning rate",
        "validation accuracy, %",
        rates,
        tuple(curves),
        log_x=True,
    )


def _at_rate(found: Mapping[Trial, Record], norm: str, rate: float) -> tuple[list[float], str]:
    """Return the accuracies of the seeds at a learning rate, or why there are none."""
    records = [r for trial, r in found.items() if trial.norm == norm and trial.learning_rate == rate]
    problems = [record for record in records if record.status != "ok"]
    if problems:
        return [], f"{problems[0].status} in {len(problems)} of {len(records)}"
    return [100 - validation_error(record) for record in records], ""


def _each(points: Sequence[tuple[list[float], str]], take: Callable[[list[float]], float]) -> Values:
    return tuple(take(accuracies) if accuracies else None for accuracies, _ in points)


def by_severity(table: Table) -> tuple[Chart, ...]:
    """Return test accuracy by severity, clean at 0, one chart for each corruption."""
    cells = [cell for cell in table.row("robustness to noise").cells if cell.estimate]
    corruptions = list(cells[0].details["by_severity"]) if cells else []
    charts = []
    for corruption in corruptions:
        errors = {cell.norm: [cell.details["clean"], *cell.details["by_severity"][corruption]] for cell in cells}
        curves = tuple(Curve(norm, tuple(100 - e for e in own)) for norm, own in errors.items())
        steps = tuple(range(len(curves[0].y)))
        charts.append(Chart(corruption, "severity (0: clean)", "test accuracy, %", steps, curves))
    return tuple(charts)


def by_batch_size(table: Table) -> Chart:
    """Return test error by the batch size trained with."""
    sizes = tuple(sorted(table.study.batch_sizes))
    curves = tuple(
        Curve(cell.norm, tuple(cell.details["test_error_by_batch_size"][str(size)] for size in sizes))
        for cell in table.row("batch-size dependence").cells
        if cell.estimate
    )
    return Chart("digits as images", "batch size", "test error, %", sizes, curves, log_x=True)
