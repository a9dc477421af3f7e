"""A tuning: the settings of a search for one norm's hyperparameters on one task, as one frozen value."""

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
"""The seed of every trial of the search."""
CHOOSING = (0, 1, 2)
"""The seeds over which the mean validation error chooses; those of the comparison on test data come after."""
LEARNED: Mapping[str, str] = {"local": "local-learned"}
"""The norm that learns what is searched for, where there is one."""
RATE = "learning_rate"


class Setting(NamedTuple):
    """What is chosen: a norm, the learning rate, and the norm's hyperparameters that are not its defaults."""

    norm: str
    learning_rate: float
    settings: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Tuning:
    """Everything that decides what is tried.

    Attributes:
        task: what is learned; its schedule gives the range of learning rates, the batch size and the epochs.
        norm: the norm whose hyperparameters are searched for.
        dims: axes after (N, C) where the norm sits.
        space: the norm's own hyperparameters and their ranges; the learning rate comes on top.
        defaults: the values that the hyperparameters have where nothing is said; empty where that is not known.
        sampler: ``tpe`` or ``random``.
        trials: of the search, at least 1.
        seeds: how many seeds the comparison on test data takes, at least 1.

    Raises:
        LabError: a count below 1, several batch sizes or numbers of epochs, or nothing to search for.
        UnknownNameError: no such sampler.
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
                raise LabError(
                    f"a search must have one {words}, got {listed((first, *more))}; give one, which stays."
                )
        if not self.searched:
            raise LabError(
                f"a search must have something to find, got the norm {self.norm} without hyperparameters and one "
                f"learning rate, {schedule.default_learning_rate:g}; give two to search between, --lr 1e-3,1e-2."
            )

    @property
    def searched(self) -> Space:
        """The ranges of all that is searched for, sorted by name."""
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
        return Trial(
            self.task.name,
            self.task.model,
            setting.norm,
            seed,
            setting.learning_rate,
            schedule.batch_size,
            schedule.epochs,
            setting.settings,
        )

    def setting(self, values: Mapping[str, float]) -> Setting:
        """Return the setting of a value for each name of `searched`."""
        own = {name: value for name, value in values.items() if name != RATE}
        rate = values.get(RATE, self.task.schedule.default_learning_rate)
        return Setting(self.norm, rate, tuple(sorted(own.items())))

    def values(self, setting: Setting) -> dict[str, float] | None:
        """Return the value for each name of `searched`; None where a default is not known."""
        known = {**dict(self.defaults), **dict(setting.settings), RATE: setting.learning_rate}
        found = {name: known[name] for name in self.searched if name in known}
        return found if len(found) == len(self.searched) else None

    @property
    def test_seeds(self) -> tuple[int, ...]:
        """The seeds of the comparison on test data: none of them had a part in the choice."""
        first = max(CHOOSING) + 1
        return tuple(range(first, first + self.seeds))
