"""Random-search samples of a study, and jobs that must run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from localnorm.lab.records.record import Job, Probe, Trial
from localnorm.lab.study.registry import norm_info
from localnorm.lab.study.search_space import LogUniform, Space, draw
from localnorm.lab.study.study import Study, TaskStudy


def norm_space(name: str) -> Space:
    """Return the hyperparameter ranges of a norm; the module of a user-defined one is imported.

    Raises:
        UnknownNameError: no such norm.
    """
    return norm_info(name).space


def sampled_rate(task: TaskStudy, seed: int, number: int) -> float:
    """Return the learning rate of a random-search sample, the same for every norm.

    A difference from `none` in what tuning gains then comes from the norm's own hyperparameters.
    """
    rates = task.schedule.learning_rates
    ((_, rate),) = draw({"learning_rate": LogUniform(min(rates), max(rates))}, seed, number)
    return rate


def random_trials(study: Study, task: TaskStudy, space_of: Callable[[str], Space] = norm_space) -> Iterator[Trial]:
    """Yield the random-search samples of a task: each norm and pilot seed with sampled hyperparameters."""
    schedule = task.schedule
    for norm in study.norms:
        for seed in study.pilot_seeds:
            for number in range(schedule.draws):
                yield random_trial(task, norm, seed, number, space_of(norm))


def random_trial(task: TaskStudy, norm: str, seed: int, number: int, space: Space) -> Trial:
    """Return the trial of a random-search sample, given by pilot seed and number."""
    rate, settings = sampled_rate(task, seed, number), draw(space, norm, seed, number)
    schedule = task.schedule
    return task.trial(norm, seed, rate, schedule.batch_size, schedule.epochs, settings)


def runs_alone(job: Job) -> bool:
    """Whether no other job may run at the same time, because this one measures time."""
    return isinstance(job, Probe) and job.name == "cost"
