"""Hyperparameter sensitivity: what the defaults lose against the best of some drawn settings."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean

from localnorm.lab.measures.budget import expected_best
from localnorm.lab.measures.row import Row, Sample, Samples, error_row
from localnorm.lab.measures.select import drawn, keys, of_trials, validation_error, why_missing
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.study.study import Study, TaskStudy

NAME = "hyperparameter sensitivity"
_NEAR = 2.0
"""Smallest effects of validation error within which a learning rate counts as good."""

_Run = tuple[Trial, Record]
"""A trial with its record."""


def row(task: TaskStudy) -> Row | None:
    """Return the row of a task of images."""
    if task.kind != "images":
        return None
    return error_row(
        task,
        NAME,
        f"tunability: test error on {task.name} at the default learning rate and the norm's defaults, minus that "
        "of the setting best on validation data among the drawn ones and those of the grid",
        apart=True,
    )


def near(task: TaskStudy) -> float:
    """Return the validation error within which of the best a learning rate counts as good."""
    return _NEAR * task.smallest_effect


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's loss by its defaults, by seed.

    In the details: ``good_decades``, the width in decades of the learning rates near the best; and over the
    settings drawn, those of all seeds together, ``importance`` of each hyperparameter by PED-ANOVA, see
    `importance.ped_anova`, and ``expected_best``, the expected validation error of the best of 1, 2, ... of them,
    see `budget.expected_best`.
    """
    grid = of_trials(records, study.grid_trials(task))
    tried = _by_norm(grid.values())
    draws = _by_norm(drawn(study, task, records))
    samples = {}
    for norm in study.norms:
        own_draws = draws.get(norm, [])
        own = tried.get(norm, []) + own_draws
        losses = _losses(task, own, study.seeds)
        if all(loss is None for loss in losses):
            samples[norm] = Sample(missing=why_missing(grid, norm))
            continue
        usual = {trial: record for trial, record in tried[norm] if _usual(task, trial)}
        details = {
            "good_decades": _good_decades(usual, near(task)),
            "importance": _importance(own_draws) if own_draws else {},
            "expected_best": expected_best([validation_error(record) for _, record in own_draws]),
        }
        samples[norm] = Sample(losses, details=details, evidence=keys(record for _, record in own))
    return samples


def _by_norm(records: Iterable[Record]) -> dict[str, list[_Run]]:
    """Return the records of trials by their norm, each with its trial."""
    found: dict[str, list[_Run]] = {}
    for record in records:
        if isinstance(record.job, Trial):
            found.setdefault(record.job.norm, []).append((record.job, record))
    return found


def _usual(task: TaskStudy, trial: Trial) -> bool:
    """Whether a trial has the task's own batch size and number of epochs."""
    return (trial.batch_size, trial.epochs) == (task.schedule.batch_size, task.schedule.epochs)


def _losses(task: TaskStudy, own: Iterable[_Run], seeds: Iterable[int]) -> tuple[float | None, ...]:
    """Return each seed's test error at the defaults minus that at the setting best on validation data."""
    by_seed: dict[int, list[_Run]] = {}
    for trial, record in own:
        if record.status == "ok":
            by_seed.setdefault(trial.seed, []).append((trial, record))
    return tuple(_loss(task, by_seed.get(seed, [])) for seed in seeds)


def _loss(task: TaskStudy, own: Sequence[_Run]) -> float | None:
    at_defaults = [record for trial, record in own if _is_default(task, trial)]
    if not at_defaults:
        return None
    errors = [validation_error(record) for _, record in own]
    least = min(errors)
    # Of equals the defaults come first, since a tie is no reason to tune; then the lowest learning rate.
    _, best = min(
        (run for run, error in zip(own, errors, strict=True) if error == least),
        key=lambda run: (not _is_default(task, run[0]), _order(run[0])),
    )
    return float(at_defaults[0].results["test_error"] - best.results["test_error"])


def _is_default(task: TaskStudy, trial: Trial) -> bool:
    rate = task.schedule.default_learning_rate
    return trial.learning_rate == rate and not trial.settings and _usual(task, trial)


def _order(trial: Trial) -> tuple[float, tuple[tuple[str, float], ...], int, int]:
    return trial.learning_rate, trial.settings, trial.batch_size, trial.epochs


def _good_decades(grid: Mapping[Trial, Record], within: float) -> float | None:
    """Return the decades of learning rate, between neighbours tried, that are near the best."""
    errors: dict[float, list[float]] = {}
    for trial, record in grid.items():
        errors.setdefault(trial.learning_rate, []).append(validation_error(record))
    means = {rate: fmean(seen) for rate, seen in sorted(errors.items())}
    best = min(means.values(), default=math.inf)
    if math.isinf(best):
        return None
    return sum(
        math.log10(high / low)
        for (low, low_error), (high, high_error) in zip(
            list(means.items())[:-1], list(means.items())[1:], strict=True
        )
        if max(low_error, high_error) <= best + within
    )


def _importance(draws: Sequence[_Run]) -> dict[str, float | None]:
    """Return each hyperparameter's importance over the settings drawn."""
    # Imported here: Optuna takes half a second, and nobody needs it before there are draws.
    from localnorm.lab.measures.importance import MOST, ped_anova

    draws = draws[:MOST]
    settings = [{"learning_rate": trial.learning_rate, **dict(trial.settings)} for trial, _ in draws]
    return ped_anova(settings, [validation_error(record) for _, record in draws])
