"""Running a tuning: the search, the choice among its best, the comparison on test data; only what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from math import inf
from pathlib import Path

from localnorm.lab.engines.interface import OpenEngine
from localnorm.lab.engines.pool import Pool
from localnorm.lab.norms import find_norm
from localnorm.lab.records.record import Job, Record, Trial, key
from localnorm.lab.records.store import Damaged
from localnorm.lab.run.runner import Answer, JobEngine, opened_for, run_job
from localnorm.lab.study.study import TaskStudy
from localnorm.lab.tasks import find_task
from localnorm.lab.training import pruning
from localnorm.lab.tuning.selection import choosing_trials, compared_trials, search_records, setting_of
from localnorm.lab.tuning.tuning import SEARCHED, Setting, Tuning
from localnorm.lab.tuning.tuning_file import open_tuning


@dataclass(frozen=True)
class Begun:
    """What a run begins with.

    Attributes:
        kept: trials of the search whose records were there.
        damaged: records that can't be read; what they were of is run again where it is needed.
    """

    kept: int
    damaged: tuple[Damaged, ...]


def make_tuning(task: TaskStudy, norm: str, sampler: str = "tpe", trials: int = 60, seeds: int = 10) -> Tuning:
    """Return the tuning of a norm on a task, with the norm's own space and defaults.

    Args:
        task: what is learned.
        norm: as for `localnorm.lab.norms.find_norm`.
        sampler: ``tpe`` or ``random``.
        trials: of the search.
        seeds: of the comparison on test data.

    Raises:
        LabError: see `Tuning`.
        UnknownNameError: a norm, task or sampler that does not exist.

    Example:
        >>> from localnorm.lab.tasks import task_studies
        >>> tuning = make_tuning(task_studies(["digits"])[0], "batch")
        >>> list(tuning.searched), tuning.defaults
        (['eps', 'learning_rate', 'momentum'], (('eps', 1e-05), ('momentum', 0.1)))
    """
    found = find_norm(norm)
    usual = {
        name: parameter.default
        for name, parameter in signature(found.make).parameters.items()
        if name in found.space and parameter.default is not Parameter.empty
    }
    defaults = tuple((name, float(usual[name])) for name in sorted(usual))
    dims = find_task(task.name, task.model).dims
    return Tuning(task, norm, dims, found.space, defaults, sampler, trials, seeds)


def tune(
    tuning: Tuning,
    folder: Path,
    workers: int,
    on_start: Callable[[Begun], None] = lambda _: None,
    timeout: float = inf,
    *,
    on_used_up: Callable[[int], None] = lambda _: None,
    open_engine: OpenEngine[Answer] = Pool,
    trial_seconds: float | None = None,
) -> Generator[Record]:
    """Run what is missing of a tuning and yield the new records.

    Args:
        tuning: the settings.
        folder: new, empty, or holding this tuning.
        workers: number of workers.
        on_start: called once, before the first trial.
        timeout: seconds after which no trial of the search is begun; what is under way is finished, and the choice
            and the comparison are made all the same.
        on_used_up: called with the number of settings tried or under way, where there are no others though more
            trials were asked for; the search ends with these.
        open_engine: opens what the workers are in; by default processes of this machine.
        trial_seconds: the longest that a trial may take; by default as long as it likes.

    Raises:
        StudyConflictError: the folder holds something else, or a tuning that is running.
        LabError: a worker process died over a trial twice.
    """
    store = open_tuning(folder, tuning)
    with store.locked():
        sound, damaged = store.read()
        records = dict(sound)
        on_start(Begun(len(search_records(tuning, records.values())), damaged))
        # One engine for all parts: starting a worker takes seconds.
        with opened_for(store, workers, open_engine=open_engine, trial_seconds=trial_seconds) as engine:
            yield from _search(engine, tuning, records, time.monotonic() + timeout, on_used_up)
            for trials in (choosing_trials, compared_trials):
                # Which trials they are depends on what came before.
                wanted = {key(trial): trial for trial in trials(tuning, records)}
                for name, trial in wanted.items():
                    if name not in records:
                        engine.submit(trial, run_job)
                for record in engine.records():
                    records[key(record.job)] = record
                    yield record


def _search(
    engine: JobEngine,
    tuning: Tuning,
    records: dict[str, Record],
    until: float,
    on_used_up: Callable[[int], None],
) -> Iterator[Record]:
    """Ask for a setting whenever a worker is free; add each record to the others."""
    done = search_records(tuning, records.values())
    first = 1 + max((int(record.timing.get("number", -1)) for _, record in done), default=-1)
    under_way: dict[str, Trial] = {}
    begun, used_up = 0, False

    def ask() -> None:
        nonlocal begun, used_up
        if used_up or len(done) + begun >= tuning.trials or time.monotonic() >= until:
            return
        setting = _next_setting(tuning, records, tuple(under_way.values()), first + begun)
        if setting is None:
            used_up = True
            on_used_up(len(done) + begun)
            return
        trial = tuning.trial(setting, SEARCHED)
        under_way[key(trial)] = trial
        engine.submit(trial, partial(_run_limited, _limits(tuning, records, trial)), {"number": first + begun})
        begun += 1

    for _ in range(engine.capacity):
        ask()
    for record in engine.records():
        name = key(record.job)
        del under_way[name]
        records[name] = record
        ask()
        yield record


def _next_setting(
    tuning: Tuning, records: dict[str, Record], under_way: Sequence[Trial], number: int
) -> Setting | None:
    # Imported here: Optuna takes half a second, and a tuning that is finished needs none of it.
    from localnorm.lab.tuning.sampler import next_setting

    return next_setting(tuning, records, under_way, number)


def _limits(tuning: Tuning, records: dict[str, Record], trial: Trial) -> tuple[float, ...]:
    """Return where a trial is to be stopped: the defaults never, since they are what all is compared with."""
    if setting_of(trial) in tuning.default_settings:
        return ()
    curves = [
        record.results["validation_error"]
        for _, record in search_records(tuning, records.values())
        if record.status == "ok"
    ]
    return pruning.limits(curves, trial.epochs)


def _run_limited(limits: tuple[float, ...], job: Job) -> Record:
    """Run a trial of the search in a worker."""
    from localnorm.lab.training.trial import run_trial

    return run_trial(job, limits) if isinstance(job, Trial) else run_job(job)
