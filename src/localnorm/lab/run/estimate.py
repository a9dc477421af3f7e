"""What a study would take: its jobs counted, and its time estimated from a few steps of each kind."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from localnorm.lab.engines.interface import Finished
from localnorm.lab.engines.pool import Pool
from localnorm.lab.records.record import Probe, Trial
from localnorm.lab.run.jobs import jobs
from localnorm.lab.study.study import Study

_STEPS = 5
_STARTING = 5.0
"""Seconds to start the workers, twice: for the probe of cost and for the rest."""

Kind = tuple[str, str, int, bool, bool]
"""Task, norm, batch size, and whether corrupted and with features: what decides the time."""


@dataclass(frozen=True)
class Plan:
    """What a study would take.

    Attributes:
        trials: trials by task.
        probes: number of probes.
        trials_per_norm: the same for every norm.
        workers: number of worker processes.
        seconds: estimated time with that many workers, when nothing of the study is done yet.
        seconds_by_task: what of that time each task's trials take.
    """

    trials: dict[str, int]
    probes: int
    trials_per_norm: int
    workers: int
    seconds: float
    seconds_by_task: dict[str, float]


@dataclass(frozen=True)
class _Pace:
    """Measured seconds: of a training step, of evaluating once an epoch, and of all that comes once."""

    step: float
    epoch: float
    once: float


def make_plan(study: Study, workers: int, on_measured: Callable[[int, int], None] | None = None) -> Plan:
    """Count the study's jobs and estimate its time by timing a few steps of each kind here and now.

    As many processes measure at once as would train, so that what they take from each other is measured too.

    Args:
        study: what would be run.
        workers: number of worker processes.
        on_measured: called before the first measurement and after each, with how many are done and how many
            there are.
    """
    everything = jobs(study)
    trials = [job for job in everything if isinstance(job, Trial)]
    kinds = {_kind(trial): trial for trial in trials}
    tell = on_measured or (lambda _done, _total: None)
    total = len(kinds) + 1
    tell(0, total)
    paces: dict[Kind, tuple[int, _Pace] | None] = {}
    with Pool[Any](workers) as pool:
        names = {str(number): kind for number, kind in enumerate(kinds)}
        for name, kind in names.items():
            pool.submit(name, partial(_measure, kinds[kind]))
        for finished in pool.results():
            paces[names[finished.name]] = _value(finished)
            tell(len(paces), total)
        pool.submit("cost", partial(_time_cost_probe, study))
        (probing,) = (_value(finished) for finished in pool.results())
        tell(total, total)
    by_task = dict.fromkeys((task.name for task in study.tasks), 0)
    seconds = dict.fromkeys(by_task, 0.0)
    for trial in trials:
        by_task[trial.task] += 1
        seconds[trial.task] += _seconds(trial, paces[_kind(trial)]) / workers
    return Plan(
        by_task,
        sum(isinstance(job, Probe) for job in everything),
        len(trials) // len(study.norms),
        workers,
        2 * _STARTING + probing + sum(seconds.values()),
        seconds,
    )


def _value(finished: Finished[Any]) -> Any:  # noqa: ANN401
    if finished.problem is not None:
        raise finished.problem
    return finished.value


def _kind(trial: Trial) -> Kind:
    return trial.task, trial.norm, trial.batch_size, trial.corrupted, trial.features


def _seconds(trial: Trial, measured: tuple[int, _Pace] | None) -> float:
    if measured is None:
        return 0.0
    examples, pace = measured
    return trial.epochs * (math.ceil(examples / trial.batch_size) * pace.step + pace.epoch) + pace.once


def _measure(trial: Trial) -> tuple[int, _Pace] | None:
    """Time a trial, cut short; of a norm that refuses the task there is no time, and its record will say why."""
    try:
        return _pace(trial)
    except Exception:  # noqa: BLE001
        return None


def _pace(trial: Trial) -> tuple[int, _Pace]:
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
    return len(split.train.labels), _Pace(step, epoch, once)


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _time_cost_probe(study: Study) -> float:
    """Return the time of the probe of cost, from one round of it."""
    from localnorm.lab.norms import find_norm
    from localnorm.lab.probes.cost import ROUNDS, probe_cost

    return _time(lambda: probe_cost([find_norm(name) for name in study.norms], rounds=1)) / 2 * (ROUNDS + 1)
