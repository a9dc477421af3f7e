"""Event log of a folder's runs, ``events.jsonl``: appended to during a run, read by `localnorm status`."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localnorm.lab.monitoring.callback import Callback, RunStart
from localnorm.lab.records.record import Job, Record, Trial, key
from localnorm.lab.records.store import writing

EVENTS_FILE = "events.jsonl"

Event = dict[str, Any]
"""One line. ``event`` names it, ``at`` is Unix time, ``elapsed`` the seconds since the run started, by a monotonic
clock."""


class EventFile(Callback):
    """Append the events of a run, one per line.

    Args:
        folder: the folder of the study or search, which exists.

    Raises:
        FolderError: a line can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS_FILE
        self._start = time.monotonic()

    def run_started(self, start: RunStart) -> None:
        """Write the number of jobs and the process of the run."""
        self._start = time.monotonic()
        with writing(self._path):
            _end_torn_line(self._path)
        self._write(
            "started",
            total=start.total,
            kept=start.kept,
            statuses=dict(start.statuses),
            damaged=len(start.damaged),
            workers=start.workers,
            process={"host": socket.gethostname(), "pid": os.getpid(), "born": start_time(os.getpid())},
        )

    def jobs_planned(self, total: int, kept: int, stage: str) -> None:
        """Write the new number of jobs."""
        self._write("planned", total=total, kept=kept, stage=stage)

    def job_started(self, job: Job) -> None:
        """Write that a worker got a job."""
        self._write(f"{_kind(job)} started", key=key(job), what=_describe(job))

    def job_finished(self, record: Record, seconds: float) -> None:
        """Write the status of a job."""
        message = {"message": record.message} if record.message else {}
        self._write(
            f"{_kind(record.job)} finished",
            key=key(record.job),
            what=_describe(record.job),
            status=record.status,
            seconds=round(seconds, 3),
            **message,
        )

    def run_stopped(self, why: str) -> None:
        """Write why the run has ended."""
        self._write("stopped", why=why)

    def _write(self, event: str, **more: Any) -> None:  # noqa: ANN401  any JSON value
        line = {"event": event, "at": round(time.time(), 3), "elapsed": round(time.monotonic() - self._start, 3)}
        # Not synced to the disk: if the machine crashes, the records are still there.
        with writing(self._path), self._path.open("ab") as file:
            file.write(json.dumps({**line, **more}).encode() + b"\n")


def _end_torn_line(path: Path) -> None:
    """End an incomplete last line, so that the next event gets its own."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def _kind(job: Job) -> str:
    return "trial" if isinstance(job, Trial) else "probe"


def _describe(job: Job) -> str:
    if isinstance(job, Trial):
        return f"{job.task}, {job.norm}, seed {job.seed}"
    return f"{job.name}: {', '.join(job.norms)}"


def read_events(folder: Path) -> Iterator[Event]:
    """Yield the events of the last run in a folder, starting with ``started``; none if nothing has run there.

    Incomplete lines, which a killed process may leave, are skipped.

    Args:
        folder: the folder of a study or search.
    """
    last: list[Event] = []
    try:
        with (folder / EVENTS_FILE).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                event = _event(line)
                if event.get("event") == "started":
                    last = [event]
                elif last and "event" in event:
                    last.append(event)
    except FileNotFoundError:
        return
    yield from last


def _event(line: str) -> Event:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def start_time(pid: int) -> str | None:
    """Return the start time of a process of this machine, to detect PID reuse.

    None if there is no such process, or if the system does not tell (outside Linux).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    # A zombie does not count as running.
    return None if fields[0] in "ZX" else fields[19]
