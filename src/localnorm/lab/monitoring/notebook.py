"""Progress in a Jupyter notebook: one line below the cell, updated in place."""

from __future__ import annotations

import sys
import time
from typing import Any

from localnorm.lab.monitoring.callback import DONE, Callback, Progress, RunStart
from localnorm.lab.monitoring.status import Pace
from localnorm.lab.records.record import Record

_UPDATE_SECONDS = 0.5
"""Seconds between two updates of the line, at least: a notebook stores and sends every one."""


class NotebookProgress(Callback):
    """A line of text with the jobs that are done, failed and left, by a display handle of IPython."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._total = self._done = self._kept = self._failed = 0
        self._stage = self._decided = ""
        self._start = self._shown = 0.0

    def run_started(self, start: RunStart) -> None:
        """Show the line."""
        from IPython.display import display

        self._total, self._kept, self._stage, self._start = start.total, start.kept, start.stage, time.monotonic()
        self._handle = display(self._text(), raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def jobs_planned(self, total: int, kept: int, stage: str) -> None:
        """Show the new number of jobs."""
        if stage != self._stage:
            self._done, self._start = 0, time.monotonic()
        self._total, self._kept, self._stage = total, kept, stage
        self._update()

    def job_finished(self, record: Record, seconds: float) -> None:
        """Count a record."""
        del seconds
        self._done += 1
        self._failed += record.status not in ("ok", "pruned")
        self._update()

    def progressed(self, progress: Progress) -> None:
        """Show what is decided."""
        self._decided = f", {progress.decided} of {progress.cells} cells decided"
        self._update()

    def run_stopped(self, why: str) -> None:
        """Show how the run ended."""
        self._handle.update(self._text("" if why == DONE else f"; stopped: {why}"), raw=True)

    def _update(self) -> None:
        now = time.monotonic()
        if self._handle is not None and now >= self._shown + _UPDATE_SECONDS:
            self._shown = now
            self._handle.update(self._text(), raw=True)

    def _text(self, end: str = "") -> dict[str, str]:
        done = self._kept + self._done
        left = Pace.of(time.monotonic() - self._start, self._done, self._total - done).seconds_left
        words = f"{self._stage or 'measuring'}: {done} of {self._total} jobs, {self._failed} failed{self._decided}"
        return {"text/plain": words + (f", {left:.0f} s left" if left and not end else "") + end}


def notebook_progress() -> tuple[Callback, ...]:
    """Return the progress display if this process is the kernel of a notebook; nothing is imported to find out.

    Example:
        >>> notebook_progress()
        ()
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return (NotebookProgress(),) if hasattr(shell, "kernel") else ()
