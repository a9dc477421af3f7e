"""Callbacks of a run: the event log, the progress display and the loggers implement them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localnorm.lab.records.record import Job, Record, Status
from localnorm.lab.records.store import Damaged

DONE = "done"
"""Reason of a run that has ended with a record of every job."""
INTERRUPTED = "interrupted"
"""Reason of a run that the user has stopped."""


@dataclass(frozen=True)
class RunStart:
    """What is known when a run starts.

    Attributes:
        total: number of jobs.
        kept: number of jobs that have a record already.
        damaged: unreadable records, whose jobs run again.
        workers: number of worker processes.
        statuses: the number of kept jobs by the status of their record.
        stage: name of the first part of the run; empty if there is one part only.
    """

    total: int
    kept: int
    damaged: tuple[Damaged, ...]
    workers: int = 1
    statuses: Mapping[Status, int] = field(default_factory=dict)
    stage: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Attributes:
        done: number of records.
        running: number of jobs that run or wait for a worker.
        decided: number of decided comparisons with none that rest on training.
        cells: number of such comparisons.
        seconds_left: estimated time until the blocks known now are done, at most what is left of the budget. More
            may be asked for then.
        table: the verdicts so far, an `analysis.table.Table`; this layer does not import it.
    """

    done: int
    running: int
    decided: int
    cells: int
    seconds_left: float
    table: Any = None


class Callback:
    """Receives the steps of a run in their order, in the driver's process. All methods do nothing by default.

    An exception raised by a callback ends the run.
    """

    def run_started(self, start: RunStart) -> None:
        """Handle the start of a run."""

    def jobs_planned(self, total: int, kept: int, stage: str) -> None:
        """Handle a new number of jobs: later ones are known only when earlier ones have finished.

        Args:
            total: number of jobs of the run known now.
            kept: number of these that had a record when the run started.
            stage: name of the part of the run that begins.
        """

    def job_started(self, job: Job) -> None:
        """Handle that a worker got a job; called again if the job is retried."""

    def job_finished(self, record: Record, seconds: float) -> None:
        """Handle a record that is in the store, the seconds after its job started."""

    def progressed(self, progress: Progress) -> None:
        """Handle what a study has decided so far; called after each record of a study, not of a search."""

    def run_stopped(self, why: str) -> None:
        """Handle the end of a run: `DONE`, `INTERRUPTED` or an error message; not if the driver is killed."""
