"""Running jobs in worker processes, and writing down what comes of them.

A worker that sees the study's folder writes the record of each job itself, so that nothing that is done depends on
the process that asked; the records of others are written here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from pathlib import Path

from localnorm.errors import LabError
from localnorm.lab.engine_interface import Engine, OpenEngine, TimedOutError, WorkerDiedError
from localnorm.lab.pool import Pool
from localnorm.lab.provenance import versions
from localnorm.lab.records import Job, Record, Trial, key
from localnorm.lab.shared_folder import marked
from localnorm.lab.store import Store

Runner = Callable[[Job], Record]
Answer = tuple[Record, bool]
"""What comes back from a worker: a record, and whether it has written it."""


def run_job(job: Job) -> Record:
    """Run one job in this process and return its record.

    Example:
        >>> from localnorm.lab.records import Probe
        >>> run_job(Probe("flexibility", ("none",))).status
        'ok'
    """
    # Imported here: the process that only hands jobs out needs no framework.
    from localnorm.lab.probes import run_probe
    from localnorm.lab.train import run_trial

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
            tell = partial(_tell, began, named)
            with marked(store.records) as mark, open_engine(min(processes, len(named)), tell) as engine:
                do = partial(_run_and_write, runner, mark)
                yield from _run_in_engine(named, engine, do, store, trial_seconds)


def _tell(began: Callable[[Job], None], named: Mapping[str, Job], name: str) -> None:
    began(named[name])


def _run_in_engine(
    named: Mapping[str, Job],
    engine: Engine[Answer],
    do: Callable[[Job], Answer],
    store: Store,
    trial_seconds: float | None,
) -> Generator[Record]:
    """Run jobs in one engine; a job whose worker dies gets another, once."""
    died: set[str] = set()

    def submit(name: str) -> None:
        limit = trial_seconds if isinstance(named[name], Trial) else None
        engine.submit(name, partial(do, named[name]), limit)

    for name in named:
        submit(name)
    for finished in engine.results():
        if isinstance(finished.problem, WorkerDiedError):
            if finished.name in died:
                raise LabError(
                    "a worker process must live through its job, got two that were killed at the job "
                    f"{finished.name} ({finished.problem}); free some memory or pass fewer --workers, and run "
                    "the same command again: finished jobs are kept."
                )
            died.add(finished.name)
            submit(finished.name)
        elif isinstance(finished.problem, TimedOutError):
            yield _timed_out(named[finished.name], str(finished.problem), store)
        elif finished.problem is not None:
            raise finished.problem
        elif finished.value is not None:
            record, written = finished.value
            if not written:
                store.write(record)
            yield record


def _run_and_write(runner: Runner, mark: Path, job: Job) -> Answer:
    """Run a job; write its record if the folder of records is seen from here, so that it outlives who asked."""
    record = runner(job)
    shared = mark.exists()
    if shared:
        Store(mark.parent.parent).write(record)
    return record, shared


def _timed_out(job: Job, message: str, store: Store) -> Record:
    """Return the record of a job that was ended; one that it had just written is kept."""
    written = store.find(key(job))
    if written is not None:
        return written
    # Where it ran is not known here, only what the asking process runs.
    record = Record(job, "timed out", message, provenance={"versions": versions()})
    store.write(record)
    return record
