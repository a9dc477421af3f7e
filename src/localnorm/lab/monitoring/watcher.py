"""What there is to watch while a study runs: one small protocol, which event file, progress and loggers follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from localnorm.lab.records.record import Job, Record, Status
from localnorm.lab.records.store import Damaged

DONE = "done"
"""Why a run has stopped whose study has a record of every job."""
INTERRUPTED = "interrupted"
"""Why a run has stopped that was asked to."""


@dataclass(frozen=True)
class Start:
    """What a run begins with.

    Attributes:
        total: jobs of the study.
        kept: jobs whose records were there.
        damaged: records that can't be read; their jobs are run again.
        workers: number of worker processes.
        statuses: the kept jobs by the status of their records.
    """

    total: int
    kept: int
    damaged: tuple[Damaged, ...]
    workers: int = 1
    statuses: Mapping[Status, int] = field(default_factory=dict)


class Watcher(Protocol):
    """Is told what a run does, by the process that hands the jobs out, in the order in which it happens.

    An error raised here ends the run.
    """

    def started(self, start: Start) -> None:
        """A run begins."""

    def began(self, job: Job) -> None:
        """A worker has been given a job; again where one has died over it."""

    def finished(self, record: Record, seconds: float) -> None:
        """A record is in the store, so many seconds after its job began."""

    def stopped(self, why: str) -> None:
        """The run has ended: `DONE`, `INTERRUPTED`, or an error in words. Not told where the process is killed."""
