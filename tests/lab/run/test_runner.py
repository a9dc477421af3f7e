"""Jobs in the pool: each runs once, whatever dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import user_runners
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.records.record import Trial, key
from localnorm.lab.records.store import Store
from localnorm.lab.run.runner import run_jobs
from user_runners import alive, pids, runner, trials, until


def _keys(store: Store) -> set[str]:
    sound, damaged = store.read()
    assert not damaged
    return set(sound)


def test_every_job_is_run_once_those_alone_first_and_stored_before_it_is_yielded(tmp_path: Path):
    store = Store(tmp_path)
    jobs = trials(tmp_path, "meets", "alone", "meets", "quick", "alone")
    seen = []
    for record in run_jobs(
        jobs, store, EngineSetup(workers=2), alone=lambda job: job.norm == "alone", function=runner
    ):
        assert key(record.job) in _keys(store)
        seen.append(record)
    assert [record.job.seed for record in seen[:2]] == [1, 4]
    assert sorted(record.job.seed for record in seen) == [0, 1, 2, 3, 4]
    # Two meet only where two processes run at once; those alone have one, which ends before the others begin.
    assert [len(pids(tmp_path, fate)) for fate in ("alone", "meets")] == [1, 2]
    assert not pids(tmp_path, "alone") & pids(tmp_path, "meets")
    assert os.getpid() not in pids(tmp_path)
    ended, began = [r.timing["ran"][1] for r in seen[:2]], [r.timing["ran"][0] for r in seen[2:]]
    assert max(ended) <= min(began)


def test_no_jobs_start_no_process(tmp_path: Path):
    assert not list(run_jobs([], Store(tmp_path), EngineSetup(workers=2), function=runner))
    assert not list(tmp_path.iterdir())


def test_closing_early_kills_the_workers_and_what_is_missing_can_be_run(tmp_path: Path):
    store, jobs = Store(tmp_path), trials(tmp_path, "meets", "meets", "waits", "waits")
    records = run_jobs(jobs, store, EngineSetup(workers=2), function=runner)
    # Two that meet: both workers are ready then.
    assert {next(records).job, next(records).job} == set(jobs[:2])
    assert until(lambda: len(pids(tmp_path, "waits")) == 2)
    workers = pids(tmp_path)
    assert all(map(alive, workers))
    records.close()
    assert not any(map(alive, workers))
    assert _keys(store) == set(map(key, jobs[:2]))


def test_an_error_of_a_runner_ends_the_run_and_kills_the_workers(tmp_path: Path):
    jobs = [*trials(tmp_path, "waits"), Trial("task", str(tmp_path / "absent"), "quick", 0, 1.0, 1, 1)]
    with pytest.raises(FileNotFoundError):
        list(run_jobs(jobs, Store(tmp_path), EngineSetup(workers=2), function=runner))
    assert not any(map(alive, pids(tmp_path)))


def test_workers_end_when_their_parent_is_killed(tmp_path: Path):
    parent = user_runners.start(user_runners.run_for_ever, tmp_path, 2)
    assert until(lambda: len(pids(tmp_path)) == 2)
    workers = pids(tmp_path)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert until(lambda: not any(map(alive, workers)), seconds=10)
    assert not _keys(Store(tmp_path))
