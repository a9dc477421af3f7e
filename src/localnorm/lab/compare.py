"""Running a study: what is missing of it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from localnorm.lab.engine import Answer, run
from localnorm.lab.engine_interface import OpenEngine
from localnorm.lab.jobs import jobs, runs_alone
from localnorm.lab.pool import Pool
from localnorm.lab.records import Record, key
from localnorm.lab.store import Damaged
from localnorm.lab.study import Study
from localnorm.lab.study_folder import open_study


@dataclass(frozen=True)
class Start:
    """What a run begins with.

    Attributes:
        total: jobs of the study.
        kept: jobs whose records were there.
        damaged: records that can't be read; their jobs are run again.
    """

    total: int
    kept: int
    damaged: tuple[Damaged, ...]


def compare(
    study: Study,
    folder: Path,
    workers: int,
    on_start: Callable[[Start], None],
    *,
    open_engine: OpenEngine[Answer] = Pool,
    trial_seconds: float | None = None,
) -> Generator[Record]:
    """Run every job of the study that has no sound record in the folder, and yield the new records.

    Args:
        study: the settings.
        folder: new, empty, or holding this study or part of it.
        workers: number of worker processes.
        on_start: called once, before the first job.
        open_engine: opens what the workers are in; by default processes of this machine.
        trial_seconds: the longest that a trial may take; by default as long as it likes.

    Raises:
        StudyConflictError: the folder holds another study, or one that is running.
        UnknownNameError: a norm that does not exist.
    """
    wanted = {key(job): job for job in jobs(study)}
    store, _ = open_study(folder, study)
    with store.locked():
        sound, damaged = store.read()
        missing = [job for name, job in wanted.items() if name not in sound]
        on_start(Start(len(wanted), len(wanted) - len(missing), damaged))
        yield from run(
            missing, store, workers, alone=runs_alone, open_engine=open_engine, trial_seconds=trial_seconds
        )
