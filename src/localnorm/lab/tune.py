"""Running a tuning: the search, the choice among its best, the comparison on test data; only what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from math import inf
from pathlib import Path

from localnorm.errors import LabError
from localnorm.lab import pruning
from localnorm.lab.choosing import choosing_trials, compared_trials, search_records, setting_of
from localnorm.lab.engine_interface import WorkerDiedError
from localnorm.lab.norms import find_norm
from localnorm.lab.pool import Pool
from localnorm.lab.records import Record, Trial, key
from localnorm.lab.store import Damaged, Store
from localnorm.lab.study import TaskStudy
from localnorm.lab.tasks import find_task
from localnorm.lab.tuning import SEARCHED, Tuning
from localnorm.lab.tuning_folder import open_tuning


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
) -> Generator[Record]:
    """Run what is missing of a tuning and yield the new records.

    Args:
        tuning: the settings.
        folder: new, empty, or holding this tuning.
        workers: number of worker processes.
        on_start: called once, before the first trial.
        timeout: seconds after which no trial of the search is begun; what is under way is finished, and the choice
            and the comparison are made all the same.

    Raises:
        StudyConflictError: the folder holds something else, or a tuning that is running.
        LabError: a worker process died over a trial twice, or the space is used up.
    """
    store = open_tuning(folder, tuning)
    with store.locked():
        sound, damaged = store.read()
        records = dict(sound)
        on_start(Begun(len(search_records(tuning, records.values())), damaged))
        # One pool for all parts: starting a worker takes seconds.
        with Pool[Record](workers) as pool:
            yield from _search(pool, tuning, store, records, time.monotonic() + timeout)
            for trials in (choosing_trials, compared_trials):
                # Which trials they are depends on what came before.
                wanted = {key(trial): trial for trial in trials(tuning, records)}
                calls = {
                    name: partial(_attempt, trial, store.folder)
                    for name, trial in wanted.items()
                    if name not in records
                }
                for name, call in calls.items():
                    pool.submit(name, call)
                for record in _results(pool, calls):
                    records[key(record.job)] = record
                    yield record


def _search(
    pool: Pool[Record], tuning: Tuning, store: Store, records: dict[str, Record], until: float
) -> Iterator[Record]:
    """Ask for a setting whenever a worker is free; add each record to the others."""
    done = search_records(tuning, records.values())
    first = 1 + max((int(record.timing.get("number", -1)) for _, record in done), default=-1)
    under_way: dict[str, Trial] = {}
    calls: dict[str, Callable[[], Record]] = {}

    def ask() -> None:
        if len(done) + len(calls) < tuning.trials and time.monotonic() < until:
            number = first + len(calls)
            trial = _next_trial(tuning, records, under_way, number)
            name = key(trial)
            under_way[name] = trial
            calls[name] = partial(_attempt, trial, store.folder, _limits(tuning, records, trial), number)
            pool.submit(name, calls[name])

    for _ in range(pool.capacity):
        ask()
    for record in _results(pool, calls):
        name = key(record.job)
        del under_way[name]
        records[name] = record
        ask()
        yield record


def _next_trial(tuning: Tuning, records: dict[str, Record], under_way: dict[str, Trial], number: int) -> Trial:
    # Imported here: Optuna takes half a second, and a tuning that is finished needs none of it.
    from localnorm.lab.sampler import next_setting

    return tuning.trial(next_setting(tuning, records, tuple(under_way.values()), number), SEARCHED)


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


def _attempt(trial: Trial, folder: Path, limits: tuple[float, ...] = (), number: int | None = None) -> Record:
    """Run a trial in a worker and write its record, with its number if it is one of the search."""
    from localnorm.lab.train import run_trial

    record = run_trial(trial, limits)
    if number is not None:
        record = replace(record, timing={**record.timing, "number": number})
    Store(folder).write(record)
    return record


def _results(pool: Pool[Record], calls: Mapping[str, Callable[[], Record]]) -> Iterator[Record]:
    """Yield the records as they come; a trial whose worker dies gets another, once."""
    died: set[str] = set()
    for finished in pool.results():
        if isinstance(finished.problem, WorkerDiedError):
            if finished.name in died:
                raise LabError(
                    "a worker process must live through its trial, got two that were killed at the trial "
                    f"{finished.name} ({finished.problem}); free some memory or pass fewer --workers, and run the "
                    "same command again: finished trials are kept."
                )
            died.add(finished.name)
            pool.submit(finished.name, calls[finished.name])
        elif finished.problem is not None:
            raise finished.problem
        elif finished.value is not None:
            yield finished.value
