"""How far a study is, told from its folder alone: nothing is written and nothing locked, so anyone may look."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from localnorm.lab.monitoring.events import Event, born, read_events
from localnorm.lab.monitoring.watcher import DONE, INTERRUPTED
from localnorm.lab.records.store import Store
from localnorm.lab.study.study_file import read_study

State = Literal["not known", "running", "done", "interrupted", "error", "killed", "on another machine"]


@dataclass(frozen=True)
class Running:
    """A job that a worker is at.

    Attributes:
        key: of its record.
        what: the job in words.
        seconds: since it began.
    """

    key: str
    what: str
    seconds: float


@dataclass(frozen=True)
class Progress:
    """How fast a run is.

    Attributes:
        per_minute: jobs that it finished a minute; None before the first.
        seconds_left: for the jobs left at that rate; None before the first. The longest jobs run first, so this
            is more often too much than too little.
    """

    per_minute: float | None
    seconds_left: float | None

    @classmethod
    def after(cls, seconds: float, finished: int, rest: int) -> Progress:
        """Return the rate of a run that has finished some jobs in some seconds and has the rest left.

        Example:
            >>> Progress.after(30.0, finished=10, rest=5)
            Progress(per_minute=20.0, seconds_left=15.0)
            >>> Progress.after(30.0, finished=0, rest=5)
            Progress(per_minute=None, seconds_left=None)
        """
        if not finished or seconds <= 0:
            return cls(None, None if rest else 0.0)
        return cls(60 * finished / seconds, rest * seconds / finished)


@dataclass(frozen=True)
class Status:
    """How far a study is.

    Attributes:
        state: what its last run does, or how it ended: by an error, or without a word (killed). Whether one on
            another machine still runs can't be told from here.
        why: the error that it ended with; empty for none.
        total: jobs of the study; None where no run is known.
        done: jobs with a record.
        statuses: the jobs done by the status of their records; empty where no run is known.
        running: the jobs that workers are at, or were at when it was killed.
        workers: number of worker processes; 0 where no run is known.
        seconds: how long the last run has taken, so far.
        silent: seconds since its last event, by the clocks of both machines.
        progress: its rate.
    """

    state: State
    why: str
    total: int | None
    done: int
    statuses: Mapping[str, int]
    running: tuple[Running, ...]
    workers: int
    seconds: float
    silent: float
    progress: Progress

    @property
    def failed(self) -> int:
        """Jobs done that have no result: they diverged, failed or ran out of memory."""
        return sum(count for status, count in self.statuses.items() if status != "ok")


def read_status(folder: Path) -> Status:
    """Return how far the study in a folder is; nothing there is changed.

    Args:
        folder: the study's folder.

    Raises:
        RecordError: no study there, or one that can't be read.
    """
    read_study(folder)
    events = list(read_events(folder))
    if events:
        return _told(events, Store(folder).records)
    done = sum(path.suffix == ".json" for path in Store(folder).records.glob("*"))
    return Status("not known", "", None, done, {}, (), 0, 0.0, 0.0, Progress(None, None))


def _told(events: list[Event], records: Path) -> Status:
    start, last = events[0], events[-1]
    running: dict[str, Event] = {}
    statuses: Counter[str] = Counter(start["statuses"])
    finished = 0
    for event in events:
        if event["event"].endswith(" finished"):
            running.pop(event["key"], None)
            statuses[event["status"]] += 1
            finished += 1
        elif event["event"].endswith(" started"):
            running[event["key"]] = event
    state, why = _state(start["process"], last)
    silent = max(0.0, time.time() - last["at"])
    # Of a run that goes on time goes on; the clock may have been set back meanwhile.
    seconds = last["elapsed"] + (silent if state == "running" else 0.0)
    # A record is written before its worker says so, and a driver may be killed in between.
    written = {key for key in running if (records / f"{key}.json").exists()}
    done = start["kept"] + finished + len(written)
    return Status(
        state,
        why,
        start["total"],
        done,
        dict(statuses),
        tuple(
            Running(key, event["what"], round(seconds - event["elapsed"], 3))
            for key, event in running.items()
            if key not in written and state != "done"
        ),
        start["workers"],
        round(seconds, 3),
        round(silent, 3),
        Progress.after(seconds, finished + len(written), start["total"] - done),
    )


def _state(process: Mapping[str, Any], last: Event) -> tuple[State, str]:
    if last["event"] == "stopped":
        why = str(last["why"])
        states: dict[str, State] = {DONE: "done", INTERRUPTED: "interrupted"}
        return states.get(why, "error"), "" if why in states else why
    if process["host"] != socket.gethostname():
        return "on another machine", ""
    return "running" if _lives(process["pid"], process["born"]) else "killed", ""


def _lives(pid: int, since: str | None) -> bool:
    """Whether a process of this machine lives, and not a later one of its number."""
    if since is not None:
        return born(pid) == since
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
