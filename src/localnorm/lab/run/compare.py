"""Run the missing jobs of a study."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.monitoring.callback import Callback
from localnorm.lab.records.record import Record, key
from localnorm.lab.run.driver import Run
from localnorm.lab.run.runner import JobFunction, run_job, run_jobs
from localnorm.lab.study.jobs import jobs, runs_alone
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import STUDY_FOLDER


def compare(
    study: Study,
    folder: Path,
    engine: EngineSetup | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    function: JobFunction = run_job,
) -> Generator[Record]:
    """Run each job of the study that has no readable record in the folder, and yield the new records.

    Events are also written to ``events.jsonl``.

    Args:
        study: the study.
        folder: new, empty, or holding this study or part of it.
        engine: runs the jobs; by default a pool with one worker per core.
        callbacks: called at each step.
        function: runs one job; importable, because workers import it.

    Raises:
        StudyConflictError: the folder holds another study, or one that is running.
        FolderError: the folder can't be written to.
        UnknownNameError: a norm that does not exist.
    """
    setup = engine or EngineSetup()
    wanted = {key(job): job for job in jobs(study)}
    with STUDY_FOLDER.claimed(folder, study) as store:
        run = Run(store, setup.workers, callbacks)
        missing = [job for name, job in wanted.items() if name not in run.kept]
        done = [run.records[name] for name in wanted if name in run.kept]

        def work() -> Generator[Record]:
            return run_jobs(missing, store, setup, alone=runs_alone, function=function, on_start=run.job_started)

        yield from run.drive(len(wanted), done, work)
