"""Progress display of localnorm compare and tune: done, running, failed, speed, time left."""

from __future__ import annotations

import time
from pathlib import Path

from rich import progress
from rich.console import Group, RenderableType
from rich.live import Live

from localnorm.commands.console import counted, duration, err, say
from localnorm.lab.monitoring.callback import Callback, Progress, RunStart
from localnorm.lab.monitoring.status import Pace
from localnorm.lab.records.record import Job, Record, key

_LINE_SECONDS = 10.0
"""Seconds between lines of progress, at least."""


class ProgressDisplay(Callback):
    """A bar on a terminal, and remarks about what runs; the remarks alone if stderr is no terminal.

    Args:
        folder: of the results, for the remarks.

    Attributes:
        count: number of jobs that this run has finished.
    """

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._folder = folder
        self._failed = 0
        self._total = self._kept = 0
        self._stage = ""
        self._progress: Progress | None = None
        self._said = 0.0
        self._running: set[str] = set()
        self._start = time.monotonic()
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[details]}"),
            progress.TimeElapsedColumn(),
            console=err,
        )
        # On a terminal alone: the bar, and below it the verdicts as looks come.
        self._live = Live(console=err, get_renderable=self._screen, refresh_per_second=2)
        self._task = self._bar.add_task("measuring", total=None, details="")

    @property
    def details(self) -> str:
        """The text behind the bar."""
        pace = Pace.of(time.monotonic() - self._start, self.count, self._total - self._kept - self.count)
        words = [f"{len(self._running)} running", f"{self._failed} failed"]
        if self._progress is not None:
            decided = f"{self._progress.decided} of {counted(self._progress.cells, 'cell')} decided"
            return ", ".join([*words, decided, f"{duration(self._progress.seconds_left)} left"])
        if pace.per_minute is not None and pace.seconds_left is not None:
            words += [f"{pace.per_minute:.1f} per minute", f"{duration(pace.seconds_left)} left"]
        return ", ".join(words)

    def run_started(self, start: RunStart) -> None:
        """Print what is there already, and start the bar."""
        for damaged in start.damaged:
            say(f"damaged, run again: {damaged.path}: {damaged.problem}")
        jobs = counted(start.total, "search trial" if start.stage else "job")
        if start.kept >= start.total:
            say(f"all {jobs} are in {self._folder} already")
        elif start.kept:
            rest = start.total - start.kept
            say(f"{start.kept} of {jobs} are in {self._folder} already; running the other {rest}")
        else:
            say(f"running {jobs} into {self._folder} with {counted(start.workers, 'worker')}")
        self._start = time.monotonic()
        self._total, self._kept, self._stage = start.total, start.kept, start.stage
        self._failed = sum(count for status, count in start.statuses.items() if status not in ("ok", "pruned"))
        self._update()
        if err.is_terminal:
            self._live.start()

    def jobs_planned(self, total: int, kept: int, stage: str) -> None:
        """Show the new number of jobs; a search that runs out of settings is announced."""
        if stage and stage == self._stage and total < self._total:
            say(f"all settings have been tried: the search ends with {total} instead of {self._total} trials")
        self._total, self._kept, self._stage = total, kept, stage
        self._update()

    def job_started(self, job: Job) -> None:
        """Count a running job."""
        self._running.add(key(job))
        self._update()

    def job_finished(self, record: Record, seconds: float) -> None:
        """Count a record."""
        del seconds
        self.count += 1
        self._failed += record.status not in ("ok", "pruned")
        self._running.discard(key(record.job))
        self._update()

    def progressed(self, progress: Progress) -> None:
        """Show what is decided; at most a line every ten seconds if stderr is no terminal."""
        self._progress = progress
        self._update()
        now = time.monotonic()
        if not err.is_terminal and now >= self._said + _LINE_SECONDS:
            self._said = now
            say(f"{progress.done} done, {self.details}")

    def run_stopped(self, why: str) -> None:
        """Stop the bar and leave it on the screen."""
        del why
        self._live.stop()

    def _screen(self) -> RenderableType:
        from localnorm.lab.report.terminal import marks

        table = self._progress.table if self._progress else None
        return Group(marks(table, err.width), self._bar) if table else self._bar

    def _update(self) -> None:
        self._bar.update(
            self._task,
            description=self._stage or "measuring",
            total=self._total,
            completed=self._kept + self.count,
            details=self.details,
        )
