"""Hyperparameter sensitivity: loss of the defaults against the best setting of grid and random search."""

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
    """Return the row of an image task."""
    about = (
        f"tunability: test error on {task.name} at the default learning rate and the norm's defaults, minus that "
        "of the setting best on validation data among the random-search samples and those of the grid"
    )
    return error_row(task, NAME, about, apart=True) if task.kind == "images" else None


def near(task: TaskStudy) -> float:
    """Return the validation error within which of the best a learning rate counts as good."""
    return _NEAR * task.smallest_effect


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's loss with its defaults, by seed.

    The details hold ``good_decades``, the width in decades of the learning rates near the best; and over the
    random-search samples of all seeds ``importance`` of each hyperparameter, see `importance.ped_anova`, and
    ``expected_best``, the expected validation error of the best of 1, 2, ... of them, see `budget.expected_best`.
    """
    grid = of_trials(records, study.grid_trials(task))
    tried = _by_norm(grid.values())
    draws = _by_norm(drawn(study, task, records))
    samples = {}
    for norm in study.norms:
        norm_draws = draws.get(norm, [])
        runs = tried.get(norm, []) + norm_draws
        losses = _losses(task, runs, study.seeds)
        if all(loss is None for loss in losses):
            samples[norm] = Sample(missing=why_missing(grid, norm))
            continue
        usual = {trial: record for trial, record in tried[norm] if _usual(task, trial)}
        details = {
            "good_decades": _good_decades(usual, near(task)),
            "importance": _importance(norm_draws) if norm_draws else {},
            "expected_best": expected_best([validation_error(record) for _, record in norm_draws]),
        }
        samples[norm] = Sample(losses, details=details, record_keys=keys(record for _, record in runs))
    return samples


def _by_norm(records: Iterable[Record]) -> dict[str, list[_Run]]:
    """Return the records of trials by norm, each with its trial."""
    found: dict[str, list[_Run]] = {}
    for record in records:
        if isinstance(record.job, Trial):
            found.setdefault(record.job.norm, []).append((record.job, record))
    return found


def _usual(task: TaskStudy, trial: Trial) -> bool:
    """Whether a trial has the task's default batch size and number of epochs."""
    return (trial.batch_size, trial.epochs) == (task.schedule.batch_size, task.schedule.epochs)


def _losses(task: TaskStudy, runs: Iterable[_Run], seeds: Iterable[int]) -> tuple[float | None, ...]:
    """Return each seed's test error at the defaults minus that at the setting best on validation data."""
    by_seed: dict[int, list[_Run]] = {}
    for trial, record in runs:
        if record.status == "ok":
            by_seed.setdefault(trial.seed, []).append((trial, record))
    return tuple(_loss(task, by_seed.get(seed, [])) for seed in seeds)


def _loss(task: TaskStudy, runs: Sequence[_Run]) -> float | None:
    at_defaults = [record for trial, record in runs if _is_default(task, trial)]
    if not at_defaults:
        return None
    errors = [validation_error(record) for _, record in runs]
    least = min(errors)
    # Ties go to the defaults, then to the lowest learning rate: a tie is no reason to tune.
    _, best = min(
        (run for run, error in zip(runs, errors, strict=True) if error == least),
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
    means = {rate: fmean(values) for rate, values in sorted(errors.items())}
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
    """Return each hyperparameter's importance over the random-search samples."""
    # Imported here: Optuna takes half a second.
    from localnorm.lab.measures.importance import MOST, ped_anova

    draws = draws[:MOST]
    settings = [{"learning_rate": trial.learning_rate, **dict(trial.settings)} for trial, _ in draws]
    return ped_anova(settings, [validation_error(record) for _, record in draws])
