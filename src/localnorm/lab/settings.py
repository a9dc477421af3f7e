"""The settings of a study as a person gives them: on the command line, in a file, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localnorm.lab.schedule import at_rates
from localnorm.lab.study import DEFAULT_NORMS, DEFAULT_TASKS, Study, TaskStudy, smoke
from localnorm.lab.tasks import task_studies


@dataclass(frozen=True)
class Settings:
    """What a person says of a study; what is left out is as the tasks have it.

    Attributes:
        task: names of tasks; ``all`` stands for every registered one.
        norms: names of norms.
        seeds: the seeds themselves.
        epochs: the first is each task's own, the others are tried too.
        batch_size: as `epochs`.
        lr: learning rates tried.
        smoke: whether the tasks are cut down first, to run in seconds.
        workers: number of worker processes.
        out: the study's folder.
        schedule: for some tasks, by name, parts of their `Schedule`.
    """

    task: tuple[str, ...] = DEFAULT_TASKS
    norms: tuple[str, ...] = DEFAULT_NORMS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: tuple[int, ...] = ()
    batch_size: tuple[int, ...] = ()
    lr: tuple[float, ...] = ()
    smoke: bool = False
    workers: int | None = None
    out: str | None = None
    schedule: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def make_study(settings: Settings) -> Study:
    """Return the study that settings ask for.

    Raises:
        LabError: a value that no study can have.
        UnknownNameError: a task that does not exist.

    Example:
        >>> study = make_study(Settings(task=("digit-rows",), norms=("none", "rms"), lr=(1e-3,), epochs=(2, 4)))
        >>> study.tasks[0].schedule.grid
        ((0.001, 32, 2), (0.001, 32, 4))
    """
    study = Study(task_studies(settings.task), settings.norms, settings.seeds)
    for name in settings.schedule:
        study.task(name)
    if settings.smoke:
        study = smoke(study)
    return replace(study, tasks=tuple(_scheduled(task, settings) for task in study.tasks))


def _scheduled(task: TaskStudy, settings: Settings) -> TaskStudy:
    """Return the task with the schedule asked for: what is said of all tasks, then what is said of it."""
    schedule = task.schedule
    if settings.lr:
        schedule = at_rates(schedule, settings.lr)
    if settings.epochs:
        schedule = replace(schedule, epochs=settings.epochs[0], more_epochs=settings.epochs[1:])
    if settings.batch_size:
        schedule = replace(schedule, batch_size=settings.batch_size[0], more_batch_sizes=settings.batch_size[1:])
    own = dict(settings.schedule.get(task.name, {}))
    if rates := own.pop("learning_rates", ()):
        schedule = at_rates(schedule, rates)
    return replace(task, schedule=replace(schedule, **own))
