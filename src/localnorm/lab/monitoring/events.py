"""The events of a study's runs in ``events.jsonl``: appended to while one runs, read by whoever watches."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localnorm.lab.monitoring.watcher import Start
from localnorm.lab.records.record import Job, Record, Trial, key
from localnorm.lab.records.store import writing

EVENTS_FILE = "events.jsonl"

Event = dict[str, Any]
"""One line: ``event`` says what happened, ``at`` when by the clock in seconds since 1970, ``elapsed`` how many
seconds into the run by a clock that nobody sets."""


class EventFile:
    """Writes the events of one run, a line each, behind those of the runs before it.

    Args:
        folder: the study's folder, which exists.

    Raises:
        FolderError: a line can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS_FILE
        self._began = time.monotonic()

    def started(self, start: Start) -> None:
        """Write what the run begins with, and in which process."""
        self._began = time.monotonic()
        with writing(self._path):
            _end_torn_line(self._path)
        self._write(
            "started",
            total=start.total,
            kept=start.kept,
            statuses=dict(start.statuses),
            damaged=len(start.damaged),
            workers=start.workers,
            process={"host": socket.gethostname(), "pid": os.getpid(), "born": born(os.getpid())},
        )

    def began(self, job: Job) -> None:
        """Write that a worker has been given a job."""
        self._write(f"{_kind(job)} started", key=key(job), what=_what(job))

    def finished(self, record: Record, seconds: float) -> None:
        """Write what a job came to."""
        told = {"message": record.message} if record.message else {}
        self._write(
            f"{_kind(record.job)} finished",
            key=key(record.job),
            what=_what(record.job),
            status=record.status,
            seconds=round(seconds, 3),
            **told,
        )

    def stopped(self, why: str) -> None:
        """Write why the run has ended."""
        self._write("stopped", why=why)

    def _write(self, event: str, **more: Any) -> None:  # noqa: ANN401  any JSON value
        line = {"event": event, "at": round(time.time(), 3), "elapsed": round(time.monotonic() - self._began, 3)}
        # Seen by a reader at once; what a crash of the machine loses, the records say anyway.
        with writing(self._path), self._path.open("ab") as file:
            file.write(json.dumps({**line, **more}).encode() + b"\n")


def _end_torn_line(path: Path) -> None:
    """Let the next line be one of its own where the last one was torn."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def _kind(job: Job) -> str:
    return "trial" if isinstance(job, Trial) else "probe"


def _what(job: Job) -> str:
    """Return what a job is, in words that tell it from most others."""
    if isinstance(job, Trial):
        return f"{job.task}, {job.norm}, seed {job.seed}"
    return f"{job.name}: {', '.join(job.norms)}"


def read_events(folder: Path) -> Iterator[Event]:
    """Yield the events of a study's last run, the first of them ``started``; nothing where it never ran.

    A line that is torn, as the last one of a process that was killed may be, is left out.

    Args:
        folder: the study's folder.
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


def born(pid: int) -> str | None:
    """Return when a process of this machine was born, which no later one of the same number shares.

    None where there is no such process, or no way to ask.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    # One that is dead and waits to be asked after runs no more.
    return None if fields[0] in "ZX" else fields[19]
