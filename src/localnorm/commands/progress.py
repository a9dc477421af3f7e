"""The line that localnorm compare keeps at the foot of a terminal: done, running, failed, rate, time left."""

from __future__ import annotations

import time

from rich import progress

from localnorm.commands.console import err
from localnorm.commands.status import duration
from localnorm.lab.monitoring.status import Progress
from localnorm.lab.monitoring.watcher import Start
from localnorm.lab.records.record import Job, Record, key


class ProgressLine:
    """Follows a run as a watcher; shown only where stderr is a terminal.

    Attributes:
        count: jobs that this run has finished.
    """

    def __init__(self) -> None:
        self.count = 0
        self._failed = 0
        self._rest = 0
        self._running: set[str] = set()
        self._began = time.monotonic()
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[told]}"),
            progress.TimeElapsedColumn(),
            console=err,
            disable=not err.is_terminal,
        )
        self._task = self._bar.add_task("measuring", total=None, told="")

    @property
    def told(self) -> str:
        """What stands behind the bar."""
        so_far = Progress.after(time.monotonic() - self._began, self.count, self._rest)
        words = [f"{len(self._running)} running", f"{self._failed} failed"]
        if so_far.per_minute is not None and so_far.seconds_left is not None:
            words += [f"{so_far.per_minute:.1f} a minute", f"{duration(so_far.seconds_left)} left"]
        return ", ".join(words)

    def started(self, start: Start) -> None:
        """Show the jobs that are done already."""
        self._began = time.monotonic()
        self._rest = start.total - start.kept
        self._failed = sum(count for status, count in start.statuses.items() if status != "ok")
        self._bar.update(self._task, total=start.total, completed=start.kept, told=self.told)
        self._bar.start()

    def began(self, job: Job) -> None:
        """Count a job that a worker is at."""
        self._running.add(key(job))
        self._bar.update(self._task, told=self.told)

    def finished(self, record: Record, seconds: float) -> None:
        """Count a record."""
        del seconds
        self.count += 1
        self._rest -= 1
        self._failed += record.status != "ok"
        self._running.discard(key(record.job))
        self._bar.update(self._task, advance=1, told=self.told)

    def stopped(self, why: str) -> None:
        """Leave the line as it is."""
        del why
        self._bar.stop()
