"""Running jobs in a pool of spawned processes, one torch thread each.

A worker writes the record of each job itself, so nothing that is done depends on the process that asked.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import cast

from localnorm.errors import LabError
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
) -> Iterator[Record]:
    """Run jobs and yield their records as they come; each is in the store before it is yielded.

    Args:
        jobs: what to run.
        store: where the records go.
        workers: number of processes, at least 1.
        alone: jobs that nothing may run beside; they come first.
        runner: what runs a job; importable, since workers import it.

    Raises:
        LabError: a worker process died twice over the same jobs.
    """
    single = [job for job in jobs if alone(job)]
    together = [job for job in jobs if not alone(job)]
    for part, processes in ((single, 1), (together, workers)):
        if part:
            yield from _run_with_new_pool_after_death(part, store, processes, runner)


def _run_with_new_pool_after_death(
    jobs: Sequence[Job], store: Store, workers: int, runner: Runner
) -> Iterator[Record]:
    """Go on with a new pool when a worker dies; give up when a new pool dies without finishing a job."""
    waiting = {key(job): job for job in jobs}
    progressed = True
    while waiting:
        try:
            for record in _run_pool(list(waiting.values()), store, workers, runner):
                del waiting[key(record.job)]
                progressed = True
                yield record
        except BrokenProcessPool:
            if not progressed:
                raise LabError(
                    f"a worker process must live through its job, got two that were killed in a row at the jobs "
                    f"{', '.join(list(waiting)[:workers])}; free some memory or pass fewer --workers, and run "
                    "the same command again: finished jobs are kept."
                ) from None
            progressed = False


def _run_pool(jobs: Sequence[Job], store: Store, workers: int, runner: Runner) -> Iterator[Record]:
    """Run jobs in one pool, which is gone when this ends, however it ends."""
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
    )
    try:
        running: set[Future[Record]] = {pool.submit(_run_and_write, runner, job, store.folder) for job in jobs}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            # Records before problems: those that came together with a worker's death are not lost.
            for future in sorted(done, key=lambda future: future.exception() is not None):
                yield future.result()
    finally:
        # What is in flight is lost by design: its record is written whole or not at all.
        processes = list((pool._processes or {}).values())  # noqa: SLF001  the pool has no public kill in 3.11
        manager = cast("threading.Thread | None", pool._executor_manager_thread)  # noqa: SLF001
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        # An interpreter that ends while the pool's thread is closing its pipe prints a traceback. The wait has an
        # end, because a worker may have been killed in the middle of a message that the thread then waits for.
        if manager is not None:
            manager.join(timeout=10)


def start_worker() -> None:
    """Prepare a worker: one torch thread, deaf to Ctrl-C, and gone when its parent is gone."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End this process as soon as the parent has ended, also by kill -9."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _run_and_write(runner: Runner, job: Job, folder: Path) -> Record:
    record = runner(job)
    Store(folder).write(record)
    return record
