"""Drive a run, of a study or a search: lock the folder, report each step to the callbacks, yield new records."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing

from localnorm.lab.monitoring.callback import DONE, INTERRUPTED, Callback, Progress, RunStart
from localnorm.lab.monitoring.events import EventFile
from localnorm.lab.monitoring.notebook import notebook_progress
from localnorm.lab.records.record import Job, Record, key
from localnorm.lab.records.store import Store


class Run:
    """A run in a locked folder.

    Args:
        store: the records of the folder.
        workers: number of worker processes.
        callbacks: called at each step, after the event log and, in a notebook, a line of progress.

    Attributes:
        store: as passed.
        records: the readable records by key; new ones are added.
        kept: the keys of the records that were there at the start.
    """

    def __init__(self, store: Store, workers: int, callbacks: Sequence[Callback] = ()) -> None:
        self.store = store
        records, self._damaged = store.read()
        self.records = dict(records)
        self.kept = frozenset(records)
        self._workers = workers
        self._callbacks = (EventFile(store.folder), *notebook_progress(), *callbacks)
        self._started: dict[str, float] = {}

    def drive(
        self, total: int, done: Collection[Record], work: Callable[[], Generator[Record]], stage: str = ""
    ) -> Generator[Record]:
        """Yield the records of the work, and report the run to the callbacks.

        Args:
            total: number of jobs known so far.
            done: the records that these have already.
            work: runs the missing jobs; calls `job_started` for each, and `plan` when more become known.
            stage: name of the first part of the work; empty if it is the only one.
        """
        why = INTERRUPTED
        try:
            statuses = Counter(record.status for record in done)
            start = RunStart(total, len(done), self._damaged, self._workers, statuses, stage)
            for callback in self._callbacks:
                callback.run_started(start)
            # Closed before the callbacks are called for the end: no worker is left then.
            with closing(work()) as records:
                for record in records:
                    self._job_finished(record)
                    yield record
            why = DONE
        except Exception as problem:
            why = f"{type(problem).__name__}: {problem}"
            raise
        finally:
            for callback in self._callbacks:
                callback.run_stopped(why)

    def plan(self, total: int, kept: int, stage: str) -> None:
        """Report a new number of jobs; see `Callback.jobs_planned`."""
        for callback in self._callbacks:
            callback.jobs_planned(total, kept, stage)

    def progress(self, progress: Progress) -> None:
        """Report what a study has decided so far; see `Callback.progressed`."""
        for callback in self._callbacks:
            callback.progressed(progress)

    def job_started(self, job: Job) -> None:
        """Report that a worker got a job."""
        self._started[key(job)] = time.monotonic()
        for callback in self._callbacks:
            callback.job_started(job)

    def _job_finished(self, record: Record) -> None:
        name = key(record.job)
        self.records[name] = record
        seconds = time.monotonic() - self._started.pop(name)
        for callback in self._callbacks:
            callback.job_finished(record, seconds)
