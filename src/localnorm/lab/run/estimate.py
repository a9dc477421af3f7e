"""Estimate the time of a study by training a few steps of each type of trial."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from localnorm.lab.engines.base import Finished
from localnorm.lab.engines.pool import Pool
from localnorm.lab.records.record import Probe, Trial
from localnorm.lab.study.jobs import jobs
from localnorm.lab.study.study import Study

_STEPS = 5
_STARTING = 5.0
"""Seconds to start the workers, twice: for the cost probe and for the other jobs."""

TrialType = tuple[str, str, int, bool, bool]
"""Task, norm, batch size, and whether corrupted and with features: these decide the time of a trial."""


@dataclass(frozen=True)
class StudyEstimate:
    """Number of jobs and time of a study.

    Attributes:
        trials: number of trials by task.
        probes: number of probes.
        trials_per_norm: number of trials of each norm.
        workers: number of worker processes.
        seconds: estimated time with that many workers, if no job has a record yet.
        seconds_by_task: the part of it that the trials of each task take.
    """

    trials: dict[str, int]
    probes: int
    trials_per_norm: int
    workers: int
    seconds: float
    seconds_by_task: dict[str, float]


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
    all_jobs = jobs(study)
    trials = [job for job in all_jobs if isinstance(job, Trial)]
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
    by_task = dict.fromkeys((task.name for task in study.tasks), 0)
    seconds = dict.fromkeys(by_task, 0.0)
    for trial in trials:
        by_task[trial.task] += 1
        seconds[trial.task] += _seconds(trial, times[_type(trial)]) / workers
    return StudyEstimate(
        by_task,
        sum(isinstance(job, Probe) for job in all_jobs),
        len(trials) // len(study.norms),
        workers,
        2 * _STARTING + probing + sum(seconds.values()),
        seconds,
    )


def _value(finished: Finished[Any]) -> Any:  # noqa: ANN401
    if finished.problem is not None:
        raise finished.problem
    return finished.value


def _type(trial: Trial) -> TrialType:
    return trial.task, trial.norm, trial.batch_size, trial.corrupted, trial.features


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

    from localnorm.lab.tasks import Subset, error, find_task
    from localnorm.lab.training.trial import examine, set_up, train_epoch

    task = find_task(trial.task, trial.model)
    split = task.load(0)
    fabric, model, optimizer, norms = set_up(task, replace(trial, settings=()))
    order = torch.Generator().manual_seed(0)
    few = _STEPS * trial.batch_size
    part = Subset(split.train.inputs[:few], split.train.labels[:few])
    steps = math.ceil(len(part.labels) / trial.batch_size)

    def learn() -> object:
        return train_epoch(fabric, model, optimizer, task, part, trial.batch_size, order)

    learn()
    step = min(_time(learn), _time(learn)) / steps
    epoch = _time(lambda: error(task.objective, model, split.validation))
    once = _time(lambda: examine(model, norms, split, task, trial))
    return len(split.train.labels), _TrialTime(step, epoch, once)


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _time_cost_probe(study: Study) -> float:
    """Return the time of the cost probe, from one of its rounds."""
    from localnorm.lab.norms import find_norm
    from localnorm.lab.probes.cost import ROUNDS, probe_cost

    return _time(lambda: probe_cost([find_norm(name) for name in study.norms], rounds=1)) / 2 * (ROUNDS + 1)
