"""Settings of a search for a norm's hyperparameters on one task, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.records.record import Trial
from localnorm.lab.study.search_space import LogUniform, Space
from localnorm.lab.study.study import TaskStudy
from localnorm.lab.study.training_config import listed
from localnorm.spelling import nearest

SAMPLERS = ("tpe", "random")
SEARCHED = 0
"""Seed of all trials of the search."""
CHOOSING = (0, 1, 2)
"""Seeds of the choice by mean validation error; those of the comparison on test data follow them."""
LEARNED: Mapping[str, str] = {"local": "local-learned"}
"""The norm that learns the searched hyperparameters, for norms that have one."""
RATE = "learning_rate"


class Setting(NamedTuple):
    """A norm, a learning rate, and the norm's hyperparameters that differ from its defaults."""

    norm: str
    learning_rate: float
    settings: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Tuning:
    """All settings of a search.

    Attributes:
        task: the task; its schedule gives the range of learning rates, the batch size and the epochs.
        norm: the norm whose hyperparameters are searched.
        dims: number of axes after (N, C) of the norm's input.
        space: the norm's hyperparameters and their ranges, without the learning rate.
        defaults: the defaults of the hyperparameters that have one.
        sampler: ``tpe`` or ``random``.
        trials: number of trials of the search, at least 1.
        seeds: number of seeds of the comparison on test data, at least 1.

    Raises:
        LabError: a count below 1, several batch sizes or numbers of epochs, or nothing to search.
        UnknownNameError: a sampler that does not exist.
    """

    task: TaskStudy
    norm: str
    dims: int
    space: Space
    defaults: tuple[tuple[str, float], ...] = ()
    sampler: str = "tpe"
    trials: int = 60
    seeds: int = 10

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise UnknownNameError(
                f"a sampler must be one of {', '.join(SAMPLERS)}, got {self.sampler!r}; "
                f"{nearest(self.sampler, SAMPLERS)}"
            )
        for name, count, hint in (("trials", self.trials, "60"), ("seeds", self.seeds, "10")):
            if count < 1:
                raise LabError(f"--{name} must be at least 1, got {count}; leave it out for {hint}.")
        schedule = self.task.schedule
        for words, first, more in (
            ("batch size", schedule.batch_size, schedule.more_batch_sizes),
            ("number of epochs", schedule.epochs, schedule.more_epochs),
        ):
            if more:
                raise LabError(f"a search must have one {words}, got {listed((first, *more))}; give one.")
        if not self.searched:
            raise LabError(
                f"a search must have something to search, got the norm {self.norm} without hyperparameters and "
                f"one learning rate, {schedule.default_learning_rate:g}; give two, as in --lr 1e-3,1e-2."
            )

    @property
    def searched(self) -> Space:
        """The ranges of all searched values, sorted by name."""
        rates = self.task.schedule.learning_rates
        between = {RATE: LogUniform(min(rates), max(rates))} if len(rates) > 1 else {}
        everything = {**self.space, **between}
        return {name: everything[name] for name in sorted(everything)}

    @property
    def default_settings(self) -> tuple[Setting, ...]:
        """The norm's defaults at each learning rate of the schedule."""
        return self.default_settings_of(self.norm)

    def default_settings_of(self, norm: str) -> tuple[Setting, ...]:
        """Return a norm's defaults at each learning rate of the schedule."""
        return tuple(Setting(norm, rate) for rate in self.task.schedule.learning_rates)

    def trial(self, setting: Setting, seed: int) -> Trial:
        """Return the trial of a setting with a seed."""
        schedule = self.task.schedule
        return self.task.trial(
            setting.norm,
            seed,
            setting.learning_rate,
            schedule.batch_size,
            schedule.epochs,
            setting.settings,
            judged=seed in self.test_seeds,
        )

    def setting(self, values: Mapping[str, float]) -> Setting:
        """Return the setting with a value for each name of `searched`."""
        settings = {name: value for name, value in values.items() if name != RATE}
        rate = values.get(RATE, self.task.schedule.default_learning_rate)
        return Setting(self.norm, rate, tuple(sorted(settings.items())))

    def values(self, setting: Setting) -> dict[str, float] | None:
        """Return the value for each name of `searched`; None if a default is unknown."""
        known = {**dict(self.defaults), **dict(setting.settings), RATE: setting.learning_rate}
        values = {name: known[name] for name in self.searched if name in known}
        return values if len(values) == len(self.searched) else None

    @property
    def test_seeds(self) -> tuple[int, ...]:
        """The seeds of the comparison on test data, none of which was used for the choice."""
        first = max(CHOOSING) + 1
        return tuple(range(first, first + self.seeds))
