"""List the jobs of a study in the order in which they should run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from localnorm.lab.records.record import Job, Probe, Record, Trial, key
from localnorm.lab.study.registry import NORM_INFO, norm_info
from localnorm.lab.study.search_space import LogUniform, Space, draw
from localnorm.lab.study.study import Study, TaskStudy


def norm_space(name: str) -> Space:
    """Return the hyperparameter ranges of a norm; the module of a user-defined one is imported.

    Raises:
        UnknownNameError: no such norm.
    """
    return norm_info(name).space


def random_trials(study: Study, task: TaskStudy, space_of: Callable[[str], Space] = norm_space) -> Iterator[Trial]:
    """Yield the random-search samples of a task: each norm and seed with sampled hyperparameters.

    A seed has the same learning rates for every norm, so a difference from `none` in what tuning gains comes from
    the norm's own hyperparameters.
    """
    schedule = task.schedule
    rates = LogUniform(min(schedule.learning_rates), max(schedule.learning_rates))
    for norm in study.norms:
        space = space_of(norm)
        for seed in study.seeds:
            for number in range(schedule.draws):
                ((_, rate),) = draw({"learning_rate": rates}, seed, number)
                settings = draw(space, norm, seed, number)
                yield Trial(
                    task.name, task.model, norm, seed, rate, schedule.batch_size, schedule.epochs, settings
                )


def jobs(study: Study, space_of: Callable[[str], Space] = norm_space) -> list[Job]:
    """Return each job of the study once: the cost probe first, then the trials, longest first.

    Args:
        study: the study.
        space_of: the hyperparameter ranges of a norm.

    Raises:
        UnknownNameError: a norm of the study does not exist.

    Example:
        >>> task = TaskStudy("mine", "images", "small_cnn", "", "", "% error", 0.5)
        >>> jobs(Study((task,), ("none", "batch"), (0,)))[0].name
        'cost'
    """
    trials: list[Trial] = []
    for task in study.tasks:
        trials += [*study.grid_trials(task), *random_trials(study, task, space_of), *study.batch_trials(task)]
    # The number of steps decides how long a trial takes; with the longest first, all workers end together.
    trials.sort(key=lambda trial: -trial.epochs / trial.batch_size)
    everything: list[Job] = [*study.probes(), *trials]
    return list({key(job): job for job in everything}.values())


def count_done(study: Study, records: Collection[Record]) -> tuple[int, int]:
    """Return how many jobs of a study have a record, and how many there are; no user-defined norm is imported.

    The random-search trials of a user-defined norm are matched without its hyperparameters, because their ranges
    are in its module.
    """

    def known(job: Job) -> Job:
        return replace(job, settings=()) if isinstance(job, Trial) and job.norm not in NORM_INFO else job

    spaces = {name: info.space for name, info in NORM_INFO.items()}
    wanted = {known(job) for job in jobs(study, lambda name: spaces.get(name, {}))}
    return len(wanted & {known(record.job) for record in records}), len(wanted)


def runs_alone(job: Job) -> bool:
    """Whether no other job may run at the same time, because this one measures time."""
    return isinstance(job, Probe) and job.name == "cost"
