"""Settings of studies and searches: one declaration each for the command line, TOML files and Python."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    TypeAdapter,
    ValidationError,
)

from localnorm.errors import LabError
from localnorm.lab.engines.choice import EngineOptions, cores
from localnorm.lab.run.setting_types import (
    Address,
    Amount,
    Count,
    Device,
    Duration,
    Flag,
    Folder,
    Integers,
    Names,
    NormNames,
    Numbers,
    Optimizers,
    Positive,
    Precision,
    Rule,
    Sampler,
    Seeds,
    Text,
    no_bool,
)
from localnorm.lab.run.user_data import task_names
from localnorm.lab.study.registry import MODERN, MODERN_NORMS, NORM_INFO, TASK_NAMES, check_names
from localnorm.lab.study.study import DEFAULT_NORMS, DEFAULT_TASKS, LOOKS, Study, TaskStudy, smoke
from localnorm.lab.study.training_config import CPU, DEVICES, FULL, TrainingConfig, at_rates, cut_down
from localnorm.spelling import nearest

DEFAULT_BUDGET = 300.0
"""Seconds of a study, unless its settings say otherwise."""
_SCHEDULE_TYPES: Mapping[object, Any] = {
    tuple[float, ...]: Numbers,
    tuple[int, ...]: Integers,
    float: Annotated[Positive, Rule("one number above 0", "give one")],
    # 0 draws are valid; `TrainingConfig` rejects 0 elsewhere.
    int: Annotated[NonNegativeInt, BeforeValidator(no_bool), Rule("one whole number", "give one")],
    bool: Flag,
}


def _schedule(value: object) -> dict[str, dict[str, Any]]:
    """Return for some tasks, by name, parts of their `TrainingConfig`, each of the type that it has there."""
    if not isinstance(value, Mapping) or not all(isinstance(parts, Mapping) for parts in value.values()):
        raise LabError(
            f"schedule must be a table per task, [schedule.digits], got {value!r}; see docs/study-files.md."
        )
    types = {name: kind for name, kind in get_type_hints(TrainingConfig).items() if kind in _SCHEDULE_TYPES}
    schedules: dict[str, dict[str, Any]] = {}
    for task, parts in value.items():
        for name, part in parts.items():
            _check_known(f"a setting of [schedule.{task}]", name, types)
            kind = _SCHEDULE_TYPES[types[name]]
            try:
                schedules.setdefault(task, {})[name] = TypeAdapter(kind).validate_python(part)
            except ValidationError:
                raise _error(name, part, kind.__metadata__) from None
    return schedules


def _check_known(what: str, name: str, known: Mapping[str, Any]) -> None:
    if name not in known:
        names = [known_name.replace("_", "-") if "schedule" not in what else known_name for known_name in known]
        raise LabError(f"{what} must be one of {', '.join(names)}, got {name!r}; {nearest(name, names)}")


def _error(name: str, value: object, metadata: tuple[object, ...] | list[object]) -> LabError:
    rule = next(part for part in metadata if isinstance(part, Rule))
    return LabError(f"{name} must be {rule.text}, got {value!r}; {rule.hint}.")


_TASKS = f"{', '.join(TASK_NAMES)}, package.module:attribute"
_NORMS = f"{', '.join(NORM_INFO)}, package.module:attribute"


class TaskSettings(BaseModel):
    """Settings that studies and searches share; the default of a setting left out is the task's own.

    Raises:
        LabError: an unknown setting, or an invalid value.

    Example:
        >>> settings = StudySettings(lr="1e-3, 1e-2", seeds=3, budget="30m")
        >>> settings.lr, settings.seeds, settings.seconds
        ((0.001, 0.01), (0, 1, 2), 1800.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Names = Field((), description="Tasks, or all.")
    model: Text = Field(
        None,
        description="Model for one task, digits by default: package.module:function, torchvision:NAME, timm:NAME "
        "or hf:TYPE. Its norms are swapped, or it takes norm_layer.",
    )
    data: Text = Field(
        None,
        description="User data to classify: a folder or hub:NAME. With --task faces or digit-scenes, a folder of "
        "people or in COCO's format.",
    )
    side: Count = Field(None, description="Resize the images of --data to this height and width in pixels.")
    examples: Count = Field(None, description="Use at most this many images of each subset of --data.")
    augment: Flag = Field(default=False, description="Crop and flip the training images of --data at random.")
    skip_corrupt: Flag = Field(
        default=False, description="Leave out damaged images of --data; their number is in the records."
    )
    num_workers: Annotated[NonNegativeInt, BeforeValidator(no_bool), Rule("a number", "give one", "N")] = Field(
        0, description="Processes per worker that decode images ahead, of --data beyond memory. Default: 0."
    )
    epochs: Integers = Field((), description="Epochs, for every task. Default: the task's own.")
    batch_size: Integers = Field((), description="Batch size, for every task. Default: the task's own.")
    lr: Numbers = Field((), description="Learning rates, for every task. Default: the task's own.")
    optimizer: Optimizers = Field(
        ("adam",),
        description="Optimizers, each with its own learning rates and section: adam, sgd (with momentum), muon.",
    )
    device: Device = Field(
        "cpu", description="Device to train on; auto is the first that is here of cuda, xpu, mps and cpu."
    )
    precision: Precision = Field("32", description="float32, or mixed precision, in bits.")
    workers: Count = Field(
        None,
        description="Worker processes. Default: one per core; on a GPU at most one per 2 GiB of its memory.",
    )
    engine: Text = Field("pool", description="Execution backend: pool (local processes) or ray.")
    address: Address = Field(
        None, description="Ray cluster to join, host:port. Default: Ray is started on this machine."
    )
    gpus_per_worker: Amount = Field(
        None, description="GPUs that Ray reserves for each worker; a fraction shares one. Default: none."
    )
    trial_seconds: Amount = Field(
        None, description="Stop a trial that takes longer; its record says so. Default: no limit."
    )
    out: Folder = Field(None, description="Folder of the results.")

    def __init__(self, **values: Any) -> None:  # noqa: ANN401  each setting has its own type
        fields = type(self).model_fields
        for name in values:
            _check_known("a setting", name, fields)
        try:
            super().__init__(**values)
        except ValidationError as problem:
            first = problem.errors()[0]
            name = str(first["loc"][0])
            inner = first.get("ctx", {}).get("error")
            if isinstance(inner, LabError):
                raise inner from None
            raise _error(name.replace("_", "-"), values[name], fields[name].metadata) from None

    def changed(self, **values: Any) -> Self:  # noqa: ANN401
        """Return the settings with other values."""
        return type(self)(**{**{name: getattr(self, name) for name in self.model_fields_set}, **values})

    @property
    def engine_options(self) -> EngineOptions:
        """The engine of the run.

        Raises:
            LabError: an engine that does not exist, options of another engine, or a device that is not here.
        """
        options = EngineOptions(
            self.engine or "pool",
            self.workers,
            self.address,
            self.gpus_per_worker or 0,
            self.trial_seconds,
            self.num_workers,
        )
        if self.workers or options.engine != "pool" or self.device == CPU:
            return options
        # Imported here: the default device does not wait for torch.
        from localnorm.lab.training.device import most_workers, resolve

        return replace(options, workers=most_workers(resolve(self.device, self.precision), cores()))

    def chosen_device(self) -> str:
        """Return the device to train on. That of a Ray worker is not known here, so that it is not checked.

        Raises:
            LabError: a device or precision that this machine lacks, or a GPU that Ray was not asked for.
        """
        if (self.device, self.precision) == (CPU, FULL):
            return CPU
        # Imported here: the default device does not wait for torch.
        from localnorm.lab.training.device import resolve

        if self.engine != "ray" or self.device in (CPU, DEVICES[0]):
            return resolve(self.device, self.precision)
        if not self.gpus_per_worker:
            raise LabError(
                f"device {self.device} on ray must come with GPUs reserved for each worker, got none; add "
                "--gpus-per-worker 1, or a fraction to share one."
            )
        return self.device


class StudySettings(TaskSettings):
    """Settings of a study."""

    task: Names = Field((), description=f"Tasks: {_TASKS}, or all. Default: {','.join(DEFAULT_TASKS)}.")
    norms: NormNames = Field(
        DEFAULT_NORMS, description=f"Norms: {_NORMS}; {MODERN} for {', '.join(MODERN_NORMS)}."
    )
    seeds: Seeds = Field(
        tuple(range(LOOKS[-1])),
        description="Number of judged seeds, decided or not; verdicts are made at "
        f"{', '.join(map(str, LOOKS))}. Default: as many of {LOOKS[-1]} as it takes to decide.",
    )
    budget: Duration = Field(
        None,
        description="Time to spend, as in 30s, 5m or 8h; run again to go on. Default: "
        f"{DEFAULT_BUDGET / 60:.0f}m, none with --seeds or --until-decided.",
    )
    until_decided: Flag = Field(
        default=False, description="Run until every cell is decided, or the last look is made."
    )
    out: Folder = Field(None, description="Folder of the study. Default: compare, or compare-smoke.")
    smoke: Flag = Field(default=False, description="Run in seconds, too small to conclude from.")
    schedule: Annotated[dict[str, dict[str, Any]], BeforeValidator(_schedule)] = Field(
        default_factory=dict, description="Only in a file: a table per task, [schedule.TASK], of its training."
    )

    @property
    def every_seed(self) -> bool:
        """Whether every norm gets all judged seeds, decided or not."""
        return self.smoke or "seeds" in self.model_fields_set

    @property
    def seconds(self) -> float | None:
        """Time to spend; None for no limit.

        Raises:
            LabError: a budget together with --until-decided.
        """
        if self.until_decided and (self.budget is not None or self.every_seed):
            other = "smoke" if self.smoke else "seeds" if self.every_seed else "budget"
            raise LabError(f"until-decided must be without {other}, got both; drop one of them.")
        if self.budget is not None or self.until_decided or self.every_seed:
            return self.budget
        return DEFAULT_BUDGET


class SearchSettings(TaskSettings):
    """Settings of a search."""

    norm: Text = Field("local", description=f"Norm: {_NORMS}.")
    task: Names = Field((), description=f"Task: {_TASKS}. Default: digits.")
    lr: Numbers = Field(
        (), description="Learning rates; the search goes from the lowest to the highest. Default: the task's own."
    )
    trials: Count = Field(None, description="Trials of the search. Default: 60, 2 with --smoke.")
    timeout: Amount = Field(None, description="Stop starting trials after this many seconds. Default: no limit.")
    seeds: Count = Field(None, description="Seeds of the comparison on test data. Default: 10, 2 with --smoke.")
    sampler: Sampler = Field("tpe", description="Method that proposes settings.")
    out: Folder = Field(None, description="Folder of the search. Default: tune, or tune-smoke.")
    smoke: Flag = Field(default=False, description="Run in seconds, too small to conclude from.")

    @property
    def counts(self) -> tuple[int, int]:
        """Number of trials and of seeds: 60 and 10 by default, two of each with --smoke."""
        default_trials, default_seeds = (2, 2) if self.smoke else (60, 10)
        return self.trials or default_trials, self.seeds or default_seeds


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a TOML file, for `StudySettings` or `SearchSettings`.

    Raises:
        LabError: no such file, or not TOML.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise LabError(
            f"a study file must be readable TOML, got {path}: {problem}; see docs/study-files.md."
        ) from None
    return {name.replace("-", "_"): value for name, value in content.items()}


def merged_settings(file: Path | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in a file, if any, overridden by those given; both for the same class of settings.

    Raises:
        LabError: see `read_settings`.

    Example:
        >>> merged_settings(None, {"norm": "batch"})
        {'norm': 'batch'}
    """
    return {**(read_settings(file) if file else {}), **given}


def make_study(settings: StudySettings) -> Study:
    """Return the study of some settings.

    Raises:
        LabError: values that can't be combined.
        UnknownNameError: a task, norm or model that does not exist.
        DataError: no data to learn from.
        ModelError: the model has no argument norm_layer.

    Example:
        >>> study = make_study(StudySettings(task="digit-rows", norms="none,rms", lr=1e-3, epochs=[2, 4]))
        >>> study.tasks[0].schedule.grid
        ((0.001, 32, 2), (0.001, 32, 4))
    """
    check_names(norms=settings.norms)
    study = Study(_task_studies(settings), settings.norms, settings.seeds)
    parts = {_full_name(name, study): part for name, part in settings.schedule.items()}
    if settings.smoke:
        study = smoke(study)
    tasks = (_with_schedule(task, settings, parts.get(task.name, {})) for task in study.tasks)
    return replace(study, tasks=tuple(tasks))


def make_search_task(settings: SearchSettings) -> TaskStudy:
    """Return the task of a search.

    Raises:
        LabError: several tasks, or values that can't be combined.
        UnknownNameError: a task, norm or model that does not exist.
        DataError: no data to learn from.
        ModelError: the model has no argument norm_layer.
    """
    check_names(norms=(settings.norm or "",))
    tasks = _task_studies(settings if settings.task or settings.data else settings.changed(task="digits"))
    if len(tasks) != 1:
        names = ", ".join(task.name for task in tasks)
        raise LabError(f"a search must be on one task, got {names}; name one with --task.")
    task = replace(tasks[0], schedule=cut_down(tasks[0].schedule)) if settings.smoke else tasks[0]
    return _with_schedule(task, settings, {})


def _task_studies(settings: TaskSettings) -> tuple[TaskStudy, ...]:
    check_names(tasks=settings.task)
    # Imported here: a misspelt name does not wait for torch.
    from localnorm.lab.tasks import task_studies

    options = {
        "examples": settings.examples,
        "side": settings.side,
        "augment": int(settings.augment) or None,
        "skip_corrupt": int(settings.skip_corrupt) or None,
    }
    default = ("digits",) if settings.model else DEFAULT_TASKS
    names = task_names(settings.task or (() if settings.data else default), settings.data, options)
    if settings.model and (len(names) != 1 or names == ("all",)):
        raise LabError(
            f"a model must be for one task, got {settings.model} for {', '.join(names)}; name one with --task, or "
            "give --data."
        )
    device = settings.chosen_device()
    return tuple(
        replace(task, schedule=replace(task.schedule, device=device, precision=settings.precision))
        for task in task_studies(names, settings.model, settings.optimizer)
    )


def _full_name(name: str, study: Study) -> str:
    """Return the name of a task of the study; for a task on data, the prefix is enough."""
    on_data = [task.name for task in study.tasks if task.name.startswith(f"{name}:")]
    return on_data[0] if len(on_data) == 1 else study.task(name).name


def _with_schedule(task: TaskStudy, settings: TaskSettings, parts: Mapping[str, Any]) -> TaskStudy:
    """Return the task with the settings for all tasks, and then those for this one."""
    schedule = task.schedule
    if settings.lr:
        schedule = at_rates(schedule, settings.lr)
    if settings.epochs:
        schedule = replace(schedule, epochs=settings.epochs[0], more_epochs=settings.epochs[1:])
    if settings.batch_size:
        schedule = replace(schedule, batch_size=settings.batch_size[0], more_batch_sizes=settings.batch_size[1:])
    others = dict(parts)
    if rates := others.pop("learning_rates", ()):
        schedule = at_rates(schedule, rates)
    return replace(task, schedule=replace(schedule, **others))
