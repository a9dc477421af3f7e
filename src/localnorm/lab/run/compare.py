"""Running a study: what is missing of it, and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from localnorm.errors import StudyConflictError
from localnorm.lab.engines.interface import OpenEngine
from localnorm.lab.engines.pool import Pool
from localnorm.lab.monitoring.events import EventFile
from localnorm.lab.monitoring.watcher import DONE, INTERRUPTED, Start, Watcher
from localnorm.lab.records.record import Job, Record, key
from localnorm.lab.records.store import Store
from localnorm.lab.run.jobs import jobs, runs_alone
from localnorm.lab.run.runner import Answer, Runner, run, run_job
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import open_study, read_study


def compare(
    study: Study,
    folder: Path,
    workers: int,
    on_start: Callable[[Start], None],
    *,
    watchers: Sequence[Watcher] = (),
    runner: Runner = run_job,
    open_engine: OpenEngine[Answer] = Pool,
    trial_seconds: float | None = None,
) -> Generator[Record]:
    """Run every job of the study that has no sound record in the folder, and yield the new records.

    What happens is written to ``events.jsonl``, too.

    Args:
        study: the settings.
        folder: new, empty, or holding this study or part of it.
        workers: number of worker processes.
        on_start: called once, before the first job.
        watchers: who else is told what happens.
        runner: what runs a job; importable, since workers import it.
        open_engine: opens what the workers are in; by default processes of this machine.
        trial_seconds: the longest that a trial may take; by default as long as it likes.

    Raises:
        StudyConflictError: the folder holds another study, or one that is running.
        FolderError: the folder can't be written to.
        UnknownNameError: a norm that does not exist.
    """
    wanted = {key(job): job for job in jobs(study)}
    store, _ = open_study(folder, study)
    with store.locked():
        if read_study(folder) != study:
            raise StudyConflictError(
                f"a study must stay the same until it runs, got {folder}, which another process has extended at "
                "this moment; run the same command again."
            )
        sound, damaged = store.read()
        kept = Counter(sound[name].status for name in wanted if name in sound)
        missing = [job for name, job in wanted.items() if name not in sound]
        start = Start(len(wanted), len(wanted) - len(missing), damaged, workers, kept)
        on_start(start)
        do = partial(run, alone=runs_alone, runner=runner, open_engine=open_engine, trial_seconds=trial_seconds)
        yield from _watched(start, missing, store, do, (EventFile(folder), *watchers))


def _watched(
    start: Start,
    missing: Sequence[Job],
    store: Store,
    do: Callable[..., Generator[Record]],
    watchers: Sequence[Watcher],
) -> Generator[Record]:
    """Run jobs and tell the watchers, also how it ended."""
    clocks: dict[str, float] = {}

    def began(job: Job) -> None:
        clocks[key(job)] = time.monotonic()
        for watcher in watchers:
            watcher.began(job)

    why = INTERRUPTED
    try:
        for watcher in watchers:
            watcher.started(start)
        # Closed before the watchers are told of the end: no worker is left then.
        with closing(do(missing, store, start.workers, began=began)) as records:
            for record in records:
                seconds = time.monotonic() - clocks.pop(key(record.job))
                for watcher in watchers:
                    watcher.finished(record, seconds)
                yield record
        why = DONE
    except Exception as problem:
        why = f"{type(problem).__name__}: {problem}"
        raise
    finally:
        for watcher in watchers:
            watcher.stopped(why)
