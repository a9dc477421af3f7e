"""Jobs in an engine: a job goes in, its record comes out and is in the store by then.

A worker that sees the study's folder writes the record of each job itself, so that nothing that is done depends on
the process that asked; the records of others are written here.
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
from localnorm.lab.engines.interface import Engine, OpenEngine, TimedOutError, WorkerDiedError
from localnorm.lab.engines.pool import Pool
from localnorm.lab.records.provenance import versions
from localnorm.lab.records.record import Job, Record, Status, Trial, key
from localnorm.lab.records.store import Store, writing

Runner = Callable[[Job], Record]
Answer = tuple[Record, bool]
"""What comes back from a worker: a record, and whether it has written it."""


class JobEngine:
    """Runs jobs in an engine; `opened_for` makes one.

    Attributes:
        capacity: jobs that run at once, at least 1.
    """

    def __init__(self, engine: Engine[Answer], store: Store, mark: Path, trial_seconds: float | None) -> None:
        self.capacity = engine.capacity
        self._engine, self._store, self._mark, self._seconds = engine, store, mark, trial_seconds
        self._jobs: dict[str, tuple[Job, Runner, Mapping[str, Any]]] = {}
        self._died: set[str] = set()

    def submit(self, job: Job, runner: Runner, timing: Mapping[str, Any] | None = None) -> None:
        """Run a job as soon as a worker is free.

        Args:
            job: one that is neither waiting nor running.
            runner: what runs it; importable, since workers import it.
            timing: what the record's timing is to hold beside what the runner puts there.
        """
        self._jobs[key(job)] = job, runner, timing or {}
        self._submit(key(job))

    def _submit(self, name: str) -> None:
        job, runner, timing = self._jobs[name]
        limit = self._seconds if isinstance(job, Trial) else None
        self._engine.submit(name, partial(_run_and_write, runner, self._mark, timing, job), limit)

    def records(self) -> Iterator[Record]:
        """Yield records as they come, until nothing is left; more jobs may be submitted meanwhile.

        A job whose worker dies gets another, once. One that takes too long, for which memory does not last, or
        which asks its process to end, gets a record that says so.

        Raises:
            LabError: a worker process died over a job twice.
        """
        for finished in self._engine.results():
            name, problem = finished.name, finished.problem
            if isinstance(problem, WorkerDiedError):
                if name in self._died:
                    raise LabError(
                        "a worker process must live through its job, got two that were killed at the job "
                        f"{name} ({problem}); free some memory or pass fewer --workers, and run the same command "
                        "again: finished jobs are kept."
                    )
                self._died.add(name)
                self._submit(name)
            elif problem is not None:
                yield self._without_result(name, problem)
            elif finished.value is not None:
                record, written = finished.value
                if not written:
                    self._store.write(record)
                yield record

    def _without_result(self, name: str, problem: BaseException) -> Record:
        """Return the record of a job that did not come to its end; one that it had just written is kept."""
        job, _, timing = self._jobs[name]
        status, message = _what_became(problem)
        written = self._store.find(name)
        if written is not None:
            return written
        # Where it ran is not known here, only what the asking process runs.
        record = Record(job, status, message, timing=timing, provenance={"versions": versions()})
        self._store.write(record)
        return record


def _what_became(problem: BaseException) -> tuple[Status, str]:
    """Return the status and the message of a job with a problem that is its own.

    Raises:
        BaseException: the problem, where it is that of the whole run.
    """
    if isinstance(problem, TimedOutError):
        return "timed out", str(problem)
    if isinstance(problem, MemoryError):
        return "out of memory", f"MemoryError: {problem}"
    if isinstance(problem, SystemExit):
        # From code of a user's own: it must not end the asking process, too.
        return "failed", f"SystemExit: {problem}"
    raise problem


def _run_and_write(runner: Runner, mark: Path, timing: Mapping[str, Any], job: Job) -> Answer:
    """Run a job; write its record if the folder of records is seen from here, so that it outlives who asked."""
    record = runner(job)
    if timing:
        record = replace(record, timing={**record.timing, **timing})
    shared = mark.exists()
    if shared:
        Store(mark.parent.parent).write(record)
    return record, shared


@contextmanager
def opened_for(
    store: Store,
    workers: int,
    began: Callable[[str], None] = lambda _: None,
    *,
    open_engine: OpenEngine[Answer] = Pool,
    trial_seconds: float | None = None,
) -> Iterator[JobEngine]:
    """Open an engine for jobs, and end all its workers.

    Args:
        store: where the records go.
        workers: at least 1.
        began: called with the key of each job that a worker is given; again where one has died over it.
        open_engine: opens what the workers are in; by default processes of this machine.
        trial_seconds: the longest that a trial may take; by default as long as it likes. Probes have no limit.
    """
    with marked(store.records) as mark, open_engine(workers, began) as engine:
        yield JobEngine(engine, store, mark, trial_seconds)


@contextmanager
def marked(folder: Path) -> Iterator[Path]:
    """Put a mark of a name that no other folder has into a folder, which is made, and yield its full path.

    Whoever finds it there is at the same folder, whatever machine that is. What a killed process leaves behind is
    removed with other temporary files when the store is locked next.

    Raises:
        FolderError: the folder can't be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with marked(Path(folder)) as mark:
        ...         there = mark.exists()
        ...     there, mark.exists()
        (True, False)
    """
    mark = folder.absolute() / f".shared-{uuid.uuid4().hex}.tmp"
    with writing(mark.parent):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def run_job(job: Job) -> Record:
    """Run one job in this process and return its record.

    Example:
        >>> from localnorm.lab.records.record import Probe
        >>> run_job(Probe("flexibility", ("none",))).status
        'ok'
    """
    # Imported here: the process that only hands jobs out needs no framework.
    from localnorm.lab.probes import run_probe
    from localnorm.lab.training.trial import run_trial

    return run_trial(job) if isinstance(job, Trial) else run_probe(job)


def run(
    jobs: Sequence[Job],
    store: Store,
    workers: int,
    alone: Callable[[Job], bool] = lambda _: False,
    runner: Runner = run_job,
    began: Callable[[Job], None] = lambda _: None,
    *,
    open_engine: OpenEngine[Answer] = Pool,
    trial_seconds: float | None = None,
) -> Generator[Record]:
    """Run jobs and yield their records as they come; each is in the store before it is yielded.

    Args:
        jobs: what to run.
        store: where the records go.
        workers: number of processes, at least 1.
        alone: jobs that nothing may run beside; they come first.
        runner: what runs a job; importable, since workers import it.
        began: called when a worker is given a job; again where one has died over it.
        open_engine: opens what the workers are in; by default processes of this machine.
        trial_seconds: the longest that a trial may take; then its worker is ended, and its record has the status
            "timed out". By default as long as it likes. Probes have no limit.

    Raises:
        LabError: a worker process died over a job twice.
    """
    single = [job for job in jobs if alone(job)]
    together = [job for job in jobs if not alone(job)]
    for part, processes in ((single, 1), (together, workers)):
        if part:
            named = {key(job): job for job in part}

            def tell(name: str, named: dict[str, Job] = named) -> None:
                began(named[name])

            with opened_for(
                store, min(processes, len(named)), tell, open_engine=open_engine, trial_seconds=trial_seconds
            ) as engine:
                for job in named.values():
                    engine.submit(job, runner)
                yield from engine.records()
