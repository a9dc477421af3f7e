"""The exam of every engine: what is asked for is answered, and nothing waits for a dead or stuck worker."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from localnorm.errors import LabError
from localnorm.lab.engine import run
from localnorm.lab.engine_choice import EngineChoice, OpenedEngine, opened
from localnorm.lab.engine_interface import TimedOutError, WorkerDiedError
from localnorm.lab.records import Probe, key
from localnorm.lab.store import Store
from own_runners import alive, pids, runner, trials, until


class _UnpicklableError(Exception):
    def __init__(self, one: str, other: str):
        super().__init__(one + other)


def _fail():
    raise ValueError("a rule")


def _fail_unpicklably():
    raise _UnpicklableError("one", "other")


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


@pytest.fixture(scope="module", params=["pool", "ray"])
def engine(request: pytest.FixtureRequest) -> Iterator[OpenedEngine]:
    if request.param == "ray":
        pytest.importorskip("ray")
    with opened(EngineChoice(request.param, workers=2)) as engine:
        yield engine


def test_values_and_problems_come_under_their_names_from_workers_that_live_on(engine: OpenedEngine):
    calls = {"pid": os.getpid, "fails": _fail, "odd": _fail_unpicklably, "no value": _lambda, "again": os.getpid}
    with engine.open_engine(1) as workers:
        assert workers.capacity == 1
        for name, call in calls.items():
            workers.submit(name, call)
        done = {finished.name: finished for finished in workers.results()}
    assert list(done) == list(calls)
    assert done["pid"].value == done["again"].value != os.getpid()
    assert isinstance(done["fails"].problem, ValueError)
    assert "_fail" in done["fails"].problem.__notes__[0]
    assert str(done["odd"].problem) == "_UnpicklableError: oneother"
    assert "pickle" in str(done["no value"].problem)
    assert until(lambda: not alive(done["pid"].value))


def _lambda():
    return lambda: 0


def test_workers_have_one_thread_and_find_what_their_parent_finds(
    engine: OpenedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    with engine.open_engine(1) as workers:
        workers.submit("surroundings", _surroundings)
        threads, folder, path = next(workers.results()).value
    assert (threads, folder) == (1, str(tmp_path))
    assert str(tmp_path / "own") in path


def test_calls_submitted_while_results_come_run_at_once_up_to_the_capacity(engine: OpenedEngine, tmp_path: Path):
    meet = [partial(runner, job) for job in trials(tmp_path, "meets", "meets")]
    with engine.open_engine(2) as workers:
        workers.submit("0", meet[0])
        workers.submit("1", meet[1])
        names = []
        for finished in workers.results():
            assert finished.problem is None
            names.append(finished.name)
            if len(names) < 4:
                workers.submit(str(len(names) + 1), os.getpid)
    assert sorted(names) == ["0", "1", "2", "3", "4"]


def test_a_cancelled_call_has_no_result_and_its_worker_is_replaced(engine: OpenedEngine, tmp_path: Path):
    with engine.open_engine(2) as workers:
        workers.submit("waits", partial(_mark_and_wait, tmp_path / "mark"))
        workers.submit("pid", partial(_pid_of, tmp_path / "mark"))
        results = workers.results()
        stuck = next(results).value
        workers.submit("dropped", _fail)
        workers.cancel("waits")
        workers.cancel("dropped")
        workers.submit("last", os.getpid)
        (finished,) = results
        assert finished.name == "last"
        assert finished.value != stuck
        assert until(lambda: not alive(stuck))


def test_a_killed_worker_is_found_out_and_replaced(engine: OpenedEngine, tmp_path: Path):
    with engine.open_engine(2) as workers:
        workers.submit("dies", partial(_mark_and_wait, tmp_path / "mark"))
        workers.submit("kills", partial(_kill, tmp_path / "mark"))
        done = {finished.name: finished for finished in workers.results()}
        assert isinstance(done["dies"].problem, WorkerDiedError)
        assert "\n" not in str(done["dies"].problem)
        workers.submit("next", os.getpid)
        assert next(workers.results()).value != done["kills"].value


def test_a_call_past_its_time_is_ended_with_its_worker_and_others_are_not(engine: OpenedEngine, tmp_path: Path):
    with engine.open_engine(2) as workers:
        began = time.monotonic()
        workers.submit("hangs", partial(_mark_and_wait, tmp_path / "mark"), seconds=1.5)
        workers.submit("quick", os.getpid, seconds=30)
        workers.submit("as long as it likes", partial(time.sleep, 2))
        done = {finished.name: finished for finished in workers.results()}
        workers.submit("next", os.getpid, seconds=30)
        assert next(workers.results()).problem is None
    # Long before it would have ended by itself, and a worker's start does not count.
    assert time.monotonic() - began < 45
    assert isinstance(done["hangs"].problem, TimedOutError)
    assert str(done["hangs"].problem) == "it took more than 1.5 seconds"
    assert done["quick"].problem is done["as long as it likes"].problem is None
    assert until(lambda: not alive(_pid_of(tmp_path / "mark")))


def test_closing_does_not_wait_for_a_call(engine: OpenedEngine, tmp_path: Path):
    with engine.open_engine(2) as workers:
        workers.submit("waits", partial(_mark_and_wait, tmp_path / "mark"))
        workers.submit("pid", partial(_pid_of, tmp_path / "mark"))
        stuck = next(workers.results()).value
        began = time.monotonic()
    # Killed, not asked to finish: the tenth of a second that takes is far below this.
    assert time.monotonic() - began < 15
    assert until(lambda: not alive(stuck))


def _keys(store: Store) -> set[str]:
    sound, damaged = store.read()
    assert not damaged
    return set(sound)


def test_every_job_is_stored_once_though_a_worker_dies_and_those_alone_come_first(
    engine: OpenedEngine, tmp_path: Path
):
    store = Store(tmp_path)
    jobs = trials(tmp_path, "quick", "dies once", "alone", "quick")
    done = []
    for record in run(
        jobs, store, 2, alone=lambda job: job.norm == "alone", runner=runner, open_engine=engine.open_engine
    ):
        assert key(record.job) in _keys(store)
        done.append(record.job.seed)
    assert done[0] == 2
    assert sorted(done) == [0, 1, 2, 3]
    assert len(pids(tmp_path, "dies once")) == 2
    assert os.getpid() not in pids(tmp_path)
    assert not list(store.records.glob(".*")), "what was temporary is left"


def test_a_job_that_kills_two_workers_ends_the_run(engine: OpenedEngine, tmp_path: Path):
    jobs = trials(tmp_path, "quick", "dies")
    with pytest.raises(LabError, match=f"got two that were killed at the job {key(jobs[1])} "):
        list(run(jobs, Store(tmp_path), 1, runner=runner, open_engine=engine.open_engine))
    assert _keys(Store(tmp_path)) == {key(jobs[0])}


def test_a_trial_that_hangs_gets_a_record_that_says_so(engine: OpenedEngine, tmp_path: Path):
    jobs, store = trials(tmp_path, "quick", "waits", "quick"), Store(tmp_path)
    list(run(jobs, store, 2, runner=runner, open_engine=engine.open_engine, trial_seconds=2))
    sound, damaged = store.read()
    assert not damaged
    assert [sound[key(job)].status for job in jobs] == ["ok", "timed out", "ok"]
    late = sound[key(jobs[1])]
    assert (late.message, late.results) == ("it took more than 2 seconds", {})
    assert until(lambda: not any(map(alive, pids(tmp_path, "waits"))))


def _write_and_hang(job):
    Store(Path(job.model)).write(runner(job))
    time.sleep(60)


def test_a_record_written_before_its_trial_was_ended_is_kept(engine: OpenedEngine, tmp_path: Path):
    (job,) = trials(tmp_path, "quick")
    (record,) = run(
        [job], Store(tmp_path), 1, runner=_write_and_hang, open_engine=engine.open_engine, trial_seconds=2
    )
    assert record.status == "ok"
    assert Store(tmp_path).find(key(job)) == record


def _slow_probe(job):
    from localnorm.lab.records import Record

    time.sleep(1)
    return Record(job, "ok")


def test_a_probe_has_no_limit(engine: OpenedEngine, tmp_path: Path):
    probe = Probe("scope", ("none",))
    (record,) = run(
        [probe], Store(tmp_path), 1, runner=_slow_probe, open_engine=engine.open_engine, trial_seconds=0.1
    )
    assert record.status == "ok"
