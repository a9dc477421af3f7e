"""Run a search: trials on validation data, the choice among the best, the comparison on test data."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path

from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.monitoring.callback import Callback
from localnorm.lab.norms import find_norm
from localnorm.lab.records.record import Job, Record, Trial, key
from localnorm.lab.run.driver import Run
from localnorm.lab.run.runner import JobQueue, job_queue, run_job
from localnorm.lab.study.study import TaskStudy
from localnorm.lab.tasks import find_task
from localnorm.lab.training import pruning
from localnorm.lab.tuning.selection import choosing_trials, compared_trials, search_records, setting_of
from localnorm.lab.tuning.tuning import SEARCHED, Tuning
from localnorm.lab.tuning.tuning_file import TUNING_FOLDER

SEARCHING, CHOOSING_BEST, COMPARING = "searching", "choosing", "comparing"
"""The stages of a search, as callbacks receive them."""


def make_tuning(task: TaskStudy, norm: str, sampler: str = "tpe", trials: int = 60, seeds: int = 10) -> Tuning:
    """Return the settings of a search for a norm's hyperparameters on a task.

    Args:
        task: the task.
        norm: as for `localnorm.lab.norms.find_norm`.
        sampler: ``tpe`` or ``random``.
        trials: number of trials of the search.
        seeds: number of seeds of the comparison on test data.

    Raises:
        LabError: see `Tuning`.
        UnknownNameError: a norm, task or sampler that does not exist.

    Example:
        >>> from localnorm.lab.tasks import task_studies
        >>> tuning = make_tuning(task_studies(["digits"])[0], "batch")
        >>> list(tuning.searched), tuning.defaults
        (['eps', 'learning_rate', 'momentum'], (('eps', 1e-05), ('momentum', 0.1)))
    """
    built = find_norm(norm)
    dims = find_task(task.name, task.model).dims
    return Tuning(task, norm, dims, built.space, built.defaults, sampler, trials, seeds)


def tune(
    tuning: Tuning,
    folder: Path,
    engine: EngineSetup | None = None,
    *,
    timeout: float = inf,
    callbacks: Sequence[Callback] = (),
) -> Generator[Record]:
    """Run what is missing of a search and yield the new records.

    Args:
        tuning: the settings.
        folder: new, empty, or holding this search.
        engine: runs the trials; by default a pool with one worker per core.
        timeout: seconds after which no trial of the search is started. Running trials finish, and the choice and
            the comparison are made.
        callbacks: called at each step.

    Raises:
        StudyConflictError: the folder holds something else, or a run is active there.
        FolderError: the folder can't be created or written to.
        LabError: two workers died during the same trial.
    """
    setup = engine or EngineSetup()
    with TUNING_FOLDER.claimed(folder, tuning) as store:
        run = Run(store, setup.workers, callbacks)
        done = [record for _, record in search_records(tuning, run.records.values())]
        search = _Search(tuning, run, setup, time.monotonic() + timeout)
        yield from run.drive(max(tuning.trials, len(done)), done, search.work, SEARCHING)


class _Search:
    """The work of a search; each stage depends on the records of the stages before it."""

    def __init__(self, tuning: Tuning, run: Run, setup: EngineSetup, deadline: float) -> None:
        self._tuning, self._run, self._setup, self._deadline = tuning, run, setup, deadline
        self._submitted: dict[str, Trial] = {}

    def work(self) -> Generator[Record]:
        """Run the stages and yield the new records."""
        # One engine for all stages: starting a worker takes seconds.
        with job_queue(
            self._run.store,
            self._setup,
            self._setup.workers,
            lambda name: self._run.job_started(self._submitted[name]),
        ) as queue:
            yield from self._propose(queue)
            planned = {key(trial): trial for trial, _ in search_records(self._tuning, self._run.records.values())}
            for stage, trials in ((CHOOSING_BEST, choosing_trials), (COMPARING, compared_trials)):
                wanted = {key(trial): trial for trial in trials(self._tuning, self._run.records)}
                planned |= wanted
                self._run.plan(len(planned), len(planned.keys() & self._run.kept), stage)
                for name, trial in wanted.items():
                    if name not in self._run.records:
                        self._submitted[name] = trial
                        queue.submit(trial)
                yield from queue.records()

    def _propose(self, queue: JobQueue) -> Generator[Record]:
        """Submit a proposed setting whenever a worker is free."""
        # Imported here: Optuna takes half a second, and a finished search does not need it.
        from localnorm.lab.tuning.sampler import next_setting

        tuning, records = self._tuning, self._run.records
        done = search_records(tuning, records.values())
        first = 1 + max((int(record.timing.get("number", -1)) for _, record in done), default=-1)
        exhausted = False

        def submit_next() -> None:
            nonlocal exhausted
            number = len(self._submitted)
            if exhausted or len(done) + number >= tuning.trials or time.monotonic() >= self._deadline:
                return
            running = tuple(trial for name, trial in self._submitted.items() if name not in records)
            setting = next_setting(tuning, records, running, first + number)
            if setting is None:
                exhausted = True
                self._run.plan(len(done) + number, len(done), SEARCHING)
                return
            trial = tuning.trial(setting, SEARCHED)
            self._submitted[key(trial)] = trial
            limits = _pruning_limits(tuning, records, trial)
            queue.submit(trial, partial(_run_pruned, limits), {"number": first + number})

        for _ in range(queue.capacity):
            submit_next()
        for record in queue.records():
            # The driver adds the record to the others before it asks for the next.
            yield record
            submit_next()


def _pruning_limits(tuning: Tuning, records: Mapping[str, Record], trial: Trial) -> tuple[float, ...]:
    """Return the errors above which a trial is stopped early; none for the defaults, which are the baseline."""
    if setting_of(trial) in tuning.default_settings:
        return ()
    curves = [
        record.results["validation_error"]
        for _, record in search_records(tuning, records.values())
        if record.status == "ok"
    ]
    return pruning.limits(curves, trial.epochs)


def _run_pruned(limits: tuple[float, ...], job: Job) -> Record:
    """Run a trial of the search in a worker."""
    from localnorm.lab.training.trial import run_trial

    return run_trial(job, limits) if isinstance(job, Trial) else run_job(job)
