"""Callbacks of a run: the event log, the status from another process, and the progress display."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import faults
from localnorm.commands.progress import ProgressDisplay
from localnorm.commands.status import lines
from localnorm.errors import FolderError, RecordError
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.monitoring.callback import DONE, INTERRUPTED, Callback, RunStart
from localnorm.lab.monitoring.events import EVENTS_FILE, EventFile, read_events
from localnorm.lab.monitoring.status import read_status
from localnorm.lab.records.record import Job, Record, Trial, key
from localnorm.lab.records.store import Store
from localnorm.lab.run.compare import compare
from localnorm.lab.run.tune import make_tuning, tune
from localnorm.lab.study.study_file import write_study
from localnorm.lab.tasks import task_studies
from user_runners import at_once, localnorm, start, until, watch_for_ever

TRIALS = [Trial("tiny", "small", "none", seed, 1e-3, 8, 1) for seed in range(4)]


def _watched(folder: Path, why: str | None = None) -> EventFile:
    """Write the events of a run: one job kept, one finished well, one diverged, one still at."""
    write_study(folder, faults.study())
    file = EventFile(folder)
    file.run_started(RunStart(5, 1, (), 2, {"ok": 1}))
    for trial in TRIALS[:3]:
        file.job_started(trial)
    file.job_finished(Record(TRIALS[0], "ok"), 1.25)
    file.job_finished(Record(TRIALS[1], "diverged", "in epoch 1"), 0.5)
    if why is not None:
        file.run_stopped(why)
    return file


def test_events_say_what_happened(tmp_path: Path):
    _watched(tmp_path, DONE)
    events = [json.loads(line) for line in (tmp_path / EVENTS_FILE).read_text().splitlines()]
    assert [event["event"] for event in events] == [
        "started", *["trial started"] * 3, *["trial finished"] * 2, "stopped"
    ]  # fmt: skip
    assert [event.get("key") for event in events[1:4]] == [key(trial) for trial in TRIALS[:3]]
    assert {name: events[5][name] for name in ("key", "what", "status", "seconds", "message")} == {
        "key": key(TRIALS[1]),
        "what": "tiny, none, seed 1",
        "status": "diverged",
        "seconds": 0.5,
        "message": "in epoch 1",
    }
    assert events[-1]["why"] == DONE
    elapsed = [event["elapsed"] for event in events]
    assert elapsed == sorted(elapsed)
    # The minute in which this test runs, by the clock.
    assert all(abs(event["at"] - time.time()) < 60 for event in events)


@pytest.mark.parametrize("torn", ['{"event": "trial fin', "\0\0", "[1]", '{"event": "stopped", "why": "\\'])
def test_a_torn_line_is_left_out_and_the_next_run_begins_a_line_of_its_own(tmp_path: Path, torn: str):
    _watched(tmp_path)
    before = list(read_events(tmp_path))
    with (tmp_path / EVENTS_FILE).open("a") as file:
        file.write(torn)
    assert list(read_events(tmp_path)) == before
    assert read_status(tmp_path).done == 3
    _watched(tmp_path, INTERRUPTED)
    lines = (tmp_path / EVENTS_FILE).read_text().splitlines()
    assert (len(lines), lines[6]) == (6 + 1 + 7, torn)
    assert [event["event"] for event in read_events(tmp_path)][:2] == ["started", "trial started"]
    assert len(list(read_events(tmp_path))) == 7


def test_a_file_that_cannot_be_written_is_an_error_that_says_so(tmp_path: Path):
    (tmp_path / EVENTS_FILE).symlink_to("/dev/full")
    with pytest.raises(FolderError, match=r"got No space left on device for .*events\.jsonl; free some space"):
        _watched(tmp_path)


def _rewrite(folder: Path, change: Callable[[list[dict]], None]) -> None:
    events = list(read_events(folder))
    for place, event in enumerate(events):
        event["elapsed"] = place
    change(events)
    (folder / EVENTS_FILE).write_text("".join(json.dumps(event) + "\n" for event in events))


def _elsewhere(events: list[dict]) -> None:
    events[0]["process"]["host"] = socket.gethostname() + "-other"


def _gone(events: list[dict]) -> None:
    events[0]["process"]["born"] = "1"


def _later(events: list[dict]) -> None:
    """Make it a run of a clock that was set back since."""
    for event in events:
        event["at"] += 86_400


STATES = {
    "running": (None, lambda _: None, "running", 1),
    "done": (DONE, lambda _: None, "done", 0),
    "interrupted": (INTERRUPTED, lambda _: None, "interrupted", 1),
    "an error": ("LabError: free some memory", lambda _: None, "error", 1),
    "killed": (None, _gone, "killed", 1),
    "elsewhere": (None, _elsewhere, "on another machine", 1),
    "clock set back": (None, _later, "running", 1),
}


@pytest.mark.parametrize(("why", "change", "state", "running"), STATES.values(), ids=STATES)
def test_status_tells_how_far_a_study_is_and_changes_nothing(
    tmp_path: Path, why: str | None, change: Callable, state: str, running: int
):
    _watched(tmp_path, why)
    _rewrite(tmp_path, change)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    found = read_status(tmp_path)
    assert (found.state, found.total, found.done, found.failed, found.workers) == (state, 5, 3, 1, 2)
    assert found.statuses == {"ok": 2, "diverged": 1}
    assert [job.what for job in found.running] == ["tiny, none, seed 2"] * running
    assert found.why == (why if state == "error" else "")
    # Two of four in the time so far, and two are left.
    assert 5 <= found.seconds < 60
    assert found.progress.seconds_left == pytest.approx(found.seconds, abs=0.01)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_record_whose_driver_was_killed_before_it_heard_of_it_is_done(tmp_path: Path):
    _watched(tmp_path)
    Store(tmp_path).write(Record(TRIALS[2], "ok"))
    found = read_status(tmp_path)
    assert (found.done, found.running) == (4, ())


def test_a_study_without_events_has_its_records_counted(tmp_path: Path):
    with pytest.raises(RecordError, match=r"must hold study\.json or tune\.json, got .*, which holds neither"):
        read_status(tmp_path)
    faults.prepare(tmp_path)
    found = read_status(tmp_path)
    assert (found.state, found.total, found.done) == ("not known", None, 3)
    assert lines(found) == ["3 records; no run is known here"]


def test_lines_for_a_person(tmp_path: Path):
    _watched(tmp_path)
    (head, rate, job) = lines(read_status(tmp_path))
    assert head == "running: 3 of 5 jobs done (2 ok, 1 diverged), 1 running, 1 waiting"
    assert "0 s with 2 workers" in rate
    assert job == "running: tiny, none, seed 2 (0 s)"
    _watched(tmp_path, "LabError: free some memory")
    assert lines(read_status(tmp_path))[1] == "it ended with LabError: free some memory"


def test_status_from_another_terminal_of_a_run_that_is_killed(tmp_path: Path):
    write_study(tmp_path, faults.study())
    process = start(watch_for_ever, tmp_path)
    assert until(lambda: len(list(read_events(tmp_path))) == 2)
    told = {}
    for state in ("running", "killed"):
        out, err = localnorm("status", tmp_path, "--json").communicate(timeout=60)
        assert not err
        told[state] = json.loads(out)
        process.kill()
        process.wait()
    assert {state: found["state"] for state, found in told.items()} == {"running": "running", "killed": "killed"}
    assert [found["total"] for found in told.values()] == [7, 7]
    assert [found["decided"] for found in told.values()] == [0, 0]
    out, _ = localnorm("status", tmp_path).communicate(timeout=60)
    assert f"0 of {told['killed']['comparisons']} comparisons with none are decided" in out


def test_progress_display(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    display = ProgressDisplay(tmp_path)
    display.run_started(RunStart(6, 2, (), 2, {"ok": 1, "failed": 1}))
    for trial in TRIALS[:3]:
        display.job_started(trial)
    # Again, as where its worker has died.
    display.job_started(TRIALS[2])
    display.job_finished(Record(TRIALS[0], "diverged"), 1.0)
    display.job_finished(Record(TRIALS[1], "ok"), 1.0)
    assert capsys.readouterr().err.startswith("2 of 6 jobs are in ")
    assert display.details.startswith("1 running, 2 failed, ")
    assert display.details.endswith(" per minute, 0 s left")
    assert display.count == 2
    display.run_stopped(DONE)


class _Notes(Callback):
    """Keeps a list of its calls."""

    def __init__(self, fails: bool = False):
        self.heard: list = []
        self.fails = fails

    def run_started(self, start: RunStart):
        self.heard.append(("started", start.total, start.kept, start.statuses))

    def job_started(self, job: Job):
        self.heard.append(("began", key(job)))
        if self.fails:
            raise ValueError("a callback's own")

    def job_finished(self, record: Record, seconds: float):
        assert seconds > 0
        self.heard.append(("finished", key(record.job)))

    def run_stopped(self, why: str):
        self.heard.append(("stopped", why))


def test_compare_calls_its_callbacks_and_writes_events(tmp_path: Path):
    faults.prepare(tmp_path)
    names = [key(trial) for trial in faults.trials()]
    run = partial(compare, faults.study(), tmp_path, EngineSetup(workers=1), function=at_once)

    failing = _Notes(fails=True)
    with pytest.raises(ValueError, match="a callback's own"):
        list(run(callbacks=[failing]))
    assert failing.heard[-1] == ("stopped", "ValueError: a callback's own")
    assert lines(read_status(tmp_path))[1] == "it ended with ValueError: a callback's own"

    notes = _Notes()
    assert [key(record.job) for record in run(callbacks=[notes])] == names
    began, finished = ([name for what, name, *_ in notes.heard if what == kind] for kind in ("began", "finished"))
    assert began == finished == names
    assert notes.heard[0] == ("started", 7, 3, {"failed": 3})
    assert notes.heard[-1] == ("stopped", DONE)
    assert [e["key"] for e in read_events(tmp_path) if e["event"] == "trial finished"] == names
    found = read_status(tmp_path)
    assert (found.state, found.done, found.statuses) == ("done", 7, {"failed": 3, "ok": 4})


def test_a_search_has_events_and_a_status(tmp_path: Path):
    tuning = make_tuning(task_studies(["user_tasks:tiny"])[0], "user_norms:scaled", trials=2, seeds=1)
    notes = _Notes()
    count = len(list(tune(tuning, tmp_path, EngineSetup(workers=1), callbacks=[notes])))
    assert notes.heard[0] == ("started", 2, 0, {})
    assert notes.heard[-1] == ("stopped", DONE)
    planned = [event for event in read_events(tmp_path) if event["event"] == "planned"]
    assert [event["stage"] for event in planned] == ["choosing", "comparing"]
    found = read_status(tmp_path)
    assert (found.state, found.stage, found.done) == ("done", "comparing", count)
    assert found.total == count == len(Store(tmp_path).read()[0])
    # Run again, all is there.
    assert not list(tune(tuning, tmp_path, EngineSetup(workers=1)))
    again = read_status(tmp_path)
    assert (again.state, again.done, again.total) == ("done", count, count)
