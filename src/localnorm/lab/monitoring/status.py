"""Status of a study or search, read from its folder without locking or changing it."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from localnorm.lab.monitoring.callback import DONE, INTERRUPTED
from localnorm.lab.monitoring.events import Event, read_events, start_time
from localnorm.lab.records.store import Store
from localnorm.lab.study.folder import held_file

RunState = Literal["not known", "running", "done", "interrupted", "error", "killed", "on another machine"]


@dataclass(frozen=True)
class RunningJob:
    """A job that a worker runs.

    Attributes:
        key: of its record.
        what: a description of the job.
        seconds: since it started.
    """

    key: str
    what: str
    seconds: float


@dataclass(frozen=True)
class Pace:
    """The speed of a run.

    Attributes:
        per_minute: jobs finished per minute; None before the first.
        seconds_left: estimated time for the remaining jobs; None before the first. The longest jobs run first, so
            the estimate is usually too high.
    """

    per_minute: float | None
    seconds_left: float | None

    @classmethod
    def of(cls, seconds: float, finished: int, remaining: int) -> Pace:
        """Return the speed of a run that has finished some jobs in some seconds.

        Example:
            >>> Pace.of(30.0, finished=10, remaining=5)
            Pace(per_minute=20.0, seconds_left=15.0)
            >>> Pace.of(30.0, finished=0, remaining=5)
            Pace(per_minute=None, seconds_left=None)
        """
        if not finished or seconds <= 0:
            return cls(None, None if remaining else 0.0)
        return cls(60 * finished / seconds, remaining * seconds / finished)


@dataclass(frozen=True)
class RunStatus:
    """The status of the last run in a folder.

    Attributes:
        state: what the run does, or how it ended. Whether a run on another machine is still alive is not known.
        why: the error that ended it; empty for none.
        total: number of jobs known so far; None if no run is known.
        done: number of jobs with a record.
        statuses: the number of finished jobs by the status of their record; empty if no run is known.
        running: the jobs that workers run, or ran when the run was killed.
        workers: number of worker processes; 0 if no run is known.
        seconds: duration of the run so far.
        silent: seconds since its last event, by the clocks of both machines.
        progress: its speed.
        stage: the part of a search that runs; empty for a study.
    """

    state: RunState
    why: str
    total: int | None
    done: int
    statuses: Mapping[str, int]
    running: tuple[RunningJob, ...]
    workers: int
    seconds: float
    silent: float
    progress: Pace
    stage: str = ""

    @property
    def failed(self) -> int:
        """Number of finished jobs without a result: they diverged, failed or ran out of memory."""
        return sum(count for status, count in self.statuses.items() if status not in ("ok", "pruned"))


def read_status(folder: Path) -> RunStatus:
    """Return the status of the study or search in a folder.

    Args:
        folder: the folder.

    Raises:
        RecordError: the folder does not exist, or holds neither a study nor a search.
    """
    held_file(folder)
    events = list(read_events(folder))
    if events:
        return _from_events(events, Store(folder).records)
    done = sum(path.suffix == ".json" for path in Store(folder).records.glob("*"))
    return RunStatus("not known", "", None, done, {}, (), 0, 0.0, 0.0, Pace(None, None))


def _from_events(events: list[Event], records: Path) -> RunStatus:
    start, last = events[0], events[-1]
    total, kept, stage = start["total"], start["kept"], ""
    running: dict[str, Event] = {}
    statuses: Counter[str] = Counter(start["statuses"])
    finished = 0
    for event in events[1:]:
        if event["event"] == "planned":
            total, kept, stage = event["total"], event["kept"], event["stage"]
        elif event["event"].endswith(" finished"):
            running.pop(event["key"], None)
            statuses[event["status"]] += 1
            finished += 1
        elif event["event"].endswith(" started"):
            running[event["key"]] = event
    state, why = _state(start["process"], last)
    silent = max(0.0, time.time() - last["at"])
    # The clock may have been set back since the last event.
    seconds = last["elapsed"] + (silent if state == "running" else 0.0)
    # A worker writes the record before it tells the driver, which may be killed in between.
    written = {key for key in running if (records / f"{key}.json").exists()}
    done = kept + finished + len(written)
    return RunStatus(
        state,
        why,
        total,
        done,
        dict(statuses),
        tuple(
            RunningJob(key, event["what"], round(seconds - event["elapsed"], 3))
            for key, event in running.items()
            if key not in written and state != "done"
        ),
        start["workers"],
        round(seconds, 3),
        round(silent, 3),
        Pace.of(seconds, finished + len(written), total - done),
        stage,
    )


def _state(process: Mapping[str, Any], last: Event) -> tuple[RunState, str]:
    if last["event"] == "stopped":
        why = str(last["why"])
        states: dict[str, RunState] = {DONE: "done", INTERRUPTED: "interrupted"}
        return states.get(why, "error"), "" if why in states else why
    if process["host"] != socket.gethostname():
        return "on another machine", ""
    return "running" if _is_alive(process["pid"], process["born"]) else "killed", ""


def _is_alive(pid: int, since: str | None) -> bool:
    """Whether a process of this machine is alive and has not been replaced by one with the same PID."""
    if since is not None:
        return start_time(pid) == since
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
