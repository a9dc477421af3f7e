"""The settings of a study as a person gives them: on the command line, in a file, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from localnorm.errors import LabError
from localnorm.lab.engines.choice import EngineChoice
from localnorm.lab.study.study import DEFAULT_NORMS, DEFAULT_TASKS, Study, TaskStudy, smoke
from localnorm.lab.study.training_config import at_rates
from localnorm.lab.tasks import task_studies
from localnorm.lab.tasks.data_names import full, place_name

ON_DATA: Mapping[str | None, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {None: ("data:", ("examples", "side")), "faces": ("lfw:", ()), "digit-scenes": ("coco:", ("side",))}
)
"""What a task becomes on data of a user's own, and the options that it then has; None is to classify them."""


@dataclass(frozen=True)
class Settings:
    """What a person says of a study; what is left out is as the tasks have it.

    Attributes:
        task: names of tasks; ``all`` stands for every registered one. Nothing is the default tasks, or with a
            model ``digits``, or with data to classify them.
        norms: names of norms.
        seeds: the seeds themselves.
        epochs: the first is each task's own, the others are tried too.
        batch_size: as `epochs`.
        lr: learning rates tried.
        smoke: whether the tasks are cut down first, to run in seconds.
        workers: number of worker processes.
        engine: what the workers are in, and with address, gpus_per_worker and trial_seconds as in `EngineChoice`.
        address: of a Ray cluster.
        gpus_per_worker: part of a GPU.
        trial_seconds: the longest that a trial may take.
        out: the study's folder.
        schedule: for some tasks, by name, parts of their `TrainingConfig`; ``data``, ``lfw`` and ``coco`` are
            enough of the name of a task on data.
        model: that of the one task, as for `localnorm.lab.tasks.find_task`.
        data: where the one task's data are: a folder, or ``hub:NAME``.
        side: height and width that the data's images are resized to, in pixels.
        examples: images of the data that each part takes at most.
    """

    task: tuple[str, ...] = ()
    norms: tuple[str, ...] = DEFAULT_NORMS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: tuple[int, ...] = ()
    batch_size: tuple[int, ...] = ()
    lr: tuple[float, ...] = ()
    smoke: bool = False
    workers: int | None = None
    engine: str = "pool"
    address: str | None = None
    gpus_per_worker: float = 0
    trial_seconds: float | None = None
    out: str | None = None
    schedule: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    model: str | None = None
    data: str | None = None
    side: int | None = None
    examples: int | None = None


def engine_choice(settings: Settings) -> EngineChoice:
    """Return where the trials are to run.

    Raises:
        LabError: no such engine, or options that it does not have.
    """
    return EngineChoice(
        settings.engine, settings.workers, settings.address, settings.gpus_per_worker, settings.trial_seconds
    )


def make_study(settings: Settings) -> Study:
    """Return the study that settings ask for.

    Raises:
        LabError: a value that no study can have, or a model or data that go with no such task.
        UnknownNameError: a task or a model that does not exist.
        DataError: no data there to learn from.
        ModelError: the model has no argument norm_layer.

    Example:
        >>> study = make_study(Settings(task=("digit-rows",), norms=("none", "rms"), lr=(1e-3,), epochs=(2, 4)))
        >>> study.tasks[0].schedule.grid
        ((0.001, 32, 2), (0.001, 32, 4))
    """
    names = _task_names(settings)
    if settings.model and (len(names) != 1 or names == ("all",)):
        raise LabError(
            f"a model must be for one task, got {settings.model} for {', '.join(names)}; name one with --task, or "
            "give --data."
        )
    study = Study(task_studies(names, settings.model), settings.norms, settings.seeds)
    parts = {_in_full(name, study): part for name, part in settings.schedule.items()}
    if settings.smoke:
        study = smoke(study)
    tasks = (_scheduled(task, settings, parts.get(task.name, {})) for task in study.tasks)
    return replace(study, tasks=tuple(tasks))


def _task_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the tasks that are asked for, those on data in full."""
    options = {"examples": settings.examples, "side": settings.side}
    given = [name for name, value in options.items() if value is not None]
    if settings.data is None:
        if given:
            raise LabError(
                f"{given[0]} must be given with the data that it is for, got {given[0]} {options[given[0]]} "
                "without; add --data."
            )
        return settings.task or (("digits",) if settings.model else DEFAULT_TASKS)
    asked = settings.task[0] if len(settings.task) == 1 else ", ".join(settings.task) or None
    if asked not in ON_DATA:
        raise LabError(
            "a task on data of your own must be left out, to classify them, or be "
            f"{' or '.join(name for name in ON_DATA if name)}, got {asked}; drop --task or --data."
        )
    prefix, known = ON_DATA[asked]
    if asked and settings.data.startswith("hub:"):
        raise LabError(
            f"{asked} must be on a folder, got {settings.data}; drop --task to classify it, or save it."
        )
    for name in given:
        if name not in known:
            raise LabError(
                f"{asked} on a folder must have no option but {', '.join(known) or 'none'}, got {name} "
                f"{options[name]}; drop --{name}."
            )
    return (place_name(prefix, full(settings.data), options),)


def _in_full(name: str, study: Study) -> str:
    """Return the name of the study's task that is meant: in full, or what stands before the place of its data."""
    short = [task.name for task in study.tasks if task.name.startswith(f"{name}:")]
    return short[0] if len(short) == 1 else study.task(name).name


def _scheduled(task: TaskStudy, settings: Settings, parts: Mapping[str, Any]) -> TaskStudy:
    """Return the task with the schedule asked for: what is said of all tasks, then what is said of it."""
    schedule = task.schedule
    if settings.lr:
        schedule = at_rates(schedule, settings.lr)
    if settings.epochs:
        schedule = replace(schedule, epochs=settings.epochs[0], more_epochs=settings.epochs[1:])
    if settings.batch_size:
        schedule = replace(schedule, batch_size=settings.batch_size[0], more_batch_sizes=settings.batch_size[1:])
    own = dict(parts)
    if rates := own.pop("learning_rates", ()):
        schedule = at_rates(schedule, rates)
    return replace(task, schedule=replace(schedule, **own))
