"""Choose each norm's setting on the validation errors of the pilot seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple, TypeVar

from localnorm.lab.measures.select import of_trials
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.study.study import Study, TaskStudy

S = TypeVar("S")


class GridSetting(NamedTuple):
    """A setting of the grid, at a norm's defaults."""

    learning_rate: float
    batch_size: int
    epochs: int


def grid_setting(trial: Trial) -> GridSetting:
    """Return the setting of a trial."""
    return GridSetting(trial.learning_rate, trial.batch_size, trial.epochs)


def pilot_error(task: TaskStudy, record: Record) -> float:
    """Return the last validation error; that of chance if training diverged, infinite without a result."""
    if record.status == "ok":
        return float(record.results["validation_error"][-1])
    return task.chance_error if record.status == "diverged" else math.inf


def pilot_errors(
    study: Study, task: TaskStudy, found: Mapping[Trial, Record]
) -> dict[str, dict[GridSetting, list[float]]]:
    """Return the validation errors of each norm's settings, by pilot seed, of the norms with a whole pilot."""
    errors: dict[str, dict[GridSetting, list[float]]] = {norm: {} for norm in study.norms}
    whole = set(study.norms)
    for trial in study.pilot_trials(task):
        if trial in found:
            of_norm = errors[trial.norm].setdefault(grid_setting(trial), [])
            of_norm.append(pilot_error(task, found[trial]))
        else:
            whole.discard(trial.norm)
    return {norm: errors[norm] for norm in study.norms if norm in whole}


def choose(study: Study, task: TaskStudy, records: Collection[Record]) -> dict[str, GridSetting | None]:
    """Return the setting at which each norm is judged: a function of the pilot's records alone.

    Of the settings that `near_best` keeps, the one nearest in log learning rate to that of `none` is taken, for
    `none` the one nearest to the task's default: two norms with the same errors shall not differ because chance
    gave them different rates. None while the pilot of the norm or of `none` is unfinished, or if no setting has a
    result.
    """
    errors = pilot_errors(study, task, of_trials(records, study.pilot_trials(task)))
    schedule = task.schedule
    default = GridSetting(schedule.default_learning_rate, schedule.batch_size, schedule.epochs)
    base = _nearest(near_best(errors["none"], task.smallest_effect), default) if "none" in errors else None
    chosen: dict[str, GridSetting | None] = dict.fromkeys(study.norms)
    if base is not None:
        for norm, by_setting in errors.items():
            chosen[norm] = _nearest(near_best(by_setting, task.smallest_effect), base)
    return chosen


def near_best(errors: Mapping[S, Sequence[float]], effect: float) -> list[S]:
    """Return the settings that the seeds do not show to be worse than the best one.

    These are the one with the least mean error, and those whose mean paired difference from it is at most half the
    smallest effect, or at most one standard error and below the smallest effect. A setting with an infinite error
    is left out. The half keeps a choice from hanging on chance where it matters little.

    Args:
        errors: by setting, one per seed, the same seeds for each.
        effect: the smallest effect.

    Example:
        >>> near_best({"a": [1.0, 2.0], "b": [2.0, 1.2], "c": [3.0, 4.0], "d": [1.2, 2.2]}, effect=0.5)
        ['a', 'b', 'd']
    """
    means = {setting: fmean(values) for setting, values in errors.items()}
    ended = [setting for setting, mean in means.items() if math.isfinite(mean)]
    if not ended:
        return []
    best = min(ended, key=lambda setting: means[setting])
    return [setting for setting in ended if setting == best or _level(errors[setting], errors[best], effect)]


def _level(errors: Sequence[float], best: Sequence[float], effect: float) -> bool:
    differences = [a - b for a, b in zip(errors, best, strict=True)]
    count, mean = len(differences), fmean(differences)
    squares = math.fsum((difference - mean) ** 2 for difference in differences)
    error = math.sqrt(squares / (count - 1) / count) if count > 1 else 0.0
    return mean <= effect / 2 or (mean <= error and mean < effect)


def _nearest(settings: Sequence[GridSetting], to: GridSetting) -> GridSetting | None:
    def distance(setting: GridSetting) -> tuple[float, ...]:
        ratios = (abs(math.log(a / b)) for a, b in zip(setting, to, strict=True))
        return (*(round(ratio, 9) for ratio in ratios), *setting)

    return min(settings, key=distance, default=None)
