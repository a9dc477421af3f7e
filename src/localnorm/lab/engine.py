"""Running jobs in worker processes, and writing down what comes of them.

A worker writes the record of each job itself, so nothing that is done depends on the process that asked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path

from localnorm.errors import LabError
from localnorm.lab.pool import Pool, WorkerDiedError
from localnorm.lab.records import Job, Record, Trial, key
from localnorm.lab.store import Store

Runner = Callable[[Job], Record]


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
) -> Generator[Record]:
    """Run jobs and yield their records as they come; each is in the store before it is yielded.

    Args:
        jobs: what to run.
        store: where the records go.
        workers: number of processes, at least 1.
        alone: jobs that nothing may run beside; they come first.
        runner: what runs a job; importable, since workers import it.
        began: called when a worker is given a job; again where one has died over it.

    Raises:
        LabError: a worker process died over a job twice.
    """
    single = [job for job in jobs if alone(job)]
    together = [job for job in jobs if not alone(job)]
    for part, processes in ((single, 1), (together, workers)):
        if part:
            yield from _run_in_pool(part, store, processes, runner, began)


def _run_in_pool(
    jobs: Sequence[Job], store: Store, workers: int, runner: Runner, began: Callable[[Job], None]
) -> Generator[Record]:
    """Run jobs in one pool, which is gone when this ends; a job whose worker dies gets another, once."""
    by_name = {key(job): job for job in jobs}
    calls = {name: partial(_run_and_write, runner, job, store.folder) for name, job in by_name.items()}
    died: set[str] = set()
    with Pool[Record](min(workers, len(calls)), lambda name: began(by_name[name])) as pool:
        for name, call in calls.items():
            pool.submit(name, call)
        for finished in pool.results():
            if isinstance(finished.problem, WorkerDiedError):
                if finished.name in died:
                    raise LabError(
                        "a worker process must live through its job, got two that were killed at the job "
                        f"{finished.name} ({finished.problem}); free some memory or pass fewer --workers, and run "
                        "the same command again: finished jobs are kept."
                    )
                died.add(finished.name)
                pool.submit(finished.name, calls[finished.name])
            elif finished.problem is not None:
                raise finished.problem
            elif finished.value is not None:
                yield finished.value


def _run_and_write(runner: Runner, job: Job, folder: Path) -> Record:
    record = runner(job)
    Store(folder).write(record)
    return record
