"""Conformance suite of the engines: every call gets an answer, and nothing waits for a dead or stuck worker."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localnorm.errors import LabError
from localnorm.lab.engines.base import Engine, TimedOutError, WorkerDiedError
from localnorm.lab.engines.choice import EngineOptions, EngineSetup, started
from localnorm.lab.records.record import Job, Probe, Record, key
from localnorm.lab.records.store import Store
from localnorm.lab.run.runner import run_jobs
from user_runners import alive, pids, runner, trials, until


class _UnpicklableError(Exception):
    def __init__(self, one: str, other: str):
        super().__init__(one + other)


def _fail():
    raise ValueError("a rule")


def _fail_unpicklably():
    raise _UnpicklableError("one", "other")


def _lambda():
    return lambda: 0


def _mark_and_wait(mark: Path):
    mark.write_text(str(os.getpid()))
    time.sleep(60)


def _pid_of(mark: Path) -> int:
    assert until(lambda: mark.exists() and mark.read_text())
    return int(mark.read_text())


def _kill(mark: Path) -> int:
    os.kill(pid := _pid_of(mark), signal.SIGKILL)
    return pid


def _surroundings() -> tuple[int, str, list[str]]:
    import torch

    return torch.get_num_threads(), str(Path.cwd()), sys.path


@pytest.fixture(scope="module", params=["pool", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Iterator[EngineSetup]:
    if request.param == "ray":
        pytest.importorskip("ray")
    with started(EngineOptions(request.param, workers=2)) as engine:
        yield engine


@pytest.fixture(scope="module")
def two(engine: EngineSetup) -> Iterator[Engine[Any]]:
    """Two workers for all tests that leave two behind: it takes seconds to start one."""
    with engine.make(2, lambda _: None) as two:
        yield two


def test_values_and_problems_come_under_their_names_from_workers_that_live_on(two: Engine[Any]):
    calls = {"pid": os.getpid, "fails": _fail, "odd": _fail_unpicklably, "no value": _lambda}
    for name, call in calls.items():
        two.submit(name, call)
    done = {finished.name: finished for finished in two.results()}
    assert done.keys() == calls.keys()
    assert isinstance(done["fails"].problem, ValueError)
    assert "_fail" in done["fails"].problem.__notes__[0]
    assert str(done["odd"].problem) == "_UnpicklableError: oneother"
    assert "pickle" in str(done["no value"].problem)
    for number in range(20):
        two.submit(str(number), os.getpid)
    later = {finished.value for finished in two.results()}
    assert done["pid"].value in later
    assert len(later) <= two.capacity == 2
    assert os.getpid() not in later


def test_calls_submitted_while_results_come_run_at_once_up_to_the_capacity(two: Engine[Any], tmp_path: Path):
    for number, job in enumerate(trials(tmp_path, "meets", "meets")):
        two.submit(str(number), partial(runner, job))
    names = []
    for finished in two.results():
        assert finished.problem is None
        names.append(finished.name)
        if len(names) < 4:
            two.submit(str(len(names) + 1), os.getpid)
    assert sorted(names) == ["0", "1", "2", "3", "4"]


def test_a_cancelled_call_has_no_result_and_its_worker_is_replaced(two: Engine[Any], tmp_path: Path):
    two.submit("waits", partial(_mark_and_wait, tmp_path / "mark"))
    two.submit("pid", partial(_pid_of, tmp_path / "mark"))
    results = two.results()
    stuck = next(results).value
    two.submit("dropped", _fail)
    two.cancel("waits")
    two.cancel("dropped")
    two.submit("last", os.getpid)
    (finished,) = results
    assert finished.name == "last"
    assert finished.value != stuck
    assert until(lambda: not alive(stuck))


def test_a_killed_worker_is_found_out_and_replaced(two: Engine[Any], tmp_path: Path):
    two.submit("dies", partial(_mark_and_wait, tmp_path / "mark"))
    two.submit("kills", partial(_kill, tmp_path / "mark"))
    done = {finished.name: finished for finished in two.results()}
    assert isinstance(done["dies"].problem, WorkerDiedError)
    assert "\n" not in str(done["dies"].problem)
    for number, job in enumerate(trials(tmp_path, "meets", "meets")):
        two.submit(str(number), partial(runner, job))
    assert {finished.problem for finished in two.results()} == {None}
    assert done["kills"].value not in pids(tmp_path, "meets")


def test_a_call_past_its_time_is_ended_with_its_worker_and_others_are_not(two: Engine[Any], tmp_path: Path):
    began = time.monotonic()
    two.submit("hangs", partial(_mark_and_wait, tmp_path / "mark"), seconds=1.5)
    two.submit("quick", os.getpid, seconds=30)
    two.submit("as long as it likes", partial(time.sleep, 2))
    done = {finished.name: finished for finished in two.results()}
    two.submit("next", os.getpid, seconds=30)
    assert next(two.results()).problem is None
    # Long before it would have ended by itself.
    assert time.monotonic() - began < 45
    assert isinstance(done["hangs"].problem, TimedOutError)
    assert str(done["hangs"].problem) == "it took more than 1.5 seconds"
    assert done["quick"].problem is done["as long as it likes"].problem is None
    assert until(lambda: not alive(_pid_of(tmp_path / "mark")))


def test_a_new_worker_has_what_its_parent_has_one_thread_and_no_clock_before_it_is_ready(
    engine: EngineSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    handed_out: list[str] = []
    with engine.make(1, handed_out.append) as one:
        # Starting a worker takes longer than that.
        one.submit("pid", os.getpid, seconds=1)
        pid = next(one.results()).value
        assert pid is not None
        one.submit("surroundings", _surroundings)
        threads, folder, path = next(one.results()).value
        assert (threads, folder, handed_out) == (1, str(tmp_path), ["pid", "surroundings"])
        assert str(tmp_path / "own") in path
        one.submit("waits", partial(_mark_and_wait, tmp_path / "mark"))
        began = time.monotonic()
    # Killed, not asked to finish: the tenth of a second that takes is far below this.
    assert time.monotonic() - began < 15
    assert until(lambda: not alive(pid))


def _keys(store: Store) -> set[str]:
    sound, damaged = store.read()
    assert not damaged
    return set(sound)


def test_every_job_is_stored_once_though_a_worker_dies_and_those_alone_come_first(
    engine: EngineSetup, tmp_path: Path
):
    store = Store(tmp_path)
    jobs = trials(tmp_path, "quick", "dies once", "alone", "quick")
    done = []
    for record in run_jobs(
        jobs, store, replace(engine, workers=2), alone=lambda job: job.norm == "alone", function=runner
    ):
        assert key(record.job) in _keys(store)
        done.append(record.job.seed)
    assert done[0] == 2
    assert sorted(done) == [0, 1, 2, 3]
    assert len(pids(tmp_path, "dies once")) == 2
    assert os.getpid() not in pids(tmp_path)
    assert not list(store.records.glob(".*")), "what was temporary is left"


def test_a_job_that_kills_two_workers_ends_the_run_and_the_rest_is_kept(engine: EngineSetup, tmp_path: Path):
    jobs = trials(tmp_path, "quick", "quick", "dies")
    said = rf"killed during the job {key(jobs[2])} \(.+\); free some memory or pass fewer --workers, "
    with pytest.raises(LabError, match=said + "and run the same command again: finished jobs are kept"):
        list(run_jobs(jobs, Store(tmp_path), replace(engine, workers=1), function=runner))
    assert _keys(Store(tmp_path)) == set(map(key, jobs[:2]))
    assert len(pids(tmp_path, "dies")) == 2
    assert len(list(tmp_path.glob("quick.*"))) == 2, "a finished job was run again"


def _fated(job: Job) -> Record:
    """Run a job as its norm says; a probe takes a while, and one that writes hangs after it."""
    if isinstance(job, Probe):
        time.sleep(3)
        return Record(job, "ok")
    record = runner(job)
    if job.norm == "writes":
        Store(Path(job.model)).write(record)
        time.sleep(60)
    return record


def test_trials_that_hang_get_records_that_say_so(engine: EngineSetup, tmp_path: Path):
    """A record that was there before its trial was ended is kept, and probes have no limit."""
    jobs, store = (
        [*trials(tmp_path, "quick", "waits", "writes", "quick"), Probe("scope", ("none",))],
        Store(tmp_path),
    )
    records = run_jobs(jobs, store, replace(engine, workers=2, trial_seconds=2), function=_fated)
    ended = {key(record.job): record for record in records}
    assert [ended[key(job)].status for job in jobs] == ["ok", "timed out", "ok", "ok", "ok"]
    late = ended[key(jobs[1])]
    assert (late.message, late.results) == ("it took more than 2 seconds", {})
    assert store.read() == (ended, ())
    assert until(lambda: not any(map(alive, pids(tmp_path, "w*"))))


def test_jobs_that_no_memory_lasts_for_or_that_end_their_process_get_records_that_say_so(
    engine: EngineSetup, tmp_path: Path
):
    jobs, store = trials(tmp_path, "no memory", "exits", "quick"), Store(tmp_path)
    records = run_jobs(jobs, store, replace(engine, workers=1), function=runner)
    ended = {key(record.job): record for record in records}
    assert [(ended[key(job)].status, ended[key(job)].message) for job in jobs] == [
        ("out of memory", "MemoryError: no room for its record"),
        ("failed", "SystemExit: enough"),
        ("ok", ""),
    ]
    assert store.read() == (ended, ())
    assert [len(pids(tmp_path, job.norm)) for job in jobs] == [1, 1, 1]


def test_records_come_back_where_the_folder_is_not_shared(
    engine: EngineSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def unseen(folder: Path) -> Iterator[Path]:
        yield folder / "not there"

    monkeypatch.setattr("localnorm.lab.run.runner.shared_marker", unseen)
    jobs, store = trials(tmp_path, "quick", "quick"), Store(tmp_path)
    for record in run_jobs(jobs, store, replace(engine, workers=1), function=runner):
        assert store.find(key(record.job)) == record
    assert len(store.read()[0]) == 2
