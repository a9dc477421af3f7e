"""Settings of a study as plain frozen values, and the trials that follow from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, get_args

from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.records.record import Probe, Trial
from localnorm.lab.study.training_config import TrainingConfig, cut_down
from localnorm.spelling import nearest

DEFAULT_NORMS = ("none", "local", "batch", "layer", "instance", "group", "rms")
DEFAULT_TASKS = ("digits", "digit-rows")
LOOKS = (6, 10, 16, 24, 40)
"""Numbers of judged seeds at which verdicts are made; fixed before any record exists."""
PILOT_SEEDS = tuple(range(1000, 1008))
"""Seeds that choose the settings; they are never judged."""

Kind = Literal["images", "recurrent", "transformer", "style"]
"""Type of a task, which decides the rows of the table that it contributes to."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class TaskStudy:
    """A task in plain values, so that table and report need neither its code nor torch.

    Attributes:
        name: the name of the task, as in records.
        kind: type of the task, which decides the rows of the table.
        model: the name of its model, as in records.
        about: description of the data and their split.
        measured_as: description of the error.
        unit: of the error; lower is better.
        smallest_effect: smallest effect size of interest, in that unit.
        corruptions: the corruptions that the test is repeated under.
        schedule: training settings of its models.
        classes: number of classes of the labels; 0 if they are not classes.
        chance_error: error of a model that has learned nothing; a diverged trial counts with it.
    """

    name: str
    kind: Kind
    model: str
    about: str
    measured_as: str
    unit: str
    smallest_effect: float
    corruptions: tuple[str, ...] = ()
    schedule: TrainingConfig = field(default_factory=TrainingConfig)
    classes: int = 0
    chance_error: float = 100.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LabError(
                f"a task's kind must be one of {', '.join(KINDS)}, got {self.kind!r} for {self.name}; "
                "choose one of them."
            )
        if not 0 < self.smallest_effect < math.inf:
            raise LabError(
                f"a task's smallest effect must be above 0 and finite, got {self.smallest_effect} for "
                f"{self.name}; set the smallest difference of its error that matters."
            )

    def trial(
        self,
        norm: str,
        seed: int,
        learning_rate: float,
        batch_size: int,
        epochs: int,
        settings: tuple[tuple[str, float], ...] = (),
        *,
        judged: bool = False,
        corrupted: bool = False,
        features: bool = False,
    ) -> Trial:
        """Return a trial of this task, on its device.

        Args:
            norm: name of the norm.
            seed: seed of the trial.
            learning_rate: of the optimizer.
            batch_size: examples per training step.
            epochs: passes over the training data.
            settings: hyperparameters of the norm that differ from its defaults.
            judged: whether the trained model is tested.
            corrupted: whether the test is repeated under corruptions.
            features: whether a linear probe is fitted to the features.
        """
        setting = learning_rate, batch_size, epochs, settings
        where = self.schedule.device, self.schedule.precision
        return Trial(self.name, self.model, norm, seed, *setting, judged, corrupted, features, *where)

    def judged_trial(self, norm: str, seed: int, setting: tuple[float, int, int]) -> Trial:
        """Return the trial of a judged seed with every measurement of the task."""
        return self.trial(norm, seed, *setting, judged=True, corrupted=self.corrupted, features=self.features)

    @property
    def corrupted(self) -> bool:
        """Whether the test is repeated under corruptions."""
        return bool(self.corruptions) and self.schedule.corrupted

    @property
    def features(self) -> bool:
        """Whether a linear probe is fitted to the features of its models."""
        return self.kind == "images" and self.classes > 0


@dataclass(frozen=True)
class Study:
    """All settings that decide what is trained. Every norm gets the same trials.

    Attributes:
        tasks: the tasks, in the order of the report.
        norms: the norms, including `none`.
        seeds: the judged seeds, in the order in which they run. Each gives every norm the same data split, initial
            weights, batch order and noise, so that results are paired.
        pilot_seeds: the seeds whose validation errors choose the settings; they are never judged.
        looks: numbers of judged seeds at which verdicts are made.
    """

    tasks: tuple[TaskStudy, ...]
    norms: tuple[str, ...] = DEFAULT_NORMS
    seeds: tuple[int, ...] = tuple(range(LOOKS[-1]))
    pilot_seeds: tuple[int, ...] = PILOT_SEEDS
    looks: tuple[int, ...] = LOOKS

    def __post_init__(self) -> None:
        names = tuple(task.name for task in self.tasks)
        for name, values in (
            ("tasks", names),
            ("norms", self.norms),
            ("seeds", self.seeds),
            ("pilot seeds", self.pilot_seeds),
        ):
            if not values or len(set(values)) != len(values):
                shown = ", ".join(map(str, values)) or "none"
                raise LabError(f"{name} must be at least one and no two the same, got {shown}; drop the repeats.")
        if "none" not in self.norms:
            raise LabError(
                f"norms must contain none, which every other norm is compared with, got {', '.join(self.norms)}; "
                "add none."
            )
        if both := sorted(set(self.seeds) & set(self.pilot_seeds)):
            shown = ", ".join(map(str, both))
            raise LabError(
                f"a seed must either choose or be judged, got {shown} for both; leave them out of seeds."
            )

    @property
    def device(self) -> str:
        """The kind of device that all tasks train on."""
        return self.tasks[0].schedule.device

    def task(self, name: str) -> TaskStudy:
        """Return a task of the study by name.

        Raises:
            UnknownNameError: the study has no such task.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        names = [task.name for task in self.tasks]
        raise UnknownNameError(
            f"a task of this study must be one of {', '.join(names)}, got {name!r}; {nearest(name, names)}"
        )

    @lru_cache(maxsize=64)  # noqa: B019  a running study asks again after each record
    def pilot_trials(self, task: TaskStudy) -> tuple[Trial, ...]:
        """Return each norm, pilot seed and setting of a task's grid at the norm's defaults."""
        return tuple(
            task.trial(norm, seed, *setting)
            for norm in self.norms
            for seed in self.pilot_seeds
            for setting in task.schedule.grid
        )

    @lru_cache(maxsize=2**14)  # noqa: B019
    def batch_trials(self, task: TaskStudy, norm: str, seed: int) -> tuple[Trial, ...]:
        """Return the trials of a task's batch-size row for a norm at its defaults and a judged seed."""
        schedule = task.schedule
        return tuple(
            task.trial(
                norm,
                seed,
                schedule.rate_at(size),
                size,
                schedule.epochs_at(size),
                judged=True,
            )
            for size in schedule.batch_sizes
        )

    def probes(self) -> Iterator[Probe]:
        """Yield the cost probe of all norms together, and the scope and flexibility probes of each."""
        yield Probe("cost", self.norms, self.device)
        for norm in self.norms:
            # A property of the definition: float64 on the CPU, which not every device has.
            yield Probe("scope", (norm,))
            yield Probe("flexibility", (norm,), self.device)


def smoke(study: Study) -> Study:
    """Return the study reduced to run in seconds: the same parts, too small to conclude from."""
    tasks = tuple(replace(task, schedule=cut_down(task.schedule)) for task in study.tasks)
    return replace(study, seeds=study.seeds[:2], pilot_seeds=study.pilot_seeds[:1], tasks=tasks)
