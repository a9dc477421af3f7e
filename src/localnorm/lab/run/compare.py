"""Run the jobs that a study asks for, until all is decided or the budget is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from localnorm.lab.analysis.schedule import Block, Plan, next_blocks
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.monitoring.callback import Callback, Progress
from localnorm.lab.records.record import Job, Record
from localnorm.lab.run.driver import Run
from localnorm.lab.run.runner import JobFunction, JobQueue, job_queue, run_job
from localnorm.lab.study.jobs import runs_alone
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import STUDY_FOLDER

_AHEAD = 8
"""Jobs that wait for each worker: enough to keep it busy while the next ones are looked up."""
_STOP_SECONDS = 1.0
"""Part of the budget left for the end of the last jobs."""


def compare(
    study: Study,
    folder: Path,
    engine: EngineSetup | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    function: JobFunction = run_job,
    budget: float | None = None,
    every_seed: bool = False,
) -> Generator[Record]:
    """Run the jobs of a study that have no readable record in the folder, and yield the new records.

    Events are also written to ``events.jsonl``.

    Args:
        study: the study.
        folder: new, empty, or holding this study or part of it.
        engine: runs the jobs; by default a pool with one worker per core.
        callbacks: called at each step.
        function: runs one job; importable, because workers import it.
        budget: seconds after which no job is started; jobs that would end later are not started either. By default
            the study runs until all is decided, or the last look.
        every_seed: whether every norm gets all judged seeds, decided or not.

    Raises:
        StudyConflictError: the folder holds another study, or one that is running.
        FolderError: the folder can't be written to.
        UnknownNameError: a norm that does not exist.
    """
    deadline = math.inf if budget is None else time.monotonic() + budget - _STOP_SECONDS
    setup = engine or EngineSetup()
    with STUDY_FOLDER.claimed(folder, study) as store:
        run = Run(store, setup.workers, callbacks)
        work = _Work(study, run, setup, function, deadline, every_seed=every_seed)
        yield from run.drive(work.total, tuple(run.records.values()), work.records)


class _Work:
    """Jobs of a study, looked up again as records come in."""

    def __init__(
        self,
        study: Study,
        run: Run,
        setup: EngineSetup,
        function: JobFunction,
        deadline: float,
        *,
        every_seed: bool,
    ) -> None:
        self._study, self._run, self._setup, self._function = study, run, setup, function
        self._deadline, self._every_seed = deadline, every_seed
        self._waiting: dict[str, Job] = {}
        self._started: set[str] = set()
        self._plan = self._look_up()
        self.total = self._total()

    def records(self) -> Generator[Record]:
        """Run the jobs and yield their records."""
        if not self._plan.blocks:
            return
        setup = self._setup
        with job_queue(
            self._run.store, setup, setup.workers, lambda name: self._run.job_started(self._waiting[name])
        ) as queue:
            self._refill(queue)
            for record in queue.records():
                # The driver adds the record to the others before it asks for the next.
                yield record
                del self._waiting[record.job.key]
                if len(self._waiting) < _AHEAD * setup.workers // 2 + 1:
                    self._plan = self._look_up()
                    self._refill(queue)
                self._report()

    def _look_up(self) -> Plan:
        return next_blocks(self._study, self._run.records.values(), every_seed=self._every_seed)

    def _total(self) -> int:
        known = {job.key for block in self._plan.blocks for job in block.jobs}
        return len(known | self._waiting.keys() | self._run.records.keys())

    def _refill(self, queue: JobQueue) -> None:
        """Submit jobs, but no block that can't be finished within the budget."""
        for job in self._next_jobs():
            alone = runs_alone(job)
            if len(self._waiting) >= _AHEAD * self._setup.workers or (alone and self._waiting):
                return
            self._waiting[job.key] = job
            queue.submit(job, self._function)
            if alone:
                return

    def _next_jobs(self) -> Iterator[Job]:
        if any(map(runs_alone, self._waiting.values())):
            return
        seconds = self._plan.times.of
        for block in self._plan.blocks:
            if block.what in self._started or self._fits(sum(map(seconds, self._new(block)))):
                self._started.add(block.what)
                yield from (job for job in self._new(block) if self._fits(seconds(job)))

    def _new(self, block: Block) -> list[Job]:
        return [job for job in block.jobs if job.key not in self._waiting]

    def _fits(self, seconds: float) -> bool:
        """Whether some seconds of jobs end within the budget, after the jobs that wait."""
        waiting = sum(map(self._plan.times.of, self._waiting.values()))
        return time.monotonic() + (seconds + waiting) / self._setup.workers <= self._deadline

    def _report(self) -> None:
        total = self._total()
        if total != self.total:
            self.total = total
            self._run.plan(total, len(self._run.kept), "")
        left = self._plan.seconds / self._setup.workers
        progress = Progress(
            len(self._run.records),
            len(self._waiting),
            self._plan.decided,
            self._plan.cells,
            max(0.0, min(left, self._deadline - time.monotonic())),
            self._plan.table,
        )
        self._run.progress(progress)
