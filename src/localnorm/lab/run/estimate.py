"""Estimate the time of a study by training a few steps of each type of trial."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from localnorm.errors import LabError
from localnorm.lab.engines.base import Finished
from localnorm.lab.engines.pool import Pool
from localnorm.lab.measures.choice import GridSetting
from localnorm.lab.measures.judged import judged_trial
from localnorm.lab.records.record import Trial
from localnorm.lab.study.jobs import random_trials
from localnorm.lab.study.study import Study, TaskStudy
from localnorm.lab.tuning.selection import FINALISTS, candidates
from localnorm.lab.tuning.tuning import CHOOSING, SEARCHED, Tuning

_STEPS = 5
_STARTING = 5.0
"""Seconds to start the workers."""

TrialType = tuple[str, str, int, bool, bool, bool]
"""Task, norm, batch size, and whether judged, corrupted and with features: these decide the time of a trial."""


@dataclass(frozen=True)
class StudyEstimate:
    """Number of trials and time of a study, if nothing is decided before and no job has a record yet.

    Attributes:
        pilot_trials: number of trials that choose the settings, by task.
        judged_trials: number of trials of a judged seed, by task.
        probes: number of probes.
        workers: number of worker processes.
        pilot_seconds: estimated time until the settings are chosen.
        look_seconds: estimated time until each look, by its number of judged seeds.
    """

    pilot_trials: dict[str, int]
    judged_trials: dict[str, int]
    probes: int
    workers: int
    pilot_seconds: float
    look_seconds: dict[int, float]

    def looks_within(self, seconds: float) -> list[int]:
        """Return the looks that are reached in some seconds."""
        return [look for look, needed in self.look_seconds.items() if needed <= seconds]


@dataclass(frozen=True)
class SearchEstimate:
    """Number of trials and time of a search that prunes no trial and has no record yet.

    Attributes:
        search: trials that look for settings.
        choice: trials that choose among the best.
        comparison: trials on test data.
        workers: number of worker processes.
        seconds: estimated time.
    """

    search: int
    choice: int
    comparison: int
    workers: int
    seconds: float


@dataclass(frozen=True)
class _TrialTime:
    """Measured seconds of a training step, of the evaluation after an epoch, and of the work once per trial."""

    step: float
    epoch: float
    once: float


def estimate(study: Study, workers: int, on_measured: Callable[[int, int], None] | None = None) -> StudyEstimate:
    """Count the study's jobs and estimate its time by training a few steps of each type of trial.

    It is measured in the local process pool. As many processes measure at once as would train, so that their
    competition for the machine is included.

    Args:
        study: the study.
        workers: number of worker processes.
        on_measured: called before the first measurement and after each, with the number done and the total.
    """
    pilot = {task.name: _pilot(study, task) for task in study.tasks}
    judged = {task.name: _judged(study, task) for task in study.tasks}
    trials = [trial for group in (*pilot.values(), *judged.values()) for trial in group]
    types = {_type(trial): trial for trial in trials}
    tell = on_measured or (lambda _done, _total: None)
    total = len(types) + 1
    tell(0, total)
    times: dict[TrialType, tuple[int, _TrialTime] | None] = {}
    with Pool[Any](workers) as pool:
        names = {str(number): trial_type for number, trial_type in enumerate(types)}
        for name, trial_type in names.items():
            pool.submit(name, partial(_measure, types[trial_type]))
        for finished in pool.results():
            times[names[finished.name]] = _value(finished)
            tell(len(times), total)
        pool.submit("cost", partial(_time_cost_probe, study))
        (probing,) = (_value(finished) for finished in pool.results())
        tell(total, total)

    def seconds(groups: Mapping[str, list[Trial]]) -> float:
        return sum(_seconds(t, times[_type(t)]) for group in groups.values() for t in group) / workers

    before = _STARTING + probing + seconds(pilot)
    return StudyEstimate(
        {name: len(group) for name, group in pilot.items()},
        {name: len(group) for name, group in judged.items()},
        sum(1 for _ in study.probes()),
        workers,
        before,
        {look: before + look * seconds(judged) for look in study.looks if look <= len(study.seeds)},
    )


def estimate_search(tuning: Tuning, workers: int) -> SearchEstimate:
    """Count the trials of a search and estimate its time by training a few steps with the norm's defaults.

    The measurement uses one process of the local pool.

    Args:
        tuning: the search.
        workers: number of worker processes.

    Raises:
        LabError: the norm does not train on the task.
    """
    trial = tuning.trial(tuning.default_settings[0], SEARCHED)
    compared = tuning.trial(tuning.default_settings[0], tuning.test_seeds[0])
    with Pool[Any](1) as pool:
        for name, kind in (("search", trial), ("comparison", compared)):
            pool.submit(name, partial(_measure, kind))
        times = {finished.name: _value(finished) for finished in pool.results()}
    if None in times.values():
        raise LabError(f"a norm to search must train on the task, got {tuning.norm} on {tuning.task.name}.")
    # The finalists are known only after the search: all of them, and as many as it has trials beside the defaults.
    settings = {setting for among in candidates(tuning, {}).values() for setting in among}
    found = min(FINALISTS, max(0, tuning.trials - len(tuning.default_settings)))
    # The choice repeats the trials of the search with its other seeds; a form with learned values is new to it.
    new = [setting for setting in settings if setting not in tuning.default_settings]
    choice = (len(settings) + found) * (len(CHOOSING) - 1) + len(new)
    comparison = len(candidates(tuning, {})) * len(tuning.test_seeds)
    seconds = (tuning.trials + choice) * _seconds(trial, times["search"])
    seconds += comparison * _seconds(compared, times["comparison"])
    return SearchEstimate(tuning.trials, choice, comparison, workers, _STARTING + seconds / workers)


def _pilot(study: Study, task: TaskStudy) -> list[Trial]:
    repeated = [
        trial
        for trial in study.pilot_trials(task)
        if task.schedule.draws and trial.learning_rate == task.schedule.default_learning_rate
    ]
    # The best random-search sample is repeated with each pilot seed; it takes as long as the defaults.
    return [*study.pilot_trials(task), *random_trials(study, task), *repeated]


def _judged(study: Study, task: TaskStudy) -> list[Trial]:
    """Return the trials of one judged seed, the defaults standing in for chosen and tuned settings."""
    schedule = task.schedule
    setting = GridSetting(schedule.default_learning_rate, schedule.batch_size, schedule.epochs)
    seed = study.seeds[0]
    trials = []
    for norm in study.norms:
        chosen = judged_trial(task, norm, seed, setting)
        plain = replace(chosen, corrupted=False, features=False)
        trials += [chosen, *([plain] if schedule.draws else []), *study.batch_trials(task, norm, seed)]
    return trials


def _value(finished: Finished[Any]) -> Any:  # noqa: ANN401
    if finished.problem is not None:
        raise finished.problem
    return finished.value


def _type(trial: Trial) -> TrialType:
    return trial.task, trial.norm, trial.batch_size, trial.judged, trial.corrupted, trial.features


def _seconds(trial: Trial, measured: tuple[int, _TrialTime] | None) -> float:
    if measured is None:
        return 0.0
    examples, time_of = measured
    return trial.epochs * (math.ceil(examples / trial.batch_size) * time_of.step + time_of.epoch) + time_of.once


def _measure(trial: Trial) -> tuple[int, _TrialTime] | None:
    """Time a few steps of a trial; None for a norm that does not fit the task, which its record will say."""
    try:
        return _trial_time(trial)
    except Exception:  # noqa: BLE001
        return None


def _trial_time(trial: Trial) -> tuple[int, _TrialTime]:
    import torch

    from localnorm.lab.tasks import error, find_task
    from localnorm.lab.training.device import from_cpu
    from localnorm.lab.training.trial import examine, set_up, train_epoch

    task = find_task(trial.task, trial.model)
    split = task.load(0)
    fabric, model, optimizer, norms = set_up(task, replace(trial, settings=()))
    evaluated = from_cpu(model, trial.device)
    order = torch.Generator().manual_seed(0)
    few = _STEPS * trial.batch_size
    part = next(split.train.parts(few))
    steps = math.ceil(len(part.labels) / trial.batch_size)

    def learn() -> object:
        return train_epoch(fabric, model, optimizer, task, part, trial.batch_size, order)

    learn()
    step = min(_time(learn), _time(learn)) / steps
    epoch = _time(lambda: error(task.objective, evaluated, split.validation))
    once = _time(lambda: examine(evaluated, norms, split, task, trial)) if trial.judged else 0.0
    return len(split.train.labels), _TrialTime(step, epoch, once)


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _time_cost_probe(study: Study) -> float:
    """Return the time of the cost probe, from one of its rounds."""
    from localnorm.lab.norms import find_norm
    from localnorm.lab.probes.cost import ROUNDS, probe_cost

    return (
        _time(lambda: probe_cost([find_norm(name) for name in study.norms], study.device, rounds=1))
        / 2
        * (ROUNDS + 1)
    )
