"""Run jobs in an engine: the bridge from jobs to calls, and from results to records in the store.

A worker that sees the study's folder writes the records itself, so that finished jobs do not depend on the driver.
The driver writes the records of workers on machines that do not share the folder.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from localnorm.errors import LabError
from localnorm.lab.engines.base import Engine, TimedOutError, WorkerDiedError
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.records.provenance import versions
from localnorm.lab.records.record import Job, Record, Status, Trial, key
from localnorm.lab.records.store import Store, checkpoint_path, writing

JobFunction = Callable[[Job], Record]
WorkerResult = tuple[Record, bool]
"""A record, and whether the worker has written it."""


def run_job(job: Job, checkpoint: Path | None = None, loaders: int = 0) -> Record:
    """Run one job in this process.

    Args:
        job: a trial or probe.
        checkpoint: file of the trial's checkpoint; default none.
        loaders: processes that decode images beyond memory for a trial.

    Example:
        >>> from localnorm.lab.records.record import Probe
        >>> run_job(Probe("flexibility", ("none",))).status
        'ok'
    """
    # Imported here: the driver needs no framework.
    from localnorm.lab.probes import run_probe
    from localnorm.lab.training.trial import run_trial

    if isinstance(job, Trial):
        return run_trial(job, checkpoint=checkpoint, loaders=loaders)
    return run_probe(job)


class JobQueue:
    """Jobs that wait or run in an engine; made by `job_queue`.

    Attributes:
        capacity: number of jobs that run at once, at least 1.
    """

    def __init__(self, engine: Engine[WorkerResult, Any], store: Store, marker: Path, setup: EngineSetup) -> None:
        self.capacity = engine.capacity
        self._engine, self._store, self._marker, self._setup = engine, store, marker, setup
        self._jobs: dict[str, tuple[Job, JobFunction, Mapping[str, Any]]] = {}
        self._died: set[str] = set()

    def submit(self, job: Job, function: JobFunction = run_job, timing: Mapping[str, Any] | None = None) -> None:
        """Run a job as soon as a worker is free.

        Args:
            job: a job that neither waits nor runs.
            function: runs the job; importable, because workers import it.
            timing: values added to the record's timing.
        """
        self._jobs[key(job)] = job, function, timing or {}
        self._submit(key(job))

    def _submit(self, name: str) -> None:
        job, function, timing = self._jobs[name]
        limit = self._setup.trial_seconds if isinstance(job, Trial) else None
        call = partial(_run_and_write, function, self._marker, timing, job, self._setup.loaders)
        self._engine.submit(name, call, limit)

    def records(self) -> Iterator[Record]:
        """Yield records as jobs finish, until none is left; more jobs may be submitted meanwhile.

        Each record is in the store before it is yielded. A job whose worker dies is retried once. A job that
        exceeds its time or memory, or calls `sys.exit`, gets a record that says so.

        Raises:
            LabError: two workers died during the same job.
        """
        for finished in self._engine.results():
            name, problem = finished.name, finished.problem
            if isinstance(problem, WorkerDiedError):
                if name in self._died:
                    raise LabError(
                        "a worker process must survive its job, got two that were killed during the job "
                        f"{name} ({problem}); free some memory or pass fewer --workers, and run the same command "
                        "again: finished jobs are kept."
                    )
                self._died.add(name)
                self._submit(name)
            elif problem is not None:
                yield self._record_problem(name, problem)
            elif finished.value is not None:
                record, written = finished.value
                if not written:
                    self._store.write(record)
                yield record

    def _record_problem(self, name: str, problem: BaseException) -> Record:
        """Write the record of a job that did not finish; if the worker had just written one, keep that."""
        job, _, timing = self._jobs[name]
        status, message = _classify(problem)
        written = self._store.find(name)
        if written is not None:
            return written
        # The worker's machine is not known here, only the driver's versions.
        record = Record(job, status, message, timing=timing, provenance={"versions": versions()})
        self._store.write(record)
        checkpoint_path(self._store.folder, name).unlink(missing_ok=True)
        return record


def _classify(problem: BaseException) -> tuple[Status, str]:
    """Return the status and message for a problem of a single job.

    Raises:
        BaseException: the problem, if it concerns the whole run.
    """
    if isinstance(problem, TimedOutError):
        return "timed out", str(problem)
    if isinstance(problem, MemoryError):
        return "out of memory", f"MemoryError: {problem}"
    if isinstance(problem, SystemExit):
        # Raised by user code, which must not end the driver.
        return "failed", f"SystemExit: {problem}"
    raise problem


def _run_and_write(
    function: JobFunction, marker: Path, timing: Mapping[str, Any], job: Job, loaders: int
) -> WorkerResult:
    """Run a job in a worker, and write its record if this machine shares the driver's folder."""
    checkpoint = checkpoint_path(marker.parent.parent, key(job)) if marker.exists() else None
    record = run_job(job, checkpoint, loaders) if function is run_job else function(job)
    if timing:
        record = replace(record, timing={**record.timing, **timing})
    shared = marker.exists()
    if shared:
        Store(marker.parent.parent).write(record)
        if checkpoint:
            checkpoint.unlink(missing_ok=True)
    return record, shared


@contextmanager
def job_queue(
    store: Store, setup: EngineSetup, workers: int, on_start: Callable[[str], None] = lambda _: None
) -> Iterator[JobQueue]:
    """Make an engine for jobs, and kill its workers at the end.

    Args:
        store: receives the records.
        setup: makes the engine.
        workers: at least 1.
        on_start: called with the key of each job when a worker gets it, again if the job is retried.
    """
    with shared_marker(store.records) as marker, setup.make(workers, on_start) as engine:
        yield JobQueue(engine, store, marker, setup)


@contextmanager
def shared_marker(folder: Path) -> Iterator[Path]:
    """Create a file with a unique name in a folder and yield its absolute path.

    A process that finds the file shares the folder. If the driver is killed, the file is removed with other
    temporary files when the store is locked next.

    Raises:
        FolderError: the folder can't be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with shared_marker(Path(folder)) as marker:
        ...         inside = marker.exists()
        ...     inside, marker.exists()
        (True, False)
    """
    marker = folder.absolute() / f".shared-{uuid.uuid4().hex}.tmp"
    with writing(marker.parent):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    setup: EngineSetup,
    *,
    alone: Callable[[Job], bool] = lambda _: False,
    function: JobFunction = run_job,
    on_start: Callable[[Job], None] = lambda _: None,
) -> Generator[Record]:
    """Run jobs and yield their records as they finish; see `JobQueue.records`.

    Args:
        jobs: the jobs.
        store: receives the records.
        setup: makes the engine.
        alone: whether a job must run at a time when no other does; these jobs come first.
        function: runs a job; importable, because workers import it.
        on_start: called when a worker gets a job, again if the job is retried.
    """
    by_key = {key(job): job for job in jobs}
    single = [job for job in jobs if alone(job)]
    others = [job for job in jobs if not alone(job)]
    for part, workers in ((single, 1), (others, setup.workers)):
        if part:
            with job_queue(store, setup, min(workers, len(part)), lambda name: on_start(by_key[name])) as queue:
                for job in part:
                    queue.submit(job, function)
                yield from queue.records()
