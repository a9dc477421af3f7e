"""A study: its settings as one frozen value, and the trials that follow from them alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.records.record import Probe, Trial
from localnorm.lab.study.training_config import TrainingConfig, cut_down
from localnorm.spelling import nearest

DEFAULT_NORMS = ("none", "local", "batch", "layer", "instance", "group", "rms")
DEFAULT_TASKS = ("digits", "digit-rows")

Kind = Literal["images", "recurrent", "transformer", "style"]
"""What a task stands for: which rows of the table it feeds."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class TaskStudy:
    """One task as a study sees it: plain values, so that table and report need neither the task nor torch.

    Attributes:
        name: the name of the task, as in records.
        kind: which rows it feeds.
        model: the name of its model, as in records.
        about: the data and their split, in words.
        measured_as: what its error is, in words.
        unit: of the error, which is lower where it is better.
        smallest_effect: the smallest difference of the error that matters, in that unit.
        corruptions: the corruptions its test is repeated under.
        schedule: how its models are trained.
        classes: how many classes its labels tell apart; 0 where they are no classes.
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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LabError(
                f"a task's kind must be one of {', '.join(KINDS)}, got {self.kind!r} for {self.name}; "
                "choose the rows that it is to feed."
            )
        if not 0 < self.smallest_effect < math.inf:
            raise LabError(
                f"a task's smallest effect must be above 0 and finite, got {self.smallest_effect} for "
                f"{self.name}; say which difference of its error would matter."
            )

    @property
    def corrupted(self) -> bool:
        """Whether its test is repeated under corruptions."""
        return bool(self.corruptions) and self.schedule.corrupted

    @property
    def features(self) -> bool:
        """Whether linear probes are fitted to the features that it has taught."""
        return self.kind == "images" and self.classes > 0


@dataclass(frozen=True)
class Study:
    """Everything that decides what is trained. Every norm gets the same trials.

    Attributes:
        tasks: what is learned, in the order of the report.
        norms: the norms compared, `none` among them.
        seeds: each seed is one pair: same data split, initial weights, batch order and noise for every norm.
    """

    tasks: tuple[TaskStudy, ...]
    norms: tuple[str, ...] = DEFAULT_NORMS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def __post_init__(self) -> None:
        names = tuple(task.name for task in self.tasks)
        for name, given in (("tasks", names), ("norms", self.norms), ("seeds", self.seeds)):
            if not given or len(set(given)) != len(given):
                raise LabError(f"{name} must be at least one and no two the same, got {given}; drop the repeats.")
        if "none" not in self.norms:
            raise LabError(
                f"norms must contain none, which every other norm is compared with, got {', '.join(self.norms)}; "
                "add none."
            )

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

    def grid_trials(self, task: TaskStudy) -> Iterator[Trial]:
        """Every norm, seed and setting of a task's grid at the norm's defaults, with all that a trial measures."""
        for norm in self.norms:
            for seed in self.seeds:
                for rate, size, epochs in task.schedule.grid:
                    trial = Trial(task.name, task.model, norm, seed, rate, size, epochs)
                    yield replace(trial, corrupted=task.corrupted, features=task.features)

    def batch_trials(self, task: TaskStudy) -> Iterator[Trial]:
        """Every norm, seed and batch size of a task's batch-size row, at the norm's defaults."""
        schedule = task.schedule
        for norm in self.norms:
            for seed in self.seeds:
                for size in schedule.batch_sizes:
                    rate = schedule.default_learning_rate * math.sqrt(size / schedule.batch_size)
                    yield Trial(task.name, task.model, norm, seed, rate, size, schedule.epochs_at(size))

    def probes(self) -> Iterator[Probe]:
        """Cost of all norms side by side, scope and flexibility of each."""
        yield Probe("cost", self.norms)
        for norm in self.norms:
            yield Probe("scope", (norm,))
            yield Probe("flexibility", (norm,))


def smoke(study: Study) -> Study:
    """Return the study cut down to run in seconds: the same parts, too little of each to conclude from."""
    tasks = tuple(replace(task, schedule=cut_down(task.schedule)) for task in study.tasks)
    return replace(study, seeds=study.seeds[:2], tasks=tasks)
